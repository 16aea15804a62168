package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// proposed puts a run that proposed something into the store; all that is foreign
// in it says text.
func proposed(t *testing.T, w *enginetest.World, text string) *run.Run {
	t.Helper()
	space := w.Space("acme/web")
	_, of, err := run.Of(t.Context(), space, "c1")
	if err != nil {
		t.Fatal(err)
	}
	r := &run.Run{
		ID: "r1abc", Cluster: "c1", Issue: 7, State: run.Proposed, Live: true, By: "mona", Created: w.Time, Changed: w.Time, Branch: "soulcaster/issue-7-r1abc",
		Rounds: []run.Round{{N: 1, By: "mona", Asked: w.Time, Diff: &run.Diff{Files: 2, Lines: run.Lines{Added: 8, Cut: 5}}}}, Attempts: 1, Attempt: &run.Attempt{N: 1, Round: 1},
		Pull: &run.Pull{Number: 9, URL: "https://github.example/acme/web/pull/9"},
	}
	var b storage.Batch
	run.Begin(&b, of, r, []brief.Evidence{{Source: "report", Field: "text", Text: text}}, run.Words{By: "mona", Words: text})
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := run.AddLog(t.Context(), space, r.ID, brief.Log{Attempt: 1, Text: text}, int64(len(text)), 1<<20); err != nil {
		t.Fatal(err)
	}
	for key, request := range map[string]any{
		publish.PullKey(r.ID): github.NewPull{Title: text, Body: text},
		publish.CommitKey(r.ID, 1): publish.CommitRequest{Files: []publish.FileRequest{
			{Path: "src/" + text, Note: "new", Lines: &run.Lines{Added: 1}, Before: "one\n", After: "one\n" + text + "\n"}}},
	} {
		data, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		a := action.Action{Key: key, Kind: "x", Subject: r.ID, By: "mona", Why: "why", Request: data}
		if _, err := w.Actions.Converge(t.Context(), space, a, false, action.Effect{Do: func(context.Context) (any, error) { return nil, nil }}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestPageOfARun(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "x"}`)...)
	r := proposed(t, w, "All of it.")
	h := pages(t, w, Config{Preview: true})
	home := get(t.Context(), h, "GET", pathOf(t, w, "acme/web")+"/runs").Body.String()
	path := RunPath(w.Space("acme/web").Name(), r.ID)
	if !strings.Contains(home, `href="`+path+`"`) || !strings.Contains(home, "#7") {
		t.Errorf("the list of runs does not lead to the run:\n%s", home)
	}
	if !strings.Contains(home, `data-label="change"><span class="add">+8</span> <span class="cut">−5</span></td>`) {
		t.Error("the list of runs does not say how much it changed")
	}
	out := get(t.Context(), h, "GET", path)
	page := out.Body.String()
	if !strings.Contains(home, "https://github.example/acme/web/pull/9") {
		t.Error("the list of runs does not lead to the pull request")
	}
	for _, want := range []string{"#7 · run r1abc", "acme/web", "proposed", "The pull request that would be opened", `2 files, <span class="add">+8</span> <span class="cut">−5</span>`, `<code>src/All of it.</code> (new) <span class="add">+1</span> <span class="cut">−0</span></li>`, "<li>… and more</li>",
		`<span class="add">&#43;All of it.</span>`, "<pre class=\"diff\" tabindex=\"0\">All of it.</pre>", "The evidence that the agent gets"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	told := get(t.Context(), h, "GET", "/api/v1/projects/"+strings.TrimPrefix(pathOf(t, w, "acme/web"), "/projects/")+"/runs/"+r.ID).Body.String()
	for _, want := range []string{`"change":{"files":2,"added":8,"cut":5}`, `"files":[{"path":"src/All of it.","note":"new","added":1,"cut":0}]`, `"rounds":4`,
		`"proposal":{"title":"All of it.","body":"All of it.","opened":false}`, `"diff":"--- a/src/All of it.\n+++ b/src/All of it.\n@@ -1 +1,2 @@\n one\n+All of it.\n"`, `"comment":"`, `The evidence that the agent gets`} {
		if !strings.Contains(told, want) {
			t.Errorf("the API does not tell %s: %s", want, told)
		}
	}
	for _, other := range []string{
		strings.Replace(path, "r1abc", "r1abd", 1), strings.Replace(path, "acme.web", "acme.api", 1),
		strings.Replace(path, "/runs/", "/runs/9", 1), "/runs/x/y/r1abc", "/runs/" + strings.Repeat("9", 30) + "/y/r1abc",
	} {
		if out := get(t.Context(), h, "GET", other); out.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", other, out.Code)
		}
	}
}

func TestHostileTextOnThePageOfARun(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "x"}`)...)
	r := proposed(t, w, strings.Join(payloads(), "\n"))
	out := get(t.Context(), pages(t, w, Config{Preview: true}), "GET", RunPath(w.Space("acme/web").Name(), r.ID))
	if out.Code != http.StatusOK {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	for _, f := range aliveOnPage(t, out.Body) {
		t.Errorf("the page holds %s", f)
	}
}

// A page shows the end of a long log, and never waits for all of it.
func TestLongLogIsCut(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "x"}`)...)
	r := proposed(t, w, "the beginning")
	for i := range 40 {
		l := brief.Log{Attempt: 1, Offset: int64(13 + i*4096), Text: strings.Repeat("x", 4095) + "\n"}
		if err := run.AddLog(t.Context(), w.Space("acme/web"), r.ID, l, l.Offset+4096, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	page := get(t.Context(), pages(t, w, Config{Preview: true}), "GET", RunPath(w.Space("acme/web").Name(), r.ID)).Body.String()
	if strings.Contains(page, `tabindex="0">the beginning`) || !strings.Contains(page, "Its end.") {
		t.Error("the log is not cut")
	}
}
