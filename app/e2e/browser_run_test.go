//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
)

// TestBrowserCommands: what a comment orders, buttons order; a run is begun, watched and
// cancelled on its page, which keeps itself up to date where it may run scripts.
func TestBrowserCommands(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hold := make(chan struct{})
			defer close(hold)
			w := stages(t, stage{turns: holding(hold), env: []string{"GITHUB_OAUTH_CLIENT_ID=" + hub.ClientID, "GITHUB_OAUTH_CLIENT_SECRET=" + hub.ClientSecret}})
			number := w.greeting()
			b := newWindow(t, w.door.url, scripts)
			// becomes waits until the page says something. Without scripts somebody reloads it
			// now and then: rarely, or they would do so on the way to another page.
			becomes := func(parts ...string) {
				t.Helper()
				looks := 0
				within(t, slow, fmt.Sprintf("the page shows %q", parts), func() error {
					if looks++; looks%100 == 0 && !scripts {
						ctx, cancel := context.WithTimeout(b.ctx, patience/4)
						defer cancel()
						if err := chromedp.Do(ctx, chromedp.Reload()); err != nil {
							return err
						}
					}
					text, err := b.text()
					return cmp.Or(err, says(text, parts...))
				})
			}
			w.hub.Browse(maintainer)
			b.open(w.door.url + "/")
			b.press("Sign in with GitHub")
			b.shows("signed in as " + maintainer)
			b.press("The shop greets me with a typo")
			b.press("Mute: close the issue as not planned")
			becomes("Closed as not planned, and muted", "muted until somebody reopens it")
			if i := w.hub.Issue(shop, number); i.State != "closed" || i.StateReason != "not_planned" {
				t.Errorf("the issue is %s, %s", i.State, i.StateReason)
			}
			b.shot("muted")
			b.press("Undo the muting")
			becomes("Muting was taken back", "Mute: close the issue as not planned")
			if i := w.hub.Issue(shop, number); i.State != "open" {
				t.Errorf("after undo the issue is %s", i.State)
			}

			b.do("write", chromedp.SendKeys(chromedp.CSS("textarea[name=words]"), "Mind the capital letter."))
			b.press("Fix: ask the agent")
			b.shows("The agent was asked", "Mind the capital letter")
			becomes("at work", "working on the fix")
			b.shot("run")
			b.press("Cancel the run")
			becomes("cancelled", "It is being stopped", "Try again")
			w.until(number, "cancelled")
			b.press("Runs")
			b.shows("The agent's runs", "cancelled", "#"+itoa(number))
			b.shot("runs")
			b.press("Sign out")
			b.shows("Sign in with GitHub to see")
			if said := w.answersTo(number); len(said) != 0 {
				t.Errorf("what a page ordered was answered in comments: %v", said)
			}
		})
	}
}
