//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCommands: who may says what is to be done, in the one place where it is
// meant, and gets one answer.
func TestCommands(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		const repo = "acme/web"
		crash := tenants[0].checkout()
		number := w.file(repo, crash)

		// Nothing of this is a command, or nobody who may give one says it.
		for _, text := range []string{
			"> /soulcaster status", "```\n/soulcaster status\n```", "Try this:\n/soulcaster status", "    /soulcaster status",
			"`/soulcaster status`", "- /soulcaster undo", "/soulcasterstatus", "\u200b/soulcaster undo", "see /soulcaster help",
		} {
			w.github.say(maintainer, repo, number, text)
		}
		w.github.say(stranger, repo, number, "/soulcaster status")
		w.github.say(stranger, repo, number, "/soulcaster undo")
		w.github.say(w.botToken(), repo, number, "/soulcaster status")
		edited := w.github.say(maintainer, repo, number, "Hello.")
		w.github.ask(maintainer, "PATCH", fmt.Sprintf("/repos/%s/issues/comments/%d", repo, edited.ID), object{"body": "/soulcaster undo"}, nil)

		said := 0
		for _, tt := range []struct {
			who, text string
			want      []string
		}{
			{maintainer, "/soulcaster status", []string{fmt.Sprintf("ssue #%d", number), "1 report"}},
			{reader, "\n/Soulcaster  STATUS \r\nThank you!", []string{"1 report"}},
			{reader, "/soulcaster help", []string{"`/soulcaster status`", "`/soulcaster undo`", "write"}},
			{maintainer, "/soulcaster", []string{"`/soulcaster help`"}},
			{maintainer, "/soulcaster statsu", []string{"Did you mean `/soulcaster status`"}},
			{reader, "/soulcaster undo", []string{"needs write permission"}},
		} {
			c := w.github.say(tt.who, repo, number, tt.text)
			said++
			reply := w.replies(repo, number, said)
			for _, part := range tt.want {
				if !strings.Contains(reply.Body, part) {
					t.Errorf("%s says %q and is answered, without %q:\n%s", tt.who, tt.text, part, reply.Body)
				}
			}
			// The emulator knows no reactions, which must not keep the answer back. Who may
			// not write gets none.
			want := map[string]int{maintainer: 1}[tt.who]
			seen := w.gate.asked("POST", fmt.Sprintf("^/repos/%s/issues/comments/%d/reactions$", repo, c.ID))
			if len(seen) != want || want == 1 && !strings.Contains(seen[0].body, `"eyes"`) {
				t.Errorf("%q got %d reactions, want %d with eyes", tt.text, len(seen), want)
			}
		}
		if i := w.github.issue(repo, number); i.State != "open" {
			t.Errorf("the issue is %s after an undo of who may not", i.State)
		}

		// GitHub delivers again: the same delivery, and the same comment in another.
		for _, d := range w.relay.carried("issue_comment") {
			if status := w.relay.carry(d); status >= 300 {
				t.Errorf("what was delivered again is answered %d", status)
			}
			d.id = guid()
			if status := w.relay.carry(d); status >= 300 {
				t.Errorf("what was delivered again under another id is answered %d", status)
			}
		}
		w.github.say(maintainer, repo, number, "/soulcaster help")
		w.replies(repo, number, said+1)
	})
}

// file sends an event of a failure that no issue is about, and returns the
// number of its issue.
func (w *world) file(repo string, f failure) (number int) {
	w.t.Helper()
	w.sentry("acme-sentry", "event_alert", f.alert(eventID(1), object{"release": "shop@1.0.0"}))
	eventually(w.t, "the issue is filed and known", func() error {
		a := w.sentry("acme-sentry", "event_alert", f.alert(eventID(1), nil))
		if _, err := fmt.Sscanf(a.Items[0].State, "issue #%d", &number); err != nil {
			return errors.New(a.Items[0].State)
		}
		return nil
	})
	if i := w.github.issue(repo, number); !strings.Contains(i.Title, f.kind) {
		w.t.Fatalf("issue #%d is %q", number, i.Title)
	}
	return number
}

