package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/erasure"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/signin"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// accounts is a GitHub as far as signing in goes: a code is "<login>.<n>", and a token
// of somebody "token-<login>". "ghu_elsewhere-<login>" is one that they gave to another App.
type accounts struct {
	t      *testing.T
	server *httptest.Server

	mu        sync.Mutex
	asked     map[string]int // requests, by path
	challenge string
	used      map[string]bool
	people    map[string]int64                               // ids, by login
	reach     map[string]map[int64]map[int64]map[string]bool // by login, installation, repository
	revoked   map[string]bool
	names     map[int64]string // of repositories
	away      bool
}

func newAccounts(t *testing.T) *accounts {
	a := &accounts{t: t, asked: make(map[string]int), used: make(map[string]bool), revoked: make(map[string]bool),
		people: make(map[string]int64), reach: make(map[string]map[int64]map[int64]map[string]bool),
		names: map[int64]string{7: "acme/web"}}
	a.join("ann", "bob")
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *accounts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[r.URL.Path]++
	say := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	if a.away {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	login, signed := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer token-")
	if !signed { // a program's
		login, signed = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ghu_")
	}
	login, elsewhere := strings.CutPrefix(login, "elsewhere-")
	reach := a.reach[login]
	if elsewhere {
		reach = nil
	}
	switch {
	case r.URL.Path == "/login/oauth/access_token":
		code := r.PostFormValue("code")
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if a.used[code] || !strings.Contains(code, ".") || r.PostFormValue("client_secret") != "client-secret" || base64.RawURLEncoding.EncodeToString(sum[:]) != a.challenge {
			say(map[string]string{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."})
			return
		}
		a.used[code] = true
		who, _, _ := strings.Cut(code, ".")
		say(map[string]any{"access_token": "token-" + who, "token_type": "bearer", "expires_in": 28800})
	case strings.HasPrefix(r.URL.Path, "/applications/client-id/token"):
		var body struct {
			Token string `json:"access_token"`
		}
		if id, key, ok := r.BasicAuth(); !ok || id != "client-id" || key != "client-secret" || json.NewDecoder(r.Body).Decode(&body) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		a.revoked[body.Token] = true
		w.WriteHeader(http.StatusNoContent)
	case !signed || a.people[login] == 0 || a.revoked["token-"+login]:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/user":
		say(map[string]any{"id": a.people[login], "login": login})
	case r.URL.Path == "/user/installations":
		list := []any{}
		for id := range reach {
			list = append(list, map[string]any{"id": id, "account": map[string]any{"id": 1000 + id, "login": fmt.Sprint("org-", id)}})
		}
		say(map[string]any{"total_count": len(list), "installations": list})
	default:
		var id int64
		if _, err := fmt.Sscanf(r.URL.Path, "/user/installations/%d/repositories", &id); err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		list := []any{}
		for repository, permissions := range reach[id] {
			list = append(list, map[string]any{"id": repository, "full_name": a.names[repository], "permissions": permissions})
		}
		say(map[string]any{"total_count": len(list), "repositories": list})
	}
}

// join makes accounts.
func (a *accounts) join(logins ...string) {
	for _, login := range logins {
		a.people[login] = enginetest.ID(login)
	}
}

// allow lets somebody do something in a repository.
func (a *accounts) allow(login string, installation, repository int64, permissions ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reach[login] == nil {
		a.reach[login] = make(map[int64]map[int64]map[string]bool)
	}
	if a.reach[login][installation] == nil {
		a.reach[login][installation] = make(map[int64]map[string]bool)
	}
	flags := make(map[string]bool)
	for _, p := range permissions {
		flags[p] = true
	}
	a.reach[login][installation][repository] = flags
}

// lobby is the pages of a live app that people sign in to.
type lobby struct {
	t        *testing.T
	accounts *accounts
	world    *enginetest.World
	sessions *signin.Sessions
	access   *Access
	pages    *Pages
	handler  http.Handler
	// permission answers what somebody may do in a repository, for the App.
	permission func(ctx context.Context, at github.At, who github.Person) (github.Permission, error)
	// issue answers how an issue is; the world's GitHub unless it is set.
	issue  func(ctx context.Context, at github.At, number int) (github.Issue, error)
	issues *Issues
	asked  atomic.Int32 // how often GitHub was asked for an issue
}

func newLobby(t *testing.T) *lobby { return newLobbyOf(t, world(t)) }

func newLobbyOf(t *testing.T, w *enginetest.World) *lobby {
	l := &lobby{t: t, accounts: newAccounts(t), world: w}
	app, err := w.DB.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	keys := w.Keys
	login := github.NewLogin(github.LoginConfig{API: l.accounts.server.URL, Web: l.accounts.server.URL, ClientID: "client-id", ClientSecret: "client-secret",
		Redirect: "https://soul.test/login/callback", Now: w.Now})
	l.sessions, l.access = signin.New(app, keys, w.Now), NewAccess(login.Reach, app, w.Now)
	permission := func(ctx context.Context, at github.At, who github.Person) (github.Permission, error) {
		return l.permission(ctx, at, who)
	}
	eraser := &erasure.Eraser{Projects: w.Projects, Intake: w.Intake, Log: w.Actions, Wake: func(...string) {}, Now: w.Now,
		Hash: func(_ int64, author string) string { return "hash of " + author }}
	w.Handle(erasure.Work, eraser.Handle)
	l.issue = w.GitHub.GetIssue
	l.issues = NewIssues(func(ctx context.Context, at github.At, number int) (github.Issue, error) {
		l.asked.Add(1)
		return l.issue(ctx, at, number)
	}, w.Now)
	p, err := New(Config{Issues: l.issues, Eraser: eraser, Drafts: w.Keeper, Sources: w.Store, Imports: importsOf(w), PublicURL: "https://soul.test", AdminToken: token, Permission: permission, SignIn: &SignIn{Login: login, Sessions: l.sessions, Access: l.access, Keys: keys, WebURL: l.accounts.server.URL, Secure: true}, Commands: w.Commands},
		w.Projects, w.Actions, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	l.covers(7)
	p.wait = 0 // nothing is carried out meanwhile
	l.pages = p
	mux := handlers.NewRouter()
	p.Register(mux)
	l.handler = handlers.Observe(zerolog.New(io.Discard), func(string, int, time.Duration) {}, mux)
	return l
}

// covers has the installation cover repositories.
func (l *lobby) covers(repositories ...int64) {
	l.t.Helper()
	l.coversIn(enginetest.Installation, repositories...)
}

func (l *lobby) coversIn(installation int64, repositories ...int64) {
	l.t.Helper()
	home, err := l.world.Projects.Space(l.t.Context(), installation)
	if err != nil {
		l.t.Fatal(err)
	}
	state, was, err := project.LoadInstallation(l.t.Context(), home)
	if err != nil {
		l.t.Fatal(err)
	}
	state.Covers = repositories
	var b storage.Batch
	project.SaveInstallation(&b, was, state)
	if err := home.Apply(l.t.Context(), &b); err != nil {
		l.t.Fatal(err)
	}
}

// forgets has another replica be told of what changes what people may see.
func (l *lobby) forgets() {
	l.t.Helper()
	app, err := l.world.DB.Open(l.t.Context(), project.AppSpace)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := NewAccess(nil, app, l.world.Now).Forget(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// bind makes GitHub's id of a project's repository known.
func (l *lobby) bind(repository string, id int64) {
	l.t.Helper()
	l.bindIn(l.world.Space(repository), id)
}

// neighbour is another tenant, 202, with a project; it returns the path of that.
func (l *lobby) neighbour() string {
	l.t.Helper()
	if _, err := l.world.Projects.Install(l.t.Context(), 202); err != nil {
		l.t.Fatal(err)
	}
	space, err := l.world.Projects.Ensure(l.t.Context(), 202, project.Repo{Owner: "other", Name: "web"})
	if err != nil {
		l.t.Fatal(err)
	}
	l.coversIn(202, 9)
	return projectPath(l.bindIn(space, 9))
}

func (l *lobby) bindIn(space storage.Space, id int64) project.Project {
	l.t.Helper()
	p, entry, err := project.Load(l.t.Context(), space)
	if err != nil {
		l.t.Fatal(err)
	}
	p.Repo.ID = id
	var b storage.Batch
	project.Save(&b, entry, p)
	if err := space.Apply(l.t.Context(), &b); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.world.Projects.Bind(l.t.Context(), p); err != nil {
		l.t.Fatal(err)
	}
	return p
}

// guest is a browser in the lobby.
type guest struct {
	*lobby
	jar     map[string]*http.Cookie
	headers map[string]string
}

func (l *lobby) guest() *guest {
	return &guest{lobby: l, jar: make(map[string]*http.Cookie), headers: map[string]string{"Accept": "text/html"}}
}

func (g *guest) ask(method, path string, form url.Values) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range g.headers {
		r.Header.Set(name, value)
	}
	for _, c := range g.jar {
		r.AddCookie(c)
	}
	out := httptest.NewRecorder()
	g.handler.ServeHTTP(out, r)
	for _, c := range out.Result().Cookies() {
		if g.jar[c.Name] = c; c.MaxAge < 0 {
			delete(g.jar, c.Name)
		}
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" { // or another host could plant it
			g.t.Errorf("the cookie %s is %v", c.Name, c)
		}
	}
	return out
}

// leaves presses the button, and returns the state that GitHub was given.
func (g *guest) leaves(to string) (state string) {
	g.t.Helper()
	out := g.ask("POST", "/login/github", url.Values{"to": {to}})
	at, err := url.Parse(out.Header().Get("Location"))
	q := at.Query()
	if err != nil || out.Code != http.StatusSeeOther || !strings.HasPrefix(at.String(), g.accounts.server.URL+"/login/oauth/authorize?") ||
		q.Get("client_id") != "client-id" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) < 40 || len(q.Get("state")) < 20 {
		g.t.Fatalf("the button: %d %s", out.Code, out.Header().Get("Location"))
	}
	g.accounts.mu.Lock()
	g.accounts.challenge = q.Get("code_challenge")
	g.accounts.mu.Unlock()
	return q.Get("state")
}

func (g *guest) arrives(state, code string) *httptest.ResponseRecorder {
	return g.ask("GET", "/login/callback?"+url.Values{"state": {state}, "code": {code}}.Encode(), nil)
}

// signsIn signs in.
func (g *guest) signsIn(login string) {
	g.t.Helper()
	if out := g.arrives(g.leaves("/"), login+"."+fmt.Sprint(len(g.accounts.used))); out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/" {
		g.t.Fatalf("%s is not signed in: %d %s", login, out.Code, out.Body)
	}
}

const session = "__Host-" + sessionCookie

func TestSignIn(t *testing.T) {
	l := newLobby(t)
	g := l.guest()
	out := g.ask("GET", "/?project=x", nil)
	if out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/login?to=%2F%3Fproject%3Dx" {
		t.Fatalf("nobody: %d %s", out.Code, out.Header().Get("Location"))
	}
	page := g.ask("GET", out.Header().Get("Location"), nil)
	if page.Code != 200 || !strings.Contains(page.Body.String(), `value="/?project=x"`) || strings.Contains(page.Header().Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("the button's page: %d %s", page.Code, page.Body)
	}
	state := g.leaves("/runs/1/a/b")
	out = g.arrives(state, "ann.1")
	if out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/runs/1/a/b" || g.jar[session] == nil {
		t.Fatalf("back: %d %s %v", out.Code, out.Header().Get("Location"), g.jar)
	}
	if page := g.ask("GET", "/", nil); page.Code != 200 || !strings.Contains(page.Body.String(), "signed in as ann") {
		t.Errorf("signed in: %d %s", page.Code, page.Body)
	}
	if out := g.arrives(state, "ann.2"); out.Code != 403 {
		t.Errorf("the way back again: %d", out.Code)
	}

	// Another sign-in in the same browser is another session; the first one is over.
	first := g.jar[session].Value
	g.signsIn("bob")
	if g.jar[session].Value == first {
		t.Error("the session kept its id")
	}
	if _, err := l.sessions.Find(t.Context(), first); err != signin.ErrNone {
		t.Errorf("the session before: %v", err)
	}
	id := g.jar[session].Value
	if out := g.ask("POST", "/logout", url.Values{}); out.Code != http.StatusSeeOther || g.jar[session] != nil {
		t.Errorf("signed out: %d, %v", out.Code, g.jar)
	}
	if _, err := l.sessions.Find(t.Context(), id); err != signin.ErrNone || !l.accounts.revoked["token-bob"] {
		t.Errorf("after signing out: %v, revoked %v", err, l.accounts.revoked)
	}
}

