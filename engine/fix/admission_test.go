package fix_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// line puts runs of the clusters from first to last in line, a second apart.
func (w *world) line(first, last int) {
	w.T.Helper()
	for len(w.GitHub.Issues(repoID)) < last {
		w.issue()
	}
	for n := first; n <= last; n++ {
		if text, err := w.order("fix", false, n, ""); text != "" || err != nil {
			w.T.Fatalf("fix is answered %q (%v)", text, err)
		}
		w.Settle()
		w.Pass(time.Second)
	}
	w.Settle()
}

// states returns where the runs of clusters are, a letter each.
func (w *world) states(first, last int) (s string) {
	for n := first; n <= last; n++ {
		s += string(w.of(fmt.Sprintf("c%d", n)).State)[:1]
	}
	return s
}

// done ends the run of a cluster.
func (w *world) done(n int) {
	w.T.Helper()
	if _, err := w.order("cancel", false, n, ""); err != nil {
		w.T.Fatal(err)
	}
	w.pass(30 * time.Second) // until its task was seen to have stopped
}

func (w *world) capped(c fix.Caps) {
	w.caps = c
	w.World.Restart()
}

func TestPlacesInTheOrderOfTime(t *testing.T) {
	w := newWorld(t, "")
	w.capped(fix.Caps{All: fix.Limits{AtOnce: 2}})
	w.line(1, 5)
	if got := w.states(1, 5); got != "wwqqq" {
		t.Fatalf("the runs are %s, want two that work", got)
	}
	w.pass(time.Minute)
	for n, place := range map[int]int{3: 1, 4: 2, 5: 3} {
		if r := w.of(fmt.Sprintf("c%d", n)); r.Place != place || !strings.Contains(r.Waits, "all places") {
			t.Errorf("run %d has place %d and waits for %q, want place %d", n, r.Place, r.Waits, place)
		}
	}
	w.done(4) // leaves the line
	w.done(1)
	if got := w.states(1, 5); got != "cwwcq" {
		t.Fatalf("the runs are %s, want the third to work", got)
	}
	w.pass(time.Minute)
	if r := w.of("c5"); r.Place != 1 {
		t.Errorf("the last one has place %d, want 1", r.Place)
	}
	w.done(2)
	if got := w.states(1, 5); got != "ccwcw" {
		t.Errorf("the runs are %s", got)
	}
}

// other makes another installation with a project, and returns how to begin runs in
// it.
func (w *world) other(id int64) func(n int) *run.Run {
	w.T.Helper()
	ctx := w.T.Context()
	if _, err := w.Projects.Install(ctx, id); err != nil {
		w.T.Fatal(err)
	}
	space, err := w.Projects.Ensure(ctx, id, project.Repo{Owner: "acme", Name: "web"})
	if err != nil {
		w.T.Fatal(err)
	}
	return func(n int) *run.Run {
		w.T.Helper()
		for len(w.GitHub.Issues(repoID)) < n {
			w.issue()
		}
		cluster := fmt.Sprintf("c%d", n)
		a, err := w.runs.Order(ctx, space, run.Order{Name: "fix", Cluster: cluster, Number: n, By: ann, ByID: enginetest.ID(ann), At: w.Time})
		if err == nil && a.Change != nil {
			var b storage.Batch
			a.Change(&b)
			err = space.Apply(ctx, &b)
		}
		if err != nil {
			w.T.Fatal(err)
		}
		w.Settle()
		w.Pass(time.Second)
		r, _, err := run.Of(ctx, space, cluster)
		if err != nil {
			w.T.Fatal(err)
		}
		return r
	}
}

