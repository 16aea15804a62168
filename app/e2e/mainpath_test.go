//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tenant is one of the two who send the same feedback at the same time, but for
// some words that are only theirs: one in everything that is said of a problem.
type tenant struct {
	name   string // what its sources begin with
	main   string // repository of all but what Sentry's project api reports
	second string // repository of that
	words  words
}

type words struct{ checkout, worker, ledger, mobile, exports, posts string }

func (w words) all() []string {
	return []string{w.checkout, w.worker, w.ledger, w.mobile, w.exports, w.posts}
}

var tenants = []tenant{
	{"acme", "acme/web", "acme/api", words{"zebrafinch", "mudlark", "gullwing", "hoatzin", "plover", "dunnock"}},
	{"globex", "globex/shop", "globex/shop", words{"quokka", "wombat", "numbat", "echidna", "bilby", "potoroo"}},
}

// What feedback holds and nobody may ever see again.
var private = []string{
	"jane.roe@example.org", "+44 20 7946 0958", "4111 1111 1111 1111", "198.51.100.77",
	"AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "hunter2-in-a-variable", "s3cr3t-in-a-url",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}

// The problems, of which each tenant has every one once.
func (n tenant) checkout() failure {
	return failure{group: "9001", project: "frontend", kind: "TypeError", message: "cannot read total of undefined " + n.words.checkout,
		module: "checkout", calls: []string{"onPay", "grandTotal_" + n.words.checkout}}
}

func (n tenant) worker() failure {
	return failure{group: "9002", project: "api", kind: "DeadlineExceeded", message: "queue worker gave up " + n.words.worker,
		module: "jobs", calls: []string{"runWorker", "takeJob_" + n.words.worker}}
}

func (n tenant) ledger() failure {
	return failure{group: "9003", project: "ledger", kind: "OverflowError", message: "balance does not fit " + n.words.ledger,
		module: "ledger", calls: []string{"post", "carry_" + n.words.ledger}}
}

func (n tenant) mobile() failure {
	return failure{group: "9004", project: "mobile", kind: "SIGSEGV", message: "crash in the camera " + n.words.mobile,
		module: "camera", calls: []string{"open_" + n.words.mobile}}
}

func (n tenant) exports() []object {
	var all []object
	for i, title := range []string{"Export to CSV never finishes", "CSV export never finishes", "The export to CSV does not finish"} {
		all = append(all, report(fmt.Sprint("ticket-", i), fmt.Sprintf("%s-%d@example.org", n.words.exports, i), title+" "+n.words.exports,
			"I press export to CSV and it never finishes, the "+n.words.exports+" file stays empty. Mail me at jane.roe@example.org or "+
				"+44 20 7946 0958, card 4111 1111 1111 1111, from 198.51.100.77, key AKIAIOSFODNN7EXAMPLE, "+
				"token ghp_abcdefghijklmnopqrstuvwxyz0123456789, "+
				"https://user:s3cr3t-in-a-url@example.org/ eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"))
	}
	return all
}

func (n tenant) posts() []object {
	var all []object
	for i, title := range []string{"Dark mode makes invoices unreadable", "Invoices are unreadable in dark mode", "Dark mode: invoices unreadable"} {
		all = append(all, post(fmt.Sprint(n.name[:3], "p", i), fmt.Sprintf("%s_%d", n.words.posts, i), title+" "+n.words.posts,
			"In dark mode the text of invoices is black on black and unreadable. "+n.words.posts))
	}
	return all
}

// TestMainPath: feedback comes in, one issue per problem comes out, and neither
// tenant sees anything of the other.
func TestMainPath(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		answers := make(map[string]string) // by tenant, what the door said
		for _, n := range tenants {
			answers[n.name] = n.sendAll(w)
		}
		want := map[string][]string{
			"acme/web":    {"TypeError", "CSV", "nvoices", "OverflowError"},
			"acme/api":    {"DeadlineExceeded"},
			"globex/shop": {"TypeError", "DeadlineExceeded", "CSV", "nvoices", "OverflowError"},
		}
		eventually(t, "every problem has its issue", func() error {
			for repo, problems := range want {
				if err := exactly(w.github.issues(repo), problems); err != nil {
					return fmt.Errorf("%s: %w", repo, err)
				}
			}
			return nil
		})
		for repo := range want {
			for _, i := range w.github.issues(repo) {
				checkFiled(t, w, repo, i)
			}
		}

		t.Run("more feedback edits", func(t *testing.T) { moreFeedback(t, w) })
		t.Run("unrouted feedback is held", func(t *testing.T) {
			for _, n := range tenants[:1] {
				a := w.sentry(n.name+"-sentry", "event_alert", n.mobile().alert(eventID(90), nil))
				if !strings.HasPrefix(a.Items[0].State, "held: ") || !strings.Contains(a.Items[0].State, "mobile") {
					t.Errorf("the door says %q of what no route names", a.Items[0].State)
				}
			}
			if !strings.Contains(w.pages(allPages), "crash in the camera") {
				t.Error("no page shows what is held")
			}
		})

		for repo, problems := range want {
			if err := exactly(w.github.issues(repo), problems); err != nil {
				t.Errorf("in the end, %s: %v", repo, err)
			}
		}
		nothingShows(t, w, answers)
	})
}

