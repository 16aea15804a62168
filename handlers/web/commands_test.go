package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
)

// desk is a lobby of a live app with one filed issue and with runs, whose tasks never find
// room. Bob may write, cid may read, dan is of another tenant.
type desk struct {
	*lobby
	space   storage.Space
	project string // path
}

const theCluster = "000001"

func newDesk(t *testing.T) *desk {
	t.Helper()
	file, err := policy.Parse([]byte("mode: live\nfile_after: {reports: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := enginetest.New(t, true, project.Settings{enginetest.Installation: {"acme/web": file}},
		source.Source{Installation: enginetest.Installation, ID: "reports", Kind: source.Feedback, Repository: "acme/web"})
	w.GitHub.Add(7, "acme/web", true)
	w.Begin = func() {
		app, err := w.DB.Create(t.Context(), project.AppSpace)
		if err != nil {
			t.Fatal(err)
		}
		mac := func(space, text string) string { return fmt.Sprintf("%x", space+text) }
		runs := fix.New(fix.Config{App: app, Projects: w.Projects, Host: w.GitHub, Problems: problems{w}, Publisher: nobody{}, Launcher: full{},
			Log: w.Actions, AgentURL: "http://agent.example", Marker: mac, Claims: mac, Wake: func(...string) {}, Now: w.Now})
		runs.Register(w)
		w.Runs = runs
	}
	w.Restart()
	w.Take("reports", w.Report("reports", `{"title": "The export fails", "author": "mona"}`)...)
	w.Settle()
	d := &desk{lobby: newLobbyOf(t, w), space: w.Space("acme/web")}
	d.accounts.join("cid", "dan")
	for login, may := range map[string]github.Permission{"ann": github.Admin, "bob": github.Write, "cid": github.Read} {
		w.GitHub.Allow(login, may)
		d.accounts.allow(login, enginetest.Installation, 7, map[github.Permission][]string{
			github.Read: {"pull"}, github.Write: {"pull", "push"}, github.Admin: {"pull", "push", "admin"}}[may]...)
	}
	d.accounts.allow("dan", 202, 9, "pull", "push", "admin")
	p, _, err := project.Load(t.Context(), d.space)
	if err != nil {
		t.Fatal(err)
	}
	d.project = projectPath(p)
	return d
}

// problems are the keeper's, whichever it is after a restart.
type problems struct{ w *enginetest.World }

func (p problems) Evidence(ctx context.Context, space storage.Space, cluster string) ([]brief.Evidence, error) {
	return p.w.Keeper.Evidence(ctx, space, cluster)
}

func (p problems) Issue(ctx context.Context, space storage.Space, cluster string) (run.Issue, error) {
	return p.w.Keeper.Issue(ctx, space, cluster)
}

func (p problems) NoteMerge(b *storage.Batch, cluster string, m run.Merge) {
	p.w.Keeper.NoteMerge(b, cluster, m)
}

// nobody publishes: no run comes so far.
type nobody struct{ fix.Publisher }

// full is a launcher without room.
type full struct{ task.Launcher }

func (full) Plan(task.Spec) (json.RawMessage, error) { return json.RawMessage(`{}`), nil }
func (full) Launch(context.Context, json.RawMessage, string) (task.Task, error) {
	return task.Task{}, &work.Later{Err: task.ErrCapacity}
}
func (full) Find(context.Context, string) ([]task.Task, error)        { return nil, nil }
func (full) Describe(context.Context, ...string) ([]task.Task, error) { return nil, nil }
func (full) Stop(context.Context, string, string) error               { return nil }

func (d *desk) commands() string { return d.project + "/clusters/" + theCluster + "/commands" }

func (d *desk) problem() string { return api + d.project + "/clusters/" + theCluster }

func press(name string) url.Values { return url.Values{"command": {name}} }

// told is what the API tells somebody at an address.
func (g *guest) told(path string, into any) int {
	g.t.Helper()
	g.headers["Accept"] = "application/json"
	defer func() { g.headers["Accept"] = "text/html" }()
	out := g.ask("GET", path, nil)
	if into != nil {
		if err := json.Unmarshal(out.Body.Bytes(), into); err != nil {
			g.t.Fatalf("%s: %v: %s", path, err, out.Body)
		}
	}
	return out.Code
}

// What a button orders is done, answered and in the audit, with who and in which request.
func TestButtonOfAPage(t *testing.T) {
	d := newDesk(t)
	bob := d.signed("bob")
	out := bob.ask("POST", d.commands(), press("mute"))
	if to := out.Header().Get("Location"); out.Code != http.StatusSeeOther || to != d.project+"/clusters/"+theCluster+"?done=ordered#commands" {
		t.Fatalf("the button: %d %s", out.Code, to)
	}
	d.world.Settle()
	if i := d.world.GitHub.Issues(7)[0]; i.State != "closed" || i.StateReason != "not_planned" {
		t.Errorf("the issue is %s (%s)", i.State, i.StateReason)
	}
	var list commandList
	if code := d.signed("cid").told(api+d.commands(), &list); code != http.StatusOK || len(list.Orders) != 1 || list.Orders[0].By != "bob" ||
		list.Orders[0].State != command.Answered || !strings.Contains(list.Orders[0].Answer, "muted") || len(list.Offers) != 0 {
		t.Errorf("told to a reader: %d %+v", code, list)
	}
	if bob.told(api+d.commands(), &list); len(list.Offers) != 2 || list.Offers[0].Command != "unmute" || list.Offers[1].Command != "undo" {
		t.Errorf("offered to bob: %+v", list.Offers)
	}
	if page := bob.ask("GET", d.project+"/audit", nil).Body.String(); !strings.Contains(page, "issue.mute") || !strings.Contains(page, "@bob") || !strings.Contains(page, out.Header().Get("X-Request-ID")) {
		t.Errorf("the audit lacks it:\n%s", page)
	}
	// What the API takes goes the same way.
	bob.headers["Content-Type"] = "application/json"
	for body, want := range map[string]int{
		`{"command": "undo"}`: http.StatusAccepted, `{"command": "nope"}`: http.StatusBadRequest, `{"command": "mute", "words": "x"}`: http.StatusBadRequest,
		`{"command": "mute", "by": "ann"}`: http.StatusBadRequest, `[]`: http.StatusBadRequest,
	} {
		if got := bob.send(api+d.commands(), body); got.Code != want {
			t.Errorf("%s: %d %s, want %d", body, got.Code, got.Body, want)
		}
	}
	d.world.Pass(time.Second)
	d.world.Settle()
	if i := d.world.GitHub.Issues(7)[0]; i.State != "open" {
		t.Errorf("after undo the issue is %s", i.State)
	}
}

// What a program orders is its person's, and names what it brought wherever it is told of.
func TestWhatAProgramOrdersSaysSo(t *testing.T) {
	d := newDesk(t)
	d.permission = d.world.GitHub.Permission
	ann := d.signed("ann")
	made := ann.ask("POST", "/installations/101/keys/make", url.Values{"name": {"deploy <b>@all"}, "role": {"write"}, "days": {"30"}, "repository": {"acme/web"}})
	key := regexp.MustCompile(`sck_101_[A-Z2-7]{26}`).FindString(made.Body.String())
	const byKey = `the key "deploy <b>@all"`
	order := func(token, name, through string) {
		t.Helper()
		var o command.Order
		out := d.program(token, "POST", api+d.commands(), `{"command": "`+name+`"}`)
		if err := json.Unmarshal(out.Body.Bytes(), &o); err != nil || out.Code != http.StatusAccepted || o.Through != through {
			t.Fatalf("%s: %d %s", name, out.Code, out.Body)
		}
		d.world.Pass(time.Second)
		d.world.Settle()
	}
	order(key, "mute", byKey)
	order("ghu_bob", "undo", "a token of theirs")
	order(key, "fix", byKey)

	var log auditList
	if code := ann.told(api+d.project+"/audit", &log); code != http.StatusOK {
		t.Fatal(code)
	}
	by := make(map[string]string)
	for _, e := range log.Entries {
		by[e.Kind] = e.By
	}
	for kind, want := range map[string]string{"issue.mute": "@ann, by " + byKey, "undo": "@bob, by a token of theirs", "run.status": "@ann, by " + byKey} {
		if by[kind] != want {
			t.Errorf("%s by %q, want %q, of %v", kind, by[kind], want, by)
		}
	}
	var runs struct{ Runs []runTold }
	if ann.told(api+d.project+"/runs", &runs); len(runs.Runs) != 1 || runs.Runs[0].By != "ann" || runs.Runs[0].Through != byKey {
		t.Fatalf("%+v", runs)
	}
	for _, at := range []string{d.project + "/clusters/" + theCluster, runs.Runs[0].Page} {
		if page := ann.ask("GET", at, nil).Body.String(); !strings.Contains(page, "by ann, by the key &#34;deploy &lt;b&gt;@all&#34;") {
			t.Errorf("%s does not say so:\n%s", at, page)
		}
	}
	// On GitHub the name calls nobody.
	if said := strings.Join(d.world.GitHub.Comments(7, 1), "\n"); !strings.Contains(said, `Asked for by ann, by the key "deploy `) || strings.Contains(said, "@all") || strings.Contains(said, "<b>") {
		t.Errorf("said on GitHub:\n%s", said)
	}
}

// send sends JSON.
func (g *guest) send(path, body string) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), "POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
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

