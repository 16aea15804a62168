package traffic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

var monday = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// office is a store with an installation and a project in it.
type office struct {
	t    *testing.T
	db   storage.DB
	mu   sync.Mutex
	time time.Time
	fail func(point string) error
}

func (o *office) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.time
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.time = o.time.Add(d)
}

func onBoth(t *testing.T, test func(t *testing.T, o *office)) {
	for name, open := range map[string]func(t *testing.T) (storage.DB, error){
		"bolt": func(t *testing.T) (storage.DB, error) {
			return bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
		},
		"redis": func(t *testing.T) (storage.DB, error) {
			return redis.Open(t.Context(), storagetest.Redis(t).URL, redis.Options{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			o := &office{t: t, time: monday}
			o.db = storage.Watched(db, func(_ context.Context, point string) error {
				if o.fail == nil {
					return nil
				}
				return o.fail(point)
			})
			for _, name := range []string{"i/101", "p/101/web"} {
				if _, err := o.db.Create(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			test(t, o)
		})
	}
}

func (o *office) of(source string) Record {
	o.t.Helper()
	home, err := o.db.Open(o.t.Context(), "i/101")
	if err != nil {
		o.t.Fatal(err)
	}
	all, err := OfSource(o.t.Context(), home, "none", source)
	if err != nil || len(all) != 2 || !reflect.DeepEqual(all[0], Record{}) {
		o.t.Fatalf("%+v %v", all, err)
	}
	return all[1]
}

func accepted(n int64) Event { return Event{Counts: Counts{Accepted: n}} }

func rejected(reason string, status int) Event {
	return Event{Counts: Counts{Rejected: 1}, Reason: reason, Status: status, RequestID: "r-" + reason}
}

// Two replicas count, at once, and nothing of it is lost or counted twice.
func TestReplicasAddUp(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		replicas := []*Traffic{New(o.db, o.now), New(o.db, o.now)}
		const each = 50
		var wg sync.WaitGroup
		for i, r := range replicas {
			wg.Go(func() {
				for n := range each {
					r.Source(101, "s", Event{Counts: Counts{Accepted: 1, Duplicates: 2}})
					r.Source(101, "s", rejected("wrong key", 401))
					r.Project("p/101/web", Counts{Accepted: 1})
					if n%10 == i {
						if err := r.Flush(t.Context()); err != nil {
							t.Error(err)
						}
					}
				}
				if err := r.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := o.of("s")
		want := Counts{Accepted: 2 * each, Duplicates: 4 * each, Rejected: 2 * each}
		if len(got.Hours) != 1 || got.Hours[0].Counts != want || len(got.Days) != 1 || got.Days[0].Counts != want || !got.First.Equal(monday) || !got.Last.Equal(monday) {
			t.Errorf("%+v", got)
		}
		if len(got.Rejections) != 1 || got.Rejections[0].Count != 2*each || got.Rejections[0].Status != 401 || got.Rejections[0].RequestID != "r-wrong key" {
			t.Errorf("rejections %+v", got.Rejections)
		}
		space, err := o.db.Open(t.Context(), "p/101/web")
		if err != nil {
			t.Fatal(err)
		}
		if p, err := OfProject(t.Context(), space); err != nil || p.LastDays(monday, 14)[13].Accepted != 2*each {
			t.Errorf("the project: %+v %v", p, err)
		}
	})
}

// What cannot be written is kept until it can, when it happened; a tenant that is
// gone is forgotten.
func TestStoreIsAway(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		traffic := New(o.db, o.now)
		o.fail = func(point string) error { return storage.ErrUnavailable }
		traffic.Source(101, "s", accepted(1))
		if err := traffic.Flush(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		o.pass(2 * time.Hour)
		traffic.Source(101, "s", accepted(1))
		traffic.Source(404, "nobody", accepted(1))
		traffic.Flush(t.Context())
		o.fail = nil
		if err := traffic.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := o.of("s").LastHours(o.now(), 3)
		if !reflect.DeepEqual(got, []Counts{{Accepted: 1}, {}, {Accepted: 1}}) {
			t.Errorf("%+v", got)
		}
		o.fail = func(string) error { t.Error("something is still written"); return nil }
		if err := traffic.Flush(t.Context()); err != nil || len(traffic.pending) != 0 {
			t.Errorf("%v, left %v", err, traffic.pending)
		}
	})
}

// Run writes by itself, and a last time at its end.
func TestRunEndsWithAFlush(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		traffic := New(o.db, o.now)
		ctx, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); traffic.Run(ctx) }()
		traffic.Source(101, "s", accepted(3))
		end()
		<-done
		if got := o.of("s"); len(got.Hours) != 1 || got.Hours[0].Accepted != 3 {
			t.Errorf("%+v", got)
		}
	})
}

