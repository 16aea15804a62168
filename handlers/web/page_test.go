package web

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

func world(t *testing.T) *enginetest.World {
	return enginetest.New(t, false, nil,
		source.Source{Installation: enginetest.Installation, ID: "reports", Kind: source.Feedback, Repository: "acme/web"},
		source.Source{Installation: enginetest.Installation, ID: "others", Kind: source.Feedback, Repository: "acme/api"},
		source.Source{Installation: enginetest.Installation, ID: "nowhere", Kind: source.Feedback},
	)
}

func TestPageShowsWhereEverythingIs(t *testing.T) {
	w := world(t)
	h := pages(t, w, Config{Preview: true})
	if page := get(t.Context(), h, "GET", "/").Body.String(); !strings.Contains(page, "No feedback has arrived yet") {
		t.Errorf("an empty store:\n%s", page)
	}
	for i, who := range []string{"mona", "hubot"} {
		w.Take("reports", w.Report("reports", fmt.Sprintf(`{"title": "The CSV export of invoices fails", "body": "The CSV export of invoices fails with an error %d", "author": %q, "external_id": "%d"}`, i, who, i))...)
	}
	w.Settle()
	w.Take("reports", w.Report("reports", `{"title": "It just came in"}`)...)
	w.Take("nowhere", w.Report("nowhere", `{"title": "Nobody knows where"}`)...)
	page := get(t.Context(), h, "GET", "/").Body.String()
	for _, want := range []string{
		"acme/web", "preview", "1 problem from 2 reports", "cohesion ", "Why these belong together",
		"The issue that would be filed", "soulcaster", "Waiting to be grouped", "<li>It just came in</li>", "1 waiting to be grouped",
		"Held: no repository is named for these", "Nobody knows where", "its source names no repository", "What was done lately", "issue.create",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestPageSaysWhatIsWrongWithSettings(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "x"}`)...)
	space := w.Space("acme/web")
	p, entry, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	p.FileError = `line 3: unknown key "mod" <script>`
	var b storage.Batch
	project.Save(&b, entry, p)
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	page := get(t.Context(), pages(t, w, Config{Preview: true}), "GET", "/").Body.String()
	if !strings.Contains(page, "unknown key &#34;mod&#34; &lt;script&gt;") {
		t.Errorf("the page does not say so:\n%s", page)
	}
}

// Every cluster is on one of the pages, and on one alone.
func TestPagesOfManyClusters(t *testing.T) {
	w := world(t)
	const n = 3*perPage + 7
	many := func(repository string, n int) {
		space := w.Space(repository)
		for from := 0; from < n; from += 400 {
			var b storage.Batch
			for i := from; i < min(n, from+400); i++ {
				id := fmt.Sprintf("%06d", i)
				b.SetJSON("standing/"+id, issue.Line{Cluster: id, Title: "Problem of " + repository + " number " + id + ".", State: issue.Held,
					Text: "held: 1 of 2 people", Reports: 1, Hurt: issue.Hurt{People: i % 10}})
			}
			if err := space.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
	}
	title := regexp.MustCompile(`Problem of \S+ number \d+\.`)
	h := pages(t, w, Config{Preview: true})
	walk := func(path string, seen map[string]int) (n int) {
		for path != "" {
			n++
			out := get(t.Context(), h, "GET", path)
			if out.Code != 200 {
				t.Fatalf("%s: %d %s", path, out.Code, out.Body)
			}
			for _, m := range title.FindAllString(out.Body.String(), -1) {
				seen[m]++
			}
			path = ""
			if _, rest, ok := strings.Cut(out.Body.String(), `href="/?project=`); ok {
				next, _, _ := strings.Cut(rest, `"`)
				path = html.UnescapeString("/?project=" + next)
			}
		}
		return n
	}
	many("acme/web", n)
	seen := make(map[string]int)
	if got := walk("/", seen); got != 4 {
		t.Errorf("%d pages", got)
	}
	for i := range n {
		if got := seen[fmt.Sprintf("Problem of acme/web number %06d.", i)]; got != 1 {
			t.Errorf("cluster %d is %d times on the pages", i, got)
		}
	}
	// With a second project the overview shows a few of each, and leads on to all.
	many("acme/api", 2*perProject)
	page := get(t.Context(), h, "GET", "/").Body.String()
	if got := len(title.FindAllString(page, -1)); got != 2*perProject {
		t.Errorf("%d clusters on the overview", got)
	}
	if !strings.Contains(page, fmt.Sprintf("%d problems from %d reports", n, n)) || !strings.Contains(page, "More problems of acme/web") {
		t.Error("the overview does not say how many there are")
	}
	// Thousands are still counted, and the worst of them are first.
	many("acme/api", 2500)
	space := w.Space("acme/api")
	var b storage.Batch
	b.SetJSON("standing/009999", issue.Line{Cluster: "009999", Title: "Problem of acme/api number 9999.", State: issue.Held, Reports: 1, Hurt: issue.Hurt{People: 100}})
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	page = get(t.Context(), h, "GET", "/?project="+space.Name()).Body.String()
	if first := title.FindString(page); first != "Problem of acme/api number 9999." || !strings.Contains(page, "2501 problems") {
		t.Errorf("first is %q", first)
	}
}

// A project whose making a crash cut short is no reason to show nothing.
func TestPageOfHalfAProject(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "It just came in"}`)...)
	if _, err := w.DB.Create(t.Context(), project.Space(enginetest.Installation, "half")); err != nil {
		t.Fatal(err)
	}
	out := get(t.Context(), pages(t, w, Config{Preview: true}), "GET", "/")
	if out.Code != 200 || !strings.Contains(out.Body.String(), "It just came in") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

func TestPageWithoutAStore(t *testing.T) {
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

// Work that was given up is shown to who can act on it, with the reason.
func TestPageShowsWhatWasGivenUp(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "The CSV export fails"}`)...)
	w.Settle()
	var b storage.Batch
	b.SetJSON("work/dead/issue/000001", map[string]any{"died": w.Time, "attempts": 3, "error": "GitHub does not <b>like</b> it"})
	if err := w.Space("acme/web").Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	page := get(t.Context(), pages(t, w, Config{Preview: true}), "GET", "/").Body.String()
	for _, want := range []string{"Work that was given up", "issue/000001", "after 3 tries", "does not &lt;b&gt;like&lt;/b&gt; it"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
