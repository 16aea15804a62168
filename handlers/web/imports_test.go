package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fetch"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// importsOf are the imports of a world. Sentry is asked at addresses of this machine.
func importsOf(w *enginetest.World) *backfill.Backfill {
	asking := fetch.New(fetch.Options{Private: []string{"127.0.0.1"}, Now: w.Now})
	b := backfill.New(backfill.Config{
		Projects: w.Projects, Sources: w.Store, Taker: w.Intake, Actions: w.Actions, Embedder: w.Embedder,
		Strictness: func(context.Context, storage.Space) (cluster.Strictness, error) { return cluster.Balanced, nil },
		Mac:        func(space, text string) string { return fmt.Sprintf("%x", space+text) },
		Reader:     func(src *source.Source) *feedback.Reader { return w.Reader(src.ID) },
		Sentry: func(api source.API) (*sentryapi.Client, error) {
			return sentryapi.New(sentryapi.Config{Base: api.URL, Organization: api.Organisation, Token: api.Token, HTTP: asking})
		},
		Reddit: func(id, secret string) *reddit.Client {
			return reddit.New(reddit.Config{ID: id, Secret: secret, HTTP: asking, Now: w.Now})
		},
		Wake: func(...string) {}, Now: w.Now,
	})
	b.Register(w)
	return b
}

// uploads sends a file as a browser's form does.
func (g *guest) uploads(path, name, text string) *httptest.ResponseRecorder {
	g.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(text))
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return g.sends(path, form.FormDataContentType(), &body)
}

func (g *guest) sends(path, media string, body *bytes.Buffer) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), http.MethodPost, path, body)
	r.Header.Set("Content-Type", media)
	for name, value := range g.headers {
		r.Header.Set(name, value)
	}
	for _, c := range g.jar {
		r.AddCookie(c)
	}
	out := httptest.NewRecorder()
	g.handler.ServeHTTP(out, r)
	return out
}

const someReports = `{"id":"1","title":"The export fails","author":"ann"}
{"id":"2","title":"The export of invoices fails again","author":"bob"}
{"id":"3","title":"<script>alert(1)</script> spoils the footer","author":"cid"}
oops
`

