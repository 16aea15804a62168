//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

const (
	shop      = "acme/web" // the repository of most stories
	colleague = "colleague"
	owner     = "owner"

	modelKey  = "model-key-0123456789abcdef"
	modelName = "scripted-1"
)

// slow is how long what takes several programs may take on a busy machine.
const slow = 8 * time.Minute

// shopFiles is a repository with a small bug and a test that sees it.
func shopFiles() map[string]string {
	return map[string]string{
		"README.md":   "# Shop\n",
		"AGENTS.md":   "Indent with tabs.\n",
		"greet.js":    "console.log('Helo')\n",
		"test.sh":     "grep -q Hello greet.js || { echo \"it says $(cat greet.js)\"; exit 1; }\n",
		"src/cart.js": "export const total = (items) => items.length\n",
	}
}

// stage says what is different in a story of a fix. The zero value is a bolt store,
// an app in good order, and a stand-in for Kilo whose model corrects the greeting.
type stage struct {
	store  *store
	files  map[string]string // of the repository; nil: shopFiles
	turns  []script.Turn     // of the model; nil: corrects()
	loose  bool              // the model takes calls back without their signature
	fix    string            // what the operator says under fix for the repository, as in "minutes: 1, rounds: 1"
	runs   string            // lines that stand beside installations, as in "runs: {at_once: 1}"
	kilo   []string          // that the agent runs; nil: the stand-in
	stop   time.Duration     // from SIGTERM to SIGKILL of a task; 0: 30 s
	quiet  bool              // no events come through the queue
	env    []string          // changes to the app's environment
	task   []string          // what the task definition adds to the agents' environment
	absent bool              // the app is not started
	mute   bool              // tasks run, and never claim their brief
	timed  bool              // the app goes by a clock that [fixworld.pass] moves
	bare   bool              // the App is installed nowhere, and the operator names no source and no project
	tls    bool              // people and agents reach the app over TLS
}

// fixworld is the app with all that a fix needs around it: a GitHub whose git is
// real, an ECS whose tasks are real agents, and a model that plays a script.
type fixworld struct {
	*world
	hub   *hub.Hub
	ecs   *ecstest.Server
	model *script.Model
	door  *door
	said  *output // what the agents wrote
	place string  // where the agents work
	ahead time.Duration
}

// stages starts a story.
func stages(t testing.TB, s stage) *fixworld {
	t.Helper()
	if s.store == nil {
		s.store = newBolt(t)
	}
	if s.files == nil {
		s.files = shopFiles()
	}
	if s.turns == nil {
		s.turns = corrects()
	}
	w := &fixworld{world: &world{t: t, store: s.store, dir: t.TempDir()}, said: new(output), place: place(t)}
	w.model = &script.Model{Key: modelKey, Turns: s.turns, Loose: s.loose}
	model := httptest.NewServer(w.model)
	t.Cleanup(func() {
		model.CloseClientConnections()
		model.Close()
	})
	w.door = newDoor(t, w.address, s.tls)
	if s.tls {
		s.task = append(s.task, "SSL_CERT_FILE="+w.door.certificate)
	}
	w.startHub(s)
	w.startECS(s)
	w.settle(s, model.URL+"/v1")
	if s.timed {
		w.build = faultyBinary
		w.pass(0)
	}
	if !s.absent {
		w.start(s.env...)
	}
	return w
}

