//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// story is somebody who finds the app without an App, and what they do with it.
type story struct {
	*fixworld
	b *window

	first, second chan struct{} // the model thinks about either run until they are closed

	installation, project, source, problem string // their pages' paths
	number                                 int    // of the problem's issue
}

// TestBrowser: somebody registers the App, installs it, connects Sentry, sees what would
// be filed, goes live, takes things back, has the agent fix one, and leaves; with a real
// browser, with and without scripts, over TLS and without.
func TestBrowser(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := shopFiles()
			files[".github/soulcaster.yml"] = "budget: {issues_per_day: 100}\n" // whatever the hour
			s := &story{first: make(chan struct{}), second: make(chan struct{})}
			s.fixworld = unregistered(t, stage{bare: true, tls: scripts, turns: s.thinking(), files: files})
			s.b = newWindow(t, s.door.url, scripts)
			s.registers()
			s.signsIn(owner)
			s.installs()
			s.connectsSentry()
			s.waitsForTheFirstEvent()
			s.routesWhatIsHeld()
			s.looksAtThePreview()
			s.goesLive()
			s.mutesAndUndoes()
			s.watchesARun()
			s.cancelsAnother()
			s.importsAFile()
			s.looksAround()
			s.makesAKey()
			s.isHeldUp()
			s.signsOut()
			s.isTurnedAway()
		})
	}
}

// thinking is a model that corrects the greeting, and waits for a word before it does.
func (s *story) thinking() []script.Turn {
	first, second := holding(s.first), holding(s.second)
	return slices.Concat(script.If(script.Asked("Take your time"), second...), first)
}

func (s *story) registers() {
	b := s.b
	b.open(s.opens())
	b.shows("Name of the App", s.door.url+"/api/github/hook")
	b.shot("setup")
	b.keyboard("setup")
	s.failsToRegister()
	s.asksForAnApp()
	b.shows("Soulcaster of Acme is registered")
	b.shot("registered")
	b.press("Check everything")
	b.shows("GitHub App: in order")
	b.shot("checks")
	b.press("What is next")
	b.shows("Soulcaster of Acme is registered")
	eventually(s.t, "the app goes on with it", func() error {
		r, err := s.send(http.MethodGet, "/readyz", nil, nil)
		if err == nil && r.status != http.StatusOK {
			err = fmt.Errorf("%d %s", r.status, r.body)
		}
		return err
	})
}

// asksForAnApp fills in the set-up page, and agrees at GitHub.
func (s *story) asksForAnApp() {
	b := s.b
	b.fill("name", "Soulcaster of Acme")
	b.choose("an organisation")
	b.fill("organization", "acme")
	b.press("Register the App on GitHub")
	if !b.scripts {
		b.press("Go on to GitHub")
	}
	b.shows("Create Soulcaster of Acme for acme")
	b.press("Create GitHub App")
}

// failsToRegister is what can go wrong on the way back from GitHub.
func (s *story) failsToRegister() {
	b := s.b
	b.open("/setup/registered?code=none&state=none")
	b.shows("This is no answer to what was begun here")
	b.refused("/setup/registered?code=none")
	b.shot("setup-stale")
	b.press("Begin again")
	s.hub.Break(hub.Fault{Path: "^/app-manifests/", Status: http.StatusNotFound})
	s.asksForAnApp()
	b.shows("credentials could not be fetched")
	b.refused("/setup/registered?code=")
	b.shot("setup-failed")
	s.hub.Mend()
	b.press("begin again")
	b.shows("Name of the App")
}

func (s *story) signsIn(who string) {
	s.hub.Browse(who)
	s.b.open("/")
	s.b.shows("Sign in with GitHub to see")
	s.b.shot("login")
	s.b.keyboard("login")
	s.b.press("Sign in with GitHub")
	s.b.shows("signed in as " + who)
}

func (s *story) installs() {
	b := s.b
	b.shows("There is nothing to see for you")
	b.press("Install it on GitHub")
	b.press("Install on acme")
	b.shows("Soulcaster is installed on acme", "for 1 repository")
	b.shot("installed")
	b.press("Connect a source")
	b.shows("What shall Soulcaster listen to?")
	s.installation = strings.TrimSuffix(b.path(), "/sources/new")
	b.shot("source-kinds")
}