// An installation that has what it may have holds up nobody behind it.
func TestOthersAreNotHeldUp(t *testing.T) {
	w := newWorld(t, "")
	f, err := policy.Parse([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	w.Settings[202] = map[string]policy.File{repo: f}
	w.capped(fix.Caps{All: fix.Limits{AtOnce: 3}, Of: func(id int64) fix.Limits {
		if id == enginetest.Installation {
			return fix.Limits{AtOnce: 1}
		}
		return fix.Limits{}
	}})
	w.line(1, 3)
	if got := w.states(1, 3); got != "wqq" {
		t.Fatalf("the runs are %s, want one that works", got)
	}
	w.pass(time.Minute)
	if r := w.of("c3"); r.Place != 2 || !strings.Contains(r.Waits, "1 of 1") {
		t.Errorf("place %d, waits for %q", r.Place, r.Waits)
	}
	begin := w.other(202)
	if r := begin(1); r.State != run.Working {
		t.Errorf("another installation's run is %s", r.State)
	}
	w.done(1)
	if got := w.states(1, 3); got != "cwq" {
		t.Errorf("the runs are %s", got)
	}
}

func TestRunsOfADay(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		limits fix.Limits
		until  time.Duration
		waits  string
	}{
		"repository's day":     {"budget: {runs_per_day: 2}\n", fix.Limits{}, 24 * time.Hour, "2 of 2 runs of today in this repository"},
		"installation's day":   {"", fix.Limits{PerDay: 2}, 24 * time.Hour, "2 of 2 runs of today were begun; it goes on after midnight UTC"},
		"installation's month": {"", fix.Limits{PerMonth: 2}, 30 * 24 * time.Hour, "2 of 2 runs of this month"},
		"money":                {"", fix.Limits{Micros: 5_000_000}, 30 * 24 * time.Hour, "$4.00 of $5.00 for this month is spent"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, c.file)
			w.capped(fix.Caps{Reserve: 2_000_000, Of: func(int64) fix.Limits { return c.limits }})
			for n := 1; n <= 2; n++ {
				w.line(n, n)
				r := w.of(fmt.Sprintf("c%d", n))
				if r.State != run.Working {
					t.Fatalf("run %d is %s: %s", n, r.State, r.Waits)
				}
				w.spend(r.ID, 2_000_000)
				w.done(n)
			}
			w.line(3, 3)
			w.pass(time.Minute)
			r := w.of("c3")
			if r.State != run.Queued || r.Place != 1 || !strings.Contains(r.Waits, c.waits) {
				t.Fatalf("run 3 is %s, place %d, waits for %q", r.State, r.Place, r.Waits)
			}
			w.Pass(time.Hour)
			w.Settle()
			if r := w.of("c3"); r.State != run.Queued {
				t.Fatalf("an hour later it is %s", r.State)
			}
			w.Time = w.Time.Truncate(24 * time.Hour).Add(c.until)
			w.Settle()
			w.pass(time.Minute)
			if r := w.of("c3"); r.State != run.Working {
				t.Errorf("afterwards it is %s: %s", r.State, r.Waits)
			}
		})
	}
}

// newWorldWith is newWorld with a budget of its own.
func newWorldWith(t *testing.T, file string) *world {
	if file == "" {
		return newWorld(t, "")
	}
	w := newWorld(t, "")
	w.GitHub.SetFile(repoID, "mode: live\n"+file)
	w.Pass(2 * time.Hour)
	w.Settle()
	return w
}