// place makes a folder that the coder's user can pass through, which [testing.T.TempDir]
// is not: agents work there, and programs of theirs are where that user can run them.
func place(t testing.TB) string {
	t.Helper()
	openBinary()
	dir, err := os.MkdirTemp("", "soulcaster-e2e-agents-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openBinary lets the coder's user run the stand-in.
var openBinary = sync.OnceFunc(func() {
	if err := os.Chmod(filepath.Dir(binary), 0o755); err != nil {
		panic(err)
	}
})

func (w *fixworld) startHub(s stage) {
	w.t.Helper()
	h, err := hub.New(hub.Options{
		T: w.t, Dir: filepath.Join(w.t.TempDir(), "hub"), AppID: appID, Key: []byte(appKey()), WebhookSecret: webhookSecret,
		WebhookURL: func() string {
			if home := w.address(); home != "" {
				return home + "/api/github/hook"
			}
			return ""
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(h.Close)
	if !s.bare {
		h.Install(acme, "acme")
	}
	h.Create(shop, hub.Repository{Files: s.files})
	for _, who := range []string{maintainer, colleague} {
		h.Allow(shop, who, "write")
	}
	h.Allow(shop, reader, "read")
	h.Allow(shop, owner, "admin")
	w.hub = h
}

func (w *fixworld) startECS(s stage) {
	w.t.Helper()
	command := []string{binary, "agent"}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.place, "TMPDIR=" + w.place, "GORACE=atexit_sleep_ms=0"}
	env = append(env, s.task...)
	if s.kilo == nil {
		command = append(command, "--stand-in")
	} else {
		env = append(env, "SOULCASTER_KILO="+string(encode(s.kilo)))
	}
	if s.mute {
		command = nil
	}
	var err error
	w.ecs, err = ecstest.New(ecstest.Options{
		Command: command, Env: env, Dir: w.place, StopTimeout: s.stop,
		Line: func(_, line string) { fmt.Fprintln(w.said, line) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		w.ecs.Close()
		if strings.Contains(w.said.String(), "WARNING: DATA RACE") {
			w.t.Error("the race detector found something in an agent")
		}
		if w.t.Failed() {
			w.t.Logf("what the agents wrote (its end):\n%s", tail(w.said.String(), 8<<10))
			w.t.Logf("what is on GitHub:\n%s", w.scene())
		}
	})
}

// settle writes down the app's settings.
func (w *fixworld) settle(s stage, model string) {
	w.t.Helper()
	file := filepath.Join(w.dir, "soulcaster.yml")
	yaml := fmt.Sprintf(`
installations:
  - id: %d
    sources:
      - {id: acme-api, kind: feedback, secrets: ["key-acme-api"], repository: %[2]s}
      - {id: acme-sentry, kind: sentry, secrets: ["key-acme-sentry"], repository: %[2]s}
    repositories:
      %[2]s: {mode: live, publish: full, file_after: {reports: 1}, budget: {issues_per_day: 100, runs_per_day: 100}, fix: {%[3]s}}
%[4]s
`, acme, shop, s.fix, s.runs)
	if s.bare {
		yaml = ""
	}
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.env = map[string]string{
		"GITHUB_APP_INTEGRATION_ID": fmt.Sprint(appID),
		"GITHUB_APP_PRIVATE_KEY":    strings.ReplaceAll(appKey(), "\n", `\n`),
		"GITHUB_APP_WEBHOOK_SECRET": webhookSecret,
		// Signing in is no part of this; the App's settings are whole with it.
		"GITHUB_OAUTH_CLIENT_ID": "Iv1.0123456789abcdef", "GITHUB_OAUTH_CLIENT_SECRET": "oauth-secret-0123456789",
		"GITHUB_V3_API_URL": w.hub.URL, "GITHUB_WEB_URL": w.hub.URL,

		"SOULCASTER_ADDR": "127.0.0.1:0", "SOULCASTER_METRICS_ADDR": "127.0.0.1:0", "SOULCASTER_PUBLIC_URL": w.door.url,
		"SOULCASTER_STORE": s.store.url, "SOULCASTER_SECRET_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
		"SOULCASTER_CONFIG": file, "SOULCASTER_ADMIN_TOKEN": adminToken,

		"SOULCASTER_LAUNCHER": "ecs", "SOULCASTER_ECS_CLUSTER": "soulcaster", "SOULCASTER_ECS_TASK_DEFINITION": "soulcaster-agent",
		"SOULCASTER_ECS_SUBNETS": "subnet-0a,subnet-0b", "SOULCASTER_ECS_SECURITY_GROUPS": "sg-0a", "SOULCASTER_ECS_EVENTS": w.ecs.QueueURL,
		"SOULCASTER_MODEL_URL": model, "SOULCASTER_MODEL_KEY": modelKey, "SOULCASTER_MODEL": modelName, "SOULCASTER_MODEL_PRICE": "0.30/2.50",
	}
	for _, e := range w.ecs.Environ() {
		name, value, _ := strings.Cut(e, "=")
		w.env[name] = value
	}
	if s.tls {
		w.env["SSL_CERT_FILE"] = w.door.certificate
	}
	if s.quiet {
		delete(w.env, "SOULCASTER_ECS_EVENTS")
	}
}

// corrects is a model that corrects the greeting, and what a review says of it.
func corrects() []script.Turn {
	return slices.Concat(
		script.If(script.Asked("Say it louder"), script.Steps(
			script.Turn{Calls: []script.Call{script.Read("greet.js"), script.Edit("greet.js", "'Hello'", "'Hello!'")}},
			script.Turn{Text: "## What was changed\n\nIt is louder now.\n"},
		)...),
		script.Steps(
			script.Turn{Calls: []script.Call{script.Read("greet.js")}},
			script.Turn{Calls: []script.Call{script.Edit("greet.js", "Helo", "Hello")}},
			script.Turn{Text: "## What was wrong\n\nA letter was missing in the greeting.\n\n## What was changed\n\nThe letter is there.\n"},
		),
	)
}

// problem has a person report something, and returns the number of the issue that
// the app files for it.
func (w *fixworld) problem(title, text string) (number int) {
	w.t.Helper()
	one := report("report-"+title, "customer-1", title, text)
	w.report("acme-api", one)
	within(w.t, slow, "the issue is filed and known", func() error {
		a, err := w.tryReport("acme-api", one)
		if err != nil {
			return err
		}
		if len(a.Items) != 1 {
			return errors.New(a.body)
		}
		if _, err := fmt.Sscanf(a.Items[0].State, "issue #%d", &number); err != nil {
			return errors.New(a.Items[0].State)
		}
		return nil
	})
	return number
}

// greeting is the problem of most stories.
func (w *fixworld) greeting() (number int) {
	w.t.Helper()
	return w.problem("The shop greets me with a typo", "It says Helo when I open it.")
}

// asked is greeting, and a maintainer who wants it fixed.
func (w *fixworld) asked(words ...string) (number int) {
	w.t.Helper()
	number = w.greeting()
	w.fix(number, words...)
	return number
}

// fix has the maintainer ask for a fix.
func (w *fixworld) fix(number int, words ...string) hub.Comment {
	w.t.Helper()
	return w.say(maintainer, number, strings.Join(append([]string{"/soulcaster fix"}, words...), " "))
}

// say has a person comment, and waits until the App was told.
func (w *fixworld) say(who string, number int, text string) hub.Comment {
	w.t.Helper()
	c := w.hub.As(who).Comment(shop, number, text)
	w.hub.Settle()
	return c
}

// statuses are the status comments on an issue, oldest first.
func (w *fixworld) statuses(number int) []hub.Comment {
	w.t.Helper()
	return w.ours(number, func(c hub.Comment) bool { return strings.HasPrefix(c.Body, "**Fix run: ") })
}

// answersTo are the App's other comments on an issue or a pull request.
func (w *fixworld) answersTo(number int) []hub.Comment {
	w.t.Helper()
	return w.ours(number, func(c hub.Comment) bool { return !strings.HasPrefix(c.Body, "**Fix run: ") })
}

func (w *fixworld) ours(number int, which func(hub.Comment) bool) []hub.Comment {
	w.t.Helper()
	return slices.DeleteFunc(w.hub.Comments(shop, number), func(c hub.Comment) bool { return !c.ByApp || !which(c) })
}

// until waits until the status comment on an issue, the last one if there are
// several, says what the story waits for, and returns it.
func (w *fixworld) until(number int, state string, more ...string) (text string) {
	w.t.Helper()
	within(w.t, slow, fmt.Sprintf("the run of #%d is %q", number, state), func() error {
		all := w.statuses(number)
		if len(all) == 0 {
			return errors.New("there is no status comment")
		}
		text = all[len(all)-1].Body
		for _, want := range append([]string{"**Fix run: " + state + "**"}, more...) {
			if !strings.Contains(text, want) {
				head, _, _ := strings.Cut(text, "<details>")
				return fmt.Errorf("%q is not in %s", want, head)
			}
		}
		return nil
	})
	return text
}

// answered waits until the App has said something else on an issue or a pull
// request for the n-th time, and returns that.
func (w *fixworld) answered(number, n int) (text string) {
	w.t.Helper()
	within(w.t, slow, fmt.Sprintf("answer %d on #%d", n, number), func() error {
		all := w.answersTo(number)
		if len(all) < n {
			return fmt.Errorf("%d answers", len(all))
		}
		text = all[n-1].Body
		return nil
	})
	return text
}

// reached waits until the app's log has told of a state so many times.
func (w *fixworld) reached(state string, times int) {
	w.t.Helper()
	within(w.t, slow, fmt.Sprintf("a run is %s, %d times", state, times), func() error {
		var states []string
		for _, l := range w.moves() {
			states = append(states, l.Is)
		}
		if n := len(slices.DeleteFunc(slices.Clone(states), func(s string) bool { return s != state })); n < times {
			return fmt.Errorf("so far %v", states)
		}
		return nil
	})
}

// move is a line of the app's log about a run.
type move struct{ Message, Run, Was, Is, Reason string }

func (w *fixworld) moves() (all []move) {
	for line := range strings.Lines(w.written()) {
		var l move
		if json.Unmarshal([]byte(line), &l) == nil && l.Message == "run" {
			all = append(all, l)
		}
	}
	return all
}

// proposal waits for the n-th pull request and returns it.
func (w *fixworld) proposal(n int) (p hub.Pull) {
	w.t.Helper()
	within(w.t, slow, "a fix is proposed", func() error {
		all := w.hub.Pulls(shop)
		if len(all) < n {
			return fmt.Errorf("%d pull requests", len(all))
		}
		p = all[n-1]
		return nil
	})
	return p
}

// commits waits until the branch of a pull request has so many commits of its own,
// and returns them, newest first.
func (w *fixworld) commits(p hub.Pull, n int) (all []hub.Commit) {
	w.t.Helper()
	within(w.t, slow, fmt.Sprintf("there are %d commits", n), func() error {
		if all = w.hub.Log(shop, p.Head, "main"); len(all) != n {
			return fmt.Errorf("%d commits", len(all))
		}
		return nil
	})
	return all
}

// later waits for the next second. GitHub tells times in whole ones: a comment of the
// second in which something was proposed counts as older than it.
func (w *fixworld) later() {
	w.t.Helper()
	next := time.Now().Truncate(time.Second).Add(time.Second)
	within(w.t, slow, "a second has passed", func() error {
		if time.Now().Before(next) {
			return errors.New("not yet")
		}
		return nil
	})
}

// holds checks what a file of a branch holds.
func (w *fixworld) holds(ref, path, want string) {
	w.t.Helper()
	if got, ok := w.hub.File(shop, ref, path); !ok || got != want {
		w.t.Errorf("%s of %s is %q, want %q", path, ref, got, want)
	}
}

// started are the workflows that would have started on branches of the App's.
func (w *fixworld) started() (all []hub.Start) {
	w.t.Helper()
	return slices.DeleteFunc(w.hub.Starts(shop), func(s hub.Start) bool { return s.Skipped || s.Branch == "main" })
}

// once checks that nothing happened twice: for each run one status comment, for
// each attempt one task, and at most so many pull requests and commits on them.
func (w *fixworld) once(number, runs, tasks, pulls, commits int) {
	w.t.Helper()
	if n := len(w.statuses(number)); n != runs {
		w.t.Errorf("%d status comments, want %d", n, runs)
	}
	if n := len(w.ecs.Tasks()); n != tasks {
		w.t.Errorf("%d tasks, want %d", n, tasks)
	}
	all := w.hub.Pulls(shop)
	if len(all) != pulls {
		w.t.Errorf("%d pull requests, want %d", len(all), pulls)
	}
	n := 0
	for _, p := range all {
		n += len(w.hub.Log(shop, p.HeadSHA, w.base(p)))
	}
	if n != commits {
		w.t.Errorf("%d commits, want %d", n, commits)
	}
}

// base is the commit that a pull request's branch left from.
func (w *fixworld) base(p hub.Pull) string {
	if p.Merged {
		return w.hub.Log(shop, p.MergeSHA, "")[0].Parents[0]
	}
	return "main"
}

// stopped waits until all tasks have stopped.
func (w *fixworld) stopped() (all []ecstest.Task) {
	w.t.Helper()
	within(w.t, slow, "all tasks have stopped", func() error {
		all = w.ecs.Tasks()
		for _, task := range all {
			if task.Status != "STOPPED" {
				return fmt.Errorf("%s is %s", task.ARN, task.Status)
			}
		}
		return nil
	})
	return all
}

// requests are what the model was asked that is part of the script.
func (w *fixworld) requests() []script.Request {
	return slices.DeleteFunc(w.model.Requests(), func(r script.Request) bool { return r.Conversation != nil && len(r.Conversation.Tools) == 0 })
}

// thinks waits until the model was asked for the n-th time.
func (w *fixworld) thinks(n int) {
	w.t.Helper()
	within(w.t, slow, fmt.Sprintf("the model is asked %d times", n), func() error {
		if got := len(w.requests()); got < n {
			return fmt.Errorf("%d times", got)
		}
		return nil
	})
}

// scene is GitHub as it is, for a test that failed.
func (w *fixworld) scene() string {
	var b strings.Builder
	show := func(i hub.Issue) {
		fmt.Fprintf(&b, "#%d %s %s %q\n", i.Number, i.State, i.StateReason, i.Title)
		for _, c := range w.hub.Comments(shop, i.Number) {
			fmt.Fprintf(&b, "  %s: %s\n", c.Author, tail(strings.ReplaceAll(folded.ReplaceAllString(c.Body, "[folded]"), "\n", "\n    "), 1500))
		}
	}
	for _, i := range w.hub.Issues(shop) {
		show(i)
	}
	for _, p := range w.hub.Pulls(shop) {
		show(p.Issue)
		fmt.Fprintf(&b, "  %s at %s, draft %v, merged %v, %v\n", p.Head, p.HeadSHA, p.Draft, p.Merged, p.Files)
	}
	for _, task := range w.ecs.Tasks() {
		fmt.Fprintf(&b, "task %s of %s on %s: %s %s\n", task.ARN, task.StartedBy, task.Provider, task.Status, task.StopCode)
	}
	return b.String()
}

var folded = regexp.MustCompile(`(?s)<details>.*?</details>`)

func itoa(n int) string { return strconv.Itoa(n) }

// says reports what of the wanted a text does not say, whatever the case.
func says(text string, want ...string) error {
	for _, part := range want {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
			return fmt.Errorf("%q is not in\n%s", part, text)
		}
	}
	return nil
}