func (s *story) connectsSentry() {
	b := s.b
	b.press("Sentry")
	b.shows("Where the errors of all of Sentry's projects belong")
	b.shot("source-new")
	b.keyboard("source-new")
	b.fill("name", "Our Sentry")
	b.press("Connect")
	b.shows("The source is connected", "Waiting for the first event", "Internal integration")
	s.source = b.path()
	id := s.source[strings.LastIndex(s.source, "/")+1:]
	b.shows(s.door.url + "/ingest/sentry/" + id)
	b.fill("secret", key(id))
	b.press("Save the secret")
	b.shows("The secret is kept, sealed")
	b.fill("project", "frontend")
	b.fill("repository", shop)
	b.press("Add")
	b.shows("Take out frontend")
	b.open(s.source)
	b.shows("Waiting for the first event")
	b.shot("source-waiting")
	b.keyboard("source-waiting")
}

// sentry sends an event of a group, signed as whoever knows the client secret signs it.
func (s *story) event(f failure, n int) {
	s.t.Helper()
	s.sentry(s.source[strings.LastIndex(s.source, "/")+1:], "event_alert", f.alert(eventID(n), nil))
}

var (
	greets = failure{group: "7001", project: "frontend", kind: "GreetingError", message: "it says Helo", module: "greet", calls: []string{"main", "greet"}}
	totals = failure{group: "7002", project: "frontend", kind: "TypeError", message: "cannot read total of undefined", module: "cart", calls: []string{"checkout", "total"}}
	ledger = failure{group: "7003", project: "ledger", kind: "OverflowError", message: "the balance does not fit", module: "ledger", calls: []string{"post", "carry"}}
)

func (s *story) waitsForTheFirstEvent() {
	id := s.source[strings.LastIndex(s.source, "/")+1:]
	body := encode(greets.alert(eventID(1), nil))
	if a, err := s.post("/ingest/sentry/"+id, map[string]string{"Sentry-Hook-Resource": "event_alert", "Sentry-Hook-Signature": signature("wrong", body)}, body); err != nil || a.status != http.StatusUnauthorized {
		s.t.Fatalf("a wrong signature: %d %v", a.status, err)
	}
	s.b.becomes("Something came and was refused")
	s.event(greets, 1)
	s.b.becomes("The first event was received at")
	s.b.shot("source-received")
}

func (s *story) routesWhatIsHeld() {
	b := s.b
	s.event(ledger, 2)
	b.open(s.installation)
	b.shows("Our Sentry")
	within(s.t, slow, "what no route names is held", func() error {
		b.open(s.installation)
		text, err := b.text()
		if err != nil || !strings.Contains(text, "ledger from Our Sentry") {
			return fmt.Errorf("%v %s", err, text)
		}
		return nil
	})
	b.shot("sources")
	b.keyboard("sources")
	b.fill("repository", shop)
	b.press("Let it in")
	b.shows("The route is set")
}

func (s *story) looksAtThePreview() {
	b := s.b
	opened := s.hub.As(owner).Open(shop, "The totals are off by one", "See https://org.sentry.io/issues/"+totals.group+"/ for more.")
	s.event(totals, 3)
	within(s.t, slow, "the problems are there", func() error {
		b.open("/")
		text, err := b.text()
		if err != nil || !strings.Contains(text, "3 problems") {
			return fmt.Errorf("%v %s", err, text)
		}
		return nil
	})
	b.shot("overview")
	b.keyboard("overview")
	b.press(shop)
	b.shows("Problems", "preview", greets.kind)
	s.project = b.path()
	b.fill("q", "nothing of the kind")
	if !b.scripts {
		b.press("Show")
	}
	b.shows("0 problems match")
	b.press("Show all")
	b.shows("3 problems", greets.kind)
	b.shot("problems")
	b.keyboard("problems")
	b.press(totals.kind + "…")
	b.becomes("It would join issue #"+itoa(opened), "What would be added to issue #"+itoa(opened))
	b.shot("problem-joins")
	b.keyboard("problem-joins")
	b.open(s.project)
	b.press(greets.kind + "…")
	b.becomes("Why these belong together", "The issue that would be filed", "What is withheld, and why")
	s.problem = b.path()
	b.press("What a public repository would show")
	b.press("What is withheld, and why")
	b.shows("the messages of 1 error group")
	b.shot("problem-preview")
	b.keyboard("problem-preview")
	if n := len(s.hub.Issues(shop)); n != 1 {
		s.t.Errorf("%d issues are there before it went live", n)
	}
}