// sendAll sends all of the tenant's feedback, and returns what the door said.
func (n tenant) sendAll(w *world) string {
	w.t.Helper()
	said := ""
	for _, a := range []answer{
		w.sentry(n.name+"-sentry", "issue", n.checkout().issue("created", nil)), // thin: without a stack
		w.sentry(n.name+"-sentry", "event_alert", n.checkout().alert(eventID(1), object{"release": "shop@1.0.0",
			"user": object{"id": "7", "email": "jane.roe@example.org", "ip_address": "198.51.100.77"}})),
		w.sentry(n.name+"-sentry", "error", n.checkout().created(eventID(2), object{"release": "shop@1.0.0"})),
		w.sentry(n.name+"-sentry", "error", n.checkout().created(eventID(2), object{"release": "shop@1.0.0"})), // again
		w.sentry(n.name+"-sentry", "event_alert", n.worker().alert(eventID(3), nil)),
		w.legacy(n.name+"-legacy", n.ledger().plugin(eventID(4))),
		w.report(n.name+"-api", n.exports()[:2]),
		w.reddit(n.name+"-reddit", listing(n.posts()...)),
	} {
		if a.status != http.StatusAccepted {
			w.t.Fatalf("the door answers %d %s", a.status, a.body)
		}
		said += a.body
	}
	return said
}

