package hub

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A proposal goes all the way: branch, draft, review, second commit, merge.
func TestPullRequest(t *testing.T) {
	w := newWorld(t, nil)
	token := w.mint(nil)
	maintainer := w.As("maintainer")
	number := maintainer.Open(web, "Broken", "It is.")
	base := w.Log(web, "main", "")[0]
	call := func(status int, method, path string, body any) object {
		t.Helper()
		got, answer := w.ask(token, method, "/repos/acme/web"+path, body)
		if got != status {
			t.Fatalf("%s %s: %d %v, want %d", method, path, got, answer, status)
		}
		return answer
	}
	commit := func(parent Commit, content, message string) string {
		tree := call(201, "POST", "/git/trees", object{"base_tree": parent.Tree, "tree": []any{object{"path": "src/a.txt", "mode": "100644", "type": "blob", "content": content}}})
		return call(201, "POST", "/git/commits", object{"message": message, "tree": tree["sha"], "parents": []string{parent.SHA}})["sha"].(string)
	}
	pull := object{"title": "Fix it", "body": "Fixes #1\n\n`fixes #2` <!-- fixes #3 -->", "head": "fix", "base": "main", "draft": true}
	if got := call(422, "POST", "/pulls", pull); at(got, "errors", 0, "field") != "head" {
		t.Errorf("a branch that is not there: %v", got)
	}
	call(201, "POST", "/git/refs", object{"ref": "refs/heads/fix", "sha": base.SHA})
	if got := call(422, "POST", "/pulls", pull); at(got, "errors", 0, "message") != "No commits between main and fix" {
		t.Errorf("an empty one: %v", got)
	}
	first := commit(base, "one\n2\nthree\n", "Fix it\n\n\nskip-checks: true")
	call(200, "PATCH", "/git/refs/heads/fix", object{"sha": first})
	if got := call(201, "POST", "/pulls", pull); got["draft"] != true || got["number"] != 2.0 || at(got, "head", "sha") != first || at(got, "user", "type") != "Bot" || got["merged"] != false {
		t.Errorf("opened %v", got)
	}
	if got := call(422, "POST", "/pulls", pull); at(got, "errors", 0, "message") != "A pull request already exists for acme:fix." {
		t.Errorf("a second one: %v", got)
	}
	if got := w.Pull(web, 2); !slices.Equal(got.Files, []string{"src/a.txt"}) || got.HeadSHA != first || !got.Draft {
		t.Errorf("%+v", got)
	}

	review := maintainer.Review(web, 2, ChangesRequested, "Spell it out", LineComment{"src/a.txt", 2, "two, please"})
	got := w.next("pull_request_review", "submitted")
	if at(got, "review", "state") != "changes_requested" || at(got, "review", "id") != float64(review.ID) || at(got, "sender", "login") != "maintainer" || at(got, "pull_request", "number") != 2.0 {
		t.Errorf("review told: %v", got)
	}
	got = w.next("pull_request_review_comment", "created")
	if at(got, "comment", "line") != 2.0 || !strings.HasSuffix(at(got, "comment", "diff_hunk").(string), "\n-two\n+2") {
		t.Errorf("comment told: %v", at(got, "comment"))
	}

	before := w.Log(web, "fix", "")[0]
	second := commit(before, "one\nzwei\nthree\n", "Spell it out\n\n\nskip-checks: true")
	call(200, "PATCH", "/git/refs/heads/fix", object{"sha": second})
	if got := w.next("pull_request", "synchronize"); got["before"] != first || got["after"] != second {
		t.Errorf("synchronize told %v, %v", got["before"], got["after"])
	}
	_, raw := w.raw(token, "GET", "/repos/acme/web/pulls/2/comments", nil)
	if !strings.Contains(string(raw), `"line":null`) || !strings.Contains(string(raw), `"original_line":2`) {
		t.Errorf("the comment is not outdated: %s", raw)
	}
	call(405, "PUT", "/pulls/2/merge", nil) // a draft
	maintainer.Ready(web, 2)
	sha := maintainer.Merge(web, 2, "merge")
	got = w.next("pull_request", "closed")
	if at(got, "pull_request", "merged") != true || at(got, "pull_request", "merge_commit_sha") != sha || at(got, "pull_request", "merged_by", "login") != "maintainer" {
		t.Errorf("merge told: %v", at(got, "pull_request", "merged"))
	}
	if got := w.next("issues", "closed"); at(got, "issue", "number") != float64(number) || at(got, "issue", "state_reason") != "completed" {
		t.Errorf("close told: %v", at(got, "issue"))
	}
	merge := w.Log(web, "main", "")[0]
	if merge.SHA != sha || !slices.Equal(merge.Parents, []string{base.SHA, second}) || !merge.Verified {
		t.Errorf("merged %+v", merge)
	}
	if content, _ := w.File(web, "main", "src/a.txt"); content != "one\nzwei\nthree\n" {
		t.Errorf("merged %q", content)
	}
	if got := w.Pull(web, 2); !got.Merged || got.State != "closed" || got.MergedBy != "maintainer" || !slices.Equal(got.Files, []string{"src/a.txt"}) {
		t.Errorf("%+v", got)
	}
}