func (s *story) goesLive() {
	b := s.b
	b.press("Settings")
	b.shows("What is in force, and why", "nothing is written to the repository")
	b.shot("settings")
	b.keyboard("settings")
	b.press("Go live")
	b.shows("The project is live", "Chosen by @"+owner)
	b.open(s.problem)
	b.becomes("filed as issue #")
	i := slices.IndexFunc(s.hub.Issues(shop), func(i hub.Issue) bool { return strings.Contains(i.Title, greets.kind) })
	if i < 0 {
		s.t.Fatalf("there is no issue: %s", s.scene())
	}
	s.number = s.hub.Issues(shop)[i].Number
	b.becomes("filed as issue #"+itoa(s.number), "Mute: close the issue")
	b.shot("problem")
	b.keyboard("problem")
}

// is waits until the issue of the problem is in a state.
func (s *story) is(state, reason string) {
	s.t.Helper()
	within(s.t, slow, "the issue is "+state, func() error {
		for _, i := range s.hub.Issues(shop) {
			if i.Number == s.number && i.State == state && i.StateReason == reason {
				return nil
			}
		}
		return errors.New(s.scene())
	})
}

func (s *story) mutesAndUndoes() {
	b := s.b
	b.press("Mute: close the issue as not planned")
	b.becomes("muted until somebody reopens it", "Unmute the issue")
	s.is("closed", "not_planned")
	b.shot("problem-muted")
	b.press("Undo…")
	b.becomes("Mute: close the issue")
	s.is("open", "reopened")
}

func (s *story) watchesARun() {
	b := s.b
	b.open(s.problem)
	b.write("words", "It is a letter that is missing.")
	b.press("Fix: ask the agent")
	b.becomes("working", "Cancel the run", "asked for by "+owner)
	if !strings.HasPrefix(b.path(), "/runs/") {
		s.t.Errorf("the run is shown at %s", b.path())
	}
	b.shot("run-working")
	b.keyboard("run-working")
	close(s.first)
	b.becomes("proposed", "Pull request", "The change", "1 file, +1 −1", "greet.js +1 −1", "The letter is there")
	b.shot("run-proposed")
	if p := s.proposal(1); !strings.Contains(p.Body, "Fixes #"+itoa(s.number)) || !strings.Contains(p.Body, owner) {
		s.t.Errorf("the pull request says %s", p.Body)
	}
}

func (s *story) cancelsAnother() {
	b := s.b
	b.open(s.project)
	b.press(totals.kind + "…")
	b.becomes("joined issue #", "The totals are off by one", "See https://org.sentry.io/issues/"+totals.group)
	b.write("words", "Take your time.")
	b.press("Fix: ask the agent")
	b.becomes("working", "Cancel the run")
	b.press("Cancel the run")
	b.becomes("cancelled")
	b.shot("run-cancelled")
	s.stopped()
	if n := len(s.hub.Pulls(shop)); n != 1 {
		s.t.Errorf("%d pull requests", n)
	}
}

func (s *story) importsAFile() {
	b := s.b
	file := filepath.Join(s.t.TempDir(), "reports.csv")
	rows := "id,title,body\n1,The parcel never came,I wait since Monday.\n2,<img src=x onerror=alert(1)>,Nothing to see.\n3,,\n"
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		s.t.Fatal(err)
	}
	b.open(s.project + "/imports")
	b.shows("From a file")
	b.shot("imports")
	b.keyboard("imports")
	b.do("choose a file", chromedp.SetUploadFiles(chromedp.CSS("input[name=file]"), []string{file}))
	b.press("Preview the file")
	b.becomes("What would come of it", "The parcel never came", "Import 2 reports")
	b.shot("import")
	b.keyboard("import")
	b.press("Import 2 reports")
	b.becomes("2 new, 0 known before")
	b.shot("import-done")
}

