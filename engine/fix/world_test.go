package fix_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	repo   = "acme/web"
	repoID = 7
	ann    = "ann" // may write
	eve    = "eve" // may not
)

// world is a world with runs: a launcher, a publisher and problems that remember
// what they were told.
type world struct {
	*enginetest.World
	runs     *fix.Runs
	cloud    *cloud
	problems *problems
	refusals []run.Refusal
	caps     fix.Caps
	comment  int64
}

const settings = "mode: live\nbudget: {runs_per_day: 100}\n"

func newWorld(t testing.TB, file string) *world {
	t.Helper()
	f, err := policy.Parse([]byte(settings + file))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{World: enginetest.New(t, true, project.Settings{enginetest.Installation: {repo: f}})}
	w.cloud = &cloud{w: w, tasks: map[string]*task.Task{}, plans: map[string]string{}}
	w.problems = &problems{w: w}
	w.Begin = func() { w.begin(w.cloud) }
	w.GitHub.Add(repoID, repo, true)
	w.GitHub.Allow(ann, github.Write)
	w.GitHub.Allow(eve, github.Read)
	w.World.Restart()
	w.GitHub.SetFile(repoID, settings+file)
	w.space()
	w.issue()
	w.Settle()
	return w
}

func (w *world) begin(launcher task.Launcher) {
	app, err := w.DB.Create(w.T.Context(), project.AppSpace)
	if err != nil {
		w.T.Fatal(err)
	}
	mac := func(space, text string) string { return fmt.Sprintf("%x", space+text) }
	w.runs = fix.New(fix.Config{
		App: app, Projects: w.Projects, Host: w.GitHub, Problems: w.problems, Publisher: publisher{w}, Launcher: launcher,
		Log: w.Actions, Caps: w.caps, AgentURL: "http://agent.example", PublicURL: "https://soul.example",
		Marker: mac, Claims: mac, Wake: func(...string) {}, Now: w.Now,
	})
	w.runs.Register(w.World)
	w.Runs = command.Runs(w.runs)
}

func (w *world) space() storage.Space { return w.Space(repo) }

func (w *world) app() storage.Space {
	s, err := w.DB.Open(w.T.Context(), project.AppSpace)
	if err != nil {
		w.T.Fatal(err)
	}
	return s
}

// issue files another issue, which cluster c<number> is about.
func (w *world) issue() int {
	i, err := w.GitHub.CreateIssue(w.T.Context(), github.At{Installation: enginetest.Installation, Repo: project.Repo{ID: repoID}}, github.NewIssue{Title: "it breaks"})
	if err != nil {
		w.T.Fatal(err)
	}
	return i.Number
}

// order carries out a command as package command does: its change in one batch.
func (w *world) order(name string, pull bool, number int, words string) (string, error) {
	return w.orderAt(name, pull, number, words, w.Time)
}

// orderAt is order for a comment that was written before now.
func (w *world) orderAt(name string, pull bool, number int, words string, at time.Time) (string, error) {
	w.comment++
	o := run.Order{Name: name, Number: number, Pull: pull, By: ann, ByID: enginetest.ID(ann), Comment: w.comment, Words: words, At: at,
		URL: fmt.Sprintf("https://github.example/%s/issues/%d#issuecomment-%d", repo, number, w.comment)}
	if !pull {
		o.Cluster = fmt.Sprintf("c%d", number)
	}
	space := w.space()
	a, err := w.runs.Order(w.T.Context(), space, o)
	if err != nil || a.Change == nil {
		return a.Reply, err
	}
	var b storage.Batch
	a.Change(&b)
	return a.Reply, space.Apply(w.T.Context(), &b)
}

func (w *world) say(name string, words ...string) string {
	w.T.Helper()
	text, err := w.order(name, false, 1, strings.Join(words, " "))
	if err != nil {
		w.T.Fatal(err)
	}
	return text
}

// last returns the newest run of the first cluster.
func (w *world) last() *run.Run {
	w.T.Helper()
	return w.of("c1")
}

func (w *world) of(cluster string) *run.Run {
	w.T.Helper()
	r, _, err := run.Of(w.T.Context(), w.space(), cluster)
	if err != nil {
		w.T.Fatal(err)
	}
	if r == nil {
		w.T.Fatalf("cluster %s has no run", cluster)
	}
	return r
}

func (w *world) want(state run.State, reason run.Reason) *run.Run {
	w.T.Helper()
	r := w.last()
	if r.State != state || r.Reason != reason {
		w.T.Fatalf("the run is %s (%s, %s), want %s (%s)", r.State, r.Reason, r.Detail, state, reason)
	}
	return r
}

// quiet does what the container does: its writes are no crash points.
func (w *world) quiet(do func()) {
	hook := w.Hook
	w.Hook = nil
	do()
	w.Hook = hook
}

// change changes the run as package session would.
func (w *world) change(id string, change func(r *run.Run, b *storage.Batch)) {
	w.T.Helper()
	w.quiet(func() {
		space := w.space()
		r, entry, err := run.Load(w.T.Context(), space, id)
		if err != nil {
			w.T.Fatal(err)
		}
		var b storage.Batch
		change(r, &b)
		run.Save(&b, entry, r)
		work.Add(&b, run.Work(id))
		if err := space.Apply(w.T.Context(), &b); err != nil {
			w.T.Fatal(err)
		}
	})
}

