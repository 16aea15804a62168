package gemini_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/gemini"
)

const apiKey = "AIza-test-key-that-must-not-show"

// embedRequest is the body of batchEmbedContents.
type embedRequest struct {
	Requests []struct {
		Model   string
		Content struct {
			Parts []struct{ Text string }
		}
		TaskType             string
		OutputDimensionality int
	}
}

// google is a Gemini on loopback. It checks what every request must have, notes
// the paths, and leaves the answer to handle.
type google struct {
	*httptest.Server
	mu    sync.Mutex
	paths []string
	waits []time.Duration
}

func newGoogle(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, body []byte, n int)) *google {
	g := &google{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.paths = append(g.paths, r.Method+" "+r.URL.RequestURI())
		n := len(g.paths)
		g.mu.Unlock()
		if got := r.Header.Get("X-Goog-Api-Key"); got != apiKey {
			t.Errorf("request %d has the key %q", n, got)
		}
		if strings.Contains(r.URL.String(), apiKey) {
			t.Errorf("request %d has the key in its URL", n)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		handle(w, r, body, n)
	}))
	t.Cleanup(g.Close)
	return g
}

// client has a clock that stands still, waits that take no time and are noted,
// and dice that always show the middle.
func (g *google) client(t *testing.T, change func(*gemini.Options)) *gemini.Client {
	t.Helper()
	o := gemini.Options{
		APIKey:  apiKey,
		BaseURL: g.URL,
		Now:     func() time.Time { return noon },
		Jitter:  func() float64 { return 0.5 },
		Wait: func(ctx context.Context, d time.Duration) error {
			g.waits = append(g.waits, d)
			return ctx.Err()
		},
	}
	if change != nil {
		change(&o)
	}
	c, err := gemini.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// vectors answers with vectors of the given sizes, [3, 4, 0, …] each.
func vectors(w http.ResponseWriter, sizes ...int) {
	type vector struct {
		Values []float64 `json:"values"`
	}
	out := struct {
		Embeddings []vector `json:"embeddings"`
	}{Embeddings: []vector{}}
	for _, n := range sizes {
		v := make([]float64, n)
		v[0], v[1] = 3, 4
		out.Embeddings = append(out.Embeddings, vector{v})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

func fail(w http.ResponseWriter, code int, message, details string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"error": {"code": %d, "message": %q, "status": "X", "details": [%s]}}`, code, message, details)
}

func docs(n int) []embed.Document {
	out := make([]embed.Document, n)
	for i := range out {
		out[i] = embed.Document{Title: fmt.Sprintf("title %d", i), Body: "body"}
	}
	return out
}

func TestEmbedSendsWhatTheModelNeeds(t *testing.T) {
	var sizes []int
	g := newGoogle(t, func(w http.ResponseWriter, r *http.Request, body []byte, n int) {
		var got embedRequest
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		sizes = append(sizes, len(got.Requests))
		for i, r := range got.Requests {
			if r.Model != "models/gemini-embedding-001" || r.TaskType != "CLUSTERING" || r.OutputDimensionality != 768 {
				t.Errorf("request %d.%d asks for %s, %s, %d dimensions", n, i, r.Model, r.TaskType, r.OutputDimensionality)
			}
			if want := fmt.Sprintf("title %d\nbody", (n-1)*100+i); len(r.Content.Parts) != 1 || r.Content.Parts[0].Text != want {
				t.Errorf("request %d.%d carries %v, want %q", n, i, r.Content.Parts, want)
			}
		}
		vectors(w, slices.Repeat([]int{768}, len(got.Requests))...)
	})
	e := g.client(t, nil).Embedder()
	if e.Name() != "gemini-embedding-001/768" || e.Dim() != 768 || e.Batch() != 100 {
		t.Errorf("the embedder is %s, %d, %d", e.Name(), e.Dim(), e.Batch())
	}
	got, err := e.Embed(t.Context(), docs(230))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sizes, []int{100, 100, 30}) {
		t.Errorf("230 documents went out as %v", sizes)
	}
	for _, path := range g.paths {
		if path != "POST /v1beta/models/gemini-embedding-001:batchEmbedContents" {
			t.Errorf("asked %s", path)
		}
	}
	if len(got) != 230 {
		t.Fatalf("%d vectors", len(got))
	}
	for i, v := range got {
		if len(v) != 768 || math.Abs(float64(v[0])-0.6) > 1e-6 || math.Abs(float64(v[1])-0.8) > 1e-6 {
			t.Fatalf("vector %d is %v…: not scaled to length 1", i, v[:3])
		}
	}
	if got, err := e.Embed(t.Context(), nil); err != nil || len(got) != 0 || len(g.paths) != 3 {
		t.Errorf("no documents: %v, %v, %d requests", got, err, len(g.paths))
	}
}

func TestEmbedCutsLongTextOnARune(t *testing.T) {
	var text string
	g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, body []byte, _ int) {
		var got embedRequest
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		text = got.Requests[0].Content.Parts[0].Text
		vectors(w, 768)
	})
	long := embed.Document{Title: strings.Repeat("é", 100_000) + "\xff"}
	if _, err := g.client(t, nil).Embedder().Embed(t.Context(), []embed.Document{long}); err != nil {
		t.Fatal(err)
	}
	if text != strings.Repeat("é", 4000) {
		t.Errorf("sent %d bytes that end in %q", len(text), text[len(text)-4:])
	}
	_, err := g.client(t, nil).Embedder().Embed(t.Context(), []embed.Document{{Title: " \n"}, long})
	var refused *embed.RefusedError
	if !errors.As(err, &refused) || !slices.Equal(refused.At, []int{0}) {
		t.Errorf("a document without text: %v", err)
	}
}

func TestRetries(t *testing.T) {
	const s = time.Second
	retryInfo := `{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "%s"}`
	for _, tt := range []struct {
		name     string
		fail     func(w http.ResponseWriter)
		times    int // how often it fails before it answers
		requests int
		waits    []time.Duration
		gone     bool      // want an UnavailableError
		until    time.Time // …that says so
	}{
		{"once", func(w http.ResponseWriter) { fail(w, 503, "busy", "") }, 1, 2, []time.Duration{3 * s / 4}, false, time.Time{}},
		{"twice", func(w http.ResponseWriter) { fail(w, 500, "oh", "") }, 2, 3, []time.Duration{3 * s / 4, 3 * s / 2}, false, time.Time{}},
		{"always", func(w http.ResponseWriter) { fail(w, 429, "slow down", "") }, 9, 3, []time.Duration{3 * s / 4, 3 * s / 2}, true, time.Time{}},
		{"not JSON", func(w http.ResponseWriter) { w.WriteHeader(502); io.WriteString(w, "<html>") }, 1, 2, []time.Duration{3 * s / 4}, false, time.Time{}},
		{"Retry-After, short", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "2"); fail(w, 429, "", "") }, 1, 2, []time.Duration{2*s + s/8}, false, time.Time{}},
		{"Retry-After, long", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "3600"); fail(w, 503, "", "") }, 1, 1, nil, true, noon.Add(time.Hour)},
		{"Retry-After, beyond reason", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "999999999999999999")
			fail(w, 503, "", "")
		}, 1, 1, nil, true, noon.Add(24 * time.Hour)},
		{"Retry-After, a date", func(w http.ResponseWriter) {
			w.Header().Set("Date", "Mon, 23 Nov 2020 10:00:00 GMT") // the server's clock, not ours
			w.Header().Set("Retry-After", "Mon, 23 Nov 2020 10:00:05 GMT")
			fail(w, 503, "", "")
		}, 1, 2, []time.Duration{5*s + s/8}, false, time.Time{}},
		{"RetryInfo, short", func(w http.ResponseWriter) { fail(w, 429, "", fmt.Sprintf(retryInfo, "4s")) }, 1, 2, []time.Duration{4*s + s/8}, false, time.Time{}},
		{"RetryInfo, long", func(w http.ResponseWriter) { fail(w, 429, "", fmt.Sprintf(retryInfo, "34.5s")) }, 1, 1, nil, true, noon.Add(34500 * time.Millisecond)},
		{"cut off", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"embeddings": [`)
		}, 1, 2, []time.Duration{3 * s / 4}, false, time.Time{}},
		{"hung up", func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, 1, 2, []time.Duration{3 * s / 4}, false, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, _ []byte, n int) {
				if n <= tt.times {
					tt.fail(w)
					return
				}
				vectors(w, 768)
			})
			_, err := g.client(t, nil).Embedder().Embed(t.Context(), docs(1))
			var gone *embed.UnavailableError
			if errors.As(err, &gone) != tt.gone || (err != nil) != tt.gone {
				t.Fatalf("got %v, want unavailable: %t", err, tt.gone)
			}
			if tt.gone && !gone.Until.Equal(tt.until) {
				t.Errorf("until %v, want %v", gone.Until, tt.until)
			}
			if len(g.paths) != tt.requests || !slices.Equal(g.waits, tt.waits) {
				t.Errorf("%d requests, waits %v; want %d, %v", len(g.paths), g.waits, tt.requests, tt.waits)
			}
		})
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	g := newGoogle(t, nil)
	g.Close()
	_, err := g.client(t, nil).Embedder().Embed(t.Context(), docs(1))
	var gone *embed.UnavailableError
	if !errors.As(err, &gone) || len(g.waits) != 2 {
		t.Errorf("got %v after %d waits, want unavailable after 2", err, len(g.waits))
	}
}

