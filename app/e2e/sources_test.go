//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestConnectInABrowser: somebody who administers a repository connects a Sentry and a
// program of theirs, sees the first event come, and says where what was held belongs.
func TestConnectInABrowser(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := stages(t, stage{store: newBolt(t)})
			w.greeting()
			w.hub.Allow(shop, maintainer, "admin")
			w.hub.Browse(maintainer)
			b := newWindow(t, w.door.url, scripts)
			b.open(w.door.url + "/installations/" + itoa(acme))
			b.press("Sign in with GitHub")
			b.shows("Sources of acme", "in the server's file")
			b.shot("sources")
			b.press("Connect a source")
			b.shows("What shall Soulcaster listen to?")
			b.shot("source-kinds")
			b.press("Sentry")
			b.fill("name", "Errors of the shop")
			b.shot("source-new")
			b.press("Connect")
			text := b.shows("The source is connected", "Waiting for the first event", w.door.url+"/ingest/sentry/")
			path := regexp.MustCompile(`/ingest/sentry/sentry-` + itoa(acme) + `-[a-z0-9]{10}`).FindString(text)
			if path == "" {
				t.Fatalf("no address: %s", text)
			}
			const secret = "0123456789abcdef0123456789abcdef"
			b.fill("secret", secret)
			b.shot("source-waiting")
			b.press("Save the secret")
			b.shows("ends in …cdef")

			body := []byte(`{"action": "triggered", "data": {"event": {"event_id": "0f", "issue_id": "77", "title": "TypeError: greeting is undefined", "project_slug": "storefront"}}}`)
			send := func(secret string) int {
				t.Helper()
				a, err := w.send(http.MethodPost, path, map[string]string{"Content-Type": "application/json", "Sentry-Hook-Resource": "event_alert", "Sentry-Hook-Signature": signature(secret, body)}, body)
				if err != nil {
					t.Fatal(err)
				}
				return a.status
			}
			if got := send("another-secret-that-is-wrong"); got != http.StatusUnauthorized {
				t.Errorf("wrongly signed: %d", got)
			}
			b.becomes("Something came and was refused", "Sentry-Hook-Signature is missing or does not match")
			b.shot("source-refused")
			if got := send(secret); got != http.StatusAccepted {
				t.Errorf("rightly signed: %d", got)
			}
			b.becomes("The first event was received at")
			b.shot("source-speaking")
			b.press("acme")
			b.shows("Held: no repository is named for these", "storefront", "TypeError: greeting is undefined")
			b.shot("sources-held")
			b.fill("repository", shop)
			b.press("Let it in")
			b.shows("The route is set", "storefront → "+shop)
			eventually(t, "it is in its project", func() error {
				b.open(w.door.url + "/")
				text, err := b.text()
				if err == nil && !strings.Contains(text, "TypeError") {
					err = errors.New("it is not on " + text)
				}
				return err
			})

			b.open(w.door.url + "/installations/" + itoa(acme) + "/sources/new?kind=feedback")
			b.fill("name", "Forms")
			b.fill("repository", shop)
			b.press("Connect")
			text = b.shows("It is shown this once", "To try it", "curl "+w.door.url+"/ingest/feedback/")
			b.shot("source-key")
			key := regexp.MustCompile(`scs_[a-z2-7]{26}`).FindString(text)
			path = regexp.MustCompile(`/ingest/feedback/feedback-[a-z0-9-]+`).FindString(text)
			if key == "" || path == "" {
				t.Fatalf("no key: %s", text)
			}
			if a, err := w.post(path, map[string]string{"Content-Type": "application/json", "X-API-Key": key}, encode(map[string]any{"title": "The form says hello to nobody"})); err != nil || a.status != http.StatusAccepted {
				t.Fatalf("the key: %d %v", a.status, err)
			}
			b.press("See what arrives")
			b.do("the page of the source", chromedp.WaitVisible(chromedp.Search(`//main[@data-live]`)))
			b.becomes("The first event was received at", "…"+key[len(key)-4:])
			if text, _ := b.text(); strings.Contains(text, key) {
				t.Error("the key is shown again")
			}
			b.do("unfold", chromedp.Click(chromedp.Search(`//summary[contains(., 'Remove this source')]`)))
			b.choose("I am sure")
			b.shot("source-remove")
			// Who has it open in another window is told. The window that waits for the answer was
			// about to look at the page again, and does not: it would complain.
			other := b.another()
			other.open(b.path())
			other.shows("Remove this source")
			b.slowed("*/remove", untroubled)
			b.do("have the page look at itself", chromedp.Evaluate[chromedp.Void](`void document.dispatchEvent(new Event("visibilitychange"))`))
			b.press("Remove Forms")
			b.shows("The source is removed")
			other.becomes("There is nothing at this address")
			if a, err := w.post(path, map[string]string{"Content-Type": "application/json", "X-API-Key": key}, []byte(`{"title": "x"}`)); err != nil || a.status != http.StatusNotFound {
				t.Errorf("afterwards: %d %v", a.status, err)
			}
			b.press("Audit")
			b.shows("source.remove", "@"+maintainer)
		})
	}
}
