package ingest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// BenchmarkDoor measures signed webhooks from 64 senders at once on bolt, without
// the network, beside batches of the same size that go straight to the store:
// of-raw is the part of the store's own pace that the door keeps.
func BenchmarkDoor(b *testing.B) {
	for _, c := range []struct {
		name  string
		group func(i int64) int64
	}{
		{"a group each", func(i int64) int64 { return i }},
		{"one group", func(int64) int64 { return 7 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			db := openBolt(b)
			h := newHouse(b, db)
			space, err := db.Create(b.Context(), "raw")
			if err != nil {
				b.Fatal(err)
			}
			raw := pace(b, func(i int64) error {
				var batch storage.Batch
				key := fmt.Sprintf("fb/%016d", i)
				batch.Require(key, 0)
				batch.Set(key, make([]byte, 600))
				batch.Set(fmt.Sprintf("todo/%016d", i), nil)
				batch.Set("arrived", make([]byte, 32))
				batch.Set("work/due/assign", []byte("{}"))
				return space.Apply(b.Context(), &batch)
			})

			door := New(source.NewTable(sources()), intake.New(h.projects, issue.Standings{}, h.traffic, func(...string) {}, time.Now), h.traffic,
				func(int64, string) string { return "" }, time.Now)
			mux := handlers.NewRouter()
			door.Register(mux)
			front := handlers.Observe(zerolog.Nop(), func(string, int, time.Duration) {}, mux)
			b.ResetTimer()
			got := pace(b, func(i int64) error {
				body := fmt.Sprintf(`{"action": "created", "data": {"error": {"event_id": "%032x", "issue_id": "%d", "title": "E: m", "release": "1.0",
					"exception": {"values": [{"type": "E", "value": "m", "stacktrace": {"frames": [{"function": "f", "filename": "f.go", "lineno": 3, "in_app": true}]}}]}}}}`, i, c.group(i))
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/ingest/sentry/acme-sentry", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Sentry-Hook-Resource", "error")
				r.Header.Set("Sentry-Hook-Signature", sign(secret, body))
				out := httptest.NewRecorder()
				front.ServeHTTP(out, r)
				if out.Code != http.StatusAccepted {
					return fmt.Errorf("%d %s", out.Code, out.Body)
				}
				return nil
			})
			b.ReportMetric(got, "requests/s")
			b.ReportMetric(got/raw, "of-raw")
		})
	}
}

// pace does something b.N times, by 64 goroutines, and returns how often a second.
func pace(b *testing.B, do func(i int64) error) float64 {
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(b.N) / time.Since(began).Seconds()
}
