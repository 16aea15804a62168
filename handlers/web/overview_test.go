package web

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/html"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/traffic"
)

func world(t *testing.T) *enginetest.World {
	return enginetest.New(t, false, nil,
		source.Source{Installation: enginetest.Installation, ID: "reports", Kind: source.Feedback, Repository: "acme/web"},
		source.Source{Installation: enginetest.Installation, ID: "others", Kind: source.Feedback, Repository: "acme/api"},
		source.Source{Installation: enginetest.Installation, ID: "nowhere", Kind: source.Feedback},
	)
}

// pathOf is the address of a repository's page.
func pathOf(t *testing.T, w *enginetest.World, repository string) string {
	t.Helper()
	return "/projects/" + strings.TrimPrefix(w.Space(repository).Name(), "p/")
}

// lines puts clusters into a project, as many as there are.
func lines(t testing.TB, space storage.Space, all ...issue.Line) {
	t.Helper()
	for len(all) > 0 {
		n := min(len(all), 200)
		var b storage.Batch
		for _, l := range all[:n] {
			issue.SetLine(&b, l)
		}
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
	}
}

// contains fails the test for what a page lacks.
func contains(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, want := range parts {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
			defer t.Log(page)
		}
	}
}

func TestOverviewShowsWhereEverythingIs(t *testing.T) {
	w := world(t)
	h := pages(t, w, Config{Preview: true})
	contains(t, get(t.Context(), h, "GET", "/").Body.String(), "No feedback has arrived yet")
	for i, who := range []string{"mona", "hubot"} {
		w.Take("reports", w.Report("reports", fmt.Sprintf(`{"title": "The CSV export of invoices fails", "body": "The CSV export of invoices fails with an error %d", "author": %q, "external_id": "%d"}`, i, who, i))...)
	}
	w.Settle()
	w.Take("reports", w.Report("reports", `{"title": "It just came in"}`)...)
	w.Take("nowhere", w.Report("nowhere", `{"title": "Nobody knows where"}`)...)
	home := pathOf(t, w, "acme/web")
	arrived := traffic.New(w.DB, w.Now)
	arrived.Project(w.Space("acme/web").Name(), traffic.Counts{Accepted: 2, Duplicates: 3, Rejected: 9})
	if err := arrived.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	contains(t, get(t.Context(), h, "GET", "/").Body.String(),
		`aria-label="Reports taken in, last 14 days: 5, at most 5 a day"`,
		`<a href="`+home+`">acme/web</a>`, "preview", "<strong>2</strong> reports in all, 1 waiting to be grouped", "<strong>1</strong> problem",
		`<a href="`+home+`?state=preview">1 would be filed</a>`, `aria-label="Problems that were found, last 14 days: 1, at most 1 a day"`,
		`href="`+home+`/clusters/000001">The CSV export of invoices fails</a>`, "cohesion ",
		`<a href="/installations/101#held">1 report is held: no route names a repository</a>`,
	)
}

// What hurts most, of a project, is what has an issue or would; what waits comes behind it,
// and what nobody has to look at does not come. Two that are called the same are told apart
// by where they happen.
func TestOverviewSaysWhatHurtsMost(t *testing.T) {
	w := world(t)
	space := w.Space("acme/web")
	lines(t, space,
		issue.Line{Cluster: "000001", Title: "Muted", State: issue.Muted, Hurt: issue.Hurt{People: 90}},
		issue.Line{Cluster: "000002", Title: "Thank you!", State: issue.Held, Hurt: issue.Hurt{People: 80}},
		issue.Line{Cluster: "000003", Title: "ReferenceError", Culprit: "src/pay.js in charge", State: issue.Preview, Hurt: issue.Hurt{People: 2}},
		issue.Line{Cluster: "000004", Title: "ReferenceError", Culprit: "src/cart.js in add", State: issue.Filed, Hurt: issue.Hurt{People: 3}},
		issue.Line{Cluster: "000005", Title: "TypeError in total (src/sum.js)", Culprit: "sum in total", State: issue.Muted, Hurt: issue.Hurt{People: 2}},
	)
	h := pages(t, w, Config{Preview: true})
	page := get(t.Context(), h, "GET", "/").Body.String()
	last := 0
	for _, want := range []string{"src/cart.js in add", "src/pay.js in charge", "Thank you!"} {
		at := strings.Index(page, want)
		if at <= last {
			t.Errorf("%q is at %d, behind %d", want, at, last)
		}
		last = at
	}
	if strings.Contains(page, ">Muted<") {
		t.Error("it shows what is muted")
	}
	if list := get(t.Context(), h, "GET", pathOf(t, w, "acme/web")).Body.String(); !strings.Contains(list, "TypeError in total") || strings.Contains(list, "sum in total") {
		t.Error("it says twice where something happens")
	}
}