// A file is previewed, and imported when somebody who may says so.
func TestImportOfAFile(t *testing.T) {
	l, space, path := shop(t)
	ann := l.signed("ann")
	stored := func() int {
		t.Helper()
		entries, err := space.Scan(t.Context(), "fb/", "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if page := ann.ask("GET", path+"/imports", nil).Body.String(); !strings.Contains(page, `type="file"`) || !strings.Contains(page, "Imports</a>") {
		t.Errorf("the page:\n%s", page)
	}
	out := ann.uploads(path+"/imports", `C:\<i>old.jsonl`, someReports)
	at := out.Header().Get("Location")
	if out.Code != http.StatusSeeOther || !strings.HasPrefix(at, path+"/imports/") {
		t.Fatalf("uploaded: %d %s", out.Code, out.Body)
	}
	page := ann.ask("GET", at, nil).Body.String()
	if !strings.Contains(page, "data-live=\"/api/v1"+at+"/events\"") || !strings.Contains(page, "<progress") || !strings.Contains(page, "line 4: not JSON") {
		t.Errorf("while it goes on:\n%s", page)
	}
	l.world.Settle()
	page = ann.ask("GET", at, nil).Body.String()
	for _, want := range []string{"These 3 reports would be 2 problems: 1 new, 1 that is known.", "1 gets an issue", "1 waits for more", "Import 3 reports", "Drop it", "in preview", "or is named in one that somebody opened", "spoils the footer", "&lt;i&gt;old.jsonl"} {
		if !strings.Contains(page, want) {
			t.Errorf("the preview lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<i>") || strings.Contains(page, "<script>alert") || strings.Contains(page, "Work it out again") {
		t.Errorf("the preview:\n%s", page)
	}
	if home := ann.ask("GET", "/", nil).Body.String(); !strings.Contains(home, `<a href="`+at+`">What the import of &lt;i&gt;old.jsonl would become`) {
		t.Errorf("the overview does not say that it waits:\n%s", home)
	}
	if home := l.signed("bob").ask("GET", "/", nil).Body.String(); strings.Contains(home, "What the import of") {
		t.Error("who may not see the import is told that it waits")
	}
	if n := stored(); n != 1 {
		t.Errorf("%d reports are stored before somebody agreed", n)
	}
	// Something arrives meanwhile.
	l.world.Take("reports", l.world.Report("reports", `{"title": "Search is slow"}`)...)
	l.world.Settle()
	if page := ann.ask("GET", at, nil).Body.String(); !strings.Contains(page, "may differ") || !strings.Contains(page, "Work it out again") {
		t.Errorf("what arrived meanwhile is not told:\n%s", page)
	}
	for login, want := range map[string]int{"bob": http.StatusForbidden, "cid": http.StatusForbidden, "dan": http.StatusNotFound} {
		g := l.signed(login)
		for _, c := range [][2]string{{"GET", path + "/imports"}, {"GET", at}, {"POST", at + "/agree"}, {"POST", at + "/drop"}, {"POST", at + "/again"}, {"POST", path + "/imports"}} {
			var form url.Values
			if c[0] == "POST" {
				form = url.Values{"source": {"x"}}
			}
			if out := g.ask(c[0], c[1], form); out.Code != want {
				t.Errorf("%s: %s %s: %d", login, c[0], c[1], out.Code)
			}
		}
		if out := g.uploads(path+"/imports", "x.jsonl", someReports); out.Code != want {
			t.Errorf("%s uploads: %d", login, out.Code)
		}
		if page := g.ask("GET", path, nil).Body.String(); strings.Contains(page, "/imports") {
			t.Errorf("%s is shown the way to imports", login)
		}
	}
	again := ann.ask("POST", at+"/again", url.Values{})
	if again.Code != http.StatusSeeOther {
		t.Errorf("again: %d", again.Code)
	}
	l.world.Settle()
	out = ann.ask("POST", at+"/agree", url.Values{})
	if out.Code != http.StatusSeeOther || out.Header().Get("Location") != at+"?done=agreed" {
		t.Fatalf("agreed: %d %s", out.Code, out.Header().Get("Location"))
	}
	l.world.Settle()
	if page := ann.ask("GET", at, nil).Body.String(); !strings.Contains(page, "3 new, 0 known before") || strings.Contains(page, "<button>Import") {
		t.Errorf("afterwards:\n%s", page)
	}
	if n := stored(); n != 5 {
		t.Errorf("%d reports are stored", n)
	}
	if page := ann.ask("GET", path+"/clusters/000001", nil).Body.String(); !strings.Contains(page, "report from an imported file,") {
		t.Errorf("the problem does not say where its reports are from:\n%s", page)
	}
	audit := ann.ask("GET", path+"/audit", nil).Body.String()
	for _, want := range []string{"import.again", again.Header().Get("X-Request-ID"), "import.agree", "@ann", out.Header().Get("X-Request-ID")} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit lacks %q", want)
		}
	}
	// What is done once is not done again, and says so where it stands.
	if out := ann.ask("POST", at+"/agree", url.Values{}); out.Code != http.StatusSeeOther || strings.Contains(out.Header().Get("Location"), "done") {
		t.Errorf("agreed twice: %d %s", out.Code, out.Header().Get("Location"))
	}
	if list := ann.ask("GET", path+"/imports", nil).Body.String(); !strings.Contains(list, "old.jsonl") || !strings.Contains(list, ">done<") {
		t.Errorf("the list:\n%s", list)
	}
}

func TestUploadsThatAreNone(t *testing.T) {
	l, space, path := shop(t)
	ann := l.signed("ann")
	ann.headers["Accept"] = "text/html"
	for name, c := range map[string]struct {
		out  *httptest.ResponseRecorder
		code int
		says string
	}{
		"nothing of it": {ann.uploads(path+"/imports", "x.jsonl", "oops\n"), 400, "line 1: not JSON"},
		"too large":     {ann.uploads(path+"/imports", "x.jsonl", strings.Repeat("x", backfill.MaxBytes+5)), 400, "larger than 10 MB"},
		"far too large": {ann.uploads(path+"/imports", "x.jsonl", strings.Repeat(`{"title":"`+strings.Repeat("x", 10_000)+"\"}\n", backfill.MaxBytes/5_000)), 400, "larger than 10 MB"},
		"no file":       {ann.ask("POST", path+"/imports", url.Values{"file": {"x"}}), 400, "choose one"},
		"a name alone":  {ann.uploads(path+"/imports", "", ""), 400, "choose one"},
		"broken":        {ann.sends(path+"/imports", "multipart/form-data; boundary=x", bytes.NewBufferString("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{\"title\":\"x\"}")), 400, "as a whole"},
	} {
		if c.out.Code != c.code || !strings.Contains(c.out.Body.String(), c.says) {
			t.Errorf("%s: %d, and not %q:\n%s", name, c.out.Code, c.says, c.out.Body)
		}
	}
	for range maxReceivedEach {
		if _, ok := l.pages.receiving.take(101); !ok {
			t.Fatal("there is no seat")
		}
	}
	if out := ann.uploads(path+"/imports", "x.jsonl", someReports); out.Code != http.StatusTooManyRequests || out.Header().Get("Retry-After") == "" {
		t.Errorf("one too many at once: %d", out.Code)
	}
	if left, err := space.Scan(t.Context(), "import", "", 10); err != nil || len(left) > 0 {
		t.Errorf("left are %d keys, %v", len(left), err)
	}
	for _, id := range []string{"x", "20260302090000-aaaaaaaa", "..%2f..%2ffb"} {
		if out := ann.ask("GET", path+"/imports/"+id, nil); out.Code != http.StatusNotFound {
			t.Errorf("%s: %d", id, out.Code)
		}
	}
}

// Whoever sends a file slowly holds up neither another tenant nor, for the place where files
// are understood, anybody.
func TestSlowUploads(t *testing.T) {
	l, _, path := shop(t)
	theirs := l.neighbour()
	server := httptest.NewServer(l.handler)
	defer server.Close()
	var answers []chan string
	var bodies []*io.PipeWriter
	slow := func() {
		answer := make(chan string, 1)
		in, out := io.Pipe()
		go func() {
			r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+api+path+"/imports", in)
			if err == nil {
				r.Header.Set("Authorization", "Bearer ghu_ann")
				r.Header.Set("Content-Type", "application/x-ndjson")
				var resp *http.Response
				if resp, err = http.DefaultClient.Do(r); err == nil {
					resp.Body.Close()
					answer <- resp.Status
					return
				}
			}
			answer <- err.Error()
		}()
		if _, err := io.WriteString(out, someReports[:10]); err != nil {
			t.Fatal(err)
		}
		answers, bodies = append(answers, answer), append(bodies, out)
	}
	taken := func() int {
		l.pages.receiving.mu.Lock()
		defer l.pages.receiving.mu.Unlock()
		return l.pages.receiving.taken
	}
	for n := range maxReceivedEach {
		slow()
		for deadline := time.Now().Add(20 * time.Second); taken() <= n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no file is on its way")
			}
		}
	}
	send := func(token, path string) int {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), "POST", api+path+"/imports", strings.NewReader(someReports))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/x-ndjson")
		out := httptest.NewRecorder()
		l.handler.ServeHTTP(out, r)
		return out.Code
	}
	if code := send("ghu_ann", path); code != http.StatusTooManyRequests {
		t.Errorf("one more of the same tenant: %d", code)
	}
	if code := send("ghu_dan", theirs); code != http.StatusCreated {
		t.Errorf("one of another tenant: %d", code)
	}
	for i, body := range bodies {
		if _, err := io.WriteString(body, someReports[10:]); err != nil {
			t.Fatal(err)
		}
		body.Close()
		if status := <-answers[i]; !strings.HasPrefix(status, "201") {
			t.Errorf("a slow one in the end: %s", status)
		}
	}
}

