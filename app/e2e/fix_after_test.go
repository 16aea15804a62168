//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
)

// recurring is an error of the shop's that goes on happening.
type recurring struct {
	failure
	w      *fixworld
	number int // of its issue
	events int // so far
}

// recurs files an error that was first seen in a release ("" for one that is not
// known).
func (w *fixworld) recurs(f failure, release string) *recurring {
	w.t.Helper()
	f.project = "frontend"
	r := &recurring{failure: f, w: w}
	r.happens(release)
	within(w.t, slow, "the error's issue is filed and known", func() error {
		_, err := fmt.Sscanf(r.state(), "issue #%d", &r.number)
		return err
	})
	return r
}

// happens has the error happen, now by the app's clock, and waits until the app has
// done what follows from that: twice, since the second time is counted after what the
// first one led to.
func (r *recurring) happens(release string) {
	r.w.t.Helper()
	r.w.later() // than what GitHub has dated so far
	more := object{"datetime": r.w.now().UTC().Format(time.RFC3339Nano)}
	if release != "" {
		more["release"] = release
	}
	for range 2 {
		r.events++
		r.w.sentry("acme-sentry", "event_alert", r.alert(eventID(r.events), more))
		within(r.w.t, slow, "the error is counted", func() error {
			want := fmt.Sprintf(" %d event", r.events)
			if facts := r.w.facts(`[^<]*` + r.kind + `[^<]*`); !strings.Contains(facts, want) {
				return fmt.Errorf("%q, want %s", facts, want)
			}
			return nil
		})
	}
}

// state is what the door says of where the error's problem stands.
func (r *recurring) state() string {
	r.w.t.Helper()
	return r.w.sentry("acme-sentry", "event_alert", r.alert(eventID(1), nil)).Items[0].State // that is counted already
}

// stands waits until the door says where the error's problem stands.
func (r *recurring) stands(want string) {
	r.w.t.Helper()
	within(r.w.t, slow, "the door says where it stands", func() error { return says(r.state(), want) })
}

// fixed has a person merge a proposal, and returns the commit.
func (r *recurring) fixed(pull hub.Pull) (sha string) {
	w := r.w
	w.t.Helper()
	w.until(r.number, "proposed")
	w.hub.As(maintainer).Ready(shop, pull.Number)
	sha = w.hub.As(maintainer).Merge(shop, pull.Number, "merge")
	w.until(r.number, "merged")
	within(w.t, slow, "the issue says that it is fixed", func() error {
		return says(w.hub.Issue(shop, r.number).Body, "Fixed by #"+itoa(pull.Number), "Not proven yet")
	})
	return sha
}

// quiet checks that the issue is closed, and that so many things were said on it.
func (r *recurring) quiet(when string, said int) {
	r.w.t.Helper()
	if i := r.w.hub.Issue(shop, r.number); i.State != "closed" {
		r.w.t.Errorf("%s the issue is %s", when, i.State)
	}
	if n := len(r.w.answersTo(r.number)); n != said {
		r.w.t.Errorf("%s there are %d comments, want %d", when, n, said)
	}
}

// back waits until the issue is open and told why, as the n-th thing.
func (r *recurring) back(n int, want ...string) {
	r.w.t.Helper()
	text := r.w.answered(r.number, n)
	if err := says(text, append([]string{"This is back."}, want...)...); err != nil {
		r.w.t.Error(err)
	}
	within(r.w.t, slow, "the issue says so", func() error {
		i := r.w.hub.Issue(shop, r.number)
		if i.State != "open" {
			return errors.New(i.State)
		}
		return says(i.Body, "was to fix this. It is back since")
	})
}

// nameless is the error of these stories.
var nameless = failure{group: "7701", kind: "TypeError", message: "name is undefined", module: "greet", calls: []string{"main", "greet"}}