func TestWhoMayCommand(t *testing.T) {
	d := newDesk(t)
	for login, want := range map[string]int{"ann": http.StatusSeeOther, "bob": http.StatusSeeOther, "cid": http.StatusForbidden, "dan": http.StatusNotFound, "": http.StatusUnauthorized} {
		g := d.guest()
		if login != "" {
			g.signsIn(login)
		}
		if out := g.ask("POST", d.commands(), press("status")); out.Code != want {
			t.Errorf("%q on the page: %d, want %d", login, out.Code, want)
		}
		told := map[int]int{http.StatusSeeOther: http.StatusAccepted}[want]
		if told == 0 {
			told = want
		}
		if out := g.send(api+d.commands(), `{"command": "status"}`); out.Code != told {
			t.Errorf("%q by the API: %d, want %d", login, out.Code, told)
		}
		for _, path := range []string{api + d.commands(), api + d.project + "/runs", d.project + "/runs"} {
			see := map[int]int{http.StatusSeeOther: 200, http.StatusForbidden: 200}[want]
			if see == 0 {
				see = want
			}
			g.headers["Accept"] = "application/json"
			if out := g.ask("GET", path, nil); out.Code != see {
				t.Errorf("%q sees %s: %d, want %d", login, path, out.Code, see)
			}
		}
	}
	bob := d.signed("bob")
	for path, want := range map[string]int{
		strings.Replace(d.commands(), theCluster, "000099", 1):     http.StatusNotFound,
		strings.Replace(d.commands(), theCluster, "..%2Frun", 1):   http.StatusNotFound,
		strings.Replace(d.commands(), theCluster, "000001%2Fx", 1): http.StatusNotFound,
	} {
		if out := bob.ask("POST", path, press("mute")); out.Code != want {
			t.Errorf("%s: %d, want %d", path, out.Code, want)
		}
	}
	// The operator's token is nobody's.
	g := d.guest()
	g.headers["Authorization"] = "Bearer " + token
	if out := g.ask("POST", d.commands(), press("mute")); out.Code != http.StatusForbidden || !strings.Contains(out.Body.String(), "sign in") {
		t.Errorf("the operator: %d %s", out.Code, out.Body)
	}
	// What another site has a browser send is not ordered.
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		bob.headers[header[0]] = header[1]
		for _, path := range []string{d.commands(), api + d.commands()} {
			if out := bob.ask("POST", path, press("mute")); out.Code != http.StatusForbidden {
				t.Errorf("%v to %s: %d", header, path, out.Code)
			}
		}
		delete(bob.headers, header[0])
	}
	d.world.Settle()
	if i := d.world.GitHub.Issues(7)[0]; i.State != "open" {
		t.Error("the issue was muted")
	}
	// GitHub is asked again when it is carried out: who may not any more is told so.
	d.world.GitHub.Allow("bob", github.Read)
	d.world.Pass(time.Second)
	if out := bob.ask("POST", d.commands(), press("mute")); out.Code != http.StatusSeeOther {
		t.Errorf("before GitHub was asked: %d", out.Code)
	}
	d.world.Settle()
	var list commandList
	if bob.told(api+d.commands(), &list); !strings.Contains(list.Orders[0].Answer, "needs write permission") || d.world.GitHub.Issues(7)[0].State != "open" {
		t.Errorf("bob may not write any more: %+v", list.Orders[0])
	}
}

