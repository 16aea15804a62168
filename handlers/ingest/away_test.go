package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// While Redis is away the door says so, and it opens again by itself. What was
// accepted before and after is there.
func TestRedisGoesAndComesBack(t *testing.T) {
	server := storagetest.Redis(t)
	h := newHouse(t, openRedis(t, server))
	send := func(id string) reply { return h.report(`{"title": "Export fails", "external_id": "` + id + `"}`) }
	if got := send("before"); got.Status != 202 {
		t.Fatalf("before: %d %s", got.Status, got.Body)
	}
	server.Kill()
	got := send("during")
	if got.Status != 503 || got.Header.Get("Retry-After") == "" || got.Problem == "" || got.Answer.RequestID == "" {
		t.Errorf("during: %d %v %s", got.Status, got.Header, got.Body)
	}
	if hook := h.sentry("acme-sentry", "issue", `{"action": "created", "data": {"issue": {"id": "1", "title": "T"}}}`); hook.Status != 503 {
		t.Errorf("a webhook during: %d %s", hook.Status, hook.Body)
	}
	server.Start()
	if got := send("after"); got.Status != 202 {
		t.Errorf("after: %d %s", got.Status, got.Body)
	}
	if got := send("before"); got.Answer.Duplicates != 1 {
		t.Errorf("what was accepted before is not known: %d %s", got.Status, got.Body)
	}
	if n := h.stored(acme); n != 2 {
		t.Errorf("%d stored, want 2", n)
	}
}

// takerFunc is a Taker.
type takerFunc func(ctx context.Context, readings []feedback.Reading) ([]intake.Answer, error)

func (f takerFunc) Take(ctx context.Context, _ *source.Source, readings []feedback.Reading) ([]intake.Answer, error) {
	return f(ctx, readings)
}

func TestStoreErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
	}{
		{"away", fmt.Errorf("apply: %w: dial tcp 10.1.2.3:6379", storage.ErrUnavailable), 503},
		{"a deadline", context.DeadlineExceeded, 503},
		{"conflicts without end", storage.ErrConflict, 503},
		{"the tenant is gone", storage.ErrNoSpace, 404},
		{"something else", errors.New("decode fb/x: 10.1.2.3"), 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, openBolt(t))
			h.serve(takerFunc(func(context.Context, []feedback.Reading) ([]intake.Answer, error) { return nil, c.err }))
			got := h.report(`{"title": "x"}`)
			if got.Status != c.status || (c.status == 503) != (got.Header.Get("Retry-After") != "") {
				t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
			}
			if strings.Contains(got.Body, "10.1.2.3") {
				t.Errorf("the answer tells of the inside: %s", got.Body)
			}
		})
	}
}

// A store that hangs gets a deadline, whatever the sender's patience; and a sender
// that hangs up does not end what is being stored.
func TestStoreHasADeadlineOfItsOwn(t *testing.T) {
	h := newHouse(t, openBolt(t))
	began, ended := make(chan time.Time, 1), make(chan error, 1)
	hungUp := make(chan struct{})
	h.serve(takerFunc(func(ctx context.Context, readings []feedback.Reading) ([]intake.Answer, error) {
		deadline, _ := ctx.Deadline()
		began <- deadline
		<-hungUp
		ended <- ctx.Err()
		return make([]intake.Answer, len(readings)), nil
	}))
	ctx, hangUp := context.WithCancel(t.Context())
	body := `{"action": "created", "data": {"issue": {"id": "1", "title": "T"}}}`
	gone := make(chan error, 1)
	go func() {
		_, err := h.try(ctx, "/ingest/sentry/acme-sentry", strings.NewReader(body), "Sentry-Hook-Resource", "issue", "Sentry-Hook-Signature", sign(secret, body))
		gone <- err
	}()
	deadline := <-began
	if left := time.Until(deadline); deadline.IsZero() || left > signedForm().store {
		t.Errorf("the store has %v left", left)
	}
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the sender hung up: %v", err)
	}
	close(hungUp)
	if err := <-ended; err != nil {
		t.Errorf("the store was told to stop: %v", err)
	}
}

