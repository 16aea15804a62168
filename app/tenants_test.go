package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/backfill"
	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	handlegithub "github.com/soulcaster/soulcaster/handlers/github"
)

// of says what a route is to whoever is not of the tenant that an address names.
type of string

const (
	nobodys of = "nobody's" // nothing of any tenant is there
	tenants of = "a tenant's"
	senders of = "a source's"   // who sends shows the source's secret: 401 to whoever does not, as to everybody
	agents  of = "a run's"      // who asks shows the run's secret: 404 to whoever does not
	githubs of = "GitHub's own" // it is signed
)

// routesOf says of every route whose it is. A route that is missing here fails the test.
var routesOf = map[string]of{
	"GET /{$}":                                   nobodys, // what of a tenant's it shows is tried apart
	"GET /api/v1/projects":                       nobodys, // the same
	"GET /api/v1/projects/events":                nobodys, // the same
	"GET /api/v1/installations":                  nobodys, // the same
	"GET /api/v1/openapi.yaml":                   nobodys,
	"GET /assets/style.css":                      nobodys,
	"GET /assets/icon.svg":                       nobodys,
	"GET /assets/live.js":                        nobodys,
	"GET /assets/idiomorph.js":                   nobodys,
	"GET /login":                                 nobodys,
	"POST /login/github":                         nobodys,
	"GET /login/callback":                        nobodys,
	"GET /installed":                             nobodys, // the same
	"POST /logout":                               nobodys,
	"GET /checks":                                nobodys,
	"POST /checks":                               nobodys,
	"GET /api/v1/checks":                         nobodys,
	"GET /healthz":                               nobodys,
	"GET /readyz":                                nobodys,
	"GET /health":                                nobodys,
	" /":                                         nobodys,
	" /api/github/hook":                          githubs,
	"POST /agent/claim":                          agents,
	"POST /agent/runs/{run}/heartbeat":           agents,
	"POST /agent/runs/{run}/log":                 agents,
	"PUT /agent/runs/{run}/result":               agents,
	"POST /agent/runs/{run}/v1/chat/completions": agents,
	"POST /ingest/sentry/{source}":               senders,
	"POST /ingest/sentry/{source}/{secret}":      senders,
	"POST /ingest/reddit/{source}":               senders,
	"POST /ingest/feedback/{source}":             senders,
	"POST /ingest/manual/{source}":               senders,
}

// bodies is what forms and programs send where an id is not in the address.
var bodies = map[string]string{
	"POST /projects/{installation}/{project}/work/retry":        "key={work}",
	"POST /api/v1/projects/{installation}/{project}/work/retry": `{"key": "{job}"}`,
	"POST /installations/{installation}/work/retry":             "key={work}",
	"POST /api/v1/installations/{installation}/work/retry":      `{"key": "{job}"}`,
	"POST /installations/{installation}/keys/revoke":            "id={key}",
	"POST /api/v1/installations/{installation}/keys/revoke":     `{"id": "{opener}"}`,

	"POST /installations/{installation}/held/route":                          "source={source}&project=x&repository=acme/web",
	"POST /installations/{installation}/sources/{source}/secrets":            "overlap=24h",
	"POST /api/v1/installations/{installation}/sources/{source}/secrets":     `{"overlap": "24h"}`,
	"POST /installations/{installation}/sources/{source}/settings":           "name=x",
	"POST /installations/{installation}/sources/{source}/secrets/end":        "id={secret}",
	"POST /api/v1/installations/{installation}/sources/{source}":             `{"name": "x"}`,
	"POST /api/v1/installations/{installation}/sources/{source}/secrets/end": `{"id": "{ended}"}`,

	"POST /projects/{installation}/{project}/clusters/{cluster}/commands":        "command=mute",
	"POST /api/v1/projects/{installation}/{project}/clusters/{cluster}/commands": `{"command": "unmute"}`,
}

const operatorToken = "operator-token-0123456789"

// street is an app with two tenants: acme is installation 101, other is 202, and each has a
// project with what can be in one.
type street struct {
	t       *testing.T
	hub     *hub.Hub
	cfg     *config.Config
	machine *machine
	address string
	api     *description // that answers are held against
	hears   atomic.Bool  // what GitHub tells the App
}

// hook is where GitHub delivers to.
func (s *street) hook() string {
	if s.hears.Load() {
		return s.address + handlegithub.Route
	}
	return ""
}

