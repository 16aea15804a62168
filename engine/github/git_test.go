package github

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	commitSHA = "1111111111111111111111111111111111111111"
	treeSHA   = "2222222222222222222222222222222222222222"
	blobSHA   = "3333333333333333333333333333333333333333"
	otherSHA  = "4444444444444444444444444444444444444444"

	newCommits = "POST /repos/acme/web/git/commits"
	newTrees   = "POST /repos/acme/web/git/trees"
)

var theRepo = says(200, map[string]any{"id": 9, "full_name": "acme/web"})

// A branch is there, is not there, or nobody knows; the third is never taken for
// the second.
func TestRef(t *testing.T) {
	at := func(name, sha string) any {
		return map[string]any{"ref": "refs/heads/" + name, "object": map[string]any{"sha": sha, "type": "commit"}}
	}
	routes := map[string]http.HandlerFunc{
		"GET /repos/acme/web":                         theRepo,
		"GET /repos/acme/web/git/ref/heads/soul/a-1":  says(200, at("soul/a-1", commitSHA)),
		"GET /repos/acme/web/git/ref/heads/soul/a":    says(200, at("soul/a-1", commitSHA)), // as old servers match
		"GET /repos/acme/web/git/ref/heads/odd":       says(200, at("odd", "main")),
		"GET /repos/acme/web/git/ref/heads/forbidden": says(403, map[string]any{"message": "Resource not accessible by integration"}),
		"GET /repos/acme/web/git/ref/heads/empty":     says(409, map[string]any{"message": "Git Repository is empty."}),
	}
	f := newFake(t, routes)
	a, _ := f.app(Pace{})
	if sha, found, err := a.Ref(t.Context(), acme, "soul/a-1"); sha != commitSHA || !found || err != nil {
		t.Errorf("%q, %v, %v", sha, found, err)
	}
	for _, branch := range []string{"none", "empty"} {
		if _, found, err := a.Ref(t.Context(), acme, branch); found || err != nil {
			t.Errorf("%s: %v, %v, want none", branch, found, err)
		}
	}
	for _, branch := range []string{"soul/a", "odd", "forbidden"} {
		if _, _, err := a.Ref(t.Context(), acme, branch); err == nil {
			t.Errorf("%s: no error", branch)
		}
	}
	delete(routes, "GET /repos/acme/web")
	if _, _, err := a.Ref(t.Context(), acme, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("in a repository that is gone: %v", err)
	}
}

// What is no plain name of a branch or an object is not sent at all.
func TestNamesThatAreNotSent(t *testing.T) {
	f := newFake(t, nil)
	a, _ := f.app(Pace{})
	for _, branch := range []string{"", "-rf", "--upload-pack=x", "a..b", "a/../b", "a//b", "a/", "/a", "a/.b", "a/-b", "a.lock", "a.lock/b", "a.", "a b", "a:b", "a~1", "a^", "a?", "a*", "a[b", "a\\b", "a\nb", "a@{1}", "HEAD", "ä", strings.Repeat("a", 201)} {
		_, _, err1 := a.Ref(t.Context(), acme, branch)
		_, _, err2 := a.Compare(t.Context(), acme, "main", branch)
		_, err3 := a.CreatePull(t.Context(), acme, NewPull{Head: branch, Base: "main"})
		_, err4 := a.PullsByHead(t.Context(), acme, branch)
		for i, err := range []error{err1, err2, err3, err4, a.CreateBranch(t.Context(), acme, branch, commitSHA), a.MoveBranch(t.Context(), acme, branch, commitSHA)} {
			var invalid *ValidationError
			if !errors.As(err, &invalid) {
				t.Errorf("branch %q, call %d: %v", branch, i, err)
			}
		}
	}
	for _, sha := range []string{"", "main", "1234", commitSHA + "0", strings.ToUpper(strings.Repeat("a", 40)), "../" + commitSHA[3:]} {
		_, err1 := a.CommitOf(t.Context(), acme, sha)
		_, _, err2 := a.Tree(t.Context(), acme, sha, true)
		_, err3 := a.Blob(t.Context(), acme, sha)
		_, err4 := a.CreateTree(t.Context(), acme, sha, nil)
		_, err5 := a.CreateCommit(t.Context(), acme, "m", sha, nil)
		_, err6 := a.CreateCommit(t.Context(), acme, "m", treeSHA, []string{sha})
		_, err7 := a.FailedChecks(t.Context(), acme, sha)
		for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, a.CreateBranch(t.Context(), acme, "b", sha)} {
			var invalid *ValidationError
			if !errors.As(err, &invalid) {
				t.Errorf("object %q, call %d: %v", sha, i, err)
			}
		}
	}
	if calls := f.seen(); len(calls) != 0 {
		t.Errorf("sent %v", calls)
	}
}

