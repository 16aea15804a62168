package quota_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/work"
)

const acme, globex = 101, 202

// onEveryStore runs a test on each kind of store.
func onEveryStore(t *testing.T, test func(t *testing.T, db storage.DB)) {
	t.Run("bolt", func(t *testing.T) {
		db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		test(t, db)
	})
	t.Run("redis", func(t *testing.T) {
		db, err := redis.Open(t.Context(), storagetest.Redis(t).URL, redis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		test(t, db)
	})
}

// house is one process with two tenants.
type house struct {
	t        *testing.T
	db       storage.DB
	now      time.Time
	limits   quota.Limits
	projects *project.Registry
	meter    *quota.Meter
	door     *quota.Door
	log      strings.Builder
}

var noon = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC) // the last day of a month

func newHouse(t *testing.T, db storage.DB, limits quota.Limits) *house {
	t.Helper()
	h := &house{t: t, db: db, now: noon, limits: limits}
	h.projects = project.NewRegistry(db, nil, nil)
	for _, id := range []int64{acme, globex} {
		if _, err := h.projects.Install(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	clock := func() time.Time { return h.now }
	h.meter = quota.New(quota.Config{
		Projects: h.projects, Limits: func(int64) quota.Limits { return h.limits },
		Wake: func(...string) {}, Log: zerolog.New(&h.log), Now: clock,
	})
	h.door = h.meter.Door(intake.New(h.projects, issue.Standings{}, traffic.New(db, clock), func(...string) {}, clock))
	return h
}

// take sends reports, one for each external id.
func (h *house) take(installation int64, ids ...string) ([]intake.Answer, error) {
	h.t.Helper()
	src := &source.Source{Installation: installation, ID: fmt.Sprint("s", installation), Kind: source.Feedback, Repository: "acme/web"}
	reader := &feedback.Reader{SourceID: src.ID, Now: h.now}
	var lines []string
	for _, id := range ids {
		lines = append(lines, fmt.Sprintf(`{"external_id": %q, "title": "report %s"}`, id, id))
	}
	readings, err := reader.Reports("application/json", []byte("["+strings.Join(lines, ",")+"]"))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range readings {
		readings[i].Removed = strings.HasPrefix(ids[i], "gone ")
		readings[i].Feedback.ID = strings.TrimPrefix(ids[i], "gone ")
	}
	return h.door.Take(h.t.Context(), src, readings)
}

func (h *house) must(installation int64, ids ...string) []intake.Answer {
	h.t.Helper()
	answers, err := h.take(installation, ids...)
	if err != nil {
		h.t.Fatal(err)
	}
	return answers
}

// of returns one use.
func (h *house) of(installation int64, name string) quota.Use {
	h.t.Helper()
	uses, err := h.meter.Of(h.t.Context(), installation)
	if err != nil {
		h.t.Fatal(err)
	}
	at := slices.IndexFunc(uses, func(u quota.Use) bool { return u.Name == name })
	if at < 0 {
		h.t.Fatalf("%s is not among %+v", name, uses)
	}
	return uses[at]
}

func TestReportsOfADay(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		h := newHouse(t, db, quota.Limits{Reports: 10})
		for i := range 8 {
			if a := h.must(acme, fmt.Sprint("a", i))[0]; a.State != intake.Grouping {
				t.Errorf("report %d: %q", i, a.State)
			}
		}
		if a := h.must(acme, "a0")[0]; a.Status != intake.Duplicate || !strings.Contains(a.State, "8 of 10 reports of today were taken in") {
			t.Errorf("near the limit: %+v", a)
		}
		h.must(acme, "a9")
		answers, err := h.take(acme, "b1", "gone a1", "b2")
		var over *quota.OverError
		if !errors.As(err, &over) || over.Use.Name != quota.Reports || !over.Until.Equal(noon.Add(12*time.Hour)) || !strings.Contains(err.Error(), "midnight") {
			t.Fatalf("at the limit: %+v, %v", answers, err)
		}
		for i, want := range []intake.Status{intake.Rejected, intake.Duplicate, intake.Rejected} {
			if answers[i].Status != want || answers[i].Index != i || want == intake.Rejected && !strings.Contains(answers[i].Error.Message, "10 of 10 reports") {
				t.Errorf("answer %d: %+v", i, answers[i])
			}
		}
		if answers, err := h.take(acme, "gone a2"); err != nil || !strings.Contains(answers[0].State, "taken out") {
			t.Errorf("a deletion alone, at the limit: %+v, %v", answers, err)
		}
		if a := h.must(globex, "x")[0]; a.State != intake.Grouping {
			t.Errorf("the other tenant: %+v", a)
		}
		if near, err := h.meter.Near(t.Context(), acme); err != nil || len(near) != 1 || near[0].Name != quota.Reports || !strings.Contains(near[0].Message, "midnight") {
			t.Errorf("near a limit: %+v, %v", near, err)
		}
		if near, err := h.meter.Near(t.Context(), globex); err != nil || len(near) != 0 {
			t.Errorf("the other tenant, near a limit: %+v, %v", near, err)
		}
		if u := h.of(acme, quota.Reports); u.Used != 10 || u.Message == "" {
			t.Errorf("use: %+v", u)
		}
		if n := strings.Count(h.log.String(), `"installation":101,"quota":"reports"`); n != 1 {
			t.Errorf("the log was told %d times:\n%s", n, h.log.String())
		}
		h.now = noon.Add(13 * time.Hour)
		if a := h.must(acme, "b1")[0]; a.Status != intake.Accepted || a.State != intake.Grouping {
			t.Errorf("the next day: %+v", a)
		}
	})
}