func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{t: t, api: described(t)}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pemText := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	s.hub, err = hub.New(hub.Options{T: t, Dir: filepath.Join(t.TempDir(), "hub"), AppID: 4711, Key: pemText, WebhookSecret: benchSecret, WebhookURL: s.hook})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.hub.Close)
	for id, organization := range map[int64]string{101: "acme", 202: "other"} {
		s.hub.Install(id, organization)
		s.hub.Create(organization+"/web", hub.Repository{})
		s.hub.Allow(organization+"/web", "admin-of-"+organization, "admin")
	}
	file := filepath.Join(t.TempDir(), "soulcaster.yml")
	text := `installations:
  - id: 101
    sources: [{id: acme-api, kind: feedback, secrets: [acme-key-0123456789], repository: acme/web}, {id: acme-sentry, kind: sentry, legacy: true, secrets: [acme-key-0123456789], repository: acme/web}, {id: acme-reddit, kind: reddit, secrets: [acme-key-0123456789], repository: acme/web}]
    repositories: {acme/web: {file_after: {reports: 1}}}
  - id: 202
    sources: [{id: other-api, kind: feedback, secrets: [other-key-0123456789], repository: other/web}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	front, back := listen(t), listen(t)
	s.address = "http://" + front.Addr().String()
	cfg, err := config.Load([]string{
		"GITHUB_APP_INTEGRATION_ID=4711", "GITHUB_APP_PRIVATE_KEY=" + strings.ReplaceAll(string(pemText), "\n", `\n`),
		"GITHUB_APP_WEBHOOK_SECRET=" + benchSecret, "GITHUB_OAUTH_CLIENT_ID=" + hub.ClientID, "GITHUB_OAUTH_CLIENT_SECRET=" + hub.ClientSecret,
		"GITHUB_V3_API_URL=" + s.hub.URL, "GITHUB_WEB_URL=" + s.hub.URL, "SOULCASTER_CONFIG=" + file, "SOULCASTER_PUBLIC_URL=" + s.address, "SOULCASTER_ADMIN_TOKEN=" + operatorToken,
		"SOULCASTER_STORE=bolt:" + filepath.Join(t.TempDir(), "soulcaster.db"),
		"SOULCASTER_SECRET_KEY=" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.cfg = cfg
	ctx, cancel := context.WithCancel(context.Background())
	log := zerolog.New(os.Stderr).Level(zerolog.ErrorLevel)
	pace := github.Pace{Wait: time.Second, Retry: 300 * time.Millisecond}
	host, err := github.New(github.Config{API: cfg.GitHub.APIURL, AppID: cfg.GitHub.IntegrationID, PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()), Pace: &pace})
	if err != nil {
		t.Fatal(err)
	}
	db, bell, exclusive, err := openStore(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s.machine, err = assemble(ctx, cfg, db, bell, exclusive, host, mode{address: s.address}, log); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- s.machine.run(ctx, openPort(front, s.machine.handler, log), openPort(back, s.machine.metrics, log), log)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		db.Close()
	})
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// passer is somebody with a browser, and a token for the API.
type passer struct {
	*street
	client *http.Client
	token  string
	media  string      // of what is sent to the API; "" for JSON
	header http.Header // that the browser sends besides
}

// signs has somebody sign in, through GitHub's page and back.
func (s *street) signs(login string) *passer {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &passer{street: s, client: &http.Client{Jar: jar, Timeout: 30 * time.Second}, token: s.hub.As(login).Token()}
	s.hub.Browse(login)
	status, page := p.asks(http.MethodPost, "/login/github", "to=/")
	if status != http.StatusOK || !strings.Contains(page, "signed in as "+login) {
		s.t.Fatalf("%s is not signed in: %d %s", login, status, page)
	}
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

func (p *passer) asks(method, path, body string) (status int, text string) {
	p.t.Helper()
	// A stream is left as soon as it has begun.
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, p.address+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	if strings.HasPrefix(path, "/api/") {
		r.Header.Set("Content-Type", cmp.Or(p.media, "application/json"))
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	maps.Copy(r.Header, p.header)
	answer, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	// What is answered is shown in nobody's frame, runs no script but ours, and is kept
	// nowhere.
	csp := answer.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") || strings.Contains(csp, "unsafe") ||
		answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Referrer-Policy") != "no-referrer" || answer.Header.Get("Cache-Control") != "no-store" {
		p.t.Errorf("%s %s is answered with %v", method, path, answer.Header)
	}
	all, err := answerOf(answer.Body, answer.Header.Get("Content-Type"))
	if err != nil {
		p.t.Fatal(err)
	}
	if strings.HasPrefix(path, "/api/v1/") {
		p.api.holds(p.t, r, body, answer, all)
	}
	return answer.StatusCode, string(all)
}

// send sends a report to a source.
func (s *street) send(source, key, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.address+"/ingest/feedback/"+source, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(answer.Body)
		s.t.Fatalf("%s: %d %s", source, answer.StatusCode, text)
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// TestTenants: every route that is about something of a tenant's answers whoever is of
// another tenant with 404, whichever of the ids in it is the other tenant's; and does not
// answer the tenant so, or it would be tried for nothing.
func TestTenants(t *testing.T) {
	s := newStreet(t)
	s.send("acme-api", "acme-key-0123456789", `{"title": "The export of invoices fails at night", "author": "mona"}`)
	s.send("acme-api", "acme-key-0123456789", `{"title": "Parcels to Norway are charged twice", "author": "lisa"}`)
	s.send("other-api", "other-key-0123456789", `{"title": "The greeting is misspelt", "author": "hubot"}`)
	acme, other := s.signs("admin-of-acme"), s.signs("admin-of-other")
	ours, theirs := map[string]string{"{installation}": "101"}, map[string]string{"{installation}": "202"}
	acme.fill("acme", 2, ours)
	other.fill("other", 1, theirs)
	seen := map[string]bool{}
	for _, route := range s.machine.routes {
		name := route.Method + " " + route.Path
		whose, known := routesOf[name]
		seen[name] = true
		switch {
		case !known && strings.Contains(route.Path, "{installation}"):
			whose = tenants
		case !known:
			t.Errorf("%s: whose is it? routesOf does not say", name)
			continue
		}
		if whose != tenants {
			continue
		}
		body := bodies[name]
		ids := placeholder.FindAllString(route.Path+body, -1)
		for _, p := range ids {
			if ours[p] == "" {
				t.Errorf("%s: there is no %s of a tenant to try it with", name, p)
			}
		}
		if body == "" && strings.HasPrefix(route.Path, "/api/") && route.Method != http.MethodGet {
			body = "{}"
		}
		if status, text := other.asks(route.Method, put(route.Path, ours), put(body, ours)); status != http.StatusNotFound {
			t.Errorf("%s answers another tenant with %d: %.300s", name, status, text)
		}
		// Each id by itself: everything else is their own.
		for _, p := range ids {
			mixed := map[string]string{}
			for k, v := range theirs {
				mixed[k] = v
			}
			mixed[p] = ours[p]
			if mixed[p] == theirs[p] {
				continue // such ids are counted from one in each place
			}
			if status, text := other.asks(route.Method, put(route.Path, mixed), put(body, mixed)); status != http.StatusNotFound {
				t.Errorf("%s with %s of another tenant: %d: %.300s", name, p, status, text)
			}
		}
		if status, text := acme.asks(route.Method, put(route.Path, ours), put(body, ours)); status == http.StatusNotFound || status >= 500 || status == http.StatusUnauthorized {
			t.Errorf("%s answers its own tenant with %d: %.300s", name, status, text)
		}
	}
	for name := range routesOf {
		if !seen[name] {
			t.Errorf("routesOf knows %s, and the router does not", name)
		}
	}

	for _, path := range []string{"/", "/installed?installation_id=101", "/api/v1/projects", "/api/v1/projects/events", "/api/v1/installations"} {
		_, text := other.asks("GET", path, "")
		for _, of := range []string{"acme", "invoices"} {
			if strings.Contains(text, of) {
				t.Errorf("%s shows %q to another tenant", path, of)
			}
		}
	}
	queriesOfOthers(t, acme, other, ours, theirs)
}

// queriesOfOthers asks a tenant's own pages for what another tenant's ids name: where a list
// goes on, and what it is about. Nothing of the other's is in the answers.
func queriesOfOthers(t *testing.T, acme, other *passer, ours, theirs map[string]string) {
	t.Helper()
	const project, installation = "/projects/{installation}/{project}", "/installations/{installation}"
	var queries []string
	for _, list := range []string{project + "/audit", project + "/work", project + "/runs", project + "/clusters", project + "/clusters/{cluster}/reports", installation + "/audit", installation + "/work"} {
		for _, id := range []string{"{cluster}", "{run}", "{import}", "{source}", "{key}"} {
			queries = append(queries, "/api/v1"+list+"?subject="+ours[id], "/api/v1"+list+"?cursor="+ours[id])
		}
		var answer struct{ Next string }
		_, text := acme.asks("GET", put("/api/v1"+list, ours)+"?limit=1", "")
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatalf("%s: %v: %s", list, err, text)
		}
		if answer.Next != "" {
			queries = append(queries, "/api/v1"+list+"?cursor="+url.QueryEscape(answer.Next))
		}
	}
	for _, id := range []string{"{cluster}", "{run}", "{import}", "{source}", "{key}"} {
		queries = append(queries, project+"/audit?subject="+ours[id], project+"/audit?before="+ours[id], project+"/runs?before="+ours[id],
			project+"/clusters/{cluster}?after="+ours[id], project+"?after="+ours[id], installation+"/audit?subject="+ours[id])
	}
	shown := ""
	for _, query := range queries {
		_, own := acme.asks("GET", put(query, ours), "")
		shown += own
		status, text := other.asks("GET", put(query, theirs), "")
		if status >= 500 {
			t.Errorf("%s with another tenant's id: %d", query, status)
		}
		for _, of := range []string{"acme", "invoices", "Norway"} {
			if strings.Contains(text, of) {
				t.Errorf("%s with another tenant's id shows %q", query, of)
			}
		}
	}
	for _, of := range []string{"acme", "invoices", "Norway"} {
		if !strings.Contains(shown, of) {
			t.Errorf("nothing that was asked for holds %q: it is tried for nothing", of)
		}
	}
}

// put puts ids into a pattern.
func put(pattern string, ids map[string]string) string {
	return placeholder.ReplaceAllStringFunc(pattern, func(p string) string { return ids[p] })
}

// fill makes what a tenant can have, and notes the ids.
func (p *passer) fill(organization string, reports int, ids map[string]string) {
	t := p.t
	t.Helper()
	installation, err := strconv.ParseInt(ids["{installation}"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	names, err := p.machine.db.List(t.Context(), project.Space(installation, ""), "", 10)
	if err != nil || len(names) != 1 {
		t.Fatalf("projects of %s: %q %v", organization, names, err)
	}
	ids["{project}"] = strings.TrimPrefix(names[0], project.Space(installation, ""))
	ids["{work}"], ids["{job}"] = "issue/of-"+organization, "issue/also-of-"+organization
	for _, name := range []string{names[0], project.InstallationSpace(installation)} {
		space, err := p.machine.db.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var b storage.Batch
		for _, id := range []string{"{work}", "{job}"} {
			b.SetJSON("work/dead/"+ids[id], map[string]any{"attempts": 3, "error": "of " + organization})
		}
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	space, err := p.machine.db.Open(t.Context(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	// Clusters are numbered in each project, so the last one of who has more is theirs alone.
	within(t, "there are clusters", func() bool {
		lines, err := issue.Lines(t.Context(), space, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			ids["{cluster}"] = l.Cluster
		}
		return len(lines) == reports
	})
	now := time.Now().UTC()
	r := &fixrun.Run{ID: fixrun.NewID(), Cluster: "of-" + organization, Issue: 7, State: fixrun.NoChange, By: "mona", Created: now, Changed: now, Rounds: []fixrun.Round{{N: 1, By: "mona", Asked: now}}}
	_, of, err := fixrun.Of(t.Context(), space, r.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	fixrun.Begin(&b, of, r, nil, fixrun.Words{By: "mona"})
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	ids["{run}"] = r.ID
	// Ids of imports begin with the time, and end with what nobody guesses.
	ids["{import}"] = now.Format("20060102150405") + "-" + strings.Repeat(map[string]string{"acme": "a", "other": "b"}[organization], 8)
	var brought storage.Batch
	brought.SetJSON("import/"+ids["{import}"], backfill.Import{ID: ids["{import}"], Kind: backfill.File, Name: "of " + organization, By: "mona", Started: now, Expires: now.Add(time.Hour), State: backfill.Ready})
	if err := space.Apply(t.Context(), &brought); err != nil {
		t.Fatal(err)
	}
	within(t, "the project is visible", func() bool {
		status, _ := p.asks("GET", put("/projects/{installation}/{project}/settings", ids), "")
		return status == http.StatusOK
	})
	_, page := p.asks("POST", put("/installations/{installation}/keys/make", ids), "name=x&role=read&days=30&repository="+organization+"/web")
	found := regexp.MustCompile(`name="id" value="([0-9a-f]+)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no key was made: %s", page)
	}
	ids["{key}"] = found[1]
	_, told := p.asks("POST", put("/api/v1/installations/{installation}/keys", ids), `{"name": "y", "role": "read", "days": 30, "repositories": ["`+organization+`/web"]}`)
	if found = regexp.MustCompile(`"id":"([0-9a-f]+)"`).FindStringSubmatch(told); found == nil {
		t.Fatalf("no key was made: %s", told)
	}
	ids["{opener}"] = found[1]
	_, page = p.asks("POST", put("/installations/{installation}/sources", ids), "kind=feedback&name=of-"+organization)
	made := regexp.MustCompile(`/sources/(feedback-[0-9]+-[a-z0-9]{10})"`).FindStringSubmatch(page)
	if made == nil {
		t.Fatalf("no source was connected: %s", page)
	}
	ids["{source}"] = made[1]
	p.asks("POST", put("/installations/{installation}/sources/{source}/secrets", ids), "overlap=24h")
	_, page = p.asks("GET", put("/installations/{installation}/sources/{source}", ids), "")
	secrets := regexp.MustCompile(`name="id" value="([a-z0-9]+)"`).FindAllStringSubmatch(page, -1)
	if len(secrets) != 2 {
		t.Fatalf("no secrets are listed: %s", page)
	}
	ids["{secret}"], ids["{ended}"] = secrets[0][1], secrets[1][1]
}

func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s: " + what)
		}
	}
}