func TestBranches(t *testing.T) {
	const newRefs, oldRef = "POST /repos/acme/web/git/refs", "PATCH /repos/acme/web/git/refs/heads/soul/a"
	ok := map[string]any{"ref": "refs/heads/soul/a"}
	tests := []struct {
		status  int
		message string
		want    error
	}{
		{422, "Reference already exists", ErrExists},
		{422, "Update is not a fast forward", ErrNotFastForward},
		{422, "Reference does not exist", ErrNotFound},
		{403, "Resource not accessible by integration", ErrForbidden},
		{422, "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission", ErrForbidden},
	}
	for _, tt := range tests {
		refuse := says(tt.status, map[string]any{"message": tt.message})
		f := newFake(t, map[string]http.HandlerFunc{newRefs: refuse, oldRef: refuse})
		a, _ := f.app(Pace{})
		create, move := a.CreateBranch(t.Context(), acme, "soul/a", commitSHA), a.MoveBranch(t.Context(), acme, "soul/a", commitSHA)
		if tt.want != ErrNotFastForward && tt.want != ErrNotFound && !errors.Is(create, tt.want) {
			t.Errorf("create, %q: %v, want %v", tt.message, create, tt.want)
		}
		if tt.want != ErrExists && !errors.Is(move, tt.want) {
			t.Errorf("move, %q: %v, want %v", tt.message, move, tt.want)
		}
	}
	f := newFake(t, map[string]http.HandlerFunc{newRefs: says(201, ok), oldRef: says(200, ok)})
	a, _ := f.app(Pace{})
	if err := errors.Join(a.CreateBranch(t.Context(), acme, "soul/a", commitSHA), a.MoveBranch(t.Context(), acme, "soul/a", otherSHA)); err != nil {
		t.Error(err)
	}
	if got, want := f.sent(newRefs, 0), (map[string]any{"ref": "refs/heads/soul/a", "sha": commitSHA}); !reflect.DeepEqual(got, want) {
		t.Errorf("create sent %v, want %v", got, want)
	}
	if got, want := f.sent(oldRef, 0), (map[string]any{"sha": otherSHA, "force": false}); !reflect.DeepEqual(got, want) {
		t.Errorf("move sent %v, want %v: never by force", got, want)
	}
}

func TestCommitOf(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	person := map[string]any{"name": "Octo Cat", "email": "o@x", "date": when}
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /repos/acme/web/commits/" + commitSHA: func(w http.ResponseWriter, r *http.Request) {
			if got := r.URL.Query().Get("per_page"); got != "1" {
				t.Errorf("%s files asked for, want as few as can be", got)
			}
			answer(w, 200, map[string]any{
				"sha": commitSHA, "author": map[string]any{"login": "octocat"}, "parents": []any{map[string]any{"sha": otherSHA}},
				"commit": map[string]any{"message": "Fix it", "tree": map[string]any{"sha": treeSHA}, "author": person, "committer": person},
			})
		},
		"GET /repos/acme/web/commits/" + otherSHA: says(422, map[string]any{"message": "No commit found for SHA: " + otherSHA}),
	})
	a, _ := f.app(Pace{})
	want := Commit{SHA: commitSHA, Tree: treeSHA, Parents: []string{otherSHA}, Message: "Fix it", Author: "octocat", At: when}
	if got, err := a.CommitOf(t.Context(), acme, commitSHA); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := a.CommitOf(t.Context(), acme, otherSHA); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v, want not found", err)
	}
}