// What needs a person is said first, and leads to where it is seen to.
func TestOverviewSaysWhatNeedsAPerson(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "x"}`)...)
	w.Settle()
	space, home := w.Space("acme/web"), pathOf(t, w, "acme/web")
	p, entry, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	p.FileError = `line 3: unknown key "mod" <script>`
	p.Unavailable = "it is archived"
	var b storage.Batch
	project.Save(&b, entry, p)
	b.SetJSON("work/dead/issue/000001", map[string]any{"died": w.Time, "attempts": 3, "error": "GitHub does not <b>like</b> it"})
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	lines(t, space,
		issue.Line{Cluster: "000101", State: issue.Filed, Number: 3, Reports: 1, Regressed: w.Time},
		issue.Line{Cluster: "000102", State: issue.Blocked, Number: 4, Reports: 1},
		issue.Line{Cluster: "000103", State: issue.Blocked, Number: 5, Reports: 1},
	)
	proposed(t, w, "text")
	h := pages(t, w, Config{Preview: true})
	for _, path := range []string{"/", home} {
		contains(t, get(t.Context(), h, "GET", path).Body.String(), "What needs a person",
			"unknown key &#34;mod&#34; &lt;script&gt;", "Nothing can be written there: it is archived",
			`<a href="`+home+`?state=regressed">1 problem is back after the issue was closed</a>`,
			`<a href="`+home+`?state=blocked">2 problems are stuck`,
			`<a href="`+home+`/work">1 piece of work was given up</a>`,
			`<a href="/runs`+strings.TrimPrefix(home, "/projects")+`/r1abc">A fix for issue #7 is proposed and waits for review</a>`)
	}
	contains(t, get(t.Context(), h, "GET", home+"/work").Body.String(), "issue/000001", "does not &lt;b&gt;like&lt;/b&gt; it")
}