// What did not begin in this browser, a moment ago, signs nobody in.
func TestSignInIsBound(t *testing.T) {
	l := newLobby(t)
	for name, try := range map[string]func() *httptest.ResponseRecorder{
		"no sign-in was begun": func() *httptest.ResponseRecorder { return l.guest().arrives("x", "ann.1") },
		"begun in another browser": func() *httptest.ResponseRecorder {
			return l.guest().arrives(l.guest().leaves("/"), "ann.1")
		},
		"another's state": func() *httptest.ResponseRecorder {
			g := l.guest()
			g.leaves("/")
			return g.arrives(l.guest().leaves("/"), "ann.1")
		},
		"no state": func() *httptest.ResponseRecorder {
			g := l.guest()
			g.leaves("/")
			return g.arrives("", "ann.1")
		},
		"a wrong code": func() *httptest.ResponseRecorder {
			g := l.guest()
			return g.arrives(g.leaves("/"), "nonsense")
		},
		"another's challenge": func() *httptest.ResponseRecorder { // a code that was asked for elsewhere
			g := l.guest()
			state := g.leaves("/")
			l.guest().leaves("/")
			return g.arrives(state, "ann.1")
		},
		"too late": func() *httptest.ResponseRecorder {
			g := l.guest()
			state := g.leaves("/")
			l.world.Pass(loginLife)
			return g.arrives(state, "ann.1")
		},
		"a cookie of another's making": func() *httptest.ResponseRecorder {
			g := l.guest()
			state := g.leaves("/")
			c := g.jar["__Host-"+loginCookie]
			c.Value = c.Value[:len(c.Value)-4] + "AAAA"
			return g.arrives(state, "ann.1")
		},
	} {
		if out := try(); out.Code != 403 || strings.Contains(out.Header().Get("Set-Cookie"), session+"=") {
			t.Errorf("%s: %d %v", name, out.Code, out.Header()["Set-Cookie"])
		}
	}
	g := l.guest()
	state := g.leaves("/")
	l.accounts.away = true
	if out := g.arrives(state, "ann.1"); out.Code != 502 || g.jar[session] != nil {
		t.Errorf("GitHub away: %d", out.Code)
	}
}

