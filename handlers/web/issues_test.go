package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

// theIssue is what the page of the desk's problem shows of its issue.
func (g *guest) theIssue(d *desk) string {
	g.t.Helper()
	out := g.ask("GET", d.project+"/clusters/"+theCluster, nil)
	_, page, ok := strings.Cut(out.Body.String(), `<h2 id="issue">`)
	if out.Code != http.StatusOK || !ok {
		g.t.Fatalf("%d %s", out.Code, out.Body)
	}
	return page
}

// problemTold is what the API tells of an issue.
type problemTold struct {
	Issue   *apiIssue
	Written *apiText
}

// The issue is shown as it is on GitHub, with what people did to it there: at most a minute
// old, not older than what was told or done since, and asked for once.
func TestIssueAsItIsOnGitHub(t *testing.T) {
	d := newDesk(t)
	cid := d.signed("cid")
	d.world.GitHub.Change(7, 1, func(i *github.Issue) {
		i.Title, i.Labels, i.Assignees, i.Comments = "Exports: they fail", []string{"bug", "p1"}, []string{"mona", "hubot"}, 3
		i.Body = "Before: **see the log**.\n\n" + i.Body + "\n\nAfter: it is the disk."
	})
	for range 2 {
		contains(t, cid.theIssue(d), "As it is on GitHub", "Exports: they fail", `<span class="badge good">open</span>`, `<span class="badge">p1</span>`,
			"3 comments, assigned to mona, hubot", "Before: <strong>see the log</strong>", "The export fails", "After: it is the disk")
		if page := cid.theIssue(d); strings.Contains(page, "As it was filed") {
			t.Errorf("it is shown twice:\n%s", page)
		}
		var told problemTold
		cid.told(d.problem(), &told)
		if now := told.Issue.Now; now == nil || now.Title != "Exports: they fail" || now.State != "open" || len(now.Labels) != 2 || len(now.Assignees) != 2 || now.Comments != 3 ||
			!strings.HasSuffix(now.Body, "After: it is the disk.") || told.Issue.Number != 1 || told.Issue.Unknown != "" || told.Written == nil {
			t.Errorf("the API tells %+v", told.Issue)
		}
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("GitHub was asked %d times", n)
	}
	title := 0
	for what, passes := range map[string]func(){
		"a delivery": func() { d.issues.Forget(enginetest.Installation, 7, 1) },
		"a minute":   func() { d.world.Pass(issueLife) },
	} {
		title++
		now := fmt.Sprint("Its title is changed: ", title)
		d.world.GitHub.Change(7, 1, func(i *github.Issue) { i.Title = now })
		d.issues.Forget(enginetest.Installation, 7, 2) // another's
		if page := cid.theIssue(d); strings.Contains(page, now) {
			t.Errorf("before %s GitHub was asked", what)
		}
		passes()
		contains(t, cid.theIssue(d), now)
	}
	// What the app itself did is seen at once.
	d.signed("bob").ask("POST", d.commands(), press("mute"))
	d.world.Settle()
	contains(t, cid.theIssue(d), "closed as not planned")
}

// What was told while GitHub was asked is not lost in the answer.
func TestIssueThatChangesMeanwhile(t *testing.T) {
	d := newDesk(t)
	cid := d.signed("cid")
	d.issue = func(ctx context.Context, at github.At, number int) (github.Issue, error) {
		i, err := d.world.GitHub.GetIssue(ctx, at, number)
		if d.asked.Load() == 1 {
			d.world.GitHub.Change(7, 1, func(i *github.Issue) { i.Title = "Another title" })
			d.issues.Forget(enginetest.Installation, 7, 1)
		}
		return i, err
	}
	cid.theIssue(d)
	contains(t, cid.theIssue(d), "Another title")
}

// Where GitHub does not say how it is, what the app wrote is shown, and why.
func TestIssueIsNotKnown(t *testing.T) {
	d := newDesk(t)
	cid := d.signed("cid")
	d.issues.within = time.Millisecond
	for _, c := range []struct {
		err  error
		want string
	}{
		{github.ErrGone, "it was deleted, or issues are turned off in its repository"},
		{&github.MovedError{To: "https://github.example/other"}, "it was moved to another repository"},
		{github.ErrNotFound, "GitHub shows the app no such issue"},
		{github.ErrForbidden, "GitHub does not let the app see it"},
		{github.ErrSuspended, "the installation is suspended"},
		{github.ErrUninstalled, "the app is not installed there any more"},
		{&work.Later{Err: github.ErrUnauthorized}, "GitHub refuses the app&#39;s credentials"},
		{&work.Later{Until: d.world.Time.Add(time.Hour), Err: fmt.Errorf("a limit")}, "GitHub wants to be left alone until "},
		{fmt.Errorf("dial tcp 192.0.2.1: no route to a host"), "GitHub could not be asked"},
		{nil, "GitHub did not answer in time"},
	} {
		d.world.Pass(issueLife)
		d.issue = func(ctx context.Context, _ github.At, _ int) (github.Issue, error) {
			if c.err == nil {
				<-ctx.Done()
				return github.Issue{}, fmt.Errorf("get issue: %w", ctx.Err())
			}
			return github.Issue{}, fmt.Errorf("get issue: %w", c.err)
		}
		page := cid.theIssue(d)
		contains(t, page, "How it is on GitHub now is not known: "+c.want, "As it was filed", "The export fails")
		if strings.Contains(page, "192.0.2.1") || strings.Contains(page, "github.example/other") {
			t.Errorf("the page tells more than it should:\n%s", page)
		}
		var told problemTold
		if cid.told(d.problem(), &told); told.Issue.Now != nil || told.Issue.Unknown == "" || told.Written == nil {
			t.Errorf("the API tells %+v", told)
		}
	}
	// It is asked again soon, not at once.
	before := d.asked.Load()
	d.issue = d.world.GitHub.GetIssue
	if cid.theIssue(d); d.asked.Load() != before {
		t.Error("GitHub was asked again at once")
	}
	d.world.Pass(failureLife)
	contains(t, cid.theIssue(d), "As it is on GitHub")
}