// A program does the same over the API.
func TestImportsOfPrograms(t *testing.T) {
	l, _, path := shop(t)
	ann := l.signed("ann")
	call := func(method, path, media, body string) (int, map[string]any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/api/v1"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		for _, c := range ann.jar {
			r.AddCookie(c)
		}
		out := httptest.NewRecorder()
		l.handler.ServeHTTP(out, r)
		var told map[string]any
		if err := json.Unmarshal(out.Body.Bytes(), &told); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, out.Code, out.Body)
		}
		return out.Code, told
	}
	code, told := call("POST", path+"/imports?name=old", "text/csv", "id,title\n1,The export fails\n2,Search is slow\n")
	if code != http.StatusCreated || told["state"] != "storing" || told["read"] != 2.0 || told["name"] != "old.csv" {
		t.Fatalf("begun: %d %v", code, told)
	}
	at := path + "/imports/" + told["id"].(string)
	if code, told := call("POST", at+"/agree", "application/json", "{}"); code != http.StatusConflict || !strings.Contains(told["error"].(string), "storing") {
		t.Errorf("agreed to before it is ready: %d %v", code, told)
	}
	l.world.Settle()
	if code, told := call("GET", at, "", ""); code != http.StatusOK || told["state"] != "ready" || told["result"].(map[string]any)["clusters"] != 2.0 {
		t.Errorf("ready: %d %v", code, told)
	}
	if code, told := call("POST", at+"/agree", "application/json", "{}"); code != http.StatusOK || told["state"] != "importing" || told["agreed_by"] != "@ann" {
		t.Errorf("agreed: %d %v", code, told)
	}
	l.world.Settle()
	if code, told := call("GET", path+"/imports", "", ""); code != http.StatusOK || told["imports"].([]any)[0].(map[string]any)["accepted"] != 2.0 {
		t.Errorf("the list: %d %v", code, told)
	}
	for _, c := range []struct {
		path, media, body string
		code              int
	}{
		{path + "/imports", "application/xml", "{}", 415},
		{path + "/imports", "application/json", `{"source":"reddit-101-aaaaaaaaaa"}`, 404},
		{path + "/imports", "application/json", `{"source":"reports"}`, 404},
		{path + "/imports/20260302090000-aaaaaaaa/drop", "application/json", `{}`, 404},
		{at + "/drop", "application/json", `{}`, 409},
		{at + "/drop", "text/plain", `{}`, 415},
	} {
		if code, told := call("POST", c.path, c.media, c.body); code != c.code {
			t.Errorf("%s: %d %v, want %d", c.path, code, told, c.code)
		}
	}
}