// An id that was in the browser before somebody signed in is not the id of their session,
// whether it is made up or that of a session of who planted it.
func TestSessionIsNotPlanted(t *testing.T) {
	l := newLobby(t)
	evil := l.guest()
	evil.signsIn("bob")
	for name, planted := range map[string]string{"made up": strings.Repeat("A", 26), "a session of another's": evil.jar[session].Value} {
		g := l.guest()
		g.jar[session] = &http.Cookie{Name: session, Value: planted}
		g.signsIn("ann")
		if g.jar[session].Value == planted {
			t.Errorf("%s: it is the id of the session", name)
		}
		with := l.guest()
		with.jar[session] = &http.Cookie{Name: session, Value: planted}
		if out := with.ask("GET", "/", nil); out.Code != http.StatusSeeOther {
			t.Errorf("%s: it opens the pages afterwards: %d %s", name, out.Code, out.Body)
		}
	}
}

func TestNobodyIsLedElsewhere(t *testing.T) {
	l := newLobby(t)
	for _, to := range []string{
		"https://evil.test/", "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "\\/evil.test", "/\\/evil.test", "evil.test", "javascript:alert(1)", "data:text/html,x",
		"http:evil.test", "https:evil.test", "https:/evil.test", "https:\\evil.test", "HTTPS://evil.test", "//evil.test\\@soul.test", "https://soul.test@evil.test", "//soul.test@evil.test/",
		"/a\r\nSet-Cookie: x=y", "/\t/evil.test", "\t//evil.test", "/\n/evil.test", "\x00//evil.test", "/\x00/evil.test", " //evil.test", "\u00a0//evil.test", "\ufeff//evil.test",
		"%2f%2fevil.test", "%5cevil.test", "?//evil.test", "#//evil.test", ".//evil.test", "..//evil.test", "", "/" + strings.Repeat("a", 2000),
	} {
		g := l.guest()
		if out := g.arrives(g.leaves(to), "ann."+fmt.Sprint(len(l.accounts.used))); out.Header().Get("Location") != "/" {
			t.Errorf("%q leads to %q", to, out.Header().Get("Location"))
		}
		if page := g.ask("GET", "/login?"+url.Values{"to": {to}}.Encode(), nil); !strings.Contains(page.Body.String(), `name="to" value="/"`) {
			t.Errorf("%q is on the button's page: %s", to, page.Body)
		}
	}
	// What is left of these leads to a page of ours, however a browser reads it.
	for _, to := range []string{"/%2f%2fevil.test", "/%2f/evil.test", "/%5cevil.test", "/.//evil.test", "/..//evil.test", "/x/../..//evil.test", "/x//evil.test", "/@evil.test", "/:80//evil.test", "/\uff0fevil.test", "/a?to=//evil.test"} {
		g := l.guest()
		at := g.arrives(g.leaves(to), "ann."+fmt.Sprint(len(l.accounts.used))).Header().Get("Location")
		u, err := url.Parse(at)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(at, "/") || strings.HasPrefix(at, "//") || strings.ContainsAny(at, "\\\t\r\n") {
			t.Errorf("%q leads to %q", to, at)
		}
	}
}

