package hub

import (
	"encoding/base64"
	"strings"
	"testing"
)

// A clone, a commit and a push with git, then the same through the API: both see
// the same objects under the same names.
func TestGitAndAPIAgree(t *testing.T) {
	w := newWorld(t, nil)
	token := w.mint(nil)
	c := w.clone(token)
	if got := c.must("show", "HEAD:src/a.txt"); got != "one\ntwo\nthree" {
		t.Errorf("cloned %q", got)
	}

	c.write("src/b.txt", "b\n")
	c.must("checkout", "-q", "-b", "by-git")
	c.must("add", ".")
	c.must("commit", "-q", "-m", "By git")
	c.must("push", "-q", "origin", "HEAD")
	pushed := c.must("rev-parse", "HEAD")
	if status, ref := w.ask(token, "GET", "/repos/acme/web/git/ref/heads/by-git", nil); status != 200 || at(ref, "object", "sha") != pushed {
		t.Errorf("pushed %s, the API says %d %v", pushed, status, ref)
	}
	_, commit := w.ask(token, "GET", "/repos/acme/web/git/commits/"+pushed, nil)
	tree := at(commit, "tree", "sha").(string)
	if tree != c.must("rev-parse", "HEAD^{tree}") || at(commit, "message") != "By git\n" || at(commit, "author", "name") != "Dev" || at(commit, "verification", "verified") != false {
		t.Errorf("%v", commit)
	}

	// Now the API makes what git makes of the same.
	c.write("src/a.txt", "one\nTWO\nthree\n")
	c.write("bin", "\xff\x00")
	c.write("run.sh", "#!/bin/sh\n")
	c.must("rm", "-q", "src/b.txt")
	c.must("add", ".")
	c.must("update-index", "--chmod=+x", "run.sh")
	want := c.must("write-tree")
	_, blob := w.ask(token, "POST", "/repos/acme/web/git/blobs", object{"content": base64.StdEncoding.EncodeToString([]byte("\xff\x00")), "encoding": "base64"})
	status, made := w.ask(token, "POST", "/repos/acme/web/git/trees", object{"base_tree": tree, "tree": []any{
		object{"path": "src/a.txt", "mode": "100644", "type": "blob", "content": "one\nTWO\nthree\n"},
		object{"path": "bin", "mode": "100644", "type": "blob", "sha": blob["sha"]},
		object{"path": "run.sh", "mode": "100755", "type": "blob", "content": "#!/bin/sh\n"},
		object{"path": "src/b.txt", "mode": "100644", "type": "blob", "sha": nil},
	}})
	if status != 201 || made["sha"] != want {
		t.Errorf("tree: %d %v, git says %s", status, made, want)
	}
	message := "By the API\n\n\nskip-checks: true"
	status, commit = w.ask(token, "POST", "/repos/acme/web/git/commits", object{"message": message, "tree": want, "parents": []string{pushed}})
	if status != 201 || at(commit, "verification", "verified") != true || at(commit, "committer", "name") != "GitHub" {
		t.Fatalf("commit: %d %v", status, commit)
	}
	sha := commit["sha"].(string)
	if status, _ := w.ask(token, "PATCH", "/repos/acme/web/git/refs/heads/by-git", object{"sha": sha}); status != 200 {
		t.Errorf("move: %d", status)
	}
	c.must("fetch", "-q", "origin")
	if got := c.must("rev-parse", "origin/by-git"); got != sha {
		t.Errorf("git fetched %s, want %s", got, sha)
	}
	c.must("fsck", "--strict")
	if raw := c.must("cat-file", "commit", sha); !strings.HasSuffix(raw, "\n\n"+message) {
		t.Errorf("the message is not what was sent: %q", raw)
	}
	// Any commit can be asked for by name, as a container does.
	one := client{t, t.TempDir()}
	one.must("init", "-q")
	one.must("fetch", "-q", "--depth=1", w.remote(token, web), pushed)
	if got := one.must("rev-parse", "FETCH_HEAD"); got != pushed {
		t.Errorf("fetched %s by name, want %s", got, pushed)
	}
}

// What is pushed in many pieces arrives.
func TestLargePush(t *testing.T) {
	w := newWorld(t, nil)
	c := w.clone(w.mint(nil))
	noise := make([]byte, 3<<20)
	for i := range noise { // does not compress
		noise[i] = byte((i * 2654435761) >> 13)
	}
	c.write("large", string(noise))
	c.must("add", ".")
	c.must("commit", "-q", "-m", "Large")
	c.must("-c", "http.postBuffer=65536", "push", "-q", "origin", "HEAD:large")
	if w.Branches(web)["large"] != c.must("rev-parse", "HEAD") {
		t.Error("the branch is elsewhere")
	}
}