// A run is begun and cancelled from pages.
func TestRunFromPages(t *testing.T) {
	d := newDesk(t)
	bob, cid := d.signed("bob"), d.signed("cid")
	d.pages.wait = answerWithin
	out := bob.orders(d.commands(), url.Values{"command": {"fix"}, "words": {"Mind the <b>gap</b>"}})
	path, _, _ := strings.Cut(out.Header().Get("Location"), "?")
	if out.Code != http.StatusSeeOther || !strings.HasPrefix(path, "/runs/101/") || !strings.HasSuffix(out.Header().Get("Location"), "?done=answered#commands") {
		t.Fatalf("fix: %d %s", out.Code, out.Header().Get("Location"))
	}
	page := bob.ask("GET", strings.TrimSuffix(out.Header().Get("Location"), "#commands"), nil).Body.String()
	for _, want := range []string{"The agent was asked", "The answer is below", "Mind the &lt;b&gt;gap&lt;/b&gt;", ">Cancel the run</button>", `data-live="` + api + d.project + "/runs/", "Round", "nothing yet"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, `role="alert"`) {
		t.Error("the page warns of something")
	}
	if t.Failed() {
		t.Log(page)
	}
	for _, f := range aliveOnPage(t, strings.NewReader(page)) {
		t.Errorf("the page holds %s", f)
	}
	if page := cid.ask("GET", path, nil).Body.String(); strings.Contains(page, "<textarea") || strings.Contains(page, "Cancel the run") || !strings.Contains(page, "The agent was asked") {
		t.Errorf("who may read is offered a button, or not told what came of it:\n%s", page)
	}
	if page := bob.ask("GET", d.project+"/runs", nil).Body.String(); !strings.Contains(page, `href="`+path+`"`) || !strings.Contains(page, "being started") {
		t.Errorf("the list of runs:\n%s", page)
	}
	var runs struct{ Runs []runTold }
	id := path[strings.LastIndexByte(path, '/')+1:]
	if bob.told(api+d.project+"/runs", &runs); len(runs.Runs) != 1 || runs.Runs[0].ID != id || runs.Runs[0].By != "bob" || runs.Runs[0].Page != path || runs.Runs[0].State != run.Launching {
		t.Errorf("told of the runs: %+v", runs)
	}
	out = bob.orders(d.commands(), url.Values{"command": {"cancel"}, "run": {id}})
	if to := out.Header().Get("Location"); to != path+"?done=answered#commands" {
		t.Errorf("cancel leads to %s", to)
	}
	d.world.Settle()
	var told toldWhole
	if code := bob.told(api+d.project+"/runs/"+id, &told); code != http.StatusOK || told.State != run.Cancelled || told.Reason != run.ReasonCommand || told.Ended == nil {
		t.Errorf("after cancel: %d %+v", code, told)
	}
	page = bob.ask("GET", path, nil).Body.String()
	if !strings.Contains(page, ">Try again</button>") || strings.Contains(page, "Cancel the run") || strings.Contains(page, "data-live") {
		t.Errorf("the page of a run that ended:\n%s", page)
	}
	// A form cannot lead elsewhere.
	for _, run := range []string{"x", "../../evil", "https://evil.example", strings.Repeat("y", 3000)} {
		if out := bob.orders(d.commands(), url.Values{"command": {"status"}, "run": {run}}); !strings.HasPrefix(out.Header().Get("Location"), d.project+"/clusters/"+theCluster+"?") {
			t.Errorf("run %.30q leads to %d %s", run, out.Code, out.Header().Get("Location"))
		}
	}
	if code := bob.told(api+d.project+"/runs/none", nil); code != http.StatusNotFound {
		t.Errorf("no such run: %d", code)
	}
	if code := bob.told(api+strings.Replace(d.project, "101", "202", 1)+"/runs/"+id, nil); code != http.StatusNotFound {
		t.Errorf("at another tenant: %d", code)
	}
}