// Processes that share a store see each other's counts.
// What is sent at once is let in as if it came one after another.
func TestReportsAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		h := newHouse(t, db, quota.Limits{Reports: 10})
		var all sync.WaitGroup
		var taken, refused atomic.Int64
		for i := range 30 {
			all.Go(func() {
				_, err := h.take(acme, fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i))
				var over *quota.OverError
				switch {
				case err == nil:
					taken.Add(3)
				case errors.As(err, &over):
					refused.Add(3)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if taken.Load() != 12 || refused.Load() != 78 {
			t.Errorf("%d taken and %d refused of 90, want 12: those of the request that reached the limit of 10 too", taken.Load(), refused.Load())
		}
		if u := h.of(acme, quota.Reports); u.Used != 12 {
			t.Errorf("use: %+v", u)
		}
		h.limits.Reports = 1000
		if _, err := h.take(acme, "d"); err != nil {
			t.Errorf("with room: %v", err)
		}
	})
}

func TestReplicas(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		a, b := newHouse(t, db, quota.Limits{Reports: 100}), newHouse(t, db, quota.Limits{Reports: 100})
		var wg sync.WaitGroup
		for n, h := range []*house{a, b} {
			wg.Go(func() {
				for i := range 20 {
					h.must(acme, fmt.Sprint(n, "-", i), fmt.Sprint(n, "+", i))
					h.meter.Write(t.Context())
				}
			})
		}
		wg.Wait()
		a.meter.Write(t.Context())
		b.meter.Write(t.Context())
		for _, h := range []*house{a, b} {
			if u := h.of(acme, quota.Reports); u.Used != 80 {
				t.Errorf("%d reports, want 80", u.Used)
			}
			if u := h.of(globex, quota.Reports); u.Used != 0 {
				t.Errorf("the other tenant: %d reports", u.Used)
			}
		}
	})
}

// A write of which nobody knows whether it happened is counted once, whichever way it
// went; one that is known to have failed is made again.
func TestLostAnswers(t *testing.T) {
	for _, point := range []string{"commit.before:i/101", "commit.after:i/101"} {
		t.Run(point, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, db storage.DB) {
				broken := false
				db = storage.Watched(db, func(_ context.Context, at string) error {
					if broken && at == point {
						return fmt.Errorf("%w: lost", storage.ErrUnavailable)
					}
					return nil
				})
				h := newHouse(t, db, quota.Limits{Reports: 100})
				h.must(acme, "a")
				h.meter.Write(t.Context())
				h.must(acme, "b", "c")
				broken = true
				h.meter.Write(t.Context())
				h.must(acme, "d") // counted while nobody knows
				broken = false
				h.meter.Write(t.Context())
				h.meter.Write(t.Context())
				if u := h.of(acme, quota.Reports); u.Used != 4 {
					t.Errorf("%d reports, want 4", u.Used)
				}
				if u := newHouse(t, db, quota.Limits{}).of(acme, quota.Reports); u.Used != 4 {
					t.Errorf("another process sees %d reports, want 4", u.Used)
				}
			})
		})
	}
}

// What is counted is written by itself, and at the end.
func TestRunWrites(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := newHouse(t, db, quota.Limits{Reports: 100})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { h.meter.Run(ctx); close(done) }()
	h.must(acme, "a", "b", "c")
	stop()
	<-done
	if u := newHouse(t, db, quota.Limits{}).of(acme, quota.Reports); u.Used != 3 {
		t.Errorf("%d reports were written, want 3", u.Used)
	}
}

