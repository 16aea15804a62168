package issue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// stores runs a test on both stores.
func stores(t *testing.T, test func(t *testing.T, db storage.DB)) {
	t.Run("bolt", func(t *testing.T) {
		t.Parallel()
		db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		test(t, db)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		db, err := redis.Open(t.Context(), storagetest.Redis(t).URL, redis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		test(t, db)
	})
}

func create(t *testing.T, db storage.DB, name string) storage.Space {
	t.Helper()
	space, err := db.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func apply(t *testing.T, space storage.Space, fill func(b *storage.Batch)) {
	t.Helper()
	var b storage.Batch
	fill(&b)
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

func lookUp(t *testing.T, c *issue.Catalogues, space storage.Space) *issue.Catalogue {
	t.Helper()
	all, err := c.Look(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// listed is all that a catalogue lists, newest cluster first.
func listed(t *testing.T, c *issue.Catalogue) []issue.Line {
	t.Helper()
	f, err := c.Find(issue.Query{Sort: issue.Newest, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Lines) != f.Total {
		t.Fatalf("%d lines of %d", len(f.Lines), f.Total)
	}
	return f.Lines
}

// Many write at once, and many look at once in two processes: no look shows a line
// that is older than the look, and in the end both know what a fresh one reads.
func TestCatalogueInAStorm(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, db storage.DB) {
		const clusters, writers, changes = 600, 4, 150
		space := create(t, db, "p/1/x")
		var written [clusters]atomic.Int64 // the newest count that is in the store for certain
		line := func(i int, n int64) issue.Line {
			return issue.Line{Cluster: fmt.Sprintf("%06d", i), Title: fmt.Sprint("problem ", i), State: issue.Held, Reports: 1, Events: int(n)}
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var writing, looking sync.WaitGroup
		replicas := [2]*issue.Catalogues{issue.NewCatalogues(), issue.NewCatalogues()}
		for k := range 4 {
			looking.Go(func() {
				for ctx.Err() == nil {
					var least [clusters]int64
					for i := range written {
						least[i] = written[i].Load()
					}
					all, err := replicas[k%2].Look(t.Context(), space)
					if err != nil {
						t.Error(err)
						return
					}
					for i, n := range least {
						if n == 0 {
							continue
						}
						if l, ok := all.Line(fmt.Sprintf("%06d", i)); !ok || int64(l.Events) < n {
							t.Errorf("cluster %d: %d was written, and the look has %d (%v)", i, n, l.Events, ok)
							return
						}
					}
				}
			})
		}
		for k := range writers {
			writing.Go(func() {
				for n := int64(1); n <= changes; n++ {
					var b storage.Batch
					var own []int
					for range 1 + rand.IntN(8) {
						i := rand.IntN(clusters/writers)*writers + k // each writer has clusters of its own
						own = append(own, i)
						issue.SetLine(&b, line(i, n))
					}
					if err := space.Apply(t.Context(), &b); err != nil {
						t.Error(err)
						return
					}
					for _, i := range own {
						written[i].Store(n)
					}
				}
			})
		}
		writing.Wait()
		stop()
		looking.Wait()
		want := listed(t, lookUp(t, issue.NewCatalogues(), space))
		if len(want) < clusters/2 {
			t.Fatalf("%d lines were written", len(want))
		}
		for i, c := range replicas {
			if got := listed(t, lookUp(t, c, space)); !reflect.DeepEqual(got, want) {
				t.Errorf("replica %d does not know what is in the store", i)
			}
		}
	})
}

// What the keeper does is in the catalogue, also where its batch conflicts, where its
// reply is lost, and after a crash.
func TestCatalogueFollowsTheKeeper(t *testing.T) {
	t.Parallel()
	w := world(t, live)
	c := issue.NewCatalogues()
	titles := func() string {
		var all []string
		for _, l := range listed(t, lookUp(t, c, w.Space(repo))) {
			all = append(all, fmt.Sprintf("%s: %s (%d)", l.Title, l.Text, l.Reports))
		}
		return strings.Join(all, "; ")
	}
	if got := titles(); got != "" {
		t.Errorf("nothing is there: %s", got)
	}
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	if got, want := titles(), "CSV export of orders times out: issue #1 (1)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	report(w, "bob", "CSV export of orders times out")
	lost := errors.New("the reply is lost")
	n := 0
	w.Hook = func(point string) error {
		if strings.HasPrefix(point, "commit.after:p/") {
			if n++; n%3 == 0 {
				return lost
			}
		}
		return nil
	}
	for range 20 {
		if err := w.TrySettle(); err == nil {
			break
		}
		if got, want := titles(), reading(t, w); got != want {
			t.Errorf("after a lost reply: %s, want %s", got, want)
		}
	}
	w.Hook = nil
	w.Settle()
	if got, want := titles(), "CSV export of orders times out: issue #1 (2)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	l := listed(t, lookUp(t, c, w.Space(repo)))[0]
	if l.Made.IsZero() || l.First.IsZero() || l.Cohesion == nil || len(l.Kinds) != 1 || l.Kinds[0] != feedback.Report || l.Trend[13] != 2 {
		t.Errorf("the line lacks something: %+v", l)
	}
	w.Restart()
	if got, want := titles(), reading(t, w); got != want {
		t.Errorf("after a crash: %s, want %s", got, want)
	}
}

// reading is what a catalogue that was never used reads.
func reading(t *testing.T, w *enginetest.World) string {
	var all []string
	for _, l := range listed(t, lookUp(t, issue.NewCatalogues(), w.Space(repo))) {
		all = append(all, fmt.Sprintf("%s: %s (%d)", l.Title, l.Text, l.Reports))
	}
	return strings.Join(all, "; ")
}

// A project that was erased and made again is another one, whatever its keys' versions
// are, and one that is gone is not shown.
func TestCatalogueOfAnErasedProject(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, db storage.DB) {
		c := issue.NewCatalogues()
		set := func(space storage.Space, title string) {
			apply(t, space, func(b *storage.Batch) {
				issue.SetLine(b, issue.Line{Cluster: "000001", Title: title, State: issue.Held, Reports: 1})
			})
		}
		old := create(t, db, "p/1/x")
		set(old, "theirs")
		if got := listed(t, lookUp(t, c, old)); len(got) != 1 || got[0].Title != "theirs" {
			t.Fatalf("%+v", got)
		}
		if err := db.Drop(t.Context(), "p/1/x"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Look(t.Context(), old); !errors.Is(err, storage.ErrNoSpace) {
			t.Errorf("a look at what is gone: %v", err)
		}
		set(again(t, db), "ours")
		if got := listed(t, lookUp(t, c, again(t, db))); len(got) != 1 || got[0].Title != "ours" {
			t.Errorf("%+v", got)
		}
	})
}

func again(t *testing.T, db storage.DB) storage.Space { return create(t, db, "p/1/x") }

// Lines without a mark, as an older build wrote them, are read.
func TestCatalogueOfAnOlderBuild(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, db storage.DB) {
		space := create(t, db, "p/1/x")
		apply(t, space, func(b *storage.Batch) {
			for i := range 120 {
				id := fmt.Sprintf("%06d", i)
				b.SetJSON("standing/"+id, issue.Line{Cluster: id, State: issue.Held, Text: "held", Reports: 1})
			}
		})
		c := issue.NewCatalogues()
		if got := len(listed(t, lookUp(t, c, space))); got != 120 {
			t.Fatalf("%d lines", got)
		}
		apply(t, space, func(b *storage.Batch) {
			issue.SetLine(b, issue.Line{Cluster: "000005", State: issue.Filed, Number: 7, Reports: 1})
		})
		all := lookUp(t, c, space)
		if again := lookUp(t, c, space); again.Revision != all.Revision {
			t.Errorf("nothing changed, and the revision did")
		}
		if l, ok := all.Line("000005"); !ok || l.Number != 7 || len(listed(t, all)) != 120 {
			t.Errorf("%+v, and %d in all", l, len(listed(t, all)))
		}
	})
}

func near(x float64) *float64 { return &x }

func TestFind(t *testing.T) {
	t.Parallel()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	space := create(t, db, "p/1/x")
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	errs, posts := []feedback.Kind{feedback.Sentry}, []feedback.Kind{feedback.Report, feedback.Reddit}
	apply(t, space, func(b *storage.Batch) {
		for _, l := range []issue.Line{
			{Cluster: "000001", Title: "Checkout fails with a TIMEOUT", Culprit: "billing.charge", State: issue.Filed, Number: 12, Kinds: errs, Reports: 3, Hurt: issue.Hurt{People: 9}, Last: now.Add(-time.Hour), Cohesion: near(.9)},
			{Cluster: "000002", Title: "Export of invoices hangs", State: issue.Held, Kinds: posts, Reports: 5, Hurt: issue.Hurt{People: 4}, Last: now, Cohesion: near(.4)},
			{Cluster: "000003", Title: "Login loops", State: issue.Filed, Number: 123, Regressed: now, Kinds: errs, Reports: 1, Hurt: issue.Hurt{People: 7}, Last: now.Add(-2 * time.Hour)},
			{Cluster: "000004", Title: "Straße is cut: ÄRGER", State: issue.Muted, Number: 4, Kinds: posts, Reports: 2, Hurt: issue.Hurt{People: 4}, Last: now.Add(-3 * time.Hour), Cohesion: near(.7)},
			{Cluster: "000005", Title: "Error 12 in the cart", State: issue.Preview, Kinds: errs, Reports: 1, Last: now.Add(-4 * time.Hour)},
			{Cluster: "000006", Title: "health check", State: issue.Ignored, Kinds: errs},
			{Cluster: "000007", Title: "Blocked", State: issue.Blocked, Number: 9, Kinds: errs, Reports: 1},
			{Cluster: "000008", Title: "Closed", State: issue.Closed, Number: 8, Kinds: errs, Reports: 1},
		} {
			issue.SetLine(b, l)
		}
	})
	all := lookUp(t, issue.NewCatalogues(), space)
	for name, c := range map[string]struct {
		q    issue.Query
		want string
	}{
		"hurts":             {issue.Query{}, "1 3 2 4 5 7 8"},
		"newest":            {issue.Query{Sort: issue.Newest}, "8 7 5 4 3 2 1"},
		"seen":              {issue.Query{Sort: issue.LastSeen}, "2 1 3 4 5 7 8"},
		"reports":           {issue.Query{Sort: issue.MostReports}, "2 1 4 3 5 7 8"},
		"cohesion":          {issue.Query{Sort: issue.LeastAlike}, "2 4 1 3 5 7 8"},
		"unknown sort":      {issue.Query{Sort: "nonsense"}, "1 3 2 4 5 7 8"},
		"any case":          {issue.Query{Words: "timeout FAILS"}, "1"},
		"letters":           {issue.Query{Words: "ärger straße"}, "4"},
		"culprit":           {issue.Query{Words: "billing.ch"}, "1"},
		"all words":         {issue.Query{Words: "timeout invoices"}, ""},
		"issue":             {issue.Query{Words: "#12"}, "1"},
		"number":            {issue.Query{Words: "12"}, "1 5"},
		"cluster":           {issue.Query{Words: "000002"}, "2"},
		"cluster in short":  {issue.Query{Words: "4"}, "4"},
		"open":              {issue.Query{Group: issue.Open}, "1 3"},
		"back":              {issue.Query{Group: issue.Back}, "3"},
		"held":              {issue.Query{Group: issue.Waits}, "2"},
		"preview":           {issue.Query{Group: issue.WouldFile}, "5"},
		"muted":             {issue.Query{Group: issue.Quiet}, "4"},
		"watched":           {issue.Query{Group: issue.Watched}, "8"},
		"blocked":           {issue.Query{Group: issue.Stuck}, "7"},
		"nothing left":      {issue.Query{Group: issue.Left}, ""},
		"errors":            {issue.Query{Kind: feedback.Sentry}, "1 3 5 7 8"},
		"posts":             {issue.Query{Kind: feedback.Reddit}, "2 4"},
		"everything at all": {issue.Query{Words: "a", Group: issue.Open, Kind: feedback.Sentry, Sort: issue.Newest}, "1"},
	} {
		for limit := 1; limit <= 9; limit++ { // by pages of any length, both ways
			var byCursor, bySkip []string
			q := c.q
			q.Limit = limit
			for {
				f, err := all.Find(q)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range f.Lines {
					byCursor = append(byCursor, strings.TrimLeft(l.Cluster, "0"))
				}
				if f.Next == "" {
					break
				}
				q.After = f.Next
			}
			q.After = ""
			for {
				f, err := all.Find(q)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range f.Lines {
					bySkip = append(bySkip, strings.TrimLeft(l.Cluster, "0"))
				}
				if q.Skip += limit; q.Skip >= f.Total {
					break
				}
			}
			if got := strings.Join(byCursor, " "); got != c.want {
				t.Errorf("%s, %d a page: %s, want %s", name, limit, got, c.want)
			}
			if got := strings.Join(bySkip, " "); got != c.want {
				t.Errorf("%s, %d a page, by number: %s, want %s", name, limit, got, c.want)
			}
		}
	}
	for _, after := range []string{"nonsense", "e30", "eyJzIjoibmV3ZXN0In0"} {
		if _, err := all.Find(issue.Query{After: after, Limit: 1}); !errors.Is(err, issue.ErrCursor) {
			t.Errorf("after %q: %v", after, err)
		}
	}
	n := all.Count(now)
	if n.Problems != 7 || n.Reports != 14 || n.Groups[issue.Open] != 2 || n.Groups[issue.Back] != 1 || n.Groups[issue.Stuck] != 1 {
		t.Errorf("counts: %+v", n)
	}
}

// A list is gone through to its end while what is in it changes: what does not change
// is met once.
func TestCursorWhileLinesChange(t *testing.T) {
	t.Parallel()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	space, c := create(t, db, "p/1/x"), issue.NewCatalogues()
	set := func(i, people int) {
		apply(t, space, func(b *storage.Batch) {
			issue.SetLine(b, issue.Line{Cluster: fmt.Sprintf("%06d", i), State: issue.Held, Reports: 1, Hurt: issue.Hurt{People: people}})
		})
	}
	for i := range 100 {
		set(i, i%7)
	}
	seen := make(map[string]int)
	q := issue.Query{Limit: 9}
	for {
		f, err := lookUp(t, c, space).Find(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range f.Lines {
			seen[l.Cluster]++
		}
		if f.Next == "" {
			break
		}
		q.After = f.Next
		for range 10 { // odd ones change
			set(rand.IntN(50)*2+1, rand.IntN(9))
		}
	}
	for i := 0; i < 100; i += 2 {
		if n := seen[fmt.Sprintf("%06d", i)]; n != 1 {
			t.Errorf("cluster %d was met %d times", i, n)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	space := create(t, db, "p/1/x")
	now := time.Date(2026, 3, 20, 9, 0, 0, 0, time.UTC)
	apply(t, space, func(b *storage.Batch) {
		issue.SetLine(b, issue.Line{Cluster: "000001", State: issue.Held, Reports: 4, Made: now.AddDate(0, 0, -13), Last: now.AddDate(0, 0, -1), Trend: issue.Trend{0: 9, 1: 1, 13: 3}})
		issue.SetLine(b, issue.Line{Cluster: "000002", State: issue.Held, Reports: 2, Made: now.AddDate(0, 0, -14), Last: now.Add(-time.Minute), Trend: issue.Trend{13: 2}})
	})
	n := lookUp(t, issue.NewCatalogues(), space).Count(now)
	if want := (issue.Trend{0: 1}); n.Opened != want {
		t.Errorf("opened: %v, want %v", n.Opened, want)
	}
	if got, want := (issue.Trend{0: 9, 1: 1, 13: 3}).Until(now.AddDate(0, 0, -1), now), (issue.Trend{0: 1, 12: 3}); got != want {
		t.Errorf("seen: %v, want %v", got, want)
	}
}