// TestFixDoesNotHold: what the merge of a fix did not fix opens the issue again, with
// the evidence, at most once a day. Old releases that go on reporting are counted.
func TestFixDoesNotHold(t *testing.T) {
	t.Parallel()
	t.Run("in a release that contains it", func(t *testing.T) {
		t.Parallel()
		w := stages(t, stage{timed: true})
		bug := w.recurs(nameless, "shop@1.0.0")
		old := w.hub.Branches(shop)["main"]
		w.fix(bug.number)
		first := w.proposal(1)
		sha := bug.fixed(first)
		w.hub.As(maintainer).Tag(shop, "v1.0.1", old)
		w.hub.As(maintainer).Tag(shop, "v1.1.0", sha)

		bug.happens("shop@1.0.0")
		bug.quiet("after the release that it was found in", 0)
		bug.happens("shop@1.0.1")
		bug.stands("1 report since from older releases")
		bug.quiet("after another release without the fix", 0)
		bug.happens("shop@1.1.0")
		bug.back(1, "#"+itoa(first.Number)+", which was to fix it, was merged on", "in release `shop@1.1.0`, which contains it", "https://org.sentry.io/issues/7701/")

		// It is fixed anew, and that does not hold either: people hear of it tomorrow.
		w.fix(bug.number, "Say it louder")
		second := w.proposal(2)
		w.hub.As(maintainer).Tag(shop, "v1.2.0", bug.fixed(second))
		bug.happens("shop@1.2.0")
		bug.quiet("on the day of the first regression", 1)
		w.pass(23 * time.Hour)
		bug.happens("shop@1.2.0")
		bug.quiet("almost a day after it", 1)
		w.pass(time.Hour)
		bug.back(2, "#"+itoa(second.Number)+", which was to fix it", "in release `shop@1.2.0`, which contains it")
		w.once(bug.number, 2, 2, 2, 2)
	})
	t.Run("later than its way to users takes", func(t *testing.T) {
		t.Parallel()
		w := stages(t, stage{timed: true})
		bug := w.recurs(nameless, "")
		w.fix(bug.number)
		pull := w.proposal(1)
		bug.fixed(pull)
		bug.happens("")
		bug.quiet("soon after the merge", 0)
		w.pass(24 * time.Hour)
		bug.happens("")
		bug.back(1, "#"+itoa(pull.Number)+", which was to fix it, was merged on", "1 report of it happened since")
		if text := w.answersTo(bug.number)[0].Body; strings.Contains(text, "in release") {
			t.Errorf("a release is named that nobody knows: %s", text)
		}
	})
}

// TestFixIsProven: a fix after which it was quiet for long enough is told to have held,
// once, on the closed issue.
func TestFixIsProven(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{timed: true})
	bug := w.recurs(nameless, "shop@1.0.0")
	w.fix(bug.number)
	pull := w.proposal(1)
	w.hub.As(maintainer).Tag(shop, "v1.1.0", bug.fixed(pull))
	bug.happens("shop@1.0.0")
	// Another one says that the release is out.
	w.recurs(failure{group: "7702", kind: "RangeError", message: "too many items", module: "cart", calls: []string{"main", "total"}}, "shop@1.1.0")

	w.pass(7 * 24 * time.Hour)
	bug.happens("shop@1.0.0")
	bug.quiet("before its soak is over", 0)
	w.pass(24 * time.Hour)
	if err := says(w.answered(bug.number, 1), "Proven", "#"+itoa(pull.Number)+", merged on", "quiet for 7 days",
		"Release `shop@1.1.0` contains it", "Not counted: 1 report from older releases"); err != nil {
		t.Error(err)
	}
	within(t, slow, "the issue says so", func() error {
		return says(w.hub.Issue(shop, bug.number).Body, "Fixed by #"+itoa(pull.Number), "Proven on")
	})
	w.pass(30 * 24 * time.Hour)
	bug.happens("shop@1.0.0")
	bug.quiet("a month later", 1)
}

// TestFixIsMergedElsewhere: what was merged into another branch than the default one
// has fixed nothing yet.
func TestFixIsMergedElsewhere(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{timed: true})
	bug := w.recurs(nameless, "shop@1.0.0")
	w.fix(bug.number)
	pull := w.proposal(1)
	w.until(bug.number, "proposed")
	w.hub.As(colleague).Push(shop, "next", map[string]string{"README.md": "# Next\n"}, "Begin the next one")
	w.hub.As(maintainer).Retarget(shop, pull.Number, "next")
	w.hub.As(maintainer).Ready(shop, pull.Number)
	sha := w.hub.As(maintainer).Merge(shop, pull.Number, "merge")
	w.until(bug.number, "merged", "into `next`, which is not the default branch", "does not count as fixed")
	w.hub.As(maintainer).Tag(shop, "v2.0.0", sha)

	w.pass(time.Hour) // GitHub has had its time to close the issue, and the app too
	bug.happens("shop@2.0.0")
	if got := bug.state(); got != "issue #"+itoa(bug.number) {
		t.Errorf("it stands as %s", got)
	}
	w.say(maintainer, bug.number, "/soulcaster status")
	if answer := w.answered(bug.number, 1); !strings.HasPrefix(answer, "**Issue #"+itoa(bug.number)+"**\n") {
		t.Errorf("its status is %s", answer)
	}
	i := w.hub.Issue(shop, bug.number)
	if i.State != "open" || strings.Contains(i.Body, "ixed by") || strings.Contains(i.Body, "is back") {
		t.Errorf("the issue is %s:\n%s", i.State, i.Body)
	}
	// So it can be asked for again, for the default branch.
	w.fix(bug.number)
	if again := w.proposal(2); again.Base != "main" || !slices.Equal(again.Files, []string{"greet.js"}) {
		t.Errorf("the second proposal is %+v", again)
	}
}