// What of an installation as a whole needs a person is said to who may see it as a whole;
// that it is suspended, to all who see something of it.
func TestOverviewSaysWhatAnInstallationNeeds(t *testing.T) {
	l, _, _ := shop(t)
	w := l.world
	w.Take("nowhere", w.Report("nowhere", `{"title": "Nobody knows where"}`)...)
	w.Settle()
	home, err := w.Projects.Space(t.Context(), enginetest.Installation)
	if err != nil {
		t.Fatal(err)
	}
	is, entry, err := project.LoadInstallation(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	is.Suspended, is.Lacks = true, []string{"issues: write"}
	var b storage.Batch
	project.SaveInstallation(&b, entry, is)
	b.SetJSON("work/dead/command/1", map[string]any{"died": w.Time, "attempts": 3, "error": "no"})
	if err := home.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	l.arrived("others", traffic.Event{Reason: "a wrong key", Counts: traffic.Counts{Rejected: 1}})
	l.pages.cfg.NearQuotas = func(_ context.Context, installation int64) ([]quota.Use, error) {
		return []quota.Use{{Name: quota.Reports, Message: "9 of 10 <reports>"}}, nil
	}
	l.pages.failed.Store(2)
	all := []string{
		`<a href="/installations/101">The App may not do there what it needs: somebody has to accept issues: write`,
		`<a href="/installations/101#held">1 report is held`, `<a href="/installations/101/work">1 piece of work was given up`,
		`<a href="/installations/101#quotas">9 of 10 &lt;reports&gt;`, `<a href="/installations/101/sources/others">All that came to others was refused`,
	}
	const suspended, checks = `<a href="/installations/101">The App is suspended there`, `<a href="/checks">2 checks failed`
	ann, cid := l.signed("ann"), l.signed("cid") // an admin, and who may read
	page := ann.ask("GET", "/", nil).Body.String()
	contains(t, page, append(all, suspended)...)
	if strings.Contains(page, checks) {
		t.Error("a tenant is told of the server's checks")
	}
	page = cid.ask("GET", "/", nil).Body.String()
	contains(t, page, suspended)
	for _, text := range append(all, checks) {
		if strings.Contains(page, text) {
			t.Errorf("who may read is told %s", text)
		}
	}
	operator := l.program(token, "GET", "/", "").Body.String()
	contains(t, operator, append(all, suspended, checks)...)

	kinds := func(g *guest) (list []string) {
		var answer struct{ Installations []apiInstallation }
		answered(t, g.ask("GET", "/api/v1/installations", nil), &answer)
		for _, n := range answer.Installations[0].Needs {
			list = append(list, n.Kind)
		}
		return list
	}
	if got := kinds(ann); !slices.Equal(got, []string{"suspended", "permissions", "held", "dead", "quota", "refused"}) {
		t.Errorf("the API tells an admin %q", got)
	}
	if got := kinds(cid); !slices.Equal(got, []string{"suspended"}) {
		t.Errorf("the API tells who may read %q", got)
	}
}

// Every project is on one of the pages, in each of the lists that tell of projects.
func TestOverviewOfManyProjects(t *testing.T) {
	w := world(t)
	const n = maxProjects + 7
	for i := range n {
		w.Space(fmt.Sprintf("acme/repository-%03d", i))
	}
	// Others are before and after it, and some have nothing.
	for id := int64(95); id < 108; id++ {
		if _, err := w.Projects.Install(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []int64{96, 104} {
		if _, err := w.Projects.Ensure(t.Context(), id, project.Repo{Owner: "other", Name: "web"}); err != nil {
			t.Fatal(err)
		}
	}
	h := pages(t, w, Config{Preview: true})
	name := regexp.MustCompile(`>(acme/repository-\d+|other/web)</a>|>Sources of (installation \d+|acme)</a>`)
	more := regexp.MustCompile(`<a href="([^"]*)">More projects</a>`)
	seen := make(map[string]int)
	count := 0
	for next := "/"; next != ""; count++ {
		page := get(t.Context(), h, "GET", next).Body.String()
		for _, m := range name.FindAllString(page, -1) {
			seen[m]++
		}
		if next = ""; more.MatchString(page) {
			next = html.UnescapeString(more.FindStringSubmatch(page)[1])
		}
	}
	for m, times := range seen {
		if times > 1 && m != ">other/web</a>" {
			t.Errorf("%s is there %d times", m, times)
		}
	}
	if count != 2 || len(seen) != n+1+13 || seen[">other/web</a>"] != 2 {
		t.Errorf("on %d pages is %v", count, seen)
	}
	for query, want := range map[string]int{"": apiLimit, "limit=7": 7, "limit=200": 200} {
		all, first := make(map[string]bool), 0
		for next := "/api/v1/projects?" + query; next != ""; {
			var answer struct {
				Projects []apiProject
				Next     string
			}
			answered(t, get(t.Context(), h, "GET", next), &answer)
			for _, p := range answer.Projects {
				all[fmt.Sprint(p.Installation, p.Repository)] = true
			}
			if first = max(first, len(answer.Projects)); len(answer.Projects) > want {
				t.Fatalf("%s: %d projects at a time", query, len(answer.Projects))
			}
			if next = ""; answer.Next != "" {
				next = "/api/v1/projects?" + url.Values{"cursor": {answer.Next}}.Encode() + "&" + query
			}
		}
		if len(all) != n+2 || first != min(want, n+2) {
			t.Errorf("%q: the API tells of %d projects, %d at a time", query, len(all), first)
		}
	}
}

// opening counts the projects that are opened.
type opening struct {
	storage.DB
	projects atomic.Int64
}

func (o *opening) Open(ctx context.Context, name string) (storage.Space, error) {
	if strings.HasPrefix(name, "p/") {
		o.projects.Add(1)
	}
	return o.DB.Open(ctx, name)
}

// However many projects there are, a page opens those that it shows.
func TestOverviewOpensWhatItShows(t *testing.T) {
	w := world(t)
	for i := range 3 * maxProjects {
		w.Space(fmt.Sprintf("acme/repository-%03d", i))
	}
	db := &opening{DB: w.DB}
	p, err := New(Config{Preview: true}, project.NewRegistry(db, nil, nil), w.Actions, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	if page := get(t.Context(), p.guard(p.overview), "GET", "/").Body.String(); strings.Count(page, "card project") != maxProjects || db.projects.Load() != maxProjects {
		t.Errorf("%d projects are shown, %d were opened", strings.Count(page, "card project"), db.projects.Load())
	}
}

// The API tells of every installation once, in pages.
func TestInstallationsInPages(t *testing.T) {
	w := world(t)
	for id := int64(900); id < 905; id++ {
		if _, err := w.Projects.Install(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	h := pages(t, w, Config{Preview: true})
	var all []int64
	for next := "/api/v1/installations?limit=2"; next != ""; {
		var answer struct {
			Installations []apiInstallation
			Next          string
		}
		answered(t, get(t.Context(), h, "GET", next), &answer)
		for _, i := range answer.Installations {
			all = append(all, i.ID)
			if !i.Whole || i.Account == "" {
				t.Errorf("the operator is told %+v", i)
			}
		}
		if next = ""; answer.Next != "" {
			next = "/api/v1/installations?limit=2&cursor=" + answer.Next
		}
	}
	if len(all) < 6 || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("the API tells of the installations %v", all)
	}
}

// Every cluster is on one of the pages, and on one alone, also while somebody looks for
// something.
func TestPagesOfManyClusters(t *testing.T) {
	w := world(t)
	const n = 3*perPage + 7
	var all []issue.Line
	for i := range n {
		id := fmt.Sprintf("%06d", i)
		all = append(all, issue.Line{Cluster: id, Title: "Problem number " + id + ".", State: issue.Held, Text: "held: 1 of 2 people", Reports: 1, Hurt: issue.Hurt{People: i % 10}})
	}
	lines(t, w.Space("acme/web"), all...)
	title := regexp.MustCompile(`Problem number \d+\.`)
	next := regexp.MustCompile(`<a href="([^"]*)" rel="next">`)
	h, home := pages(t, w, Config{Preview: true}), pathOf(t, w, "acme/web")
	walk := func(path string) (pages int, order []string) {
		for path != "" {
			pages++
			out := get(t.Context(), h, "GET", path)
			if out.Code != 200 {
				t.Fatalf("%s: %d %s", path, out.Code, out.Body)
			}
			order = append(order, title.FindAllString(out.Body.String(), -1)...)
			path = ""
			if m := next.FindStringSubmatch(out.Body.String()); m != nil {
				path = html.UnescapeString(m[1])
			}
		}
		return pages, order
	}
	for path, want := range map[string]int{home: n, home + "?state=held&sort=newest": n, home + "?q=number+problem&kind=&sort=seen": n, home + "?q=00007": 11, home + "?state=open": 0} {
		pages, order := walk(path)
		seen := make(map[string]int)
		for _, s := range order {
			if seen[s]++; seen[s] > 1 {
				t.Errorf("%s: %s is there twice", path, s)
			}
		}
		if len(seen) != want || pages != max(1, (want+perPage-1)/perPage) {
			t.Errorf("%s: %d problems on %d pages, want %d", path, len(seen), pages, want)
		}
		if strings.Contains(path, "newest") && order[0] != fmt.Sprintf("Problem number %06d.", n-1) {
			t.Errorf("%s: first is %s", path, order[0])
		}
	}
	page := get(t.Context(), h, "GET", home+"?q=number&state=held&sort=seen&page=2").Body.String()
	contains(t, page, `name="q" value="number"`, `<option value="held" selected>held (82)</option>`, `<option value="seen" selected>`, "82 problems match", "page 2 of 4",
		html.EscapeString(home+"?q=number&sort=seen&state=held"), html.EscapeString(home+"?page=3&q=number&sort=seen&state=held"))
	for _, path := range []string{"?page=99", "?page=-1", "?page=x", "?page=99999999999999999999"} {
		if out := get(t.Context(), h, "GET", home+path); out.Code != 200 {
			t.Errorf("%s: %d", path, out.Code)
		}
	}
	for _, path := range []string{"?state=nonsense", "?kind=nonsense", "?sort=nonsense"} {
		if out := get(t.Context(), h, "GET", home+path); out.Code != 400 {
			t.Errorf("%s: %d", path, out.Code)
		}
		if out := get(t.Context(), h, "GET", "/api/v1"+home+"/clusters"+path); out.Code != 400 {
			t.Errorf("the API: %s: %d", path, out.Code)
		}
	}
}

// A project whose making a crash cut short is no reason to show nothing.
func TestOverviewOfHalfAProject(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "It just came in"}`)...)
	if _, err := w.DB.Create(t.Context(), project.Space(enginetest.Installation, "half")); err != nil {
		t.Fatal(err)
	}
	h := pages(t, w, Config{Preview: true})
	contains(t, get(t.Context(), h, "GET", "/").Body.String(), "1 waiting to be grouped")
	contains(t, get(t.Context(), h, "GET", pathOf(t, w, "acme/web")).Body.String(), "<li>It just came in</li>")
	if out := get(t.Context(), h, "GET", "/projects/101/half"); out.Code != 404 {
		t.Errorf("half a project: %d", out.Code)
	}
}

func TestOverviewWithoutAStore(t *testing.T) {
	db, err := bolt.Open(t.Context(), t.TempDir()+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	w := world(t)
	p, err := New(Config{Preview: true}, project.NewRegistry(db, nil, nil), action.New(action.Options{}), w.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	out := get(t.Context(), p.guard(p.overview), "GET", "/")
	if out.Code != 503 || out.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}
