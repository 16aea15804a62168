package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
)

// Ready while the store answers, and ready again; and whoever asks learns no
// password and no address from a store that is away.
func TestReadyz(t *testing.T) {
	server := storagetest.Redis(t, "--requirepass", "hunter2")
	db, err := redis.Open(t.Context(), strings.Replace(server.URL, "redis://", "redis://:hunter2@", 1), redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	queue := work.New(db, db, work.Options{Poll: 50 * time.Millisecond, Log: zerolog.Nop()})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	mux := handlers.NewRouter()
	health(mux, db, queue)
	h := handlers.Observe(zerolog.Nop(), newMetrics(db, queue).count, mux)
	ask := func(path string) *httptest.ResponseRecorder {
		out := httptest.NewRecorder()
		h.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return out
	}
	until := func(status int) string {
		t.Helper()
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		enough := time.After(patience)
		for {
			out := ask("/readyz")
			if out.Code == status {
				return out.Body.String()
			}
			select {
			case <-again.C:
			case <-enough:
				t.Fatalf("readyz is still %d %s", out.Code, out.Body)
			}
		}
	}
	if body := until(503); !strings.Contains(body, `"workers":"not running"`) || !strings.Contains(body, `"store":"ok"`) {
		t.Errorf("before the workers run: %s", body)
	}
	go func() { ended <- queue.Run(ctx) }()
	until(200)

	server.Kill()
	var answer struct {
		Status    string
		Checks    map[string]string
		Error     string
		RequestID string `json:"request_id"`
	}
	body := until(503)
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Status != "unavailable" || answer.Checks["store"] != "the store is not reachable" || answer.Error == "" || answer.RequestID == "" ||
		strings.Contains(body, "hunter2") || strings.Contains(body, "127.0.0.1") {
		t.Errorf("the store is away: %s", body)
	}
	if out := ask("/healthz"); out.Code != 200 {
		t.Errorf("it does not live: %d", out.Code)
	}
	server.Start()
	until(200)
	if out := ask("/health"); out.Code != 200 {
		t.Errorf("/health: %d", out.Code)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the workers ended: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	server := storagetest.Redis(t)
	db, err := redis.Open(t.Context(), server.URL, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := newMetrics(db, work.New(db, db, work.Options{}))
	m.count("POST /ingest/sentry/{source}/{secret}", 202, time.Millisecond)
	m.count("", 404, time.Millisecond)
	scrape := func() string {
		out := httptest.NewRecorder()
		m.handler().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		return out.Body.String()
	}
	text := scrape()
	for _, want := range []string{
		`soulcaster_http_requests_total{route="POST /ingest/sentry/{source}/{secret}",status="202"} 1`,
		`soulcaster_http_requests_total{route="none",status="404"} 1`,
		"soulcaster_store_up 1", "soulcaster_workers_up 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
	server.Kill()
	if text := scrape(); !strings.Contains(text, "soulcaster_store_up 0") {
		t.Error("the store is up though it is away")
	}
}
