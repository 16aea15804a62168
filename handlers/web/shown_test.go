package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// The story of a problem tells of releases and of runs, and leads to these; the page says
// which issue it joins.
func TestStoryOfAProblem(t *testing.T) {
	d := newDesk(t)
	w := d.world
	w.Take("reports", w.Report("reports", `{"title": "The export fails", "author": "lisa", "release": "web@1.4.<2>"}`)...)
	w.Settle()
	bob := d.signed("bob")
	d.pages.wait = answerWithin
	out := bob.orders(d.commands(), press("fix"))
	path, _, _ := strings.Cut(out.Header().Get("Location"), "?")
	if !strings.HasPrefix(path, "/runs/") {
		t.Fatalf("fix: %d %s", out.Code, out.Header().Get("Location"))
	}
	w.Pass(time.Minute)
	var b storage.Batch
	id := path[strings.LastIndex(path, "/")+1:]
	r, entry, err := run.Load(t.Context(), d.space, id)
	if err != nil {
		t.Fatal(err)
	}
	r.State, r.Ended = run.Cancelled, w.Time
	r.Pull = &run.Pull{Number: 9, URL: "https://github.example/acme/web/pull/9"}
	r.Rounds[0].Commit, r.Rounds[0].Ended = "abc123", w.Time
	run.Save(&b, entry, r)
	u, entry, err := run.UsageOf(t.Context(), d.space, id)
	if err != nil {
		t.Fatal(err)
	}
	u.Requests, u.Micros, u.Priced = 3, 1_230_000, true
	run.SaveUsage(&b, entry, u)
	if err := d.space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	page := bob.ask("GET", d.project+"/clusters/"+theCluster, nil).Body.String()
	_, story, _ := strings.Cut(page, "What happened")
	contains(t, story, "first seen in release", "web@1.4.&lt;2&gt;", "a fix was asked for by bob", "a fix was proposed: #9", "the run ended: cancelled", `href="`+path+`"`)
	contains(t, page, "What is found to be the same problem joins issue #1.")
	var told struct{ Story []apiMoment }
	answered(t, bob.ask("GET", d.problem(), nil), &told)
	var texts []string
	for _, m := range told.Story {
		texts = append(texts, m.Text+" "+m.Release)
	}
	contains(t, strings.Join(texts, "\n"), "first seen in release web@1.4.<2>", "a fix was asked for by bob", "a fix was proposed: #9")

	// What the run cost is on its page, and in the list.
	contains(t, bob.ask("GET", path, nil).Body.String(), "<dt>Cost</dt><dd>USD 1.23, 3 requests to the model</dd>")
	contains(t, bob.ask("GET", d.project+"/runs", nil).Body.String(), `<td data-label="cost">USD 1.23</td>`)
}

// A preview of an import says which issue the reports would join.
func TestImportJoinsAnIssue(t *testing.T) {
	d := newDesk(t)
	ann := d.signed("ann")
	out := ann.uploads(d.project+"/imports", "old.jsonl", `{"id": "x1", "title": "The export fails", "author": "lisa"}`)
	if out.Code != http.StatusSeeOther {
		t.Fatalf("uploaded: %d %s", out.Code, out.Body)
	}
	d.world.Settle()
	contains(t, ann.ask("GET", out.Header().Get("Location"), nil).Body.String(), `rel="noreferrer">#1</a> · 1 report`)
}

// What is being worked on is told from what is due.
func TestWorkThatIsBeingDone(t *testing.T) {
	l, space, path := shop(t)
	var b storage.Batch
	for _, key := range []string{"issue/000001", "issue/000002"} {
		work.Add(&b, key)
	}
	b.SetJSON("work/run/issue/000001", map[string]any{"claim": map[string]any{"owner": "another process", "lease": time.Minute}})
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	page := l.signed("ann").ask("GET", path+"/work", nil).Body.String()
	contains(t, page, `issue/000001</td><td data-label="state">being worked on</td>`, `issue/000002</td><td data-label="state">due</td>`)
}

// Settings that cannot be read are said where they are shown, with which file it is.
func TestSettingsThatCannotBeUsed(t *testing.T) {
	l, space, path := shop(t)
	p, entry, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	p.FileError, p.DefaultBranch = `line 3: unknown key "mod" <script>`, "release/1"
	var b storage.Batch
	project.Save(&b, entry, p)
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	page := l.signed("ann").ask("GET", path+"/settings", nil).Body.String()
	contains(t, page, `.github/soulcaster.yml cannot be used, and what it said last stays in force: line 3: unknown key &#34;mod&#34; &lt;script&gt;`,
		`/acme/web/blob/release/1/.github/soulcaster.yml"`)
}