func TestBytes(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		h := newHouse(t, db, quota.Limits{})
		for i := range 300 {
			h.must(acme, fmt.Sprint("a", i))
		}
		h.must(globex, "x")
		guess := h.of(acme, quota.Bytes).Used
		if guess < 300*1000 {
			t.Errorf("before the first walk %d bytes are guessed", guess)
		}
		home, err := h.projects.Space(t.Context(), acme)
		if err != nil {
			t.Fatal(err)
		}
		if due, err := work.Get(t.Context(), home, quota.WalkWork); err != nil || due.State != work.Due {
			t.Fatalf("the first count made no walk due: %+v, %v", due, err)
		}
		var stored int64
		for _, name := range []string{"i/101", "p/101/acme.web-"} {
			names, err := db.List(t.Context(), name, "", 10)
			if err != nil || len(names) != 1 {
				t.Fatal(names, err)
			}
			space, err := db.Open(t.Context(), names[0])
			if err != nil {
				t.Fatal(err)
			}
			entries, err := space.Scan(t.Context(), "", "", 10_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				stored += int64(len(e.Key) + len(e.Value))
			}
		}
		h.limits.Bytes = stored + 1000
		again, err := h.meter.Walk(t.Context(), work.Item{Space: home})
		if err != nil || !again.Equal(h.now.Add(24*time.Hour)) {
			t.Fatalf("walk: again %v, %v", again, err)
		}
		if u := h.of(acme, quota.Bytes); u.Used < stored-500 || u.Used > stored+500 || !strings.Contains(u.Message, "of storage are used") {
			t.Errorf("after a walk: %+v, want about %d", u, stored)
		}
		h.must(acme, "b")
		if _, err := h.take(acme, "c"); err == nil || !strings.Contains(err.Error(), "of storage") {
			t.Errorf("what came since the walk does not count: %v", err)
		}
		h.limits.Bytes = stored
		if again, err = h.meter.Walk(t.Context(), work.Item{Space: home}); err != nil || !again.Equal(h.now.Add(time.Hour)) {
			t.Errorf("at the limit it is looked at again %v, %v", again, err)
		}
	})
}

// A walk that is too long for a turn goes on where it was, and counts each byte once.
func TestLongWalk(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := newHouse(t, db, quota.Limits{})
	h.must(acme, "a")
	home, err := h.projects.Space(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	const n = 45_000
	for i := 0; i < n; i += 500 {
		var b storage.Batch
		for j := range 500 {
			b.Set(fmt.Sprintf("z/%08d", i+j), make([]byte, 90))
		}
		if err := home.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	turns := 1
	for ; ; turns++ {
		again, err := h.meter.Walk(t.Context(), work.Item{Space: home})
		if err != nil {
			t.Fatal(err)
		}
		if again.After(h.now) {
			break
		}
	}
	if u := h.of(acme, quota.Bytes); turns < 3 || u.Used < n*100 || u.Used > n*100+20_000 {
		t.Errorf("%d turns found %d bytes, want about %d", turns, u.Used, n*100)
	}
}

func TestMoney(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		h := newHouse(t, db, quota.Limits{Micros: 1000})
		lex, err := lexical.New()
		if err != nil {
			t.Fatal(err)
		}
		e := h.meter.Embedder(lex)
		docs := []embed.Document{{Title: "x"}}
		as := func(space string, do func(ctx context.Context) error) error {
			s, err := db.Create(t.Context(), space)
			if err != nil {
				t.Fatal(err)
			}
			_, err = quota.Charged(func(ctx context.Context, _ work.Item) (time.Time, error) {
				return time.Time{}, do(ctx)
			})(t.Context(), work.Item{Space: s})
			return err
		}
		spend := func(ctx context.Context) error {
			_, err := e.Embed(ctx, docs)
			if err == nil {
				h.meter.Spent(ctx, 400)
			}
			return err
		}
		for range 3 {
			if err := as("p/101/x", spend); err != nil {
				t.Fatal(err)
			}
		}
		var spent *embed.SpentError
		april := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
		if err := as("p/101/y", spend); !errors.As(err, &spent) || !spent.Until.Equal(april) || !strings.Contains(spent.Error(), "month") {
			t.Errorf("beyond the limit: %v", err)
		}
		if err := as("p/202/x", spend); err != nil {
			t.Errorf("the other tenant: %v", err)
		}
		if err := spend(t.Context()); err != nil {
			t.Errorf("for nobody: %v", err)
		}
		if u := h.of(acme, quota.Money); u.Used != 1200 || u.Message == "" {
			t.Errorf("use: %+v", u)
		}
		if a := h.must(acme, "a")[0]; a.Status != intake.Accepted || !strings.Contains(a.State, "until the next month begins") {
			t.Errorf("what comes meanwhile: %+v", a)
		}
		h.now = april
		if err := as("p/101/x", spend); err != nil {
			t.Errorf("the next month: %v", err)
		}
	})
}

func TestSuspendedIsSaid(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := newHouse(t, db, quota.Limits{})
	home, err := h.projects.Space(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	in, entry, err := project.LoadInstallation(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	in.Suspended = true
	var b storage.Batch
	project.SaveInstallation(&b, entry, in)
	if err := home.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if a := h.must(acme, "a")[0]; a.Status != intake.Accepted || !strings.Contains(a.State, "suspended") {
		t.Errorf("%+v", a)
	}
	if _, err := h.take(999, "a"); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("nobody's: %v", err)
	}
}
