package web

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
)

// answered reads an answer in JSON.
func answered(t *testing.T, out *httptest.ResponseRecorder, to any) {
	t.Helper()
	if out.Code != 200 || !strings.HasPrefix(out.Header().Get("Content-Type"), "application/json") || out.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", out.Code, out.Header(), out.Body)
	}
	if err := json.Unmarshal(out.Body.Bytes(), to); err != nil {
		t.Fatalf("%v in %s", err, out.Body)
	}
}

// mixed is a project with a cluster of reports and errors, some of which do not count.
func mixed(t *testing.T, publish policy.Publish) (*enginetest.World, string) {
	t.Helper()
	w := enginetest.New(t, false, project.Settings{enginetest.Installation: {"acme/web": policy.File{Publish: &publish, Ignore: []string{"health check"}}}},
		source.Source{Installation: enginetest.Installation, ID: "reports", Kind: source.Feedback, Repository: "acme/web"},
		source.Source{Installation: enginetest.Installation, ID: "sentry", Kind: source.Sentry, Repository: "acme/web"},
	)
	return w, pathOf(t, w, "acme/web")
}

func TestPageOfACluster(t *testing.T) {
	w, home := mixed(t, policy.Full)
	for i, who := range []string{"mona", "hubot", "ann"} {
		w.Take("reports", w.Report("reports", fmt.Sprintf(`{"title": "The CSV export of invoices fails", "body": "The CSV export of invoices fails with the secret word Rumpelstiltskin, attempt %d", "author": %q, "external_id": "%d"}`, i, who, i))...)
	}
	w.Take("reports", w.Report("reports", `{"title": "health check: The CSV export of invoices fails", "body": "The CSV export of invoices fails with the secret word, attempt 9", "author": "bot", "external_id": "9"}`)...)
	w.Settle()
	h := pages(t, w, Config{Preview: true})
	page := get(t.Context(), h, "GET", home+"/clusters/000001").Body.String()
	contains(t, page, "<h1>The CSV export of invoices fails", "preview: its issue would be filed", "cohesion ", "4 reports", "alike on average",
		"Why these belong together", "like the others now", "What happened", "opened as a problem of its own", "The issue that would be filed", "Rumpelstiltskin",
		"It would be a new issue, unless an open one links the same group of Sentry's", "What a public repository would show", "A public repository would not show", "the text and the link of 3 reports", "the names of sources",
		"These reports count for nothing", "title contains &#34;health check&#34;", "What was done lately", "issue.create")
	_, public, _ := strings.Cut(page, "What a public repository would show")
	public, _, _ = strings.Cut(public, "What is withheld")
	if public == "" || strings.Contains(public, "Rumpelstiltskin") || !strings.Contains(public, "The CSV export of invoices fails") {
		t.Errorf("a public repository would show:\n%s", public)
	}
	// What a repository that publishes safely withholds is said of itself.
	w, home = mixed(t, policy.Safe)
	w.Take("reports", w.Report("reports", `{"title": "It is slow", "body": "Rumpelstiltskin", "author": "mona"}`)...)
	w.Settle()
	page = get(t.Context(), pages(t, w, Config{Preview: true}), "GET", home+"/clusters/000001").Body.String()
	contains(t, page, "There is none yet: held: 1 of 2 people", "What it would say now", "Not shown on GitHub", "this is what it shows")
	if strings.Contains(page, "Rumpelstiltskin") {
		t.Error("the page shows what is withheld, as if it were shown")
	}
}