// A body that trickles is cut off, and does not end the request's context while
// what arrived in time is stored.
func TestSlowBodyIsCut(t *testing.T) {
	for _, c := range []struct {
		name, sent, want string
	}{
		{"nothing comes", "", "did not arrive within 0 seconds"},
		{"half of it comes", `{"title":`, "did not arrive within 0 seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newSlow(t)
			conn, err := net.Dial("tcp", server)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n%s", c.sent)
			got, err := io.ReadAll(conn) // the server ends the connection
			if err != nil || !strings.Contains(string(got), c.want) {
				t.Errorf("%v %q", err, got)
			}
		})
	}
}

// newSlow serves body alone, with little patience.
func newSlow(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := body(w, r, form{bytes: 100, arrive: 50 * time.Millisecond})
		fmt.Fprint(w, err)
	})}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(l) })
	t.Cleanup(func() { server.Close(); wg.Wait() })
	return l.Addr().String()
}

// One source's flood leaves places for the others.
func TestPlacesAreShared(t *testing.T) {
	p := newPlaces(4)
	ctx := t.Context()
	var held []func()
	for range 2 {
		done, err := p.take(ctx, "greedy")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, done)
	}
	var refused *refusal
	if _, err := p.take(ctx, "greedy"); !errors.As(err, &refused) || refused.status != http.StatusTooManyRequests {
		t.Errorf("a third for one source: %v", err)
	}
	for _, other := range []string{"one", "two"} {
		done, err := p.take(ctx, other)
		if err != nil {
			t.Errorf("%s finds no place: %v", other, err)
			continue
		}
		held = append(held, done)
	}
	if _, err := p.take(ctx, "three"); !errors.As(err, &refused) {
		t.Errorf("a fifth: %v", err)
	}
	for _, done := range held {
		done()
	}
	for range 2 { // all of it was given back, that of the refused too
		if _, err := p.take(ctx, "greedy"); err != nil {
			t.Error(err)
		}
		if _, err := p.take(ctx, "three"); err != nil {
			t.Error(err)
		}
	}
}

func TestTooManyAtOnce(t *testing.T) {
	h := newHouse(t, openBolt(t))
	door := h.serve(takerFunc(func(context.Context, []feedback.Reading) ([]intake.Answer, error) { return nil, nil }))
	door.small = newPlaces(2)
	done, err := door.small.take(t.Context(), "acme-api")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	got := h.report(`{"title": "x"}`)
	if got.Status != 429 || got.Header.Get("Retry-After") == "" || got.Problem == "" {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
}

// 64 senders at once on one Sentry group: each event counts, nobody is refused.
func TestFloodOnOneGroup(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) storage.DB{
		"bolt":  func(t *testing.T) storage.DB { return openBolt(t) },
		"redis": func(t *testing.T) storage.DB { return openRedis(t, storagetest.Redis(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			const clients, each = 64, 5
			h := newHouse(t, open(t))
			replies := make(chan reply, clients*each)
			var wg sync.WaitGroup
			for c := range clients {
				wg.Go(func() {
					for n := range each {
						body := fmt.Sprintf(`{"action": "created", "data": {"error": {"event_id": "%032x", "issue_id": "77", "title": "E: m"}}}`, c*each+n)
						got, err := h.try(t.Context(), "/ingest/sentry/acme-sentry", strings.NewReader(body),
							"Sentry-Hook-Resource", "error", "Sentry-Hook-Signature", sign(secret, body))
						if err != nil {
							t.Error(err)
						}
						replies <- got
					}
				})
			}
			wg.Wait()
			close(replies)
			accepted := 0
			for got := range replies {
				if got.Status != 202 {
					t.Fatalf("%d %s", got.Status, got.Body)
				}
				accepted += got.Answer.Accepted
			}
			count := ""
			for _, entries := range h.everything() {
				for key, value := range entries {
					if strings.HasPrefix(key, "fb/") {
						count = value
					}
				}
			}
			if accepted != 1 || !strings.Contains(count, fmt.Sprintf(`"count":%d,`, clients*each)) {
				t.Errorf("%d accepted, stored: %.300s", accepted, count)
			}
		})
	}
}
