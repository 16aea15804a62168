//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// settling is how long the app may take to find out what became of an effect
// that a crash interrupted: it lets a minute and more pass first.
const settling = 4 * time.Minute

// complaints are problems that reports can be made of: plainly different ones.
var complaints = []string{
	"Export to CSV never finishes",
	"The password mail does not arrive",
	"Invoices show the wrong currency",
	"Search finds nothing in archived chats",
}

// perComplaint is how many report each of them.
const perComplaint = 60

// TestFlood: while many report at once, the power fails again and again. What was
// answered 202 is there afterwards, and nothing is there twice.
func TestFlood(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		var reports []object
		for i := range perComplaint {
			for c, title := range complaints {
				reports = append(reports, report(fmt.Sprintf("flood-%d-%d", c, i), fmt.Sprintf("person-%d", i), title, ""))
			}
		}
		ids := flood(w, reports)

		for at := 0; at < len(reports); at += 40 {
			some := reports[at:min(at+40, len(reports))]
			a := w.report("acme-api", some)
			for i, item := range a.Items {
				if id := some[i]["external_id"].(string); item.Status != "duplicate" || item.ID != ids[id] {
					t.Errorf("%s was answered 202 with id %s, and is now %s with id %s", id, ids[id], item.Status, item.ID)
				}
			}
		}
		within(t, settling, "every problem has its issue", func() error {
			if err := exactly(w.github.issues("acme/web"), complaints); err != nil {
				return err
			}
			return w.counts("acme/web", len(complaints), len(reports))
		})
		for _, c := range complaints {
			i := find(t, w.github.issues("acme/web"), c)
			if facts := w.facts(i.Title); !strings.HasPrefix(facts, fmt.Sprintf("%d reports", perComplaint)) {
				t.Errorf("%q has %q, want %d reports", i.Title, facts, perComplaint)
			}
		}
	})
}

// flood sends every report until it is answered 202, from many senders at once,
// while the app is killed three times, and returns the ids that it answered.
func flood(w *world, reports []object) map[string]string {
	w.t.Helper()
	var (
		mu    sync.Mutex
		ids   = make(map[string]string)
		taken atomic.Int64
		wg    sync.WaitGroup
		todo  = make(chan object)
	)
	const senders = 12
	for range senders {
		wg.Go(func() {
			for r := range todo {
				for w.t.Context().Err() == nil {
					a, err := w.tryReport("acme-api", r)
					if err == nil && a.status == http.StatusAccepted {
						mu.Lock()
						ids[r["external_id"].(string)] = a.Items[0].ID
						mu.Unlock()
						taken.Add(1)
						break
					}
					if err == nil && a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable {
						w.t.Errorf("the door answers %d %s", a.status, a.body)
						break
					}
					pause(w.t, 20*time.Millisecond) // the app is away
				}
			}
		})
	}
	wg.Go(func() {
		defer close(todo)
		for _, r := range reports {
			select {
			case todo <- r:
			case <-w.t.Context().Done():
				return
			}
		}
	})
	for _, share := range []float64{0.2, 0.5, 0.8} {
		enough := int64(share*float64(len(reports))) + rand.Int64N(10)
		eventually(w.t, "reports are answered", func() error {
			if n := taken.Load(); n < enough {
				return fmt.Errorf("%d of %d", n, enough)
			}
			return nil
		})
		w.kill()
		w.start()
	}
	wg.Wait()
	return ids
}