// However much comes, of however many, what is kept has a bound.
func TestBounds(t *testing.T) {
	o := &office{t: t, time: monday}
	traffic := New(nil, o.now)
	for i := range maxSubjects + 100 {
		traffic.Source(101, fmt.Sprint(i), accepted(1))
	}
	if len(traffic.pending) != maxSubjects || traffic.lost != 100 {
		t.Errorf("%d subjects, %d lost", len(traffic.pending), traffic.lost)
	}
	var r Record
	for i := range 60 * 24 {
		at := monday.Add(time.Duration(i) * time.Hour)
		r.add(at, accepted(1))
		long := New(nil, func() time.Time { return at })
		long.Source(1, "x", rejected(fmt.Sprint(i, strings.Repeat("é", 1000)), 400))
		for _, d := range long.pending {
			r.merge(*d)
		}
	}
	if len(r.Hours) != Hours || len(r.Days) != Days || len(r.Rejections) != MaxRejections {
		t.Errorf("%d hours, %d days, %d rejections", len(r.Hours), len(r.Days), len(r.Rejections))
	}
	if !strings.HasPrefix(r.Rejections[0].Reason, "1439") {
		t.Errorf("the newest is %s", r.Rejections[0].Reason)
	}
	if data, err := json.Marshal(r); err != nil || len(data) > storage.MaxBytes/perBatch {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// In whatever order records are merged, they say the same.
func TestMergeOrder(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var parts []Record
		for range 6 {
			var r Record
			for range random.IntN(5) {
				e := Event{Counts: Counts{Accepted: random.Int64N(2), Duplicates: random.Int64N(2)}}
				if random.IntN(2) == 0 {
					e.Rejected, e.Reason = 1, fmt.Sprint(random.IntN(3))
				}
				r.add(monday.Add(time.Duration(random.IntN(200))*20*time.Minute), e)
			}
			parts = append(parts, r)
		}
		sum := func() string {
			var all Record
			for _, p := range parts {
				all.merge(p)
			}
			data, _ := json.Marshal(all)
			return string(data)
		}
		want := sum()
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		if got := sum(); got != want {
			t.Fatalf("seed %d:\n%s\n%s", seed, got, want)
		}
	}
}

func TestSilent(t *testing.T) {
	// spoke is the days before Monday on which it spoke.
	for _, c := range []struct {
		name   string
		spoke  []int
		after  time.Duration // 0: it is never missed
		others int           // days on which it was only refused
	}{
		{"never", nil, 0, 0},
		{"every day", []int{4, 3, 2, 1, 0}, 24 * time.Hour, 0},
		{"too rarely", []int{9, 6, 3, 0}, 0, 0},
		{"not at the weekend", []int{7, 6, 5, 4, 3, 0}, 6 * 24 * time.Hour, 0},
		{"often, long ago", []int{30, 29, 28, 27, 26, 25, 0}, 0, 0},
		{"on the edge of the days", []int{14, 13, 2, 1, 0}, 0, 0},
		{"just within them", []int{13, 12, 2, 1, 0}, 27 * 24 * time.Hour, 0},
		{"refused meanwhile", []int{6, 4, 3, 1, 0}, 3 * 24 * time.Hour, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Record
			for _, n := range c.spoke {
				r.add(monday.AddDate(0, 0, -n), accepted(1))
				r.add(monday.AddDate(0, 0, -n).Add(time.Hour), Event{Counts: Counts{Duplicates: 1}})
			}
			for n := range c.others {
				r.add(monday.AddDate(0, 0, n+1), rejected("wrong key", 401))
			}
			last := monday.Add(time.Hour)
			if c.after == 0 {
				if after, silent := r.Silent(last.AddDate(0, 0, 60)); silent {
					t.Errorf("missed after %v", after)
				}
				return
			}
			if _, silent := r.Silent(last.Add(c.after)); silent {
				t.Error("missed too early")
			}
			if after, silent := r.Silent(last.Add(c.after + time.Second)); !silent || after != c.after {
				t.Errorf("not missed, or after %v", after)
			}
			r.add(last.Add(c.after+2*time.Second), accepted(1)) // it speaks again
			if _, silent := r.Silent(last.Add(c.after + 3*time.Second)); silent {
				t.Error("missed although it spoke")
			}
		})
	}
}

func TestTidy(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		traffic := New(o.db, o.now)
		for _, id := range []string{"stays", "gone"} {
			traffic.Source(101, id, accepted(1))
		}
		if err := traffic.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		home, err := o.db.Open(t.Context(), "i/101")
		if err != nil {
			t.Fatal(err)
		}
		if err := Tidy(t.Context(), home, func(context.Context, string) (bool, error) { return true, storage.ErrUnavailable }); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("nobody knows: %v", err)
		}
		if err := Tidy(t.Context(), home, func(_ context.Context, id string) (bool, error) { return id == "gone", nil }); err != nil {
			t.Fatal(err)
		}
		if len(o.of("stays").Hours) != 1 || len(o.of("gone").Hours) != 0 {
			t.Errorf("stays %+v, gone %+v", o.of("stays"), o.of("gone"))
		}
	})
}

// BenchmarkSource is what counting costs at the door.
func BenchmarkSource(b *testing.B) {
	traffic := New(nil, time.Now)
	for b.Loop() {
		traffic.Source(101, "acme-sentry", accepted(1))
	}
}
