package hub

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

// adapter is the product's own adapter to GitHub, in acme/web.
func (w *world) adapter() (*github.App, github.At) {
	w.t.Helper()
	a, err := github.New(github.Config{API: w.URL, AppID: appID, PrivateKey: pemOf(w.t), Pace: &github.Pace{Wait: time.Minute}})
	if err != nil {
		w.t.Fatal(err)
	}
	return a, github.At{Installation: 101, Repo: project.Repo{ID: w.id, Owner: "acme", Name: "web"}}
}

// What the adapter says and what the hub has are the same, from the first look at
// the branch to the merge.
func TestAdapterProposes(t *testing.T) {
	w := newWorld(t, nil)
	a, at := w.adapter()
	ctx := t.Context()
	w.As("maintainer").Open(web, "Broken", "")
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}

	repo, err := a.RepositoryByID(ctx, 101, w.id)
	if err != nil || repo.DefaultBranch != "main" || repo.Repo != at.Repo {
		t.Fatalf("repository: %+v, %v", repo, err)
	}
	base, found, err := a.Ref(ctx, at, "main")
	if err != nil || !found || base != w.Branches(web)["main"] {
		t.Fatalf("main: %s, %v, %v", base, found, err)
	}
	if _, found, err := a.Ref(ctx, at, "soulcaster/issue-1-x"); found || err != nil {
		t.Fatalf("a branch that is not there: %v, %v", found, err)
	}
	commit, err := a.CommitOf(ctx, at, base)
	if err != nil || commit.Author != "acme" || commit.Message != "Initial commit" || commit.At.IsZero() || commit.Tree != w.Log(web, base, "")[0].Tree {
		t.Fatalf("commit: %+v, %v", commit, err)
	}
	entries, truncated, err := a.Tree(ctx, at, base, true)
	paths := func(entries []github.TreeEntry) (all []string) {
		for _, e := range entries {
			all = append(all, e.Path+" "+e.Mode)
		}
		return all
	}
	if want := []string{"README.md 100644", "src 040000", "src/a.txt 100644"}; err != nil || truncated || !slices.Equal(paths(entries), want) || entries[2].Size != 14 {
		t.Fatalf("tree: %+v, %v, want %v", entries, err, want)
	}
	if content, err := a.Blob(ctx, at, entries[2].SHA); err != nil || string(content) != "one\ntwo\nthree\n" {
		t.Errorf("blob: %q, %v", content, err)
	}
	if content, found, err := a.File(ctx, at, "src/a.txt", base); err != nil || !found || string(content) != "one\ntwo\nthree\n" {
		t.Errorf("file: %q, %v", content, err)
	}

	tree, err := a.CreateTree(ctx, at, commit.Tree, []github.TreeFile{
		{Path: "src/a.txt", Mode: "100644", Content: []byte("one\n2\nthree\n")},
		{Path: "bin/run", Mode: "100755", Content: []byte("#!/bin/sh\n")},
		{Path: "noise", Mode: "100644", Content: []byte{0xff, 0}},
		{Path: "link", Mode: "120000", Content: []byte("src/a.txt")},
		{Path: "README.md", Delete: true},
	})
	check("create tree", err)
	sha, err := a.CreateCommit(ctx, at, "Fix it\n\n\nskip-checks: true", tree, []string{base})
	check("create commit", err)
	const branch = "soulcaster/issue-1-x"
	check("create branch", a.CreateBranch(ctx, at, branch, sha))
	if err := a.CreateBranch(ctx, at, branch, sha); !errors.Is(err, github.ErrExists) {
		t.Errorf("create it again: %v", err)
	}
	if got, found, err := a.Ref(ctx, at, branch); got != sha || !found || err != nil {
		t.Errorf("branch: %s, %v, %v", got, found, err)
	}
	made := w.Log(web, branch, "main")
	if len(made) != 1 || made[0].SHA != sha || made[0].Tree != tree || !made[0].Verified || !strings.HasPrefix(made[0].Author, "soulcaster[bot] <") {
		t.Errorf("made %+v", made)
	}
	entries, _, err = a.Tree(ctx, at, tree, true)
	if want := []string{"bin 040000", "bin/run 100755", "link 120000", "noise 100644", "src 040000", "src/a.txt 100644"}; err != nil || !slices.Equal(paths(entries), want) {
		t.Errorf("tree: %v, %v", paths(entries), err)
	}
	if got, found, err := a.Compare(ctx, at, "main", branch); err != nil || !found || got != (github.Comparison{Status: "ahead", Ahead: 1}) {
		t.Errorf("compare: %+v, %v, %v", got, found, err)
	}
	if _, found, err := a.Compare(ctx, at, "main", strings.Repeat("1", 40)); found || err != nil {
		t.Errorf("compare with nothing: %v, %v", found, err)
	}

	n := github.NewPull{Title: "Fix it", Body: "Fixes #1", Head: branch, Base: "main", Draft: true}
	pull, err := a.CreatePull(ctx, at, n)
	if err != nil || pull.Number != 2 || !pull.Draft || pull.HeadSHA != sha || pull.HeadRepo != w.id || pull.Author != "soulcaster[bot]" {
		t.Fatalf("pull request: %+v, %v", pull, err)
	}
	if _, err := a.CreatePull(ctx, at, n); !errors.Is(err, github.ErrExists) {
		t.Errorf("open it again: %v", err)
	}
	title := "Fix it well"
	if got, err := a.EditPull(ctx, at, 2, &title, nil); err != nil || got.Title != title || got.Body != "Fixes #1" {
		t.Errorf("edit: %+v, %v", got, err)
	}
	if pulls, err := a.PullsByHead(ctx, at, branch); err != nil || len(pulls) != 1 || pulls[0].Number != 2 {
		t.Errorf("by head: %+v, %v", pulls, err)
	}
	if pulls, err := a.PullsByHead(ctx, at, "main"); err != nil || len(pulls) != 0 {
		t.Errorf("by another head: %+v, %v", pulls, err)
	}

	m := w.As("maintainer")
	submitted := m.Review(web, 2, ChangesRequested, "Spell it out", LineComment{"src/a.txt", 2, "two, please"})
	review, err := a.Review(ctx, at, 2, submitted.ID)
	if err != nil || review.Author != "maintainer" || review.Bot || review.State != "CHANGES_REQUESTED" || review.CommitSHA != sha || review.At.IsZero() {
		t.Errorf("review: %+v, %v", review, err)
	}
	if reviews, err := a.Reviews(ctx, at, 2); err != nil || !reflect.DeepEqual(reviews, []github.Review{review}) {
		t.Errorf("reviews: %+v, %v", reviews, err)
	}
	comments, err := a.PullComments(ctx, at, 2)
	if err != nil || len(comments) != 1 || comments[0].Review != review.ID || comments[0].Line != 2 || comments[0].Path != "src/a.txt" || !strings.HasSuffix(comments[0].Hunk, "\n+2") {
		t.Errorf("comments: %+v, %v", comments, err)
	}

	// A person was faster.
	theirs := m.Push(web, branch, map[string]string{"src/a.txt": "one\nzwei\nthree\n"}, "Mine")
	late, err := a.CreateCommit(ctx, at, "Late", tree, []string{sha})
	check("create commit", err)
	if err := a.MoveBranch(ctx, at, branch, late); !errors.Is(err, github.ErrNotFastForward) {
		t.Errorf("over a person's commit: %v", err)
	}
	if err := a.MoveBranch(ctx, at, "none", late); !errors.Is(err, github.ErrNotFound) {
		t.Errorf("a branch that is not there: %v", err)
	}
	onTop, err := a.CreateCommit(ctx, at, "On top", tree, []string{theirs})
	check("create commit", err)
	check("move", a.MoveBranch(ctx, at, branch, onTop))
	check("move to where it is", a.MoveBranch(ctx, at, branch, onTop))
	if comments, err = a.PullComments(ctx, at, 2); err != nil || comments[0].Line != 0 {
		t.Errorf("outdated comment: %+v, %v", comments, err)
	}

	w.Check(web, onTop, Check{Name: "test", Conclusion: "failure", Title: "1 failed", Summary: "src/a.txt"})
	w.Check(web, onTop, Check{Name: "lint", Conclusion: "success"})
	failed, err := a.FailedChecks(ctx, at, onTop)
	if err != nil || len(failed) != 1 || !reflect.DeepEqual(failed[0], github.CheckRun{ID: failed[0].ID, Name: "test", App: "github-actions", Conclusion: "failure", Title: "1 failed", Summary: "src/a.txt"}) {
		t.Errorf("checks: %+v, %v", failed, err)
	}

	m.Ready(web, 2)
	merge := m.Merge(web, 2, "merge")
	pull, err = a.GetPull(ctx, at, 2)
	if err != nil || !pull.Merged || pull.MergeSHA != merge || pull.MergedBy != "maintainer" || pull.State != "closed" || pull.MergedAt.IsZero() {
		t.Errorf("merged: %+v, %v", pull, err)
	}
	if issue, err := a.GetIssue(ctx, at, 1); err != nil || issue.State != "closed" || issue.ClosedBy != "maintainer" {
		t.Errorf("issue: %+v, %v", issue, err)
	}
	for _, c := range w.Writes() {
		if strings.Contains(c.Path, "merge") || c.Who != "installation 101" {
			t.Errorf("the App did %+v", c)
		}
	}
}

