// Package signin remembers who is signed in.
//
// A session is a random id in the browser's cookie, and a record here under the id's
// hash: whoever reads the store can take over no session, and the token in the record
// is sealed. An id is changed every hour, and at every sign-in.
//
// # Keys
//
// In the app's space:
//
//	session/<hash>   record: a session under one of its ids, sealed with its key
package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const prefix = "session/"

const (
	// Life is how long a session lasts at most: as long as the token of a person, which
	// is not renewed without them.
	Life = 8 * time.Hour
	// turnAfter is how old an id gets, and grace how long it is good once another one
	// was given out: requests that are under way still bring it.
	turnAfter = time.Hour
	grace     = time.Minute
	// maxTurns is more often than a session can be turned.
	maxTurns = int(Life/turnAfter) + 2
	// maxSessions bounds how many are gone through at once.
	maxSessions = 100_000
	page        = 500
)

// ErrNone says that there is no such session, or not any more.
var ErrNone = errors.New("no such session")

// Session is one browser in which somebody is signed in.
type Session struct {
	Who   github.Person
	Token github.PersonToken
	Until time.Time // when it ends at the latest
	Turn  bool      // its id is to be changed
}

// record is a session as it is kept.
type record struct {
	Who     github.Person `json:"who"`
	Token   string        `json:"token"`
	Expires time.Time     `json:"expires,omitzero"` // of the token
	Until   time.Time     `json:"until"`
	Turned  time.Time     `json:"turned"`           // when the id was given out or, if Next is set, another one for it
	Next    string        `json:"next,omitempty"`   // key of the record under the id that came after this one
	Before  string        `json:"before,omitempty"` // and of the one before
}

// Sessions are those of the app. It is safe for concurrent use and keeps nothing in
// memory.
type Sessions struct {
	app  storage.Space
	keys *secret.Keyring
	now  func() time.Time
}

// New returns the sessions in the app's space.
func New(app storage.Space, keys *secret.Keyring, now func() time.Time) *Sessions {
	return &Sessions{app: app, keys: keys, now: now}
}

func key(id string) string {
	sum := sha256.Sum256([]byte(id))
	return prefix + hex.EncodeToString(sum[:])
}

// Begin makes a session and returns its id.
func (s *Sessions) Begin(ctx context.Context, who github.Person, t github.PersonToken) (id string, until time.Time, err error) {
	until = s.now().Add(Life).UTC()
	if !t.Expires.IsZero() && t.Expires.Before(until) {
		until = t.Expires.UTC()
	}
	id = rand.Text()
	var b storage.Batch
	if err := s.put(&b, id, record{Who: who, Token: t.Value, Expires: t.Expires, Until: until, Turned: s.now().UTC()}); err != nil {
		return "", until, err
	}
	if err := s.app.Apply(ctx, &b); err != nil {
		return "", until, fmt.Errorf("begin a session: %w", err)
	}
	return id, until, nil
}

func (s *Sessions) put(b *storage.Batch, id string, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write a session: %w", err)
	}
	k := key(id)
	sealed, err := s.keys.Seal(s.app.Name(), k, data)
	if err != nil {
		return fmt.Errorf("write a session: %w", err)
	}
	b.Set(k, sealed)
	return nil
}

func (s *Sessions) open(e storage.Entry) (r record, err error) {
	data, err := s.keys.Open(s.app.Name(), e.Key, e.Value)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}

// maxID is longer than an id is.
const maxID = 64

// Find returns the session of an id; ErrNone if there is none.
func (s *Sessions) Find(ctx context.Context, id string) (Session, error) {
	r, _, err := s.find(ctx, id)
	if err != nil {
		return Session{}, err
	}
	return Session{Who: r.Who, Token: github.PersonToken{Value: r.Token, Expires: r.Expires}, Until: r.Until, Turn: s.now().Sub(r.Turned) >= turnAfter}, nil
}