func TestEachTryHasADeadline(t *testing.T) {
	g := newGoogle(t, func(_ http.ResponseWriter, r *http.Request, _ []byte, _ int) { <-r.Context().Done() })
	c := g.client(t, func(o *gemini.Options) { o.Timeout = time.Millisecond })
	_, err := c.Embedder().Embed(t.Context(), docs(1))
	var gone *embed.UnavailableError
	if !errors.As(err, &gone) || !errors.Is(err, context.DeadlineExceeded) || len(g.waits) != 2 {
		t.Errorf("got %v after %d waits, want three tries that ran out of time", err, len(g.waits))
	}
}

func TestCallerWhoGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, _ []byte, n int) {
		if n == 3 { // the last try: an end here is not the service's fault either
			cancel()
		}
		fail(w, 503, "busy", "")
	})
	_, err := g.client(t, nil).Embedder().Embed(ctx, docs(1))
	var gone *embed.UnavailableError
	if !errors.Is(err, context.Canceled) || errors.As(err, &gone) || len(g.paths) != 3 {
		t.Errorf("got %v after %d requests, want the caller's own end after 3", err, len(g.paths))
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		code    int
		details string
		embeds  string // the setting that the error names when embedding
		asks    string // …and when asking
		tries   int    // requests for both calls
	}{
		{"retired", 404, "", "SOULCASTER_EMBED_MODEL", "SOULCASTER_SUMMARY_MODEL", 2},
		{"not for this", 400, "", "SOULCASTER_EMBED_MODEL", "SOULCASTER_SUMMARY_MODEL", 3}, // the text may have been at fault
		{"bad key", 400, `{"reason": "API_KEY_INVALID"}`, "GEMINI_API_KEY", "GEMINI_API_KEY", 2},
		{"no key", 401, "", "GEMINI_API_KEY", "GEMINI_API_KEY", 2},
		{"no permission", 403, "", "GEMINI_API_KEY", "GEMINI_API_KEY", 2},
		{"redirected", 302, "", "", "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, _ []byte, _ int) {
				w.Header().Set("Location", "/elsewhere")
				fail(w, tt.code, "no: "+apiKey+" "+strings.Repeat("long ", 1000), tt.details)
			})
			c := g.client(t, nil)
			_, embedErr := c.Embedder().Embed(t.Context(), docs(1))
			_, askErr := c.Ask(t.Context(), "s", "u", 10)
			for setting, err := range map[string]error{tt.embeds: embedErr, tt.asks: askErr} {
				var refused *gemini.SettingError
				var gone *embed.UnavailableError
				if errors.As(err, &refused) != (setting != "") || !errors.As(err, &gone) {
					t.Fatalf("got %T %v", err, err)
				}
				if setting != "" && (refused.Setting != setting || !strings.Contains(err.Error(), setting)) {
					t.Errorf("got %v, want it to name %s", err, setting)
				}
				if strings.Contains(err.Error(), apiKey) || len(err.Error()) > 500 {
					t.Errorf("the error shows the key, or all that the server said: %v", err)
				}
			}
			if len(g.paths) != tt.tries || len(g.waits) != 0 {
				t.Errorf("%d requests, %d waits for two refused calls", len(g.paths), len(g.waits))
			}
		})
	}
	if _, err := gemini.New(t.Context(), gemini.Options{}); err == nil || !strings.Contains(err.Error(), "GEMINI_API_KEY") {
		t.Errorf("without a key: %v", err)
	}
}

