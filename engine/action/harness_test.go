package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/work"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEveryStore runs a test on each kind of store.
func onEveryStore(t *testing.T, test func(t *testing.T, db storage.DB)) {
	t.Run("bolt", func(t *testing.T) {
		db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeDB(t, db) })
		test(t, db)
	})
	t.Run("redis", func(t *testing.T) {
		db, err := redis.Open(t.Context(), storagetest.Redis(t).URL, redis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeDB(t, db) })
		test(t, db)
	})
}

func closeDB(t *testing.T, db storage.DB) {
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func create(t *testing.T, db storage.DB, name string) storage.Space {
	t.Helper()
	s, err := db.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clock is a clock that moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// outside is a world in which issues are made, and found by their marker.
type outside struct {
	clock *clock
	mu    sync.Mutex
	made  []issue
}

type issue struct {
	Number int       `json:"number"`
	Marker string    `json:"marker"`
	At     time.Time `json:"at"`
}

// make makes an issue now, or after a delay during which nobody sees it.
func (o *outside) make(marker string, delay time.Duration) issue {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := issue{Number: len(o.made) + 1, Marker: marker, At: o.clock.Now().Add(delay)}
	o.made = append(o.made, i)
	return i
}

// find returns the issue with the marker that was made since.
func (o *outside) find(_ context.Context, marker string, since time.Time) (any, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, i := range o.made {
		if i.Marker == marker && !i.At.After(o.clock.Now()) && !i.At.Before(since) {
			return i, true, nil
		}
	}
	return nil, false, nil
}

func (o *outside) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.made)
}

// effect makes an issue and says so.
func (o *outside) effect(marker string) action.Effect {
	return action.Effect{
		Do: func(context.Context) (any, error) { return o.make(marker, 0), nil },
		Find: func(ctx context.Context, since time.Time) (any, bool, error) {
			return o.find(ctx, marker, since)
		},
	}
}

// create7 is an action that is done once. The bytes of its request are none
// that an encoder would write.
func create7() action.Action {
	return action.Action{
		Key: "issue.create/7", Kind: "issue.create", Subject: "7", By: "clustering", Why: "2 of 2 people",
		RequestID: "r-1", Request: json.RawMessage(`{ "title":"a <b> & \u003c",  "body": "…" }`),
	}
}

// wantLater checks that err puts off until a time.
func wantLater(t *testing.T, err error, until time.Time) {
	t.Helper()
	var later *work.Later
	if !errors.As(err, &later) || !later.Until.Equal(until) {
		t.Fatalf("error %v, want a *work.Later until %v", err, until)
	}
}

// told returns what the audit says of a subject, oldest first.
func told(t *testing.T, l *action.Log, s storage.Space, subject string) string {
	t.Helper()
	list, err := l.List(t.Context(), s, subject, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, e := range list {
		text = fmt.Sprintf("%s by %s; ", e.What, e.By) + text
	}
	return text
}