// What GitHub does not let the App do is told apart.
func TestAdapterIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	a, at := w.adapter()
	ctx := t.Context()
	base := w.Log(web, "main", "")[0]
	_, err := a.CreateTree(ctx, at, base.Tree, []github.TreeFile{{Path: ".github/workflows/ci.yml", Mode: "100644", Content: []byte("on: push\n")}})
	if !errors.Is(err, github.ErrForbidden) {
		t.Errorf("a tree with a workflow: %v", err)
	}
	if _, err := a.CreatePull(ctx, at, github.NewPull{Title: "t", Head: "main", Base: "main"}); err == nil || !strings.Contains(err.Error(), "No commits between") {
		t.Errorf("an empty pull request: %v", err)
	}
	id := w.Create("acme/api", Repository{NoDrafts: true})
	w.As("acme").Push("acme/api", "fix", map[string]string{"x": "x"}, "x")
	api := github.At{Installation: 101, Repo: project.Repo{ID: id, Owner: "acme", Name: "api"}}
	if _, err := a.CreatePull(ctx, api, github.NewPull{Title: "t", Head: "fix", Base: "main", Draft: true}); !errors.Is(err, github.ErrNoDrafts) {
		t.Errorf("a draft where there are none: %v", err)
	}
	empty := w.Create("acme/empty", Repository{Files: map[string]string{}})
	if _, found, err := a.Ref(ctx, github.At{Installation: 101, Repo: project.Repo{ID: empty, Owner: "acme", Name: "empty"}}, "main"); found || err != nil {
		t.Errorf("an empty repository: %v, %v", found, err)
	}
	shop := github.At{Installation: 101, Repo: project.Repo{Owner: "globex", Name: "shop"}}
	if _, _, err := a.Ref(ctx, shop, "main"); !errors.Is(err, github.ErrNotFound) {
		t.Errorf("another tenant's repository: %v", err)
	}
	for repo, of := range map[string]github.At{"ours": at, "another's": {Installation: 101, Repo: project.Repo{ID: w.find("globex/shop").id, Owner: "globex", Name: "shop"}}} {
		token, err := a.ReadToken(ctx, of)
		var invalid *github.ValidationError
		if repo == "another's" {
			if !errors.As(err, &invalid) {
				t.Errorf("a token for another's repository: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c := client{t, t.TempDir()}
		c.must("clone", "-q", w.remote(token.Value, web), ".")
		if out, err := c.git("push", "origin", "HEAD:refs/heads/x"); err == nil {
			t.Errorf("the token writes: %s", out)
		}
		if status, _ := w.ask(token.Value, "GET", "/repos/acme/web/issues", nil); status != 403 {
			t.Errorf("the token reads issues: %d", status)
		}
	}
}

// An answer that gets lost leaves a branch of which nobody knows, and an object that
// nobody misses.
func TestAdapterLosesAnswers(t *testing.T) {
	w := newWorld(t, nil)
	a, at := w.adapter()
	ctx := t.Context()
	base := w.Log(web, "main", "")[0]
	w.Break(Fault{Method: "POST", Path: "/git/", Times: 2, Lost: true})
	var later *work.Later
	if _, err := a.CreateCommit(ctx, at, "m", base.Tree, []string{base.SHA}); !errors.As(err, &later) || action.IsUnknown(err) {
		t.Errorf("commit: %v, want a *work.Later", err)
	}
	if err := a.CreateBranch(ctx, at, "fix", base.SHA); !action.IsUnknown(err) {
		t.Errorf("branch: %v, want unknown", err)
	}
	if got, found, err := a.Ref(ctx, at, "fix"); got != base.SHA || !found || err != nil {
		t.Errorf("it landed: %s, %v, %v", got, found, err)
	}
}

// Every installation is listed as it is told of by itself.
func TestAdapterListsInstallations(t *testing.T) {
	w := newWorld(t, nil)
	a, _ := w.adapter()
	w.Install(77, "another")
	w.Suspend(77, true)
	all, err := a.Installations(t.Context())
	if err != nil || len(all) < 2 || all[0].ID != 77 || !all[0].Suspended || all[0].Account != "another" {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, in := range all {
		if one, err := a.Installation(t.Context(), in.ID); err != nil || !reflect.DeepEqual(one, in) {
			t.Errorf("%d is listed as %+v, and is %+v, %v", in.ID, in, one, err)
		}
	}
}

// Whoever takes a login that somebody had gets nothing of theirs; they keep what they had.
func TestAdapterKnowsPeopleByTheirIDs(t *testing.T) {
	w := newWorld(t, nil)
	a, at := w.adapter()
	may := func(who github.Person, want github.Permission) {
		t.Helper()
		if got, err := a.Permission(t.Context(), at, who); err != nil || got != want {
			t.Errorf("%v: %v, %v, want %v", who, got, err, want)
		}
	}
	was := github.Person{ID: w.As("maintainer").a.id, Login: "maintainer"}
	may(was, github.Write)
	w.Rename("maintainer", "renamed")
	may(was, github.Write)
	w.Allow(web, "maintainer", "admin") // another person
	may(was, github.Write)
	may(github.Person{ID: w.As("maintainer").a.id, Login: "maintainer"}, github.Admin)
	w.Allow(web, "renamed", "read")
	may(was, github.Read)
	may(github.Person{ID: 999_999, Login: "maintainer"}, github.None)
}