// Every report of a cluster is on one of the pages, and on one alone, however big the
// cluster is; what it would say is not worked out unless it is asked for.
func TestReportsOfABigCluster(t *testing.T) {
	for _, n := range []int{perPage, 2*perPage + 3, 530, maxSorted + 30} {
		w, home := mixed(t, policy.Full)
		enginetest.Crowd(t, w.Space("acme/web"), w.Time, n)
		h := pages(t, w, Config{Preview: true})
		seen := make(map[string]int)
		report := regexp.MustCompile(`Report number \d+\.`)
		more := regexp.MustCompile(`<a href="([^"]*)">More reports</a>`)
		steps := 0
		for path := home + "/clusters/000001"; path != ""; steps++ {
			page := get(t.Context(), h, "GET", path).Body.String()
			if sorted := strings.Contains(page, "the newest first"); sorted != (n <= maxSorted) || sorted == strings.Contains(page, "in no order of time") {
				t.Errorf("%d reports: the page says that they are sorted: %v", n, sorted)
			}
			reports, _, _ := strings.Cut(page, `aria-labelledby="story"`)
			for _, m := range report.FindAllString(reports, -1) {
				if seen[m]++; n <= maxSorted && m != fmt.Sprintf("Report number %d.", len(seen)) { // each is older than the one before
					t.Errorf("%s is at place %d", m, len(seen))
				}
			}
			path = ""
			if m := more.FindStringSubmatch(page); m != nil {
				path, _, _ = strings.Cut(html.UnescapeString(m[1]), "#")
			}
			if steps > n {
				t.Fatal("there is no end")
			}
			if worked := strings.Contains(page, "What is withheld, and why"); worked != (n <= smallCluster) {
				t.Errorf("%d reports: a draft is worked out: %v", n, worked)
			}
		}
		if len(seen) != n || steps != (n+perPage-1)/perPage {
			t.Errorf("%d reports are on %d pages, want %d", len(seen), steps, n)
		}
		contains(t, get(t.Context(), h, "GET", home+"/clusters/000001?draft=1").Body.String(), "What is withheld, and why")
		api, got, last := "/api/v1"+home+"/clusters/000001/reports", make(map[string]bool), time.Time{}
		for next := api + "?limit=100"; next != ""; {
			var answer struct {
				Reports []apiReport
				Next    string
			}
			answered(t, get(t.Context(), h, "GET", next), &answer)
			for _, r := range answer.Reports {
				if got[r.ID] || r.Kind != "feedback" || r.Reason == "" || n > 1 && (r.Similarity == nil || *r.Similarity < .9) {
					t.Fatalf("%+v", r)
				}
				if n <= maxSorted && !last.IsZero() && r.Joined.After(last) {
					t.Errorf("%s joined after the one before it", r.ID)
				}
				got[r.ID], last = true, r.Joined
			}
			if next = ""; answer.Next != "" {
				next = api + "?limit=100&cursor=" + url.QueryEscape(answer.Next)
			}
		}
		if len(got) != n {
			t.Errorf("the API tells of %d reports, want %d", len(got), n)
		}
	}
}