// Who may clone and who may push.
func TestGitTokens(t *testing.T) {
	w := newWorld(t, nil)
	full := w.mint(nil)
	read := w.mint(object{"repository_ids": []int64{w.id}, "permissions": object{"contents": "read"}})
	issues := w.mint(object{"permissions": object{"issues": "write"}})
	c := w.clone(full)
	for _, tt := range []struct {
		name, token, repo string
		clones, pushes    bool
		says              string
	}{
		{"all", full, web, true, true, ""},
		{"read", read, web, true, false, "not granted"},
		{"no contents", issues, web, false, false, "not found"},
		{"another tenant's", full, "globex/shop", false, false, "not found"},
		{"not there", full, "acme/none", false, false, "not found"},
		{"nobody", "", web, false, false, "could not read Username"},
		{"bogus", "ghs_bogus", web, false, false, "Authentication failed"},
	} {
		out, err := c.git("ls-remote", w.remote(tt.token, tt.repo))
		if (err == nil) != tt.clones {
			t.Errorf("%s: read: %v %s", tt.name, err, out)
		}
		out, err = c.git("push", w.remote(tt.token, tt.repo), "HEAD:refs/heads/x-"+strings.ReplaceAll(tt.name, " ", "-"))
		if (err == nil) != tt.pushes || !strings.Contains(strings.ToLower(out), strings.ToLower(tt.says)) {
			t.Errorf("%s: push: %v %s", tt.name, err, out)
		}
	}
	if status, _ := w.ask(read, "DELETE", "/installation/token", nil); status != 204 {
		t.Errorf("revoke: %d", status)
	}
	if out, err := c.git("ls-remote", w.remote(read, web)); err == nil {
		t.Errorf("a revoked token reads: %s", out)
	}
	w.Expire()
	if out, err := c.git("ls-remote", w.remote(full, web)); err == nil {
		t.Errorf("an expired token reads: %s", out)
	}
	if status, _ := w.ask(full, "GET", "/repos/acme/web", nil); status != 401 {
		t.Errorf("an expired token: %d, want 401", status)
	}
}

// Without the permission, an App changes no workflow on any way.
func TestWorkflowsAreRefused(t *testing.T) {
	for _, may := range []bool{false, true} {
		t.Run(map[bool]string{true: "with", false: "without"}[may], func(t *testing.T) {
			w := newWorld(t, func(o *Options) {
				if may {
					o.Permissions = map[string]string{"contents": "write", "metadata": "read", "workflows": "write"}
				}
			})
			token := w.mint(nil)
			c := w.clone(token)
			c.write(".github/workflows/ci.yml", "on: push\n")
			c.must("add", ".")
			c.must("commit", "-q", "-m", "CI")
			out, err := c.git("push", "origin", "HEAD:refs/heads/ci")
			if (err == nil) != may || !may && !strings.Contains(out, "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission") {
				t.Errorf("push: %v %s", err, out)
			}
			base := w.Log(web, "main", "")[0]
			status, _ := w.ask(token, "POST", "/repos/acme/web/git/trees", object{"base_tree": base.Tree, "tree": []any{
				object{"path": ".github/workflows/ci.yml", "mode": "100644", "type": "blob", "content": "on: push\n"},
			}})
			if want := map[bool]int{true: 201, false: 403}[may]; status != want {
				t.Errorf("tree: %d, want %d", status, want)
			}
			// Nor does a branch get one, in a tree that began with nothing.
			_, bare := w.ask(token, "POST", "/repos/acme/web/git/trees", object{"tree": []any{
				object{"path": ".github/workflows/ci.yml", "mode": "100644", "type": "blob", "content": "on: pull_request\n"},
			}})
			_, smuggled := w.ask(token, "POST", "/repos/acme/web/git/commits", object{"message": "m", "tree": bare["sha"], "parents": []string{base.SHA}})
			status, answer := w.ask(token, "POST", "/repos/acme/web/git/refs", object{"ref": "refs/heads/smuggled", "sha": smuggled["sha"]})
			if want := map[bool]int{true: 201, false: 422}[may]; status != want {
				t.Errorf("branch: %d %v, want %d", status, answer, want)
			}
			// A person's workflow is no obstacle for what comes after it.
			w.As("maintainer").Push(web, "main", map[string]string{".github/workflows/x.yml": "on: push\n"}, "CI")
			base = w.Log(web, "main", "")[0]
			status, tree := w.ask(token, "POST", "/repos/acme/web/git/trees", object{"base_tree": base.Tree, "tree": []any{
				object{"path": "b.txt", "mode": "100644", "type": "blob", "content": "b\n"},
			}})
			if status != 201 {
				t.Fatalf("tree beside a workflow: %d", status)
			}
			_, commit := w.ask(token, "POST", "/repos/acme/web/git/commits", object{"message": "b", "tree": tree["sha"], "parents": []string{base.SHA}})
			if status, answer := w.ask(token, "POST", "/repos/acme/web/git/refs", object{"ref": "refs/heads/b", "sha": commit["sha"]}); status != 201 {
				t.Errorf("branch beside a workflow: %d %v", status, answer)
			}
		})
	}
}

