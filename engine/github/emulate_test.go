package github

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
)

// TestEmulator runs the whole adapter against a GitHub that none of us wrote: the
// emulator `emulate@0.11.2` from npm, with real App authentication.
func TestEmulator(t *testing.T) {
	key := appKey()
	api := startEmulator(t, map[string]any{
		"tokens": map[string]any{"gho_maintainer": map[string]any{"login": "octocat", "scopes": []string{"repo"}}},
		"github": map[string]any{
			"users": []any{map[string]any{"login": "octocat"}, map[string]any{"login": "stranger"}},
			"orgs":  []any{map[string]any{"login": "acme", "members": []any{map[string]any{"login": "octocat", "role": "admin"}}}},
			"repos": []any{map[string]any{"owner": "acme", "name": "web", "auto_init": true}},
			"apps": []any{map[string]any{
				"app_id": appID, "slug": "soulcaster", "name": "Soulcaster", "private_key": string(pemOf(t, key)),
				"permissions": map[string]string{"issues": "write", "contents": "read", "metadata": "read"}, "events": []string{"issues"},
				"installations": []any{map[string]any{"installation_id": 101, "account": "acme", "repository_selection": "selected", "repositories": []string{"acme/web"}}},
			}},
		},
	})
	a, err := New(Config{API: api, AppID: appID, PrivateKey: pemOf(t, key), Pace: &Pace{Wait: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, start := t.Context(), time.Now()

	if id, err := a.App(ctx); err != nil || id.Slug != "soulcaster" || id.Permissions["issues"] != "write" {
		t.Errorf("App: %+v, %v", id, err)
	}
	if in, err := a.Installation(ctx, 101); err != nil || in.Account != "acme" || in.Suspended {
		t.Errorf("Installation: %+v, %v", in, err)
	}
	if _, err := a.Installation(ctx, 999); !errors.Is(err, ErrUninstalled) {
		t.Errorf("Installation that is not there: %v", err)
	}

	at := At{Installation: 101, Repo: project.Repo{Owner: "acme", Name: "web"}}
	repo, err := a.Repository(ctx, at)
	if err != nil || repo.ID == 0 || repo.DefaultBranch != "main" || !repo.HasIssues {
		t.Fatalf("Repository: %+v, %v", repo, err)
	}
	at.Repo = repo.Repo
	if _, err := a.Repository(ctx, At{Installation: 999, Repo: at.Repo}); !errors.Is(err, ErrUninstalled) {
		t.Errorf("through an installation that is not there: %v", err)
	}

	issue, err := a.CreateIssue(ctx, at, NewIssue{Title: "Checkout fails", Body: "first", Labels: []string{"soulcaster", "needs a look?"}})
	if err != nil || issue.Number == 0 || issue.Author != "soulcaster[bot]" || len(issue.Labels) != 2 {
		t.Fatalf("CreateIssue: %+v, %v", issue, err)
	}
	body, closed, reason := "second\n", "closed", "not_planned"
	revise := func(e Edit) func(Issue) (Edit, error) { return func(Issue) (Edit, error) { return e, nil } }
	if got, err := a.Revise(ctx, at, issue.Number, revise(Edit{Body: &body})); err != nil || !sameText(got.Body, body) {
		t.Errorf("Revise: %+v, %v", got, err)
	}
	if _, err := a.Revise(ctx, at, issue.Number, revise(Edit{State: &closed, StateReason: &reason})); err != nil {
		t.Errorf("Revise, closing: %v", err)
	}
	got, err := a.GetIssue(ctx, at, issue.Number)
	if err != nil || got.State != "closed" || got.StateReason != "not_planned" || got.ClosedAt.IsZero() || strings.Join(got.Labels, ",") != "soulcaster,needs a look?" {
		t.Errorf("GetIssue: %+v, %v", got, err)
	}
	if _, err := a.GetIssue(ctx, at, 999); !errors.Is(err, ErrNotFound) {
		t.Errorf("GetIssue that is not there: %v", err)
	}
	own, err := a.OwnIssuesSince(ctx, at, start)
	if err != nil || len(own) != 1 || own[0].Number != issue.Number {
		t.Errorf("OwnIssuesSince: %+v, %v", own, err)
	}
	if own, err := a.OwnIssuesSince(ctx, at, time.Now().Add(time.Hour)); err != nil || len(own) != 0 {
		t.Errorf("OwnIssuesSince the future: %+v, %v", own, err)
	}

	comment, err := a.CreateComment(ctx, at, issue.Number, "hello")
	if err != nil || comment.ID == 0 || comment.Author != "soulcaster[bot]" {
		t.Fatalf("CreateComment: %+v, %v", comment, err)
	}
	if got, err := a.EditComment(ctx, at, comment.ID, "hello again"); err != nil || got.Body != "hello again" {
		t.Errorf("EditComment: %+v, %v", got, err)
	}
	if own, err := a.OwnCommentsSince(ctx, at, issue.Number, start); err != nil || len(own) != 1 || own[0].ID != comment.ID {
		t.Errorf("OwnCommentsSince: %+v, %v", own, err)
	}
	if err := a.React(ctx, at, comment.ID, "eyes"); err != nil { // the emulator has no reactions
		t.Errorf("React: %v", err)
	}
	for range 2 {
		if err := a.DeleteComment(ctx, at, comment.ID); err != nil {
			t.Errorf("DeleteComment: %v", err)
		}
	}

	octocat := idOf(t, api, "octocat")
	for who, want := range map[Person]Permission{{octocat, "octocat"}: Admin, {octocat + 1, "octocat"}: None, {idOf(t, api, "stranger"), "stranger"}: None, {999, "nobody"}: None} {
		if got, err := a.Permission(ctx, at, who); err != nil || got != want {
			t.Errorf("Permission of %v: %v, %v, want %v", who, got, err, want)
		}
	}
	if text, found, err := a.File(ctx, at, "README.md", ""); err != nil || !found || len(text) == 0 {
		t.Errorf("File: %q, %v, %v", text, found, err)
	}
	for _, ref := range []string{"", "main"} {
		if _, found, err := a.File(ctx, at, ".github/soulcaster.yml", ref); err != nil || found {
			t.Errorf("File that is not there at %q: %v, %v", ref, found, err)
		}
	}
}

// idOf asks the emulator for the id of who has a login.
func idOf(t *testing.T, url, login string) int64 {
	t.Helper()
	resp, err := http.Get(url + "/users/" + login)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var user Person
	if err := json.NewDecoder(resp.Body).Decode(&user); err != nil || user.ID == 0 {
		t.Fatalf("the id of %s: %d, %v", login, resp.StatusCode, err)
	}
	return user.ID
}

// startEmulator starts the emulator with a seed and returns the address of its
// API. It looks for it in node_modules at the repository's root or in app/e2e, and
// where SOULCASTER_EMULATE says.
func startEmulator(t *testing.T, seed any) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: the emulator of GitHub needs node, which is not installed")
	}
	places := []string{"../../node_modules/emulate", "../../app/e2e/node_modules/emulate"}
	if dir := os.Getenv("SOULCASTER_EMULATE"); dir != "" {
		places = []string{dir}
	}
	var module string
	for _, dir := range places {
		path, err := filepath.Abs(filepath.Join(dir, "dist", "api.js"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			module = path
			break
		}
	}
	if module == "" {
		t.Skipf("SKIPPED: no emulator of GitHub in %v: npm install emulate@0.11.2", places)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0") // the emulator cannot choose a port itself
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	config, err := json.Marshal(map[string]any{"service": "github", "port": port, "seed": seed})
	if err != nil {
		t.Fatal(err)
	}
	const script = `
		import { readFileSync } from "node:fs";
		const { createEmulator } = await import(process.argv[1]);
		await createEmulator(JSON.parse(readFileSync(0, "utf8")));
		console.log("ready");`
	cmd := exec.Command(node, "--input-type=module", "--eval", script, module)
	cmd.Stdin = strings.NewReader(string(config))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		cmd.Wait() // an error by design: it was killed
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		}
	}
	t.Fatalf("the emulator ended before it was ready: %v", lines.Err())
	return ""
}