// claim is the container's claim and its first heartbeat.
func (w *world) claim(r *run.Run) {
	w.T.Helper()
	w.change(r.ID, func(r *run.Run, b *storage.Batch) {
		r.Attempt.Claimed, r.Attempt.ClaimedBy, r.Attempt.Spoken = w.Time, r.Attempt.Task, true
		r.Attempt.Deadline = w.Time.Add(30 * time.Minute)
		run.SetLive(b, r.ID, run.Live{At: w.Time, Attempt: r.Attempt.N, Phase: brief.Cloning})
	})
}

func (w *world) beat(r *run.Run) {
	w.T.Helper()
	w.quiet(func() {
		var b storage.Batch
		run.SetLive(&b, r.ID, run.Live{At: w.Time, Attempt: r.Attempts, Phase: brief.Working, Steps: int(w.Time.Unix())})
		if err := w.space().Apply(w.T.Context(), &b); err != nil {
			w.T.Fatal(err)
		}
	})
}

// hand hands over a result; the container ends.
func (w *world) hand(result brief.Result) {
	w.T.Helper()
	w.quiet(func() {
		r := w.last()
		result.Round, result.Attempt, result.Base = r.Round().N, r.Attempt.N, r.Round().Base
		entries, err := w.space().Get(w.T.Context(), "run/"+r.ID)
		if err != nil {
			w.T.Fatal(err)
		}
		err = run.StoreResult(w.T.Context(), w.space(), r.ID, &result, w.Time, func(b *storage.Batch) {
			r.Attempt.Result = true
			run.Save(b, entries[0], r)
			work.Add(b, run.Work(r.ID))
		})
		if err != nil {
			w.T.Fatal(err)
		}
		zero := 0
		w.cloud.end(r.Attempt.Task, task.Exited, &zero)
	})
}

func changed() brief.Result {
	return brief.Result{Ending: brief.Finished, Said: "I changed it.", Files: []brief.File{{Path: "a.go", Mode: brief.ModeFile, Content: []byte("a")}}}
}

// pass lets time go by, a quarter of a minute after the other, with all that is due
// done.
func (w *world) pass(d time.Duration) {
	w.T.Helper()
	for ; d > 0; d -= 15 * time.Second {
		w.Pass(min(d, 15*time.Second))
		w.Settle()
	}
}

// proposed brings a run to its proposal.
func (w *world) proposed() *run.Run {
	w.T.Helper()
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	w.hand(changed())
	w.Settle()
	w.pass(time.Minute)
	return w.want(run.Proposed, "")
}

func (w *world) slots() (busy, waiting int) {
	w.T.Helper()
	busy, waiting, err := w.runs.Load(w.T.Context())
	if err != nil {
		w.T.Fatal(err)
	}
	return busy, waiting
}

// problems is what is known of clusters: c<n> is issue n's.
type problems struct{ w *world }

func (p *problems) Evidence(context.Context, storage.Space, string) ([]brief.Evidence, error) {
	return []brief.Evidence{{Source: "report", Field: "text", Text: "it breaks"}}, nil
}

func (p *problems) Issue(_ context.Context, _ storage.Space, cluster string) (run.Issue, error) {
	var n int
	if _, err := fmt.Sscanf(cluster, "c%d", &n); err != nil {
		return run.Issue{}, err
	}
	all := p.w.GitHub.Issues(repoID)
	if n > len(all) {
		return run.Issue{}, nil
	}
	return run.Issue{Number: n, URL: all[n-1].URL, Title: all[n-1].Title, Open: all[n-1].State == "open"}, nil
}

func (p *problems) NoteMerge(b *storage.Batch, cluster string, m run.Merge) {
	b.SetJSON("test-merged/"+cluster, m)
}

// merge returns what was noted of a merge.
func (w *world) merge() (m run.Merge) {
	w.T.Helper()
	entries, err := w.space().Get(w.T.Context(), "test-merged/c1")
	if err != nil {
		w.T.Fatal(err)
	}
	if err := storage.GetJSON(entries[0], &m); err != nil {
		w.T.Fatal(err)
	}
	return m
}

var (
	_ task.Launcher = (*cloud)(nil)
	_ fix.Host      = (*enginetest.GitHub)(nil)
	_ fix.Publisher = (*publish.Publisher)(nil)
)

// suspended notes that the installation is suspended, as upkeep does.
func (w *world) suspended() {
	w.installed(func(in *project.InstallationState) { in.Suspended = true })
}

// installed changes what is noted of the installation.
func (w *world) installed(change func(*project.InstallationState)) {
	home, err := w.Projects.Space(w.T.Context(), enginetest.Installation)
	if err != nil {
		w.T.Fatal(err)
	}
	in, entry, err := project.LoadInstallation(w.T.Context(), home)
	if err != nil {
		w.T.Fatal(err)
	}
	change(&in)
	var b storage.Batch
	project.SaveInstallation(&b, entry, in)
	if err := home.Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}