// botToken is a token with which the App itself speaks.
func (w *world) botToken() string {
	w.t.Helper()
	w.gate.mu.Lock()
	defer w.gate.mu.Unlock()
	for token, installation := range w.gate.tokens {
		if installation == acme {
			return token
		}
	}
	w.t.Fatal("the App has no token yet")
	return ""
}

// answers are the comments of the App that are not the test's own doing.
func (w *world) answers(repo string, number int) (own []comment) {
	w.t.Helper()
	all := w.github.comments(repo, number)
	return slices.DeleteFunc(all, func(c comment) bool {
		return c.User.Login != botName || !strings.Contains(c.Body, "<!-- soulcaster:comment ")
	})
}

// replies waits until the app has said something for the n-th time, and returns
// that. More than n is a failure.
func (w *world) replies(repo string, number, n int) comment {
	w.t.Helper()
	var own []comment
	eventually(w.t, "there is an answer", func() error {
		if own = w.answers(repo, number); len(own) < n {
			return fmt.Errorf("%d answers, want %d", len(own), n)
		}
		return nil
	})
	if len(own) > n {
		w.t.Fatalf("%d answers, want %d: %v", len(own), n, own)
	}
	return own[n-1]
}

// TestUndo: what the app did last on an issue is taken back, act by act.
func TestUndo(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		const repo = "acme/web"
		crash := tenants[0].checkout()
		number := w.file(repo, crash)
		first := w.github.issue(repo, number).Body
		w.sentry("acme-sentry", "error", crash.created(eventID(2), object{"release": "shop@2.0.0"}))
		w.shows(repo, number, "shop@2.0.0")
		w.shows(repo, number, "2 times") // else that is news, after the undo

		w.github.say(maintainer, repo, number, "/soulcaster undo")
		w.replies(repo, number, 1)
		if i := w.github.issue(repo, number); i.Body != first || i.State != "open" {
			t.Errorf("after undo of the edit the issue is %s and says\n%s\nwant\n%s", i.State, i.Body, first)
		}
		w.github.say(maintainer, repo, number, "/soulcaster undo")
		w.replies(repo, number, 2)
		if i := w.github.issue(repo, number); i.State != "closed" || i.StateReason != "not_planned" {
			t.Errorf("after undo of the filing the issue is %s, %s", i.State, i.StateReason)
		}
		w.github.say(maintainer, repo, number, "/soulcaster undo")
		if c := w.replies(repo, number, 3); !strings.Contains(c.Body, "nothing left") {
			t.Errorf("the third undo is answered %q", c.Body)
		}

		// It stays muted, whatever comes.
		a := w.sentry("acme-sentry", "error", crash.created(eventID(3), object{"release": "shop@3.0.0"}))
		if !strings.Contains(a.Items[0].State, "muted") {
			t.Errorf("the door says %q", a.Items[0].State)
		}
		w.sentry("acme-sentry", "event_alert", tenants[0].ledger().alert(eventID(4), object{"url": "https://sentry.io/api/0/projects/org/frontend/events/x/"}))
		eventually(t, "another problem is filed", func() error { return has(w.github.issues(repo), 2) })
		if i := w.github.issue(repo, number); i.State != "closed" || strings.Contains(i.Body, "shop@3.0.0") {
			t.Errorf("what is muted is %s and says\n%s", i.State, i.Body)
		}
	})
}

// shows waits until an issue's body holds the text.
func (w *world) shows(repo string, number int, text string) {
	w.t.Helper()
	eventually(w.t, "the issue says so", func() error {
		if i := w.github.issue(repo, number); !strings.Contains(i.Body, text) {
			return fmt.Errorf("no %q in\n%s", text, i.Body)
		}
		return nil
	})
}

func has(issues []issue, n int) error {
	if len(issues) != n {
		return fmt.Errorf("%d issues, want %d", len(issues), n)
	}
	return nil
}

