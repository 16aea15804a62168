package signin_test

import (
	"encoding/base64"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/signin"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

var ann = github.Person{ID: 1, Login: "ann"}

// desk is sessions with a clock.
type desk struct {
	*signin.Sessions
	app storage.Space
	now time.Time
}

func keysOf(t *testing.T, app storage.Space, master string) *secret.Keyring {
	t.Helper()
	masters, err := secret.ParseKeys("test", base64.StdEncoding.EncodeToString([]byte(master)))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.NewKeyring(t.Context(), app, masters)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "soul.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	d := &desk{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	if d.app, err = db.Create(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	d.Sessions = signin.New(d.app, keysOf(t, d.app, "0123456789abcdef0123456789abcdef"), func() time.Time { return d.now })
	return d
}

func (d *desk) begin(t *testing.T, expires time.Time) (id string, until time.Time) {
	t.Helper()
	id, until, err := d.Begin(t.Context(), ann, github.PersonToken{Value: "token-of-ann", Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return id, until
}

func TestSession(t *testing.T) {
	d := newDesk(t)
	id, until := d.begin(t, time.Time{})
	if !until.Equal(d.now.Add(signin.Life)) {
		t.Errorf("it lasts until %v", until)
	}
	s, err := d.Find(t.Context(), id)
	if err != nil || s.Who != ann || s.Token.Value != "token-of-ann" || s.Turn {
		t.Errorf("%+v %v", s, err)
	}
	entries, err := d.app.Scan(t.Context(), "session/", "", 10)
	if err != nil || len(entries) != 1 || strings.Contains(entries[0].Key, id) || strings.Contains(string(entries[0].Value), "ann") {
		t.Errorf("the store holds %v %v", entries, err)
	}
	for _, other := range []string{"", "x", id + "x", strings.ToLower(id), strings.Repeat("A", 100_000)} {
		if _, err := d.Find(t.Context(), other); !errors.Is(err, signin.ErrNone) {
			t.Errorf("%.20q: %v", other, err)
		}
	}
	// A record that is moved to another's place opens nothing.
	var b storage.Batch
	other, _ := d.begin(t, time.Time{})
	moved, err := d.app.Scan(t.Context(), "session/", "", 10)
	if err != nil || len(moved) != 2 {
		t.Fatal(err)
	}
	b.Set(moved[0].Key, moved[1].Value)
	b.Set(moved[1].Key, moved[0].Value)
	if err := d.app.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{id, other} {
		if _, err := d.Find(t.Context(), id); !errors.Is(err, signin.ErrNone) {
			t.Errorf("a record in another's place: %v", err)
		}
	}

	id, until = d.begin(t, d.now.Add(time.Hour))
	if !until.Equal(d.now.Add(time.Hour)) {
		t.Errorf("it outlives its token: %v", until)
	}
	d.now = d.now.Add(time.Hour)
	if _, err := d.Find(t.Context(), id); !errors.Is(err, signin.ErrNone) {
		t.Errorf("after its end: %v", err)
	}
}

// Many requests at once give one new id; the old one is good for a minute more.
func TestTurn(t *testing.T) {
	d := newDesk(t)
	id, until := d.begin(t, time.Time{})
	d.now = d.now.Add(time.Hour)
	if s, err := d.Find(t.Context(), id); err != nil || !s.Turn {
		t.Fatalf("after an hour: %+v %v", s, err)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var fresh []string
	for range 8 {
		all.Go(func() {
			next, err := d.Turn(t.Context(), id)
			if err != nil && !errors.Is(err, signin.ErrNone) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				fresh = append(fresh, next)
			}
		})
	}
	all.Wait()
	if s, err := d.Find(t.Context(), id); err != nil || s.Turn {
		t.Errorf("the old id at once: %+v %v", s, err)
	}
	if len(fresh) != 1 {
		t.Fatalf("%d new ids", len(fresh))
	}
	d.now = d.now.Add(2 * time.Minute)
	if _, err := d.Find(t.Context(), id); !errors.Is(err, signin.ErrNone) {
		t.Errorf("the old id after minutes: %v", err)
	}
	for _, next := range fresh {
		if s, err := d.Find(t.Context(), next); err != nil || s.Who != ann || !s.Until.Equal(until) {
			t.Errorf("the new id: %+v %v", s, err)
		}
	}
}

// A session ends with any of its ids: with the one before while it is good, and with one
// that somebody else turned.
func TestEndsWithAllIDs(t *testing.T) {
	turned := func(d *desk, id string) string {
		t.Helper()
		d.now = d.now.Add(time.Hour)
		next, err := d.Turn(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	for name, ends := range map[string]func(d *desk, ids []string) string{
		"the newest":           func(_ *desk, ids []string) string { return ids[3] },
		"the one before":       func(_ *desk, ids []string) string { return ids[2] },
		"one from long before": func(_ *desk, ids []string) string { return ids[0] },
		"one from long before, tidied": func(d *desk, ids []string) string {
			if err := d.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			return ids[0]
		},
	} {
		d := newDesk(t)
		id, _ := d.begin(t, time.Time{})
		other, _ := d.begin(t, time.Time{})
		ids := []string{id}
		for range 3 {
			ids = append(ids, turned(d, ids[len(ids)-1]))
		}
		if err := d.End(t.Context(), ends(d, ids)); err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if _, err := d.Find(t.Context(), id); !errors.Is(err, signin.ErrNone) {
				t.Errorf("%s ends it, and id %d: %v", name, i, err)
			}
		}
		if _, err := d.Find(t.Context(), other); err != nil {
			t.Errorf("%s: another session: %v", name, err)
		}
	}
}

func TestEnds(t *testing.T) {
	d := newDesk(t)
	id, _ := d.begin(t, time.Time{})
	if err := d.End(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Find(t.Context(), id); !errors.Is(err, signin.ErrNone) {
		t.Errorf("ended: %v", err)
	}
	if err := d.End(t.Context(), id); err != nil {
		t.Errorf("ended twice: %v", err)
	}
	for range 600 { // more than a page
		d.begin(t, time.Time{})
	}
	bob, _, err := d.Begin(t.Context(), github.Person{ID: 2, Login: "bob"}, github.PersonToken{Value: "token-of-bob"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.EndOf(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	if entries, err := d.app.Scan(t.Context(), "session/", "", 10); err != nil || len(entries) != 1 {
		t.Errorf("%d are left (%v), want bob's", len(entries), err)
	}
	if _, err := d.Find(t.Context(), bob); err != nil {
		t.Errorf("bob: %v", err)
	}
	d.now = d.now.Add(signin.Life)
	if err := d.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if entries, err := d.app.Scan(t.Context(), "session/", "", 10); err != nil || len(entries) != 0 {
		t.Errorf("%d are left (%v)", len(entries), err)
	}
}