// Who turns over all the problems of an installation does not use up what GitHub allows
// it, and takes nothing from another.
func TestIssuesAreNotAskedForWithoutEnd(t *testing.T) {
	now, calls := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), 0
	s := NewIssues(func(_ context.Context, _ github.At, number int) (github.Issue, error) {
		calls++
		return github.Issue{Number: number, State: "open"}, nil
	}, func() time.Time { return now })
	look := func(installation int64, number int) string {
		t.Helper()
		n, err := s.of(t.Context(), project.Project{Installation: installation, ID: "web", Repo: project.Repo{Owner: "acme", Name: "web", ID: 7}}, number, "")
		if err != nil {
			t.Fatal(err)
		}
		return n.Unknown
	}
	number := 0
	for range 3600 { // an hour, with three looks a second
		for range 3 {
			number++
			look(101, number)
		}
		now = now.Add(time.Second)
	}
	if calls < 1200 || calls > 1200+issueBurst {
		t.Errorf("GitHub was asked %d times in an hour", calls)
	}
	look(101, 100_000)
	if why := look(101, 100_001); !strings.Contains(why, "20 of them in a minute") {
		t.Errorf("it is said: %q", why)
	}
	if why := look(202, 1); why != "" {
		t.Errorf("to another installation it is said: %q", why)
	}
	now = now.Add(issueEvery)
	if why := look(101, 100_001); why != "" {
		t.Errorf("a moment later: %q", why)
	}
}

// What is remembered of issues is bounded by its size.
func TestIssuesThatAreRemembered(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	body := strings.Repeat("x", 1<<20)
	s := NewIssues(func(context.Context, github.At, int) (github.Issue, error) { return github.Issue{Body: body}, nil }, func() time.Time { return now })
	for i := range 200 {
		n, err := s.of(t.Context(), project.Project{Installation: int64(i)}, 1, "")
		if err != nil || n.Unknown != "" || !n.More || len(n.HTML) > 2*maxShown {
			t.Fatalf("%d: %v %q, %d bytes are shown", i, err, n.Unknown, len(n.HTML))
		}
		held := 0
		for _, n := range s.known {
			held += n.size()
		}
		if held != s.bytes || held > maxIssueBytes {
			t.Fatalf("%d bytes are held, %d are counted", held, s.bytes)
		}
	}
	s.Forget(199, 0, 1)
	if s.Forget(198, 0, 1); len(s.known) > 0 && s.bytes <= 0 || len(s.known) > maxIssueBytes>>20 {
		t.Errorf("%d are known, of %d bytes", len(s.known), s.bytes)
	}
}

// What strangers make of an issue does nothing on the page, and nothing to what comes
// after it.
func TestHostileIssueIsDead(t *testing.T) {
	d := newDesk(t)
	cid := d.signed("cid")
	for _, p := range append(payloads(), "<table><tr><td><em><details>\n\n```", "</div></section></main>", strings.Repeat("> ", 2000)+"x") {
		d.world.Pass(issueLife)
		d.world.GitHub.Change(7, 1, func(i *github.Issue) {
			i.Title, i.Body, i.Labels, i.Assignees, i.State, i.StateReason = p, p+"\n\n# "+p+"\n\n| a |\n| - |\n| "+p+" |\n", []string{p}, []string{p, p}, "closed"+p, p
		})
		page := cid.ask("GET", d.project+"/clusters/"+theCluster, nil).Body.String()
		if strings.Count(page, "As it is on GitHub") != 1 {
			t.Fatalf("%q is not shown:\n%s", p, page)
		}
		for _, a := range aliveOnPage(t, strings.NewReader(page)) {
			t.Errorf("%.100q: alive: %s", p, a)
		}
		if in := around(t, page, "What was done lately"); in != "h2 section main body html " {
			t.Errorf("%.100q: what comes after it is in %s", p, in)
		}
		out := cid.ask("GET", d.problem(), nil)
		if kind := out.Header().Get("Content-Type"); out.Code != http.StatusOK || !strings.HasPrefix(kind, "application/json") || strings.Contains(out.Body.String(), "<script") {
			t.Errorf("%.100q: the API tells %s: %s", p, kind, out.Body)
		}
	}
}

// around names the elements of a page that a text is in.
func around(t *testing.T, page, text string) (in string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Data == text {
			for n = n.Parent; n.Type == html.ElementNode; n = n.Parent {
				in += n.Data + " "
			}
			return in
		}
	}
	return ""
}