func TestFormsOfOtherSites(t *testing.T) {
	l := newLobby(t)
	g := l.guest()
	g.signsIn("ann")
	id := g.jar[session].Value
	for _, headers := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}} {
		g.headers = headers
		for _, path := range []string{"/logout", "/login/github"} {
			if out := g.ask("POST", path, url.Values{}); out.Code != 403 {
				t.Errorf("%s with %v: %d", path, headers, out.Code)
			}
		}
	}
	if _, err := l.sessions.Find(t.Context(), id); err != nil {
		t.Errorf("somebody was signed out: %v", err)
	}
}

// Who is signed in sees what they may read on GitHub, and of the rest not even that it is
// there.
func TestWhoSeesWhat(t *testing.T) {
	l := newLobby(t)
	w := l.world
	for source, title := range map[string]string{"reports": "The export of web fails", "others": "The api answers nonsense", "nowhere": "Nobody knows where"} {
		w.Take(source, w.Report(source, fmt.Sprintf(`{"title": %q}`, title))...)
	}
	w.Settle()
	l.bind("acme/web", 7)
	l.bind("acme/api", 8)
	in := int64(enginetest.Installation)
	l.accounts.allow("ann", in, 7, "pull")
	l.accounts.allow("bob", in, 7, "admin", "push", "pull")
	l.accounts.allow("bob", in, 8, "admin", "push", "pull")
	l.accounts.allow("bob", 999, 8, "admin")
	web, api := pathOf(t, w, "acme/web"), pathOf(t, w, "acme/api")
	status := func(g *guest, path string) int { return g.ask("GET", path, nil).Code }

	nobody, ann, bob := l.guest(), l.guest(), l.guest()
	ann.signsIn("ann")
	bob.signsIn("bob")
	if page := nobody.ask("GET", "/", nil); strings.Contains(page.Body.String(), "acme") {
		t.Errorf("nobody sees %s", page.Body)
	}
	page := ann.ask("GET", "/", nil).Body.String()
	if !strings.Contains(page, "The export of web fails") || strings.Contains(page, "nonsense") || strings.Contains(page, "1 report is held") || strings.Contains(page, "acme/api") {
		t.Errorf("ann sees %s", page)
	}
	page = bob.ask("GET", "/", nil).Body.String()
	if !strings.Contains(page, "The export of web fails") || !strings.Contains(page, "nonsense") || !strings.Contains(page, "1 report is held") {
		t.Errorf("bob sees %s", page)
	}
	for path, want := range map[string]int{web: 200, api: 404, "/projects/1/none": 404} {
		if got := status(ann, path); got != want {
			t.Errorf("%s for ann: %d, want %d", path, got, want)
		}
	}
	if got := status(bob, api); got != 200 {
		t.Errorf("api for bob: %d", got)
	}

	// What they may see is asked once a minute, and at once when something was told.
	asked := func() int {
		l.accounts.mu.Lock()
		defer l.accounts.mu.Unlock()
		return l.accounts.asked["/user/installations"]
	}
	before := asked()
	for range 5 {
		status(ann, "/")
	}
	if n := asked() - before; n != 0 {
		t.Errorf("GitHub was asked %d times more", n)
	}
	l.accounts.allow("ann", in, 7) // nothing any more
	l.forgets()
	if got := status(ann, web); got != 404 {
		t.Errorf("web for ann, who may not read it any more: %d", got)
	}
	l.accounts.allow("ann", in, 8, "pull")
	if got := status(ann, api); got != 404 {
		t.Errorf("within the minute: %d", got)
	}
	w.Pass(time.Minute)
	if got := status(ann, api); got != 200 {
		t.Errorf("after a minute: %d", got)
	}
	// Who signs in anew is asked for anew.
	l.accounts.allow("ann", in, 8)
	ann.signsIn("ann")
	if got := status(ann, api); got != 404 {
		t.Errorf("after signing in anew: %d", got)
	}
	// GitHub away: nobody sees anything, and is told so.
	w.Pass(time.Minute)
	l.accounts.mu.Lock()
	l.accounts.away = true
	l.accounts.mu.Unlock()
	if out := ann.ask("GET", "/", nil); out.Code != 503 || strings.Contains(out.Body.String(), "acme") {
		t.Errorf("GitHub away: %d %s", out.Code, out.Body)
	}
}