func (w *world) spend(id string, micros int64) {
	w.T.Helper()
	u, entry, err := run.UsageOf(w.T.Context(), w.space(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	u.Micros += micros
	u.Priced = true
	var b storage.Batch
	run.SaveUsage(&b, entry, u)
	if err := w.space().Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}

// Every round is paid for once, and only what it cost.
func TestMoneyOfRounds(t *testing.T) {
	w := newWorld(t, "")
	w.capped(fix.Caps{Reserve: 2_000_000, Of: func(int64) fix.Limits { return fix.Limits{Micros: 4_000_000} }})
	spent := func(want int64) {
		t.Helper()
		c, err := fix.Spent(t.Context(), w.app(), enginetest.Installation, w.Time)
		if err != nil || c.Micros != want || c.Runs != 1 {
			t.Errorf("spent %+v (%v), want %d", c, err, want)
		}
	}
	w.say("fix")
	w.Settle()
	w.spend(w.last().ID, 1_500_000)
	w.claim(w.last())
	w.hand(changed())
	w.Settle()
	w.pass(2 * time.Minute)
	spent(1_500_000)
	w.review(1, ann, "more")
	w.spend(w.last().ID, 700_000)
	w.next(changed())
	spent(2_200_000)
	w.review(2, ann, "more")
	w.pass(time.Minute)
	if r := w.want(run.Queued, ""); !strings.Contains(r.Waits, "$2.20 of $4.00") {
		t.Errorf("the third round waits for %q", r.Waits)
	}
	w.pass(time.Minute)
	spent(2_200_000)
	w.say("cancel")
	w.Settle()
	w.want(run.Proposed, run.ReasonCommand)
	w.over()
}

// An installation that goes frees its places, and its tasks are stopped.
func TestUninstall(t *testing.T) {
	w := newWorld(t, "")
	f, err := policy.Parse([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	w.Settings[202] = map[string]policy.File{repo: f}
	w.capped(fix.Caps{All: fix.Limits{AtOnce: 2}, Reserve: 2_000_000})
	begin := w.other(202)
	ours, theirs, late := begin(1), (*run.Run)(nil), begin(2)
	w.line(1, 1)
	theirs = w.last()
	if ours.State != run.Working || late.State != run.Working || theirs.State != run.Queued {
		t.Fatalf("the runs are %s, %s and %s", ours.State, late.State, theirs.State)
	}
	begin(3) // waits
	if err := w.Projects.Uninstall(t.Context(), 202); err != nil {
		t.Fatal(err)
	}
	w.pass(4 * time.Minute)
	w.want(run.Working, "")
	if alive := w.cloud.alive(); len(alive) != 1 || !strings.HasPrefix(alive[0], theirs.ID+"/") {
		t.Errorf("tasks %v go on, want %s's", alive, theirs.ID)
	}
	if busy, waiting := w.slots(); busy != 1 || waiting != 0 {
		t.Errorf("%d places are taken, %d tickets wait", busy, waiting)
	}
	if _, err := run.Where(t.Context(), w.app(), ours.ID); err == nil {
		t.Error("it is still known where the run was")
	}
	// What the two that began have cost went with them: what was set aside counts, for all.
	var c fix.Count
	entries, err := w.app().Get(t.Context(), "run-count/app/"+w.Time.Format("2006-01"))
	if err == nil {
		err = storage.GetJSON(entries[0], &c)
	}
	if err != nil || c.Micros != 4_000_000 {
		t.Errorf("counted as spent %+v (%v), want what was set aside", c, err)
	}
	// Once it is erased, the app's space says nothing of it any more.
	for range 2 {
		if _, err := fix.Erase(t.Context(), w.app(), 202); err != nil {
			t.Fatal(err)
		}
	}
	all, err := w.app().Scan(t.Context(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if said := e.Key + " " + string(e.Value); strings.Contains(said, "/202/") || strings.Contains(said, ":202,") {
			t.Errorf("left: %s %s", e.Key, e.Value)
		}
	}
}

// A task whose launch crashed while its installation went is found and stopped.
func TestUninstallDuringLaunch(t *testing.T) {
	w := newWorld(t, "")
	w.cloud.away = &work.Later{}
	w.say("fix")
	w.Settle()
	r := w.want(run.Launching, "")
	id := r.ID + "/1"
	*w.cloud = cloud{w: w, tasks: w.cloud.tasks, plans: w.cloud.plans}
	w.cloud.tasks[id] = runningTask(r.ID, id)
	if err := w.Projects.Uninstall(t.Context(), enginetest.Installation); err != nil {
		t.Fatal(err)
	}
	w.pass(4 * time.Minute)
	if len(w.cloud.alive()) != 0 || !slices.Contains(w.cloud.stops, id) {
		t.Errorf("tasks %v go on", w.cloud.alive())
	}
	if busy, _ := w.slots(); busy != 0 {
		t.Errorf("%d places are taken", busy)
	}
}

// Several processes that give out places at once give none away twice.
func TestPassesAtOnce(t *testing.T) {
	w := newWorld(t, "")
	w.capped(fix.Caps{All: fix.Limits{AtOnce: 3}, Of: func(int64) fix.Limits { return fix.Limits{PerDay: 5} }})
	w.cloud.away = &work.Later{}
	for range 8 {
		w.issue()
	}
	h := handlers{}
	w.runs.Register(h)
	for n := 1; n <= 8; n++ { // every run puts its ticket, and nobody is served yet
		if _, err := w.order("fix", false, n, ""); err != nil {
			t.Fatal(err)
		}
		id := w.of(fmt.Sprintf("c%d", n)).ID
		if _, err := h[fix.RunWork](t.Context(), work.Item{Space: w.space(), Key: run.Work(id), Subject: id}); err != nil {
			t.Fatal(err)
		}
	}
	if busy, waiting := w.slots(); busy != 0 || waiting != 8 {
		t.Fatalf("%d places, %d tickets", busy, waiting)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if _, err := h[fix.RunsWork](t.Context(), work.Item{Space: w.app()}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if busy, waiting := w.slots(); busy != 3 || waiting != 5 {
		t.Errorf("%d places are taken, %d tickets wait; want 3 and 5", busy, waiting)
	}
	count, err := fix.Spent(t.Context(), w.app(), enginetest.Installation, w.Time)
	if err != nil || count.Runs != 3 {
		t.Errorf("counted %+v (%v)", count, err)
	}
}

// between is a space in which something happens after a listing.
type between struct {
	storage.Space
	after func(prefix string)
}

func (b between) Scan(ctx context.Context, prefix, after string, limit int) ([]storage.Entry, error) {
	entries, err := b.Space.Scan(ctx, prefix, after, limit)
	b.after(prefix)
	return entries, err
}

// Somebody else gives a place away while the places are counted.
func TestPlacesCountedTooEarly(t *testing.T) {
	w := newWorld(t, "")
	f, err := policy.Parse([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	w.Settings[202] = map[string]policy.File{repo: f}
	w.capped(fix.Caps{All: fix.Limits{AtOnce: 1}})
	begin := w.other(202)
	w.line(1, 1) // has the place
	ours, theirs := begin(1), begin(2)
	if ours.State != run.Queued || theirs.State != run.Queued {
		t.Fatalf("the runs are %s and %s", ours.State, theirs.State)
	}
	w.line(2, 2)
	first := handlers{}
	w.runs.Register(first)
	pass := func(h handlers) {
		t.Helper()
		if _, err := h[fix.RunsWork](t.Context(), work.Item{Space: w.app()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.order("cancel", false, 1, ""); err != nil {
		t.Fatal(err)
	}
	cancelled := work.Item{Space: w.space(), Subject: w.of("c1").ID}
	w.Pass(5 * time.Second)
	for _, step := range []func() (time.Time, error){
		func() (time.Time, error) { return first[fix.RunWork](t.Context(), cancelled) }, // stops the task
		func() (time.Time, error) { return first[fix.TasksWork](t.Context(), work.Item{Space: w.app()}) },
		func() (time.Time, error) { return first[fix.RunWork](t.Context(), cancelled) },
	} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if busy, _ := w.slots(); busy != 0 {
		t.Fatalf("%d places are taken", busy)
	}
	late := false
	w.runs.App = between{w.app(), func(prefix string) {
		if prefix == "run-slot/" && !late {
			late = true
			pass(first)
		}
	}}
	second := handlers{}
	fix.New(w.runs.Config).Register(second)
	pass(second)
	if busy, waiting := w.slots(); busy != 1 || waiting != 2 || !late {
		t.Errorf("%d places are taken, %d tickets wait; want 1 and 2", busy, waiting)
	}
}

// What all runs together may do bounds everybody, and is told to nobody in numbers.
func TestCapsOverAll(t *testing.T) {
	for name, c := range map[string]struct {
		all   fix.Limits
		until time.Duration
		waits string
	}{
		"day":   {fix.Limits{PerDay: 2}, 24 * time.Hour, "all runs of today"},
		"month": {fix.Limits{PerMonth: 2}, 30 * 24 * time.Hour, "all runs of this month"},
		"money": {fix.Limits{Micros: 5_000_000}, 30 * 24 * time.Hour, "this month's money"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.Settings[202] = w.Settings[enginetest.Installation]
			w.capped(fix.Caps{Reserve: 2_000_000, All: c.all})
			begin := w.other(202)
			w.line(1, 1)
			w.spend(w.of("c1").ID, 2_000_000)
			w.done(1)
			other := begin(2)
			if other.State != run.Working {
				t.Fatalf("the other installation's run is %s: %s", other.State, other.Waits)
			}
			w.line(3, 3)
			w.pass(time.Minute)
			r := w.of("c3")
			if r.State != run.Queued || !strings.Contains(r.Waits, c.waits) || strings.Contains(r.Waits, "2") {
				t.Fatalf("the third run is %s and waits for %q, want %q", r.State, r.Waits, c.waits)
			}
			w.Time = w.Time.Truncate(24 * time.Hour).Add(c.until)
			w.Settle()
			w.pass(20 * time.Minute) // the other one never claims, and ends
			if r := w.of("c3"); r.State != run.Working && r.State != run.Failed {
				t.Errorf("afterwards it is %s: %s", r.State, r.Waits)
			}
		})
	}
}

// Runs that were erased have no place in the line.
func TestErasedRunsAreInNobodysWay(t *testing.T) {
	w := newWorld(t, "")
	w.Settings[202] = w.Settings[enginetest.Installation]
	w.capped(fix.Caps{All: fix.Limits{AtOnce: 1}})
	w.line(1, 1)
	begin := w.other(202)
	begin(1)
	begin(2)
	w.line(2, 2)
	w.pass(time.Minute)
	if r := w.of("c2"); r.Place != 3 {
		t.Fatalf("place %d, want 3", r.Place)
	}
	if err := w.Projects.Uninstall(t.Context(), 202); err != nil {
		t.Fatal(err)
	}
	w.alive(6 * time.Minute)
	if r := w.of("c2"); r.Place != 1 || r.State != run.Queued {
		t.Errorf("afterwards it is %s, place %d, want 1", r.State, r.Place)
	}
	if _, waiting := w.slots(); waiting != 1 {
		t.Errorf("%d tickets wait", waiting)
	}
}