// pause waits before something is tried again.
func pause(t testing.TB, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// counts reports whether the page counts so many problems and reports of a
// repository.
func (w *world) counts(repo string, problems, reports int) error {
	want := fmt.Sprintf("%d problems from %d reports", problems, reports)
	m := regexp.MustCompile(`(?s)<h1>` + repo + ` .*?<p class="sub">([^<]*)</p>`).FindStringSubmatch(w.pages(projectPages))
	if m == nil {
		return fmt.Errorf("the page does not show %s", repo)
	}
	if m[1] != want {
		return fmt.Errorf("the page says %q, want %q", m[1], want)
	}
	return nil
}

// facts is what the page says under a problem's title, but for where it happens.
func (w *world) facts(title string) string {
	m := regexp.MustCompile(`(?s)<a class="title" [^>]*>` + title + `</a>.*?<p class="facts">(?:<svg.*?</svg>)? *(?:in <code>[^<]*</code> · )?([^<]*)</p>`).FindStringSubmatch(w.pages(projectPages))
	if m == nil {
		return ""
	}
	return m[1]
}

// TestCreatedOnce: whatever happens around the creation of an issue, there is one
// in the end, and GitHub was asked as often as the case says.
func TestCreatedOnce(t *testing.T) {
	newIssue := regexp.MustCompile(`^/repos/acme/web/issues$`)
	for _, tt := range []struct {
		name  string
		fault string // of the build that kills itself
		gate  fault
		asked int
	}{
		{name: "killed before it", fault: "effect.before:issue.create#1", asked: 1},
		{name: "killed after it", fault: "effect.after:issue.create#1", asked: 1},
		{name: "the answer is lost", gate: fault{method: "POST", path: newIssue, times: 1, cut: true}, asked: 1},
		{name: "GitHub is overloaded", gate: fault{method: "POST", path: newIssue, times: 1, status: 502}, asked: 2},
		{name: "too many requests", gate: fault{method: "POST", path: newIssue, times: 1, status: 429, header: http.Header{"Retry-After": {"2"}}}, asked: 2},
		{name: "secondary limit", gate: fault{method: "POST", path: newIssue, times: 1, status: 403, header: http.Header{"Retry-After": {"2"}}}, asked: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *store) {
				w := newWorld(t, s, settings)
				if tt.fault != "" {
					w.startProgram(faultyBinary, "SOULCASTER_FAULT="+tt.fault)
				} else {
					w.gate.breaks(tt.gate)
					w.start()
				}
				crash := tenants[0].checkout()
				w.sentry("acme-sentry", "event_alert", crash.alert(eventID(1), nil))
				if tt.fault != "" {
					if status := w.app.wait(); status != -1 {
						t.Fatalf("the app ended with %d, and should have killed itself", status)
					}
					w.start()
				}
				within(t, settling, "the issue is known", func() error {
					a := w.sentry("acme-sentry", "event_alert", crash.alert(eventID(1), nil))
					if state := a.Items[0].State; state != "issue #1" {
						return fmt.Errorf("%s", state)
					}
					return nil
				})
				if err := exactly(w.github.issues("acme/web"), []string{"TypeError"}); err != nil {
					t.Error(err)
				}
				if n := len(w.gate.asked("POST", newIssue.String())); n != tt.asked {
					t.Errorf("GitHub was asked for an issue %d times, want %d", n, tt.asked)
				}
			})
		})
	}
}

// TestReplicas: two replicas on one Redis get the same problems at the same time,
// and file each once.
func TestReplicas(t *testing.T) {
	t.Parallel()
	w := started(t, newRedis(t), settings)
	other := launch(t, w.dir, w.environ(), binary, "serve")
	second, _, err := other.serving()
	if err != nil {
		t.Fatal(err)
	}
	doors := []string{w.address(), "http://" + second}
	var wg sync.WaitGroup
	for at, door := range doors {
		wg.Go(func() {
			for i := range 10 {
				for c, title := range complaints {
					body := encode(report(fmt.Sprintf("replica-%d-%d-%d", at, c, i), fmt.Sprint("person-", at, i), title, ""))
					r, err := request("POST", door+"/ingest/feedback/acme-api", map[string]string{"X-API-Key": key("acme-api")}, body)
					if err != nil || r.status != http.StatusAccepted {
						t.Errorf("replica %d answers %d %s, %v", at, r.status, r.body, err)
					}
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "every problem has its issue", func() error {
		if err := exactly(w.github.issues("acme/web"), complaints); err != nil {
			return err
		}
		return w.counts("acme/web", len(complaints), 20*len(complaints))
	})
	if n := len(w.gate.asked("POST", "^/repos/acme/web/issues$")); n != len(complaints) {
		t.Errorf("GitHub was asked for an issue %d times, want %d", n, len(complaints))
	}
}
