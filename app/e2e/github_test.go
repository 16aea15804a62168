//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// object is a JSON object.
type object = map[string]any

// The App, as GitHub knows it.
const (
	appID         = 4711
	botName       = "soulcaster[bot]"
	webhookSecret = "webhook-secret-0123456789"
	oauthSecret   = "oauth-secret-0123456789"
)

// The people. What they may do in every repository is in their names; the bot
// may write, and may not command all the same.
const (
	maintainer = "maintainer"
	reader     = "reader"
	stranger   = "stranger"
)

// The two tenants, that must never see anything of each other.
const (
	acme   = 101
	globex = 202
)

// github is the emulator, as people see it.
type github struct {
	t   testing.TB
	url string
}

// appKey is the App's private key, in PEM. One is enough for all tests.
var appKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// newGitHub starts an emulator in which the App is installed twice. It sends its
// webhooks to hook; links in its answers begin with base.
func newGitHub(t testing.TB, hook string) *github {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("the emulator of GitHub needs Node.js: make e2e installs it")
	}
	if _, err := os.Stat("node_modules/emulate"); err != nil {
		t.Fatal("the emulator of GitHub is not here: make e2e installs it")
	}
	permissions := object{"issues": "write", "contents": "write", "pull_requests": "write", "checks": "read", "metadata": "read"}
	options, err := json.Marshal(object{
		"baseUrl": "https://github.test",
		"seed": object{
			"tokens": object{
				maintainer: object{"login": maintainer, "scopes": []string{"repo"}},
				reader:     object{"login": reader, "scopes": []string{"repo"}},
				stranger:   object{"login": stranger, "scopes": []string{"repo"}},
				"owner":    object{"login": "owner", "scopes": []string{"repo"}},
			},
			"github": object{
				"users": []any{
					object{"login": "nobody"}, // whom the emulator takes unknown tokens for
					object{"login": maintainer}, object{"login": reader}, object{"login": stranger}, object{"login": "owner"},
				},
				"orgs": []any{
					object{"login": "acme", "members": []any{object{"login": "owner", "role": "admin"}}},
					object{"login": "globex", "members": []any{object{"login": "owner", "role": "admin"}}},
				},
				"repos": []any{
					object{"owner": "acme", "name": "web", "auto_init": true},
					object{"owner": "acme", "name": "api", "auto_init": true},
					object{"owner": "globex", "name": "shop", "auto_init": true},
				},
				"apps": []any{object{
					"app_id": appID, "slug": "soulcaster", "name": "Soulcaster", "private_key": appKey(),
					"permissions": permissions, "events": []string{"issues", "issue_comment", "repository", "pull_request"},
					"webhook_url": hook, "webhook_secret": webhookSecret,
					"installations": []any{
						object{"installation_id": acme, "account": "acme", "repository_selection": "selected", "repositories": []string{"acme/web", "acme/api"}},
						object{"installation_id": globex, "account": "globex", "repository_selection": "selected", "repositories": []string{"globex/shop"}},
					},
				}},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := &github{t: t}
	cmd := exec.Command("node", "emulator.mjs")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait() // an error by design: it was killed
	})
	if _, err := in.Write(append(options, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the emulator ended before it was ready: %v", err)
	}
	g.url = strings.TrimSpace(line)
	for _, repo := range []string{"acme/web", "acme/api", "globex/shop"} {
		g.ask("owner", "PUT", "/repos/"+repo+"/collaborators/"+maintainer, object{"permission": "push"}, nil)
		g.ask("owner", "PUT", "/repos/"+repo+"/collaborators/"+reader, object{"permission": "pull"}, nil)
	}
	return g
}

// ask does a request as a person, whose login is the token, and fails the test
// if GitHub does not do what it is asked.
func (g *github) ask(as, method, path string, body, answer any) {
	g.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			g.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, in)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+as)
	got, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	if got.StatusCode >= 300 {
		g.t.Fatalf("%s %s as %s: %s %s", method, path, as, got.Status, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			g.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
}

// issue is an issue as GitHub shows it.
type issue struct {
	Number      int
	Title, Body string
	State       string
	StateReason string `json:"state_reason"`
	Labels      []struct{ Name string }
	User        struct{ Login string }
}

func (i issue) labels() (names []string) {
	for _, l := range i.Labels {
		names = append(names, l.Name)
	}
	return names
}

// comment is a comment as GitHub shows it.
type comment struct {
	ID   int64
	Body string
	User struct{ Login string }
}

// issues returns all issues of a repository, oldest first.
func (g *github) issues(repo string) []issue {
	g.t.Helper()
	var all []issue
	for page := 1; ; page++ {
		var some []issue
		g.ask("owner", "GET", fmt.Sprintf("/repos/%s/issues?state=all&direction=asc&per_page=100&page=%d", repo, page), nil, &some)
		all = append(all, some...)
		if len(some) < 100 {
			return all
		}
	}
}

func (g *github) issue(repo string, number int) (i issue) {
	g.t.Helper()
	g.ask("owner", "GET", fmt.Sprintf("/repos/%s/issues/%d", repo, number), nil, &i)
	return i
}

// change edits an issue as a person.
func (g *github) change(as, repo string, number int, what object) {
	g.t.Helper()
	g.ask(as, "PATCH", fmt.Sprintf("/repos/%s/issues/%d", repo, number), what, nil)
}

// comments returns the comments on an issue, oldest first.
func (g *github) comments(repo string, number int) (all []comment) {
	g.t.Helper()
	g.ask("owner", "GET", fmt.Sprintf("/repos/%s/issues/%d/comments?per_page=100", repo, number), nil, &all)
	return all
}

// say comments on an issue as a person.
func (g *github) say(as, repo string, number int, text string) (c comment) {
	g.t.Helper()
	g.ask(as, "POST", fmt.Sprintf("/repos/%s/issues/%d/comments", repo, number), object{"body": text}, &c)
	return c
}

// put writes a file on the default branch.
func (g *github) put(repo, path, text string) {
	g.t.Helper()
	where := fmt.Sprintf("/repos/%s/contents/%s", repo, path)
	what := object{"message": "settings", "content": base64.StdEncoding.EncodeToString([]byte(text))}
	var files []struct{ Path, SHA string }
	dir := path[:strings.LastIndex(path, "/")]
	if r, err := http.Get(g.url + fmt.Sprintf("/repos/%s/contents/%s", repo, dir)); err == nil {
		if r.StatusCode == http.StatusOK {
			if err := json.NewDecoder(r.Body).Decode(&files); err != nil {
				g.t.Fatal(err)
			}
		}
		r.Body.Close()
	}
	for _, f := range files {
		if f.Path == path {
			what["sha"] = f.SHA
		}
	}
	g.ask("owner", "PUT", where, what, nil)
}