// Only words that are awake close an issue, and only on the default branch.
func TestClosingKeywords(t *testing.T) {
	w := newWorld(t, nil)
	m := w.As("maintainer")
	m.Push(web, "next", map[string]string{"next": "x"}, "Next")
	for _, tt := range []struct {
		body   string // %d is the issue
		base   string
		closes bool
	}{
		{"Fixes #%d", "main", true}, {"fixed: #%d", "main", true}, {"This resolves acme/web#%d.", "main", true}, {"CLOSES #%d", "main", true},
		{"Fixes #%d", "next", false}, {"See #%d", "main", false}, {"prefixes #%d", "main", false}, {"Fixes #%d0", "main", false}, {"Fixes globex/shop#%d", "main", false},
		{"`Fixes #%d`", "main", false}, {"```\nFixes #%d\n```", "main", false}, {"<!-- Fixes #%d -->", "main", false},
	} {
		n := m.Open(web, "Broken", "")
		branch := fmt.Sprintf("fix-%d", n)
		m.Push(web, branch, map[string]string{branch: "x"}, "Change")
		m.Merge(web, m.Propose(web, branch, tt.base, "Fix", fmt.Sprintf(tt.body, n)), "squash")
		if got := w.Issue(web, n); (got.State == "closed") != tt.closes {
			t.Errorf("%q into %s: the issue is %s", tt.body, tt.base, got.State)
		}
	}
}

// A conflict is not merged, and a branch that goes closes its pull request.
func TestPullRequestsThatEndOtherwise(t *testing.T) {
	w := newWorld(t, nil)
	m := w.As("maintainer")
	m.Push(web, "fix", map[string]string{"src/a.txt": "fix\n"}, "Fix")
	n := m.Propose(web, "fix", "main", "Fix", "")
	m.Push(web, "main", map[string]string{"src/a.txt": "other\n"}, "Other")
	if status, answer := w.ask(w.mint(nil), "PUT", "/repos/acme/web/pulls/1/merge", nil); status != 405 {
		t.Errorf("a conflict: %d %v", status, answer)
	}
	m.DeleteBranch(web, "fix")
	if got := w.Pull(web, n); got.State != "closed" || got.Merged {
		t.Errorf("%+v", got)
	}
	if got := w.next("pull_request", "closed"); at(got, "pull_request", "merged") != false {
		t.Errorf("told %v", got)
	}
}