// looksAround looks at the pages that are not part of the story.
func (s *story) looksAround() {
	b := s.b
	for name, says := range map[string][]string{
		"runs": {"proposed", "cancelled"}, "audit": {"@" + owner}, "work": {"Given up"}, "settings": {"live"},
	} {
		b.open(s.project)
		b.press(strings.ToUpper(name[:1]) + name[1:])
		b.shows(says...)
		b.shot(name)
		b.keyboard(name)
	}
	b.open(s.installation)
	b.press("Audit")
	b.shows("@" + owner)
	b.shot("installation-audit")
	b.press("Work")
	b.shows("Given up")
	b.shot("installation-work")
	b.open(s.installation)
	b.press("Data")
	b.shows("Take it with you")
	b.shot("data")
	b.keyboard("data")
	b.open("/")
	b.shot("overview-live")
}

func (s *story) makesAKey() {
	b := s.b
	b.open(s.installation)
	b.press("Keys")
	b.shows("Make a key")
	b.shot("keys")
	b.keyboard("keys")
	b.fill("name", "A script of ours")
	b.choose(shop)
	b.press("Make the key")
	b.shows("It is shown this once")
	b.shot("key-made")
	made := b.value(".notice.good pre")
	if r := ask(s.t, http.MethodGet, s.address()+"/api/v1/projects", map[string]string{"Authorization": "Bearer " + made}, nil); r.status != http.StatusOK || !strings.Contains(r.body, shop) {
		s.t.Errorf("the key opens nothing: %d %s", r.status, r.body)
	}
	b.press("Revoke A script of ours")
	b.shows("The key opens nothing any more")
	if r := ask(s.t, http.MethodGet, s.address()+"/api/v1/projects", map[string]string{"Authorization": "Bearer " + made}, nil); r.status != http.StatusUnauthorized {
		s.t.Errorf("the revoked key: %d %s", r.status, r.body)
	}
}

// isHeldUp is what the pages say where something is not there, or does not go on.
func (s *story) isHeldUp() {
	b := s.b
	b.open(s.project + "/clusters/999999")
	b.shows("There is nothing at this address")
	b.refused("/clusters/999999")
	b.shot("not-there")

	id, err := strconv.ParseInt(s.installation[strings.LastIndex(s.installation, "/")+1:], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	s.hub.Suspend(id, true)
	s.reopens(s.installation, "The App is suspended")
	b.shot("suspended")
	s.hub.Suspend(id, false)
	s.hub.Settle()

	s.stop()
	if err := os.WriteFile(s.env["SOULCASTER_CONFIG"], []byte("quotas: {clusters: 1}\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.start()
	s.reopens("/", "quota")
	b.shot("overview-quota")
	s.reopens(s.installation, "quota")
	b.shot("quota")

	b.open("/checks")
	b.fill("token", adminToken)
	b.press("Check everything")
	b.shows("GitHub App: in order")
	b.shot("checks-later")
}

// reopens opens a page until it says something.
func (s *story) reopens(path, says string) {
	s.t.Helper()
	eventually(s.t, path+" says "+says, func() error {
		s.b.open(path)
		text, err := s.b.text()
		if err == nil && !strings.Contains(strings.ToLower(text), strings.ToLower(says)) {
			err = fmt.Errorf("it says %s", text)
		}
		return err
	})
}

func (s *story) signsOut() {
	b := s.b
	b.open(s.problem)
	b.press("Sign out")
	b.shows("Sign in with GitHub to see")
	b.open(s.problem)
	b.shows("Sign in with GitHub to see")
}

// isTurnedAway is somebody who may read, until they may not any more and take back what
// they gave to the App.
func (s *story) isTurnedAway() {
	b, t := s.b, s.t
	s.signsIn(reader)
	b.shows(shop)
	b.open(s.problem)
	b.shows(greets.kind)
	if text := b.shows("What happened"); strings.Contains(text, "Mute") || strings.Contains(text, "ask the agent") {
		t.Errorf("a reader is offered what they may not do: %s", text)
	}
	s.hub.Allow(shop, reader, "none") // and GitHub tells of it, in some way
	s.hub.As(reader).Renounce()
	eventually(t, "the reader is signed out", func() error {
		b.open("/")
		if text, err := b.text(); err != nil || !strings.Contains(text, "Sign in with GitHub") {
			return fmt.Errorf("%v %s", err, text)
		}
		return nil
	})
	b.press("Sign in with GitHub")
	b.shows("There is nothing to see for you")
	b.press("Sign out")
	b.shows("Sign in with GitHub to see")
}