// A session has an end, changes its id, and ends when its person says so at GitHub.
func TestSessionsEnd(t *testing.T) {
	l := newLobby(t)
	g := l.guest()
	g.signsIn("ann")
	first := g.jar[session].Value
	l.world.Pass(61 * time.Minute)
	if out := g.ask("GET", "/", nil); out.Code != 200 || g.jar[session].Value == first {
		t.Errorf("after an hour: %d, the same id: %v", out.Code, g.jar[session].Value == first)
	}
	old := l.guest()
	old.jar[session] = &http.Cookie{Name: session, Value: first}
	if out := old.ask("GET", "/", nil); out.Code != 200 {
		t.Errorf("the old id at once: %d", out.Code)
	}
	l.world.Pass(2 * time.Minute)
	if out := old.ask("GET", "/", nil); out.Code != http.StatusSeeOther {
		t.Errorf("the old id after minutes: %d", out.Code)
	}
	if out := g.ask("GET", "/", nil); out.Code != 200 {
		t.Errorf("the new one: %d", out.Code)
	}
	l.world.Pass(8 * time.Hour)
	if out := g.ask("GET", "/", nil); out.Code != http.StatusSeeOther {
		t.Errorf("after the end: %d", out.Code)
	}
	if err := l.sessions.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := l.count(); n != 0 {
		t.Errorf("%d sessions are kept", n)
	}

	a, b := l.guest(), l.guest()
	a.signsIn("ann")
	b.signsIn("bob")
	if err := l.sessions.EndOf(t.Context(), enginetest.ID("ann")); err != nil {
		t.Fatal(err)
	}
	if got := a.ask("GET", "/", nil).Code; got != http.StatusSeeOther {
		t.Errorf("ann, who took it back: %d", got)
	}
	if got := b.ask("GET", "/", nil).Code; got != 200 {
		t.Errorf("bob: %d", got)
	}
	l.accounts.revoked["token-bob"] = true
	l.forgets()
	if got := b.ask("GET", "/", nil).Code; got != http.StatusSeeOther || l.count() != 0 {
		t.Errorf("bob, whose token is void: %d, %d sessions", got, l.count())
	}
}