// Which commits start workflows.
func TestStarts(t *testing.T) {
	w := newWorld(t, nil)
	m := w.As("maintainer")
	m.Push(web, "fix", map[string]string{"x": "0"}, "Plain")
	m.Propose(web, "fix", "main", "Fix", "")
	var want []Start
	for message, skipped := range map[string]bool{
		"Fix": false, "Fix [skip ci]": true, "[no ci] fix": true, "Fix\n\nlong [actions skip] text": true,
		"Fix\n\n\nskip-checks: true": true, "Fix\n\nbody\n\n\nskip-checks:true\n": true, "Fix\n\n\nCo-authored-by: A <a@x>\nskip-checks: true": true,
		"Fix\n\nskip-checks: true": false, "Fix\n\n\nskip-checks: true\nSigned-off-by: A <a@x>": false, "Fix\n\n\nskip-checks: false": false, "Fix skip-checks: true": false,
		"Fix\n\n\nskip-checks: true\n\nmore": false,
	} {
		sha := m.Push(web, "fix", map[string]string{"x": message}, message)
		want = append(want, Start{web, "push", "fix", sha, skipped}, Start{web, "pull_request", "fix", sha, skipped})
	}
	if got := w.Starts(web)[2:]; !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// What is squashed keeps its words, so the default branch is silent too.
	w2 := w.Starts(web)
	m.Push(web, "one", map[string]string{"y": "y"}, "One\n\n\nskip-checks: true")
	m.Merge(web, m.Propose(web, "one", "main", "One", ""), "squash")
	got := w.Starts(web)[len(w2):]
	if last := got[len(got)-1]; last.Branch != "main" || !last.Skipped {
		t.Errorf("squashed: %+v", got)
	}
}

// What people say, what becomes of it, and what others may not.
func TestComments(t *testing.T) {
	w := newWorld(t, nil)
	token := w.mint(nil)
	stranger, maintainer := w.As("stranger"), w.As("maintainer")
	n := stranger.Open(web, "Broken", "")
	said := stranger.Comment(web, n, "/soulcaster fix")
	if got := w.next("issue_comment", "created"); at(got, "comment", "id") != float64(said.ID) || at(got, "comment", "performed_via_github_app") != nil ||
		at(got, "comment", "user", "type") != "User" || at(got, "sender", "login") != "stranger" || at(got, "installation", "id") != 101.0 || at(got, "comment", "author_association") != "NONE" {
		t.Errorf("told %v", got)
	}
	status, answer := w.ask(token, "POST", "/repos/acme/web/issues/1/comments", object{"body": "on it"})
	if status != 201 || at(answer, "performed_via_github_app", "slug") != "soulcaster" || at(answer, "user", "login") != "soulcaster[bot]" || at(answer, "user", "type") != "Bot" {
		t.Errorf("%d %v", status, answer)
	}
	maintainer.EditComment(web, said.ID, "/soulcaster cancel")
	if got := w.next("issue_comment", "edited"); at(got, "changes", "body", "from") != "/soulcaster fix" || at(got, "sender", "login") != "maintainer" || at(got, "comment", "user", "login") != "stranger" {
		t.Errorf("told %v", got)
	}
	path := "/repos/acme/web/issues/comments/"
	for i, want := range []int{201, 200} { // the second time it is there
		if status, _ := w.ask(token, "POST", path+itoa(said.ID)+"/reactions", object{"content": "eyes"}); status != want {
			t.Errorf("reaction %d: %d, want %d", i, status, want)
		}
	}
	if got := w.Comments(web, n); len(got) != 2 || !slices.Equal(got[0].Reactions, []string{"eyes"}) || !got[1].ByApp || got[0].Body != "/soulcaster cancel" {
		t.Errorf("%+v", got)
	}
	if status, _ := w.ask(token, "PATCH", path+itoa(said.ID), object{"body": "x"}); status != 403 {
		t.Errorf("the App edits a person's comment: %d", status)
	}
	if status, _ := w.ask(token, "POST", "/repos/acme/web/issues/1/comments", object{"body": strings.Repeat("x", maxText+1)}); status != 422 {
		t.Errorf("a comment that is too long: %d", status)
	}
	maintainer.Lock(web, n, true)
	status, answer = w.ask(token, "POST", "/repos/acme/web/issues/1/comments", object{"body": "still on it"})
	if status != 403 || answer["message"] != "Unable to create comment because issue is locked." {
		t.Errorf("on what is locked: %d %v", status, answer)
	}
	stranger.Close(web, n, "not_planned")
	if got := w.Issue(web, n); got.State != "closed" || got.StateReason != "not_planned" || got.ClosedBy != "stranger" {
		t.Errorf("%+v", got)
	}
	writes := w.Writes()
	if len(writes) != 3 || writes[0].Path != "/repos/acme/web/issues/1/comments" || writes[0].Who != "installation 101" {
		t.Errorf("the App wrote %+v", writes)
	}
}