// A source is asked for what was before, if it is the installation's and feeds the
// project.
func TestImportFromASource(t *testing.T) {
	l, space, path := shop(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer sntrys_0123456789abcdef":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/api/0/organizations/acme/issues/"):
			fmt.Fprint(w, `[{"id":"77","title":"KeyError: plan","status":"unresolved","count":"3","project":{"slug":"web"}}]`)
		case strings.HasSuffix(r.URL.Path, "/issues/77/events/latest/"):
			fmt.Fprint(w, `{"eventID":"e1","title":"KeyError: plan","entries":[]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	by := source.By{Who: "@ann"}
	connect := func(installation int64, repository string) string {
		t.Helper()
		id, _, err := l.world.Store.Create(t.Context(), installation, source.Sentry, source.Setting{Name: "Errors of " + repository, Repository: repository}, by)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := l.world.Store.Get(t.Context(), installation, id)
		if err == nil {
			err = l.world.Store.SetAPI(t.Context(), stored, source.API{URL: server.URL, Organisation: "acme", Token: "sntrys_0123456789abcdef"}, by)
		}
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	if _, err := l.world.Projects.Install(t.Context(), 202); err != nil {
		t.Fatal(err)
	}
	mine, elsewhere, theirs := connect(enginetest.Installation, "acme/web"), connect(enginetest.Installation, "acme/other"), connect(202, "acme/web")
	ann := l.signed("ann")
	page := ann.ask("GET", path+"/imports", nil).Body.String()
	if !strings.Contains(page, "Errors of acme/web") || strings.Contains(page, "acme/other") || strings.Contains(page, theirs) {
		t.Errorf("the page:\n%s", page)
	}
	for id, want := range map[string]int{elsewhere: 400, theirs: 404, "reports": 404, "": 400} {
		if out := ann.ask("POST", path+"/imports", url.Values{"source": {id}}); out.Code != want {
			t.Errorf("from %q: %d, want %d", id, out.Code, want)
		}
	}
	out := ann.ask("POST", path+"/imports", url.Values{"source": {mine}})
	if out.Code != http.StatusSeeOther {
		t.Fatalf("begun: %d %s", out.Code, out.Body)
	}
	l.world.Settle()
	if page := ann.ask("GET", out.Header().Get("Location"), nil).Body.String(); !strings.Contains(page, "This report would be 1 problem") && !strings.Contains(page, "These 1 report would be 1 problem: 1 new") {
		t.Errorf("the preview:\n%s", page)
	}
	if out := ann.ask("POST", out.Header().Get("Location")+"/drop", url.Values{}); out.Code != http.StatusSeeOther {
		t.Errorf("dropped: %d", out.Code)
	}
	l.world.Settle()
	entries, err := space.Scan(t.Context(), "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(string(e.Value), "KeyError") {
			t.Errorf("dropped, %s still says it", e.Key)
		}
	}
}
