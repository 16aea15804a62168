package ingest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	keyring "github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/handlers"
)

// counted is what is known of the traffic of a source of acme's.
func (h *house) counted(id string) traffic.Record {
	h.t.Helper()
	if err := h.traffic.Flush(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	home, err := h.projects.Space(h.t.Context(), acme)
	if err != nil {
		h.t.Fatal(err)
	}
	all, err := traffic.OfSource(h.t.Context(), home, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return all[0]
}

// What a source's people can do something about is counted, with its reason.
func TestRejectedRequestsAreCounted(t *testing.T) {
	const hook = `{"action": "created", "data": {"issue": {"id": "1", "title": "T"}}}`
	large := `{"title": "` + strings.Repeat("x", 11<<20) + `"}`
	for _, c := range []struct {
		name   string
		source string
		send   func(h *house) reply
		status int
		counts traffic.Counts
		reason string
	}{
		{"all of it", "acme-api", func(h *house) reply {
			return h.report(`[{"title": "a", "external_id": "a"}, {"title": "a", "external_id": "a"}, {"title": "b"}]`)
		}, 202, traffic.Counts{Accepted: 2, Duplicates: 1}, ""},
		{"some of it", "acme-api", func(h *house) reply { return h.report(`[{"title": "a"}, {"title": 7}, 3]`) }, 202,
			traffic.Counts{Accepted: 1, Rejected: 2}, "title: want a string, got a number"},
		{"none of it", "acme-api", func(h *house) reply { return h.report(`[{"title": 7}, 3]`) }, 400, traffic.Counts{Rejected: 2}, "nothing of it could be read"},
		{"nothing", "acme-api", func(h *house) reply { return h.report(`hunter2`) }, 400, traffic.Counts{Rejected: 1}, "not JSON"},
		{"wrong key", "acme-api", func(h *house) reply { return h.report(`{"title": "a"}`, "X-API-Key", "hunter2") }, 401, traffic.Counts{Rejected: 1}, "the API key is missing or wrong"},
		{"wrong signature", "acme-sentry", func(h *house) reply {
			return h.send("/ingest/sentry/acme-sentry", strings.NewReader(hook), "Sentry-Hook-Resource", "issue", "Sentry-Hook-Signature", sign("hunter2", hook))
		}, 401, traffic.Counts{Rejected: 1}, "Sentry-Hook-Signature"},
		{"too large", "acme-api", func(h *house) reply { return h.report(large) }, 413, traffic.Counts{Rejected: 1}, "larger than 10 MB"},
		{"wrong type", "acme-api", func(h *house) reply { return h.report(`a=b`, "Content-Type", "text/plain") }, 415, traffic.Counts{Rejected: 1}, "content type"},
		{"wrong kind", "acme-api", func(h *house) reply { return h.sentry("acme-api", "issue", hook) }, 404, traffic.Counts{Rejected: 1}, "another kind of source"},
		{"unsigned", "acme-sentry", func(h *house) reply {
			return h.send("/ingest/sentry/acme-sentry/hunter2", strings.NewReader(hook))
		}, 404, traffic.Counts{Rejected: 1}, "unsigned plugin"},
		{"store away", "acme-api", func(h *house) reply {
			h.serve(takerFunc(func(context.Context, []feedback.Reading) ([]intake.Answer, error) { return nil, storage.ErrUnavailable }))
			return h.report(`{"title": "a"}`)
		}, 503, traffic.Counts{Rejected: 1}, "the store was not reachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, openBolt(t))
			got := c.send(h)
			r := h.counted(c.source)
			if got.Status != c.status || len(r.Days) != 1 || r.Days[0].Counts != c.counts {
				t.Fatalf("%d, counted %+v", got.Status, r)
			}
			if c.reason == "" && len(r.Rejections) == 0 {
				return
			}
			if len(r.Rejections) != 1 {
				t.Fatalf("rejections: %+v", r.Rejections)
			}
			why := r.Rejections[0]
			if !strings.Contains(why.Reason, c.reason) || strings.Contains(why.Reason, "hunter2") || why.Status != c.status || why.RequestID != got.Header.Get("X-Request-ID") || why.Count != c.counts.Rejected {
				t.Errorf("%+v", why)
			}
		})
	}
}

// Nothing is remembered of names that are no source's.
func TestStrangersAreNotCounted(t *testing.T) {
	h := newHouse(t, openBolt(t))
	for i := range 50 {
		if got := h.send(fmt.Sprint("/ingest/feedback/nobody-", i), strings.NewReader(`{}`), "X-API-Key", key); got.Status != 404 {
			t.Fatal(got.Status)
		}
	}
	if err := h.traffic.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for space, entries := range h.everything() {
		for key := range entries {
			if strings.HasPrefix(key, "traffic") {
				t.Errorf("%s in %s", key, space)
			}
		}
	}
}

// What was connected on the pages lets in who has its key, until that ends; when the
// store is away it is not said that there is no such source.
func TestConnectedSource(t *testing.T) {
	server := storagetest.Redis(t)
	h := newHouse(t, openRedis(t, server))
	app, err := h.db.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	masters, err := keyring.ParseKeys("key", base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.NewKeyring(t.Context(), app, masters)
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(*storage.Batch) {}
	store := source.NewStore(source.Config{Table: source.NewTable(sources()), Projects: h.projects, Keys: keys, Log: action.New(action.Options{}),
		Rerouted: nothing, Republished: nothing, Wake: func(...string) {}, Now: h.now})
	h.sources = store
	h.serve(intake.New(h.projects, issue.Standings{}, h.traffic, func(...string) {}, h.now))
	by := source.By{Who: "ann"}
	get := func(id string) source.Stored {
		got, err := store.Get(t.Context(), acme, id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	id, key, err := store.Create(t.Context(), acme, source.Feedback, source.Setting{Name: "x", Repository: "acme/web"}, by)
	if err != nil {
		t.Fatal(err)
	}
	send := func(key string) int {
		return h.send("/ingest/feedback/"+id, strings.NewReader(`{"title": "x"}`), "X-API-Key", key).Status
	}
	next, err := store.AddSecret(t.Context(), get(id), "", time.Hour, by)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key  string
		want int
	}{"the key": {key, 202}, "the next one": {next, 202}, "another": {"scs_abcdefghijklmnopqrstuvwxyz", 401}} {
		if got := send(c.key); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
	h.pass(time.Hour)
	if send(key) != 401 || send(next) != 202 {
		t.Errorf("after the overlap: %d, the next one %d", send(key), send(next))
	}

	hook := `{"action": "created", "data": {"issue": {"id": "1", "title": "T"}}}`
	sentry, _, err := store.Create(t.Context(), acme, source.Sentry, source.Setting{Name: "y"}, by)
	if err != nil {
		t.Fatal(err)
	}
	for range handlers.MayGuess + 5 { // Sentry speaks before anybody entered its secret
		if got := h.sentry(sentry, "issue", hook); got.Status != 401 {
			t.Fatalf("without a secret: %d", got.Status)
		}
	}
	if _, err := store.AddSecret(t.Context(), get(sentry), secret, 0, by); err != nil {
		t.Fatal(err)
	}
	if got := h.sentry(sentry, "issue", hook); got.Status != 202 || !strings.HasPrefix(*got.Answer.Items[0].State, "held") {
		t.Errorf("with its secret: %d %s", got.Status, got.Body)
	}
	if r := h.counted(sentry); len(r.Rejections) != 1 || !strings.Contains(r.Rejections[0].Reason, "no secret yet") || r.Last.IsZero() {
		t.Errorf("counted: %+v", r)
	}
	server.Kill()
	if got := send(next); got != 503 {
		t.Errorf("the store is away: %d", got)
	}
	if got := h.send("/ingest/feedback/"+strings.Replace(id, "101", "x", 1), strings.NewReader(`{}`), "X-API-Key", next); got.Status != 404 {
		t.Errorf("what could be no source: %d", got.Status)
	}
	server.Start()
	if err := store.Remove(t.Context(), get(id), by); err != nil {
		t.Fatal(err)
	}
	if got := send(next); got != 404 {
		t.Errorf("after it was removed: %d", got)
	}
	if _, err := store.Source(t.Context(), id); !errors.Is(err, source.ErrNone) {
		t.Error(err)
	}
}
