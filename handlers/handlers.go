// Package handlers holds what every way in over HTTP shares: the request's id,
// its log line, and how an error is answered. The ways in are its subfolders.
package handlers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/rs/zerolog"
)

type requestIDKey struct{}

// requestIDForm is what a caller's own X-Request-ID must look like to be kept.
var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// RequestID returns the id of the request that the context belongs to, "" if it
// belongs to none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Observe gives every request an id and a logger that carries it, answers 500
// to a panic, and writes one line when the request is done, and tells seen. The
// path is told as the route's pattern ("" if there is none), never as it was
// asked, because a path may hold a secret.
func Observe(log zerolog.Logger, seen func(route string, status int, took time.Duration), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-ID")
		if !requestIDForm.MatchString(id) {
			id = rand.Text()
		}
		logger := log.With().Str("request_id", id).Logger()
		ctx := context.WithValue(logger.WithContext(r.Context()), requestIDKey{}, id)
		r = r.WithContext(ctx)
		w.Header().Set("X-Request-ID", id)

		began := time.Now()
		out := &recorder{ResponseWriter: w}
		broken := serve(out, r, logger, next)
		if out.status == 0 {
			out.status = http.StatusOK // what net/http sends for a handler that wrote nothing
		}
		level := zerolog.InfoLevel
		switch {
		case out.status >= 500:
			level = zerolog.ErrorLevel
		case r.Pattern == "GET /healthz" || r.Pattern == "GET /readyz" || r.Pattern == "GET /health":
			level = zerolog.DebugLevel
		}
		took := time.Since(began)
		seen(r.Pattern, out.status, took)
		logger.WithLevel(level).
			Str("method", r.Method).Str("route", r.Pattern).Int("status", out.status).
			Dur("took_ms", took).Msg("request")
		if broken {
			panic(http.ErrAbortHandler) // the client must not take a part for the whole
		}
	})
}

// serve calls next. It reports whether an answer was begun that cannot be ended.
func serve(out *recorder, r *http.Request, log zerolog.Logger, next http.Handler) (broken bool) {
	defer func() {
		p := recover()
		switch {
		case p == nil:
			return
		case p != http.ErrAbortHandler:
			log.Error().Str("panic", told(p)).Bytes("stack", debug.Stack()).Msg("a handler panicked")
			if out.status == 0 {
				Error(out, r, http.StatusInternalServerError, "something went wrong here; the log has it under this request id")
				return
			}
		}
		broken = true
	}()
	next.ServeHTTP(out, r)
	return false
}

// told is what may be told of a panic. The runtime's own words hold no values;
// anything else may quote what somebody sent, so that its type and the stack
// must do.
func told(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", p)
}

// recorder remembers the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // lower ones announce another
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Exact answers 404 to paths that are not written as they are meant ("//", "..").
// The mux would send the caller on to the clean one, with all that the path
// holds, which may be a secret, in a header that others log.
func Exact(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
			Error(w, r, http.StatusNotFound, "there is nothing at this address")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Error answers with a status and `{"error": …, "request_id": …}`. The message
// goes to whoever asked: it says what happened and what to do, and nothing of
// other tenants.
func Error(w http.ResponseWriter, r *http.Request, status int, message string) {
	JSON(w, status, map[string]string{"error": message, "request_id": RequestID(r.Context())})
}

// Unavailable answers 503: the store is away, nothing of the request was kept,
// and it may be sent again.
func Unavailable(w http.ResponseWriter, r *http.Request) {
	RetryAfter(w, 5*time.Second)
	Error(w, r, http.StatusServiceUnavailable, "the store is not reachable: nothing of this request is known to be kept; send it again")
}

// RetryAfter sets the header of that name, in whole seconds.
func RetryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(d.Round(time.Second)/time.Second))))
}

// JSON answers with a status and the JSON form of v.
func JSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer could not be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}