// Each refusal of the git API is GitHub's.
func TestGitRefusals(t *testing.T) {
	w := newWorld(t, nil)
	token := w.mint(nil)
	base := w.Log(web, "main", "")[0]
	one := w.As("maintainer").Push(web, "one", map[string]string{"1": "1"}, "One")
	two := w.As("maintainer").Push(web, "two", map[string]string{"2": "2"}, "Two")
	none := strings.Repeat("1", 40)
	tree := func(entry object) object { return object{"base_tree": base.Tree, "tree": []any{entry}} }
	for _, tt := range []struct {
		method, path string
		body         any
		status       int
		says         string
	}{
		{"POST", "/git/refs", object{"ref": "refs/heads/one", "sha": base.SHA}, 422, "Reference already exists"},
		{"POST", "/git/refs", object{"ref": "refs/heads/new", "sha": none}, 422, "Object does not exist"},
		{"POST", "/git/refs", object{"ref": "main", "sha": base.SHA}, 422, "Reference name must start with 'refs/'"},
		{"POST", "/git/refs", object{"ref": "refs/heads/a..b", "sha": base.SHA}, 422, "not a valid ref name"},
		{"PATCH", "/git/refs/heads/one", object{"sha": two}, 422, "Update is not a fast forward"},
		{"PATCH", "/git/refs/heads/none", object{"sha": two}, 422, "Reference does not exist"},
		{"PATCH", "/git/refs/heads/one", object{"sha": none}, 422, "Object does not exist"},
		{"GET", "/git/ref/heads/on", nil, 404, "Not Found"},
		{"GET", "/git/commits/" + none, nil, 404, "Not Found"},
		{"GET", "/commits/" + none, nil, 422, "No commit found for SHA"},
		{"POST", "/git/commits", object{"message": "m", "tree": none}, 422, "Tree SHA does not exist"},
		{"POST", "/git/commits", object{"message": "m", "tree": base.Tree, "parents": []string{none}}, 422, "Parent SHA"},
		{"POST", "/git/trees", object{"base_tree": base.Tree, "tree": []any{}}, 422, "Invalid tree info"},
		{"POST", "/git/trees", tree(object{"path": "../x", "mode": "100644", "content": ""}), 422, "malformed path"},
		{"POST", "/git/trees", tree(object{"path": "a/.GIT/config", "mode": "100644", "content": ""}), 422, "malformed path"},
		{"POST", "/git/trees", tree(object{"path": "x", "mode": "100600", "content": ""}), 422, "tree.mode"},
		{"POST", "/git/trees", tree(object{"path": "x", "mode": "100644", "sha": none}), 422, "not a valid blob"},
		{"POST", "/git/trees", tree(object{"path": "x", "mode": "100644", "sha": nil}), 422, "BadObjectState"},
		{"POST", "/git/trees", "no object", 400, "Problems parsing JSON"},
	} {
		status, answer := w.ask(token, tt.method, "/repos/acme/web"+tt.path, tt.body)
		if message, _ := answer["message"].(string); status != tt.status || !strings.Contains(message, tt.says) {
			t.Errorf("%s %s %v: %d %v, want %d %s", tt.method, tt.path, tt.body, status, answer, tt.status, tt.says)
		}
	}
	if heads := w.Branches(web); heads["one"] != one || heads["two"] != two || len(heads) != 3 {
		t.Errorf("branches %v", heads)
	}
	if status, _ := w.ask(token, "PATCH", "/repos/acme/web/git/refs/heads/one", object{"sha": two, "force": true}); status != 200 {
		t.Errorf("by force: %d", status)
	}
}