func TestTree(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{"GET /repos/acme/web/git/trees/" + commitSHA: func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"sha": treeSHA, "truncated": r.URL.Query().Get("recursive") != "", "tree": []any{
			map[string]any{"path": "src/a.go", "mode": "100644", "type": "blob", "sha": blobSHA, "size": 7},
			map[string]any{"path": "vendor/x", "mode": "160000", "type": "commit", "sha": commitSHA},
		}})
	}})
	a, _ := f.app(Pace{})
	want := []TreeEntry{{Path: "src/a.go", Mode: "100644", Type: "blob", SHA: blobSHA, Size: 7}, {Path: "vendor/x", Mode: "160000", Type: "commit", SHA: commitSHA}}
	for _, recursive := range []bool{true, false} {
		got, truncated, err := a.Tree(t.Context(), acme, commitSHA, recursive)
		if err != nil || truncated != recursive || !reflect.DeepEqual(got, want) {
			t.Errorf("recursive %v: %+v, %v, %v", recursive, got, truncated, err)
		}
	}
}

func TestBlob(t *testing.T) {
	asked := 0
	give := func(content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked++
			if got := r.Header.Get("Accept"); !strings.Contains(got, "raw") {
				t.Errorf("accept %q", got)
			}
			w.Write(content)
		}
	}
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /repos/acme/web/git/blobs/" + blobSHA:   give(bytes.Repeat([]byte{0, 255}, MaxBlob/2)),
		"GET /repos/acme/web/git/blobs/" + otherSHA:  give(make([]byte, MaxBlob+1)),
		"GET /repos/acme/web/git/blobs/" + commitSHA: give(nil),
	})
	a, _ := f.app(Pace{})
	if got, err := a.Blob(t.Context(), acme, blobSHA); err != nil || len(got) != MaxBlob || got[1] != 255 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := a.Blob(t.Context(), acme, commitSHA); err != nil || len(got) != 0 {
		t.Errorf("an empty one: %d bytes, %v", len(got), err)
	}
	var later *work.Later
	if _, err := a.Blob(t.Context(), acme, otherSHA); err == nil || errors.As(err, &later) || asked != 3 {
		t.Errorf("one that is too long: %v after %d requests, want an error at once", err, asked)
	}
}