// count is how many sessions are kept. None of them can be read in the store.
func (l *lobby) count() int {
	l.t.Helper()
	app, err := l.world.DB.Open(context.Background(), project.AppSpace)
	if err != nil {
		l.t.Fatal(err)
	}
	entries, err := app.Scan(l.t.Context(), "session/", "", 500)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(string(e.Value), "token-") || strings.Contains(string(e.Value), "ann") {
			l.t.Errorf("a session can be read in the store: %q", e.Value)
		}
	}
	return len(entries)
}

// The number of an installation in an address is believed of nobody who may not see it.
func TestInstalled(t *testing.T) {
	l := newLobby(t)
	l.accounts.allow("ann", 101, 7, "admin")
	nobody, ann, bob := l.guest(), l.guest(), l.guest()
	if out := nobody.ask("GET", "/installed?installation_id=101&setup_action=install", nil); out.Code != http.StatusSeeOther || !strings.HasPrefix(out.Header().Get("Location"), "/login?to=%2Finstalled") {
		t.Errorf("nobody: %d %v", out.Code, out.Header())
	}
	ann.signsIn("ann")
	bob.signsIn("bob")
	if out := ann.ask("GET", "/installed?installation_id=101", nil); out.Code != 200 || !strings.Contains(out.Body.String(), "<strong>101</strong>") || !strings.Contains(out.Body.String(), "org-101") {
		t.Errorf("ann: %d %s", out.Code, out.Body)
	}
	for _, id := range []string{"101", "102", "", "x", "-1", "101 "} {
		if out := bob.ask("GET", "/installed?"+url.Values{"installation_id": {id}}.Encode(), nil); out.Code != 404 || strings.Contains(out.Body.String(), "org-101") {
			t.Errorf("bob asks for %q: %d %s", id, out.Code, out.Body)
		}
	}
	l.accounts.allow("bob", 202, 9, "pull") // a moment ago
	if out := bob.ask("GET", "/installed?installation_id=202", nil); out.Code != 200 {
		t.Errorf("what was installed a moment ago: %d %s", out.Code, out.Body)
	}
	if _, err := l.world.Projects.Space(t.Context(), 202); err != nil {
		t.Errorf("its space is not made: %v", err)
	}
	if _, err := l.world.Projects.Space(t.Context(), 303); err == nil {
		t.Error("an installation that is only claimed has a space")
	}
}
