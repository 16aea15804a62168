package handlers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/handlers"
)

// front is a mux behind Observe, with what was logged and counted.
type front struct {
	*httptest.Server
	log  bytes.Buffer
	seen []string // route and status
}

func newFront(t *testing.T, register func(mux *handlers.Router)) *front {
	f := new(front)
	mux := handlers.NewRouter()
	register(mux)
	f.Server = httptest.NewServer(handlers.Observe(zerolog.New(&f.log), func(route string, status int, _ time.Duration) {
		f.seen = append(f.seen, route+" "+http.StatusText(status))
	}, mux))
	t.Cleanup(f.Close)
	return f
}

func TestRequestID(t *testing.T) {
	f := newFront(t, func(mux *handlers.Router) {
		mux.Handle(http.MethodGet, "/id", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, handlers.RequestID(r.Context()))
		}))
	})
	for _, c := range []struct {
		name, sent string
		kept       bool
	}{
		{"none", "", false},
		{"a plain one", "Abc.123_x-9", true},
		{"the longest", strings.Repeat("a", 128), true},
		{"one longer", strings.Repeat("a", 129), false},
		{"with a space", "a b", false},
		{"with a quote", `a"b`, false},
		{"with a letter of another script", "é", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+"/id", nil)
			if c.sent != "" {
				r.Header.Set("X-Request-ID", c.sent)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			got := answer.Header.Get("X-Request-ID")
			if (got == c.sent) != c.kept || string(body) != got {
				t.Errorf("sent back %q, the handler saw %q", got, body)
			}
			if !regexp.MustCompile(`^[A-Za-z0-9._-]{16,128}$`).MatchString(got) && !c.kept {
				t.Errorf("made %q", got)
			}
		})
	}
}

// A panic's own words may quote what was sent; the runtime's do not.
func TestPanic(t *testing.T) {
	const secret = "the-secret-in-the-path"
	for _, c := range []struct {
		name  string
		panic func(r *http.Request)
		told  string // in the log
	}{
		{"a string", func(r *http.Request) { panic("cannot use " + r.PathValue("secret")) }, `"panic":"a string"`},
		{"an error", func(r *http.Request) { panic(errors.New("cannot use " + r.PathValue("secret"))) }, `"panic":"a *errors.errorString"`},
		{"of the runtime", func(r *http.Request) { _ = r.PathValue("secret")[len(r.URL.Path):] }, `"panic":"runtime error: slice bounds out of range [31:22]"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t, func(mux *handlers.Router) {
				mux.Handle(http.MethodPost, "/in/{s}/{secret}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.panic(r) }))
			})
			answer, err := http.Post(f.URL+"/in/acme/"+secret, "text/plain", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			var out struct {
				Error     string `json:"error"`
				RequestID string `json:"request_id"`
			}
			if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != http.StatusInternalServerError || out.Error == "" || out.RequestID != answer.Header.Get("X-Request-ID") {
				t.Errorf("answered %d %+v", answer.StatusCode, out)
			}
			f.Close()
			log := f.log.String()
			if strings.Contains(log, secret) {
				t.Errorf("the log holds the secret:\n%s", log)
			}
			for _, want := range []string{c.told, "handlers_test.go", `"request_id":"` + out.RequestID + `"`, `"route":"POST /in/{s}/{secret}"`, `"status":500`} {
				if !strings.Contains(log, want) {
					t.Errorf("the log lacks %s:\n%s", want, log)
				}
			}
			if len(f.seen) != 1 || f.seen[0] != "POST /in/{s}/{secret} Internal Server Error" {
				t.Errorf("counted %q", f.seen)
			}
		})
	}
}

// An answer that breaks off must not look whole.
func TestPanicAfterTheAnswerBegan(t *testing.T) {
	f := newFront(t, func(mux *handlers.Router) {
		mux.Handle(http.MethodGet, "/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
			panic("half")
		}))
	})
	answer, err := http.Get(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("the client took %q for the whole", body)
	}
	f.Close()
	if !strings.Contains(f.log.String(), `"message":"a handler panicked"`) || !strings.Contains(f.log.String(), `"message":"request"`) {
		t.Errorf("the log does not say so:\n%s", f.log.String())
	}
}

func TestHandleOneMethod(t *testing.T) {
	f := newFront(t, func(mux *handlers.Router) {
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		mux.Handle(http.MethodGet, "/page", ok)
		mux.Handle(http.MethodPost, "/in/{x}", ok)
		mux.Handle(http.MethodGet, "/both", ok)
		mux.Handle(http.MethodPost, "/both", ok)
	})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/page", 200, ""}, {"HEAD", "/page", 200, ""}, {"POST", "/page", 405, "GET, HEAD"}, {"DELETE", "/page", 405, "GET, HEAD"},
		{"POST", "/in/a", 200, ""}, {"GET", "/in/a", 405, "POST"}, {"PUT", "/in/a", 405, "POST"},
		{"GET", "/both", 200, ""}, {"POST", "/both", 200, ""}, {"PUT", "/both", 405, "GET, HEAD, POST"},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), c.method, f.URL+c.path, nil)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != c.status || answer.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, answer.StatusCode, answer.Header.Get("Allow"))
		}
		if c.status == 405 && !strings.Contains(string(body), `"request_id":"`+answer.Header.Get("X-Request-ID")+`"`) {
			t.Errorf("%s %s: %s", c.method, c.path, body)
		}
	}
}

func TestRoutes(t *testing.T) {
	r := handlers.NewRouter()
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	r.Handle(http.MethodGet, "/a/{b}", ok)
	r.All("/hook", ok)
	r.Handle(http.MethodPost, "/a/{b}", ok)
	want := []handlers.Route{{Method: "GET", Path: "/a/{b}"}, {Path: "/hook"}, {Method: "POST", Path: "/a/{b}"}}
	if got := r.Routes(); !slices.Equal(got, want) {
		t.Errorf("routes %v, want %v", got, want)
	}
}