// Text travels in the tree, what JSON cannot hold as a blob, and a deletion as
// null.
func TestCreateTree(t *testing.T) {
	const newBlobs = "POST /repos/acme/web/git/blobs"
	f := newFake(t, map[string]http.HandlerFunc{
		newBlobs: says(201, map[string]any{"sha": blobSHA}),
		newTrees: says(201, map[string]any{"sha": treeSHA}),
	})
	a, _ := f.app(Pace{})
	sha, err := a.CreateTree(t.Context(), acme, otherSHA, []TreeFile{
		{Path: "a.txt", Mode: "100644", Content: []byte("a <b> & \r\n")},
		{Path: "empty", Mode: "100755"},
		{Path: "b.bin", Mode: "100644", Content: []byte{0xff, 0xfe}},
		{Path: "nul", Mode: "100644", Content: []byte("a\x00b")},
		{Path: "link", Mode: "120000", Content: []byte("a.txt")},
		{Path: "gone", Delete: true},
	})
	if err != nil || sha != treeSHA {
		t.Fatalf("%q, %v", sha, err)
	}
	want := map[string]any{"base_tree": otherSHA, "tree": []any{
		map[string]any{"path": "a.txt", "mode": "100644", "type": "blob", "content": "a <b> & \r\n"},
		map[string]any{"path": "empty", "mode": "100755", "type": "blob", "content": ""},
		map[string]any{"path": "b.bin", "mode": "100644", "type": "blob", "sha": blobSHA},
		map[string]any{"path": "nul", "mode": "100644", "type": "blob", "sha": blobSHA},
		map[string]any{"path": "link", "mode": "120000", "type": "blob", "content": "a.txt"},
		map[string]any{"path": "gone", "mode": "100644", "type": "blob", "sha": nil},
	}}
	if got := f.sent(newTrees, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v\nwant %v", got, want)
	}
	for n, content := range []string{"\xff\xfe", "a\x00b"} {
		want := map[string]any{"content": base64.StdEncoding.EncodeToString([]byte(content)), "encoding": "base64"}
		if got := f.sent(newBlobs, n); !reflect.DeepEqual(got, want) {
			t.Errorf("blob %d: sent %v, want %v", n, got, want)
		}
	}
	for _, bad := range []TreeFile{{Path: "/a", Mode: "100644"}, {Mode: "100644"}, {Path: "a", Mode: "160000"}, {Path: "a"}, {Path: "\xff", Mode: "100644"}} {
		if _, err := a.CreateTree(t.Context(), acme, otherSHA, []TreeFile{bad}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// The commit is the App's own only if the request names nobody.
func TestCreateCommit(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{newCommits: says(201, map[string]any{"sha": commitSHA})})
	a, _ := f.app(Pace{})
	sha, err := a.CreateCommit(t.Context(), acme, "Fix it\n\n\nskip-checks: true", treeSHA, []string{otherSHA})
	if err != nil || sha != commitSHA {
		t.Errorf("%q, %v", sha, err)
	}
	want := map[string]any{"message": "Fix it\n\n\nskip-checks: true", "tree": treeSHA, "parents": []any{otherSHA}}
	if got := f.sent(newCommits, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// An object that may have been made does no harm when it is made again, so its
// fate is never unknown.
func TestObjectsAreNeverUnknown(t *testing.T) {
	for _, route := range []string{newCommits, newTrees, "POST /repos/acme/web/git/blobs"} {
		f := newFake(t, map[string]http.HandlerFunc{route: says(502, nil)})
		a, _ := f.app(Pace{})
		_, commit := a.CreateCommit(t.Context(), acme, "m", treeSHA, nil)
		_, tree := a.CreateTree(t.Context(), acme, treeSHA, []TreeFile{{Path: "b", Mode: "100644", Content: []byte{0xff}}})
		err := tree
		if route == newCommits {
			err = commit
		} else if route == newTrees {
			f.routes["POST /repos/acme/web/git/blobs"] = says(201, map[string]any{"sha": blobSHA})
			_, err = a.CreateTree(t.Context(), acme, treeSHA, []TreeFile{{Path: "b", Mode: "100644", Content: []byte{0xff}}})
		}
		var later *work.Later
		if !errors.As(err, &later) || action.IsUnknown(err) {
			t.Errorf("%s: %v, want a *work.Later", route, err)
		}
	}
	f := newFake(t, map[string]http.HandlerFunc{"POST /repos/acme/web/git/refs": says(502, nil)})
	a, _ := f.app(Pace{})
	if err := a.CreateBranch(t.Context(), acme, "b", commitSHA); !action.IsUnknown(err) {
		t.Errorf("branch: %v, want unknown", err)
	}
}

func TestCompare(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /repos/acme/web": theRepo,
		fmt.Sprintf("GET /repos/acme/web/compare/main...soul%%2Fa"): func(w http.ResponseWriter, r *http.Request) {
			if got := r.URL.Query().Get("per_page"); got != "1" {
				t.Errorf("%s commits asked for, want as few as can be", got)
			}
			answer(w, 200, map[string]any{"status": "diverged", "ahead_by": 2, "behind_by": 3})
		},
		"GET /repos/acme/web/compare/main...odd": says(200, map[string]any{}),
	})
	a, _ := f.app(Pace{})
	if got, found, err := a.Compare(t.Context(), acme, "main", "soul/a"); got != (Comparison{"diverged", 2, 3}) || !found || err != nil {
		t.Errorf("%+v, %v, %v", got, found, err)
	}
	if _, found, err := a.Compare(t.Context(), acme, "main", otherSHA); found || err != nil {
		t.Errorf("a commit that is not there: %v, %v", found, err)
	}
	if _, _, err := a.Compare(t.Context(), acme, "main", "odd"); err == nil {
		t.Error("an answer without a status was taken")
	}
}
