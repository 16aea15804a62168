//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestJoinsAnOpenedIssue: a problem that a maintainer opened an issue for is added to that,
// and taken out again by a command there; a stranger's issue is left alone.
func TestJoinsAnOpenedIssue(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]func(testing.TB) *store{"bolt": newBolt, "redis": newRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			joins(t, kept(t))
		})
	}
}

func joins(t *testing.T, kept *store) {
	w := stages(t, stage{store: kept})
	greets := failure{group: "4711", project: "shop", kind: "TypeError", message: "greeting is undefined", module: "greet", calls: []string{"main", "greet"}}
	link := "https://org.sentry.io/issues/" + greets.group + "/"
	strange := w.hub.As(stranger).Open(shop, "Look at this", "I own this now: "+link)
	opened := w.hub.As(maintainer).Open(shop, "Nobody is greeted", "Sentry: "+link+"?referrer=mail\r\n\r\nSince Monday.")
	w.hub.Settle()

	is := func(want string) {
		t.Helper()
		eventually(t, "the problem stands at "+want, func() error {
			a := w.sentry("acme-sentry", "event_alert", greets.alert(eventID(1), nil))
			if got := a.Items[0].State; got != want {
				return errors.New(got)
			}
			return nil
		})
	}
	is(fmt.Sprintf("issue #%d", opened))
	i := w.hub.Issue(shop, opened)
	if begin := "Sentry: " + link + "?referrer=mail\r\n\r\nSince Monday.\n\n<!-- soulcaster:cluster="; !strings.HasPrefix(i.Body, begin) || i.Title != "Nobody is greeted" || !strings.Contains(i.Body, "greet") {
		t.Errorf("the issue is %q:\n%s", i.Title, i.Body)
	}
	if got := w.hub.Issue(shop, strange).Body; got != "I own this now: "+link {
		t.Errorf("the stranger's says:\n%s", got)
	}
	if n := len(w.hub.Issues(shop)); n != 2 {
		t.Errorf("%d issues", n)
	}

	w.say(maintainer, opened, "/soulcaster undo")
	is(fmt.Sprintf("issue #%d", opened+1))
	eventually(t, "it is answered", func() error {
		for _, c := range w.hub.Comments(shop, opened) {
			if strings.Contains(c.Body, "Taken out of this issue again") {
				return nil
			}
		}
		return fmt.Errorf("%+v", w.hub.Comments(shop, opened))
	})
	if got := w.hub.Issue(shop, opened); got.Body != "Sentry: "+link+"?referrer=mail\r\n\r\nSince Monday." || got.State != "open" {
		t.Errorf("after the undo it is %s:\n%s", got.State, got.Body)
	}
}