// Checks report once all is done, and what ran again counts for what it was last.
func TestChecks(t *testing.T) {
	w := newWorld(t, nil)
	m := w.As("maintainer")
	sha := m.Push(web, "fix", map[string]string{"x": "0"}, "Fix")
	n := m.Propose(web, "fix", "main", "Fix", "")
	w.Check(web, sha, Check{Name: "lint"})
	w.Check(web, sha, Check{Name: "test", Conclusion: "failure", Title: "1 failed", Summary: "in a.txt"})
	w.Check(web, sha, Check{Name: "lint", Conclusion: "success"})
	got := w.next("check_suite", "completed")
	if at(got, "check_suite", "conclusion") != "failure" || at(got, "check_suite", "head_sha") != sha || at(got, "check_suite", "head_branch") != "fix" || at(got, "check_suite", "pull_requests", 0, "number") != float64(n) {
		t.Errorf("told %v", at(got, "check_suite"))
	}
	w.Check(web, sha, Check{Name: "test", Conclusion: "success"})
	if got := w.next("check_suite", "completed"); at(got, "check_suite", "conclusion") != "success" {
		t.Errorf("told %v", at(got, "check_suite"))
	}
	for query, want := range map[string]float64{"": 2, "?filter=all": 3, "?status=in_progress": 0} {
		if _, got := w.ask(w.mint(nil), "GET", "/repos/acme/web/commits/"+sha+"/check-runs"+query, nil); got["total_count"] != want {
			t.Errorf("%q: %v runs, want %v", query, got["total_count"], want)
		}
	}
	w.Settle()
	if suites := w.Deliveries("check_suite"); len(suites) != 2 {
		t.Errorf("%d suites were told", len(suites))
	}
}

// A proposal goes into the branch that it was put to, and what is not the default one
// closes no issue. A tag names a commit to whoever compares.
func TestOtherBranch(t *testing.T) {
	w := newWorld(t, nil)
	token := w.mint(nil)
	maintainer := w.As("maintainer")
	number := maintainer.Open(web, "Broken", "It is.")
	main := w.Branches(web)["main"]
	maintainer.Push(web, "next", map[string]string{"src/b.txt": "b\n"}, "Begin")
	maintainer.Push(web, "fix", map[string]string{"src/a.txt": "fixed\n"}, "Fix it")
	pull := maintainer.Propose(web, "fix", "main", "Fix it", "Fixes #1")
	maintainer.Retarget(web, pull, "next")
	if got := w.next("pull_request", "edited"); at(got, "pull_request", "base", "ref") != "next" || at(got, "changes", "base", "ref", "from") != "main" {
		t.Errorf("told %v", got)
	}
	sha := maintainer.Merge(web, pull, "merge")
	if p, i := w.Pull(web, pull), w.Issue(web, number); !p.Merged || w.Branches(web)["next"] != sha || w.Branches(web)["main"] != main || i.State != "open" {
		t.Errorf("merged %+v, the issue is %s", p, i.State)
	}
	maintainer.Tag(web, "v1.0.0", main)
	maintainer.Tag(web, "v2.0.0", sha)
	for tag, want := range map[string]string{"v1.0.0": "behind", "v2.0.0": "identical"} {
		if status, got := w.ask(token, "GET", "/repos/acme/web/compare/"+sha+"..."+tag, nil); status != 200 || got["status"] != want {
			t.Errorf("%s is %v, want %s", tag, got["status"], want)
		}
	}
}