func TestBadVectors(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"too few":       func(w http.ResponseWriter) { vectors(w, 768) },
		"too many":      func(w http.ResponseWriter) { vectors(w, 768, 768, 768) },
		"too short":     func(w http.ResponseWriter) { vectors(w, 768, 767) },
		"too long":      func(w http.ResponseWriter) { vectors(w, 768, 3072) },
		"none":          func(w http.ResponseWriter) { io.WriteString(w, `{}`) },
		"null":          func(w http.ResponseWriter) { io.WriteString(w, `{"embeddings": [null, null]}`) },
		"zero":          func(w http.ResponseWriter) { zeros(w, "0") },
		"not a number":  func(w http.ResponseWriter) { zeros(w, `"NaN"`) },
		"beyond number": func(w http.ResponseWriter) { zeros(w, "1e39") },
		"not JSON":      func(w http.ResponseWriter) { io.WriteString(w, "<html>the secret text of a report") },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, _ []byte, _ int) { answer(w) })
			got, err := g.client(t, nil).Embedder().Embed(t.Context(), docs(2))
			var gone *embed.UnavailableError
			if !errors.As(err, &gone) || got != nil {
				t.Fatalf("got %d vectors, %v: want none, and that the documents wait", len(got), err)
			}
			if strings.Contains(err.Error(), "secret text") {
				t.Errorf("the error shows the body: %v", err)
			}
		})
	}
}

func zeros(w http.ResponseWriter, last string) {
	v := strings.Repeat("0,", 767) + last
	fmt.Fprintf(w, `{"embeddings": [{"values": [%s]}, {"values": [%s]}]}`, v, v)
}

func TestBodyIsBounded(t *testing.T) {
	g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, _ []byte, _ int) {
		io.WriteString(w, `{"embeddings": [`)
		blank := strings.Repeat(" ", 1<<20)
		for range 17 {
			io.WriteString(w, blank)
		}
		io.WriteString(w, `]}`)
	})
	_, err := g.client(t, nil).Embedder().Embed(t.Context(), docs(1))
	var gone *embed.UnavailableError
	if !errors.As(err, &gone) {
		t.Errorf("an answer without end: %v", err)
	}
}
