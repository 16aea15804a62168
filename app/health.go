package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
)

// pingTimeout bounds how long a probe waits for the store.
const pingTimeout = 2 * time.Second

// health adds the routes that say whether the process lives and whether it can
// do its work.
func health(mux *handlers.Router, db storage.DB, queue *work.Queue) {
	mux.Handle(http.MethodGet, "/healthz", http.HandlerFunc(alive))
	ready := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
		defer cancel()
		readiness(w, r, map[string]error{"store": db.Ping(ctx), "workers": queue.Ready()})
	})
	mux.Handle(http.MethodGet, "/readyz", ready)
	mux.Handle(http.MethodGet, "/health", ready)
}

func alive(w http.ResponseWriter, _ *http.Request) {
	handlers.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readiness answers 200 if every check passed, else 503 with the reasons. Anybody
// may ask, so what a driver says, with its addresses, goes to the log alone.
func readiness(w http.ResponseWriter, r *http.Request, checks map[string]error) {
	answer := struct {
		Status    string            `json:"status"`
		Checks    map[string]string `json:"checks"`
		Error     string            `json:"error,omitempty"`
		RequestID string            `json:"request_id,omitempty"`
	}{Status: "ok", Checks: make(map[string]string)}
	status := http.StatusOK
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		answer.Checks[name] = "ok"
		if err := checks[name]; err != nil {
			answer.Checks[name] = reason(err)
			failed = append(failed, name+": "+reason(err))
			zerolog.Ctx(r.Context()).Warn().Err(err).Str("check", name).Msg("not ready")
		}
	}
	if failed != nil {
		status, answer.Status = http.StatusServiceUnavailable, "unavailable"
		answer.Error, answer.RequestID = strings.Join(failed, "; "), handlers.RequestID(r.Context())
	}
	handlers.JSON(w, status, answer)
}

// reason is what the outside may know of an error.
func reason(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the store does not answer in time"
	case errors.Is(err, storage.ErrUnavailable):
		return "the store is not reachable"
	}
	return "not running"
}