// orders presses a button while work is done.
func (g *guest) orders(path string, form url.Values) *httptest.ResponseRecorder {
	g.t.Helper()
	answered := make(chan *httptest.ResponseRecorder, 1)
	go func() { answered <- g.ask("POST", path, form) }()
	for {
		select {
		case out := <-answered:
			return out
		case <-time.After(answerLook):
			g.world.Settle()
		}
	}
}

// A preview without GitHub takes commands of whoever is at the machine.
func TestCommandsInPreview(t *testing.T) {
	w := world(t)
	w.Take("reports", w.Report("reports", `{"title": "x"}`)...)
	w.Settle()
	p, err := New(Config{Preview: true, Commands: w.Commands}, w.Projects, w.Actions, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	p.wait = 0
	router := handlers.NewRouter()
	p.Register(router)
	known, _, err := project.Load(t.Context(), w.Space("acme/web"))
	if err != nil {
		t.Fatal(err)
	}
	path := clusterPath(known, theCluster)
	send := func(method, path string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr, r.Host = "127.0.0.1:5000", "127.0.0.1:8080"
		out := httptest.NewRecorder()
		router.ServeHTTP(out, r)
		return out
	}
	page := send("GET", path, nil).Body.String()
	if !strings.Contains(page, ">Mute: never file its issue</button>") || strings.Contains(page, `value="fix"`) || strings.Contains(page, `value="undo"`) {
		t.Errorf("the page offers something else:\n%s", page)
	}
	if out := send("POST", path+"/commands", press("mute")); out.Code != http.StatusSeeOther {
		t.Fatalf("mute: %d %s", out.Code, out.Body)
	}
	w.Settle()
	page = send("GET", path+"?done=answered", nil).Body.String()
	for _, want := range []string{"by you, just now", "no issue is filed until", ">Unmute: let its issue be filed</button>", ">Undo the muting</button>", "The answer is below"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, f := range aliveOnPage(t, strings.NewReader(page)) {
		t.Errorf("the page holds %s", f)
	}
}

// listener reads a stream.
type listener struct {
	t      *testing.T
	body   io.Closer
	status int
	events chan string // kind and data
}

func (g *guest) listens(server *httptest.Server, path string) *listener {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), "GET", server.URL+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, c := range g.jar {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	out, err := server.Client().Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	l := &listener{t: g.t, body: out.Body, status: out.StatusCode, events: make(chan string, 100)}
	go func() {
		defer close(l.events)
		defer out.Body.Close()
		kind := "message"
		lines := bufio.NewScanner(out.Body)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				kind = value
			case "data":
				l.events <- kind + " " + value
				kind = "message"
			}
		}
	}()
	return l
}

