package web

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/handlers"
)

// BenchmarkPages measures how long pages take to be made in a project of 10,000 problems
// and 100,000 reports, one of which has 20,000. The goal is 50 ms for 95 of a hundred.
// Where it says so, lines change before each look, as they do while feedback arrives.
func BenchmarkPages(b *testing.B) {
	sizes := []int{20_000}
	for range 9_999 {
		sizes = append(sizes, 8)
	}
	sizes[1] += 100_000 - 20_000 - 8*9_999
	for name, open := range map[string]func(b *testing.B) storage.DB{"bolt": benchBolt, "redis": benchRedis} {
		b.Run(name, func(b *testing.B) {
			db := open(b)
			now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			projects := project.NewRegistry(db, nil, nil)
			if _, err := projects.Install(b.Context(), enginetest.Installation); err != nil {
				b.Fatal(err)
			}
			space, err := projects.Ensure(b.Context(), enginetest.Installation, project.Repo{Owner: "acme", Name: "web", ID: 7})
			if err != nil {
				b.Fatal(err)
			}
			enginetest.Crowd(b, space, now, sizes...)
			clock := func() time.Time { return now }
			keeper := issue.NewKeeper(nil, nil, nil, projects, nil, action.New(action.Options{Now: clock}), nil, func(...string) {}, clock)
			// The largest has an issue, a long one.
			body := strings.Repeat("It fails, **again**: see `the log`, or https://example.com/.\n\n", 1000)
			issues := NewIssues(func(context.Context, github.At, int) (github.Issue, error) {
				return github.Issue{Title: "It fails", Body: body, State: "open"}, nil
			}, clock)
			if err := withIssue(b.Context(), space, "000001", 7); err != nil {
				b.Fatal(err)
			}
			p, err := New(Config{Preview: true, Drafts: keeper, Issues: issues}, projects, action.New(action.Options{Now: clock}), clock)
			if err != nil {
				b.Fatal(err)
			}
			h := handlers.NewRouter()
			p.Register(h)
			home := "/projects/" + strings.TrimPrefix(space.Name(), "p/")
			for _, page := range []struct {
				name, path string
				changes    int // lines that are written before each look
			}{
				{"overview", "/", 0},
				{"problems", home, 0},
				{"problems-10th-page", home + "?page=10", 0},
				{"problems-search", home + "?q=export+part7&state=held&sort=seen", 0},
				{"problems-while-20-change", home, 20},
				{"problem-of-20000", home + "/clusters/000001", 0},
				{"api-clusters", "/api/v1" + home + "/clusters?q=login&limit=200", 0},
				{"api-reports", "/api/v1" + home + "/clusters/000001/reports?limit=200", 0},
			} {
				b.Run(page.name, func(b *testing.B) {
					get(b.Context(), h, http.MethodGet, page.path) // the first look after the start reads everything
					var took []time.Duration
					n := 0
					for b.Loop() {
						if page.changes > 0 {
							b.StopTimer()
							var batch storage.Batch
							for range page.changes {
								n = (n + 7919) % len(sizes)
								l, _, err := issue.LineOf(b.Context(), space, fmt.Sprintf("%06d", n+1))
								if err != nil {
									b.Fatal(err)
								}
								l.Events++
								issue.SetLine(&batch, l)
							}
							if err := space.Apply(b.Context(), &batch); err != nil {
								b.Fatal(err)
							}
							b.StartTimer()
						}
						began := time.Now()
						if out := get(b.Context(), h, http.MethodGet, page.path); out.Code != http.StatusOK {
							b.Fatal(out.Code, out.Body)
						}
						took = append(took, time.Since(began))
					}
					slices.Sort(took)
					ms := func(part float64) float64 {
						return float64(took[min(len(took)-1, int(part*float64(len(took))))].Microseconds()) / 1000
					}
					b.ReportMetric(ms(.5), "ms-median")
					b.ReportMetric(ms(.95), "ms-95%")
					b.ReportMetric(50, "ms-goal")
				})
			}
			b.Run("problems-after-a-start", func(b *testing.B) {
				for b.Loop() {
					p.catalogues = issue.NewCatalogues()
					get(b.Context(), h, http.MethodGet, home)
				}
			})
		})
	}
}

// withIssue has a problem stand for an issue.
func withIssue(ctx context.Context, space storage.Space, cluster string, number int) error {
	l, _, err := issue.LineOf(ctx, space, cluster)
	if err != nil {
		return err
	}
	l.State, l.Number, l.URL = issue.Filed, number, "https://github.example/acme/web/issues/7"
	var b storage.Batch
	issue.SetLine(&b, l)
	return space.Apply(ctx, &b)
}

func benchBolt(b *testing.B) storage.DB {
	db, err := bolt.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

func benchRedis(b *testing.B) storage.DB {
	// How long a write takes is not measured here.
	db, err := redis.Open(b.Context(), storagetest.Redis(b, "--appendfsync", "no").URL, redis.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}
