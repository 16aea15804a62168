package main

import (
	"context"
	"net/http"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
)

// pingTimeout bounds how long a probe waits for the store.
const pingTimeout = 2 * time.Second

// health adds the routes that say whether the process lives and whether it can
// do its work.
func health(mux *http.ServeMux, db storage.DB, queue *work.Queue) {
	mux.HandleFunc("GET /healthz", alive)
	ready := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
		defer cancel()
		readiness(w, map[string]error{"store": db.Ping(ctx), "workers": queue.Ready()})
	}
	mux.HandleFunc("GET /readyz", ready)
	mux.HandleFunc("GET /health", ready)
}

func alive(w http.ResponseWriter, _ *http.Request) {
	handlers.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readiness answers 200 if every check passed, else 503 with the reasons.
func readiness(w http.ResponseWriter, checks map[string]error) {
	answer := struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks"`
	}{"ok", make(map[string]string)}
	status := http.StatusOK
	for name, err := range checks {
		answer.Checks[name] = "ok"
		if err != nil {
			status, answer.Status, answer.Checks[name] = http.StatusServiceUnavailable, "unavailable", err.Error()
		}
	}
	handlers.JSON(w, status, answer)
}