// next is the next event, "" when the stream has ended.
func (l *listener) next() string {
	l.t.Helper()
	select {
	case e := <-l.events:
		return e
	case <-time.After(20 * time.Second):
		l.t.Fatal("the stream says nothing")
		return ""
	}
}

// quick has streams look often.
func (d *desk) quick() *httptest.Server {
	d.pages.streams.pace, d.pages.streams.ask = time.Millisecond, time.Millisecond
	server := httptest.NewServer(d.handler)
	d.t.Cleanup(server.Close)
	return server
}

// fixing is a desk where a run goes on, and the path of its stream.
func fixing(t *testing.T) (d *desk, bob *guest, stream string) {
	d = newDesk(t)
	bob = d.signed("bob")
	bob.ask("POST", d.commands(), press("fix"))
	d.world.Settle()
	r, _, err := run.Of(t.Context(), d.space, theCluster)
	if err != nil || r == nil {
		t.Fatalf("no run (%v)", err)
	}
	return d, bob, api + d.project + "/runs/" + r.ID + "/events"
}

func TestStreamOfARun(t *testing.T) {
	d, bob, path := fixing(t)
	server := d.quick()
	l := bob.listens(server, path)
	first := l.next()
	if l.status != http.StatusOK || !strings.HasPrefix(first, `message {`) || !strings.Contains(first, `"state":"launching"`) || !strings.Contains(first, `"command":"fix"`) {
		t.Fatalf("%d, the first event is %s", l.status, first)
	}
	problem := bob.listens(server, d.problem()+"/events")
	if e := problem.next(); !strings.Contains(e, `"run_state":"launching"`) || !strings.Contains(e, `"issue":{"number":1,`) {
		t.Errorf("of the problem: %s", e)
	}
	bob.ask("POST", d.commands(), press("cancel"))
	d.world.Settle()
	last := ""
	for e := l.next(); e != ""; e = l.next() {
		last = e
	}
	if !strings.HasPrefix(last, "over ") || !strings.Contains(last, `"state":"cancelled"`) {
		t.Errorf("the last event is %s", last)
	}
	for e := problem.next(); !strings.Contains(e, `"run_state":"cancelled"`); e = problem.next() {
		if e == "" {
			t.Fatal("the stream about the problem ended")
		}
	}
	// Of a run that ended there is one event.
	again := bob.listens(server, path)
	if e := again.next(); !strings.HasPrefix(e, "over ") || again.next() != "" {
		t.Errorf("afterwards: %s", e)
	}
}