// exactly reports whether there is one issue for each of the problems, named by
// a part of the issue's title, and no other.
func exactly(issues []issue, problems []string) error {
	var titles []string
	for _, i := range issues {
		titles = append(titles, i.Title)
	}
	for _, p := range problems {
		n := 0
		for _, title := range titles {
			if strings.Contains(title, p) {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("%d issues for %q, want 1, among %q", n, p, titles)
		}
	}
	if len(titles) != len(problems) {
		return fmt.Errorf("%d issues, want %d: %q", len(titles), len(problems), titles)
	}
	return nil
}

// The markers that surface.md promises.
var (
	clusterMarker = regexp.MustCompile(`(?m)^<!-- soulcaster:cluster=(\S+) mac=(\S+) -->\s*$`)
	section       = regexp.MustCompile(`(?ms)^<!-- soulcaster:begin hash=(\S+) -->$.*^<!-- soulcaster:end -->\s*$`)
)

// checkFiled checks what all filed issues have in common.
func checkFiled(t *testing.T, w *world, repo string, i issue) {
	t.Helper()
	if i.User.Login != botName || i.State != "open" || !slices.Equal(i.labels(), []string{"soulcaster"}) {
		t.Errorf("%s#%d by %s, %s, labelled %v", repo, i.Number, i.User.Login, i.State, i.labels())
	}
	if len(clusterMarker.FindAllString(i.Body, -1)) != 1 || len(section.FindAllString(i.Body, -1)) != 1 {
		t.Errorf("%s#%d has not its markers once each:\n%s", repo, i.Number, i.Body)
	}
	if c := w.github.comments(repo, i.Number); len(c) != 0 {
		t.Errorf("%s#%d has comments: %v", repo, i.Number, c)
	}
}

// find returns the issue whose title holds the text.
func find(t testing.TB, issues []issue, title string) issue {
	t.Helper()
	at := slices.IndexFunc(issues, func(i issue) bool { return strings.Contains(i.Title, title) })
	if at < 0 {
		t.Fatalf("there is no issue about %s", title)
	}
	return issues[at]
}

// moreFeedback: what is new of a problem is written into its issue, around what
// people wrote there.
func moreFeedback(t *testing.T, w *world) {
	n := tenants[0]
	errors, wishes := find(t, w.github.issues(n.main), "TypeError"), find(t, w.github.issues(n.main), "CSV")
	above, below := "We saw this in the **beta** as well.", "See the runbook: restart the worker."
	w.github.change(maintainer, n.main, errors.Number, object{"body": above + "\n\n" + errors.Body + "\n\n" + below})

	a := w.sentry(n.name+"-sentry", "error", n.checkout().created(eventID(5), object{"release": "shop@2.0.0"}))
	if a.Duplicates != 1 || a.Items[0].Status != "duplicate" || a.Items[0].State != fmt.Sprintf("issue #%d", errors.Number) {
		t.Errorf("of a known error group the door says %s", a.body)
	}
	if a := w.report(n.name+"-api", n.exports()[2]); a.Accepted != 1 {
		t.Errorf("of another person's report the door says %s", a.body)
	}
	eventually(t, "the issues say what is new", func() error {
		if i := w.github.issue(n.main, errors.Number); !strings.Contains(i.Body, "shop@2.0.0") {
			return fmt.Errorf("no new release in\n%s", i.Body)
		}
		if i := w.github.issue(n.main, wishes.Number); !strings.Contains(i.Body, "3 people reporting") {
			return fmt.Errorf("no third person in\n%s", i.Body)
		}
		return nil
	})
	i := w.github.issue(n.main, errors.Number)
	if !strings.HasPrefix(i.Body, above+"\n") || !strings.HasSuffix(strings.TrimSpace(i.Body), below) {
		t.Errorf("what people wrote was not left alone:\n%s", i.Body)
	}
	if len(clusterMarker.FindAllString(i.Body, -1)) != 1 || len(section.FindAllString(i.Body, -1)) != 1 {
		t.Errorf("the markers are not there once each:\n%s", i.Body)
	}
	if c := w.github.comments(n.main, errors.Number); len(c) != 0 {
		t.Errorf("an edit made comments: %v", c)
	}
}

// nothingShows: no word of one tenant is anywhere that the other sees, and what
// is private is nowhere.
func nothingShows(t *testing.T, w *world, answers map[string]string) {
	t.Helper()
	seen := answers // by tenant, all that it sees
	for _, n := range tenants {
		for _, repo := range slices.Compact([]string{n.main, n.second}) {
			for _, i := range w.github.issues(repo) {
				seen[n.name] += i.Title + "\n" + i.Body + "\n"
				if !slices.ContainsFunc(n.words.all(), func(word string) bool { return strings.Contains(i.Body, word) }) {
					t.Errorf("%s#%d says nothing of its own tenant's feedback, so it proves nothing:\n%s", repo, i.Number, i.Body)
				}
				for _, c := range w.github.comments(repo, i.Number) {
					seen[n.name] += c.Body + "\n"
				}
			}
		}
	}
	for _, n := range tenants {
		for _, other := range tenants {
			if other.name == n.name {
				continue
			}
			for _, word := range append(other.words.all(), other.name) {
				if strings.Contains(seen[n.name], word) {
					t.Errorf("%q of %s shows at %s", word, other.name, n.name)
				}
			}
		}
	}
	log, page := w.written(), w.pages(allPages)
	for _, word := range private {
		for where, text := range map[string]string{"log": log, "page": page, tenants[0].name: seen[tenants[0].name], tenants[1].name: seen[tenants[1].name]} {
			if strings.Contains(text, word) {
				t.Errorf("%q is to be read at: %s", word, where)
			}
		}
		if w.store.holds(t, word) {
			t.Errorf("%q is in the store", word)
		}
	}
	unlogged := append(w.gate.minted(), adminToken, webhookSecret, key("acme-sentry"), key("acme-legacy"), key("acme-api"),
		w.env["SOULCASTER_SECRET_KEY"], w.env["GITHUB_OAUTH_CLIENT_SECRET"])
	for _, n := range tenants {
		unlogged = append(unlogged, n.words.all()...)
	}
	for _, word := range unlogged {
		if strings.Contains(log, word) {
			t.Errorf("%q is in the log", word)
		}
	}
	if !w.store.holds(t, tenants[0].words.checkout) {
		t.Error("the search of the store does not even find what must be there")
	}
}