func (s *Sessions) find(ctx context.Context, id string) (record, storage.Entry, error) {
	if id == "" || len(id) > maxID {
		return record{}, storage.Entry{}, ErrNone
	}
	entries, err := s.app.Get(ctx, key(id))
	if err != nil {
		return record{}, storage.Entry{}, fmt.Errorf("look for a session: %w", err)
	}
	if !entries[0].Exists() {
		return record{}, entries[0], ErrNone
	}
	r, err := s.open(entries[0])
	if err != nil || !s.now().Before(r.Until) || r.Next != "" && s.now().Sub(r.Turned) >= grace {
		return record{}, entries[0], ErrNone // sealed with a key that is gone, or over
	}
	return r, entries[0], nil
}

// Turn gives a session another id. The old one is good for a minute more. ErrNone if
// there is no such session, or it is not time: another request was first.
func (s *Sessions) Turn(ctx context.Context, id string) (string, error) {
	r, was, err := s.find(ctx, id)
	if err != nil {
		return "", err
	}
	now, next := s.now().UTC(), rand.Text()
	if now.Sub(r.Turned) < turnAfter {
		return "", ErrNone
	}
	fresh := r
	fresh.Turned, fresh.Before = now, key(id)
	r.Turned, r.Next = now, key(next) // and is not turned again
	var b storage.Batch
	b.RequireEntry(was)
	if err := errors.Join(s.put(&b, id, r), s.put(&b, next, fresh)); err != nil {
		return "", err
	}
	err = s.app.Apply(ctx, &b)
	if errors.Is(err, storage.ErrConflict) {
		return "", ErrNone
	}
	if err != nil {
		return "", fmt.Errorf("turn a session: %w", err)
	}
	return next, nil
}

// End ends a session, whichever of its ids is brought: with one that was turned already,
// maybe by somebody who stole it, the ids that came after it end too.
func (s *Sessions) End(ctx context.Context, id string) error {
	if id == "" || len(id) > maxID {
		return nil
	}
	err := s.end(ctx, key(id))
	for range 3 {
		if !errors.Is(err, storage.ErrConflict) { // it was turned meanwhile
			break
		}
		err = s.end(ctx, key(id))
	}
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

func (s *Sessions) end(ctx context.Context, at string) error {
	var b storage.Batch
	for i := range maxTurns {
		entries, err := s.app.Get(ctx, at)
		if err != nil {
			return err
		}
		if !entries[0].Exists() {
			break
		}
		b.RequireEntry(entries[0])
		b.Delete(at)
		r, err := s.open(entries[0])
		if err != nil {
			break
		}
		if i == 0 && r.Before != "" { // what follows leads back to what was deleted
			b.Delete(r.Before)
		}
		if at = r.Next; at == "" {
			break
		}
	}
	if len(b.Ops) == 0 {
		return nil
	}
	return s.app.Apply(ctx, &b)
}

// EndOf ends all sessions of a person.
func (s *Sessions) EndOf(ctx context.Context, person int64) error {
	return s.drop(ctx, func(r record) bool { return r.Who.ID == person })
}

// Tidy removes the sessions that are over. Call it once a day.
func (s *Sessions) Tidy(ctx context.Context) error {
	return s.drop(ctx, func(r record) bool { return !s.now().Before(r.Until) })
}

// drop deletes the sessions that are to go, and what cannot be opened any more.
func (s *Sessions) drop(ctx context.Context, goes func(record) bool) error {
	after := ""
	for range maxSessions / page {
		entries, err := s.app.Scan(ctx, prefix, after, page)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			after = e.Key
			if r, err := s.open(e); err != nil || goes(r) {
				b.Delete(e.Key)
			}
		}
		if len(b.Ops) > 0 {
			if err := s.app.Apply(ctx, &b); err != nil {
				return fmt.Errorf("end sessions: %w", err)
			}
		}
		if len(entries) < page {
			break
		}
	}
	return nil
}