func TestAPIOfClusters(t *testing.T) {
	w, home := mixed(t, policy.Full)
	for i, title := range []string{"The CSV export of invoices fails", "The CSV export of invoices fails", "Login loops for everyone with a passkey"} {
		w.Take("reports", w.Report("reports", fmt.Sprintf(`{"title": %q, "author": "a%d", "external_id": "%d"}`, title, i, i))...)
	}
	w.Settle()
	h := pages(t, w, Config{Preview: true})
	var one apiProject
	answered(t, get(t.Context(), h, "GET", "/api/v1"+home), &one)
	if one.Repository != "acme/web" || one.Installation != enginetest.Installation || one.Problems != 2 || one.Reports != 3 || one.States["preview"] != 1 || one.States["held"] != 1 || len(one.Arrived) != 14 || len(one.Opened) != 14 {
		t.Errorf("%+v", one)
	}
	var list struct {
		Clusters []apiCluster
		Total    int
		Next     string
	}
	answered(t, get(t.Context(), h, "GET", "/api/v1"+home+"/clusters?limit=1"), &list)
	if len(list.Clusters) != 1 || list.Total != 2 || list.Next == "" || list.Clusters[0].ID != "000001" || list.Clusters[0].Reports != 2 || list.Clusters[0].Kinds[0] != "feedback" {
		t.Errorf("%+v", list)
	}
	next := "/api/v1" + home + "/clusters?limit=1&cursor=" + url.QueryEscape(list.Next)
	list.Next, list.Clusters = "", nil
	answered(t, get(t.Context(), h, "GET", next), &list)
	if len(list.Clusters) != 1 || list.Next != "" || list.Clusters[0].ID != "000002" {
		t.Errorf("%+v", list)
	}
	answered(t, get(t.Context(), h, "GET", "/api/v1"+home+"/clusters?q=passkey"), &list)
	if len(list.Clusters) != 1 || list.Total != 1 || list.Clusters[0].Title != "Login loops for everyone with a passkey" {
		t.Errorf("%+v", list)
	}
	var cluster struct {
		apiCluster
		Size  int
		Story []apiMoment
		Noted *apiText
	}
	answered(t, get(t.Context(), h, "GET", "/api/v1"+home+"/clusters/000001"), &cluster)
	if cluster.ID != "000001" || cluster.Size != 2 || len(cluster.Story) == 0 || cluster.Noted == nil || !strings.Contains(cluster.Noted.Body, "CSV export") {
		t.Errorf("%+v", cluster)
	}
	for _, path := range []string{"?limit=0", "?limit=201", "?limit=x", "?cursor=nonsense", "?sort=newest&cursor=" + url.QueryEscape(next[strings.LastIndex(next, "=")+1:])} {
		if out := get(t.Context(), h, "GET", "/api/v1"+home+"/clusters"+path); out.Code != 400 || !strings.Contains(out.Body.String(), "request_id") {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
	for _, path := range []string{"/000099", "/000099/reports", "/..%2f..", "/" + strings.Repeat("0", 600), "/%00", "/a%2Fb"} {
		for _, base := range []string{home, "/api/v1" + home} {
			if strings.HasSuffix(path, "/reports") && base == home {
				continue
			}
			if out := get(t.Context(), h, "GET", base+"/clusters"+path); out.Code != 404 {
				t.Errorf("%s: %d", base+"/clusters"+path, out.Code)
			}
		}
	}
}

// What somebody may not see is not there, on no page and in no answer.
func TestProblemsAreForThoseWhoMaySeeThem(t *testing.T) {
	l := newLobby(t)
	for _, source := range []string{"reports", "others"} {
		l.world.Take(source, l.world.Report(source, fmt.Sprintf(`{"title": "A problem told by %s", "author": "a"}`, source))...)
	}
	l.world.Settle()
	l.bind("acme/web", 71)
	l.bind("acme/api", 72)
	l.accounts.allow("ann", enginetest.Installation, 71, "pull")
	ann, bob := l.guest(), l.guest()
	ann.signsIn("ann")
	bob.signsIn("bob")
	theirs, others := pathOf(t, l.world, "acme/web"), pathOf(t, l.world, "acme/api")
	for _, base := range []string{"", "/api/v1"} {
		for _, below := range []string{"", "/clusters/000001", "/clusters", "/clusters/000001/reports"} {
			if base == "" && (below == "/clusters" || below == "/clusters/000001/reports") {
				continue
			}
			for who, want := range map[*guest][2]int{ann: {200, 404}, bob: {404, 404}, l.guest(): {0, 0}} {
				for i, home := range []string{theirs, others} {
					out := who.ask("GET", base+home+below, nil)
					if want[i] == 0 {
						if out.Code == 200 {
							t.Errorf("%s: nobody is let in", base+home+below)
						}
						continue
					}
					if out.Code != want[i] {
						t.Errorf("%s: %d, want %d", base+home+below, out.Code, want[i])
					}
					if out.Code != 200 && strings.Contains(out.Body.String(), "told by") {
						t.Errorf("%s tells:\n%s", base+home+below, out.Body)
					}
				}
			}
		}
		page := ann.ask("GET", base+"/"+map[string]string{"/api/v1": "projects"}[base], nil).Body.String()
		if !strings.Contains(page, "acme/web") || strings.Contains(page, "acme/api") || strings.Contains(page, "told by others") {
			t.Errorf("the overview of ann:\n%s", page)
		}
		page = bob.ask("GET", base+"/"+map[string]string{"/api/v1": "projects"}[base], nil).Body.String()
		if strings.Contains(page, "acme/") || strings.Contains(page, "told by") {
			t.Errorf("the overview of bob:\n%s", page)
		}
	}
}