// TestClosed: closed means closed, but for what comes back later than a day.
func TestClosed(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		const repo = "acme/web"
		n := tenants[0]
		crash := n.checkout()
		muted := w.file(repo, crash)
		w.report("acme-api", n.exports()[:2])
		eventually(t, "both are filed", func() error { return has(w.github.issues(repo), 2) })
		watched := find(t, w.github.issues(repo), "CSV").Number

		w.github.change(maintainer, repo, muted, object{"state": "closed", "state_reason": "not_planned"})
		w.github.change(maintainer, repo, watched, object{"state": "closed", "state_reason": "completed"})
		closed := time.Now()
		w.stands(crash, "muted")
		w.stands(n.exports()[0], "closed")

		t.Run("at once", func(t *testing.T) {
			w.sentry("acme-sentry", "error", crash.created(eventID(2), object{"release": "shop@2.0.0"}))
			w.report("acme-api", n.exports()[2])
			w.report("acme-api", object{"external_id": "within", "author": "late", "title": n.exports()[0]["title"], "body": n.exports()[0]["body"],
				"occurred_at": closed.Add(23 * time.Hour).UTC().Format(time.RFC3339)})
			eventually(t, "they are counted", func() error {
				if facts := w.facts(find(t, w.github.issues(repo), "CSV").Title); !strings.HasPrefix(facts, "4 reports") {
					return errors.New(facts)
				}
				return nil
			})
			for _, number := range []int{muted, watched} {
				i := w.github.issue(repo, number)
				if i.State != "closed" || strings.Contains(i.Body, "shop@2.0.0") || strings.Contains(i.Body, "4 people") {
					t.Errorf("#%d is %s and says\n%s", number, i.State, i.Body)
				}
				if c := w.github.comments(repo, number); len(c) != 0 {
					t.Errorf("#%d: %v", number, c)
				}
			}
		})
		t.Run("after a day", func(t *testing.T) {
			// The door takes what lies up to a day ahead, which is a day after a
			// closing that is some seconds ago.
			eventually(t, "some seconds pass", func() error {
				if d := time.Since(closed); d < 5*time.Second {
					return fmt.Errorf("only %v", d)
				}
				return nil
			})
			a := w.report("acme-api", object{"external_id": "back", "author": "later", "title": n.exports()[0]["title"], "body": n.exports()[0]["body"],
				"occurred_at": time.Now().Add(24*time.Hour - time.Second).UTC().Format(time.RFC3339)})
			if a.Accepted != 1 {
				t.Fatal(a.body)
			}
			eventually(t, "the issue is open again", func() error {
				if i := w.github.issue(repo, watched); i.State != "open" {
					return errors.New(i.State)
				}
				return nil
			})
			if c := w.replies(repo, watched, 1); !strings.Contains(c.Body, "This is back") {
				t.Errorf("it is said: %s", c.Body)
			}
			w.shows(repo, watched, "5 people")

			// The description was written anew last, and the reopening before that.
			w.github.say(maintainer, repo, watched, "/soulcaster undo")
			w.replies(repo, watched, 2)
			w.github.say(maintainer, repo, watched, "/soulcaster undo")
			eventually(t, "the regression is taken back", func() error {
				c := w.answers(repo, watched)
				if i := w.github.issue(repo, watched); i.State != "closed" || len(c) != 2 || strings.Contains(c[0].Body, "This is back") {
					return fmt.Errorf("%s, %v", i.State, c)
				}
				return nil
			})
		})
		t.Run("reopened by a person", func(t *testing.T) {
			w.github.change(maintainer, repo, muted, object{"state": "open"})
			w.shows(repo, muted, "shop@2.0.0")
		})
	})
}

// stands waits until the door says that what is known already stands so.
func (w *world) stands(known any, want string) {
	w.t.Helper()
	eventually(w.t, "the door says where it stands", func() error {
		var a answer
		if f, ok := known.(failure); ok {
			a = w.sentry("acme-sentry", "event_alert", f.alert(eventID(1), nil))
		} else {
			a = w.report("acme-api", known)
		}
		if a.status != http.StatusAccepted || !strings.Contains(a.Items[0].State, want) {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	})
}