func TestStreamOfAProject(t *testing.T) {
	d := newDesk(t)
	bob := d.signed("bob")
	l := bob.listens(d.quick(), api+d.project+"/events")
	first := l.next()
	if !strings.HasPrefix(first, `message {"problems":1,"reports":1,"waiting":0,`) {
		t.Fatalf("the first event is %s", first)
	}
	d.world.Take("reports", d.world.Report("reports", `{"title": "Parcels to Norway are charged twice", "author": "z"}`)...)
	if e := l.next(); !strings.Contains(e, `"waiting":1`) {
		t.Errorf("then %s", e)
	}
	d.world.Settle()
	for e := l.next(); !strings.Contains(e, `"problems":2`); e = l.next() {
		if e == "" {
			t.Fatal("the stream ended")
		}
	}
}

func TestStreamEnds(t *testing.T) {
	for name, c := range map[string]func(d *desk, bob *guest){
		"at sign-out": func(d *desk, bob *guest) { bob.ask("POST", "/logout", url.Values{}) },
		"when GitHub takes the permission": func(d *desk, bob *guest) {
			d.accounts.allow("bob", enginetest.Installation, 7)
			d.forgets()
		},
		"when the sign-in was taken back at GitHub": func(d *desk, bob *guest) {
			d.accounts.mu.Lock()
			d.accounts.revoked["token-bob"] = true
			d.accounts.mu.Unlock()
			d.forgets()
		},
		"when the project goes": func(d *desk, bob *guest) {
			if err := d.world.DB.Drop(d.t.Context(), d.space.Name()); err != nil {
				d.t.Fatal(err)
			}
		},
		"when the app stops": func(d *desk, bob *guest) { d.pages.End() },
	} {
		t.Run(name, func(t *testing.T) {
			d, bob, path := fixing(t)
			l := bob.listens(d.quick(), path)
			if l.next() == "" {
				t.Fatal("it did not begin")
			}
			c(d, bob)
			for e := l.next(); e != ""; e = l.next() {
				if strings.HasPrefix(e, "over") {
					t.Errorf("it says %s", e)
				}
			}
		})
	}
}

func TestWhoMayListen(t *testing.T) {
	d, _, path := fixing(t)
	server := d.quick()
	for login, want := range map[string]int{"cid": http.StatusOK, "dan": http.StatusNotFound, "": http.StatusUnauthorized} {
		g := d.guest()
		if login != "" {
			g.signsIn(login)
		}
		for _, p := range []string{path, d.problem() + "/events"} {
			l := g.listens(server, p)
			l.body.Close()
			if l.status != want {
				t.Errorf("%q at %s: %d, want %d", login, p, l.status, want)
			}
		}
	}
	bob := d.signed("bob")
	for _, p := range []string{strings.Replace(path, "/runs/", "/runs/x", 1), d.problem() + "x/events"} {
		if l := bob.listens(server, p); l.status != http.StatusNotFound {
			t.Errorf("%s: %d", p, l.status)
		}
	}
}

// One person has only so many streams, whose places are free when they end.
func TestStreamsHaveALimit(t *testing.T) {
	d, bob, path := fixing(t)
	server := d.quick()
	var all []*listener
	for range maxStreamsOf {
		l := bob.listens(server, path)
		if l.status != http.StatusOK || l.next() == "" {
			t.Fatalf("stream %d: %d", len(all)+1, l.status)
		}
		all = append(all, l)
	}
	if l := bob.listens(server, path); l.status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", l.status)
	}
	if l := d.signed("cid").listens(server, path); l.status != http.StatusOK {
		t.Errorf("somebody else: %d", l.status)
	}
	all[0].body.Close()
	for {
		l := bob.listens(server, path)
		if l.status == http.StatusOK {
			break
		}
		l.body.Close()
		if t.Context().Err() != nil {
			t.Fatal("the place is not free")
		}
	}
}

// A stream goes on for longer than the server has patience with an answer.
func TestStreamOutlastsTheServersPatience(t *testing.T) {
	d, bob, path := fixing(t)
	d.quick().Close()
	server := httptest.NewUnstartedServer(d.handler)
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	l := bob.listens(server, path)
	l.next()
	time.Sleep(3 * server.Config.WriteTimeout) // what is tested is that the stream outlasts it
	bob.ask("POST", d.commands(), press("cancel"))
	d.world.Settle()
	for e := l.next(); !strings.HasPrefix(e, "over "); e = l.next() {
		if e == "" {
			t.Fatal("the stream broke off")
		}
	}
}

// A list of runs has pages.
func TestRunsHavePages(t *testing.T) {
	d := newDesk(t)
	for i := range perRuns + 3 {
		_, of, err := run.Of(t.Context(), d.space, "other")
		if err != nil {
			t.Fatal(err)
		}
		r := &run.Run{ID: fmt.Sprintf("r%02d", i), Cluster: "other", State: run.Failed, By: "bob", Created: d.world.Time.Add(time.Duration(i) * time.Second), Rounds: []run.Round{{N: 1}}}
		var b storage.Batch
		run.Begin(&b, of, r, nil, run.Words{})
		if err := d.space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	bob := d.signed("bob")
	seen := 0
	for path := d.project + "/runs"; path != ""; {
		page := bob.ask("GET", path, nil).Body.String()
		seen += strings.Count(page, `<td data-label="run"><a href="/runs/`)
		_, older, _ := strings.Cut(page, `<p><a href="`+d.project)
		older, _, _ = strings.Cut(older, `"`)
		if path = ""; older != "" {
			path = d.project + older
		}
	}
	var told struct {
		Runs []runTold
		Next string
	}
	n, cursor := 0, ""
	for {
		told.Next = ""
		bob.told(api+d.project+"/runs?cursor="+cursor, &told)
		n += len(told.Runs)
		if cursor = told.Next; cursor == "" {
			break
		}
	}
	if seen != perRuns+3 || n != perRuns+3 {
		t.Errorf("%d runs on pages, %d told, want %d", seen, n, perRuns+3)
	}
	for _, bad := range []string{strings.Repeat("z", 3000), "\x00", "%zz"} {
		if out := bob.ask("GET", d.project+"/runs?before="+url.QueryEscape(bad), nil); out.Code >= 500 {
			t.Errorf("before=%.20q: %d", bad, out.Code)
		}
	}
}
