package action

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	auditPrefix   = "audit/"
	auditOfPrefix = "audit-of/"
)

// Entry is one thing that happened to an action.
type Entry struct {
	ID        string          `json:"-"` // where List goes on
	At        time.Time       `json:"at"`
	What      string          `json:"what"` // a State, or found, waiting, undone
	Key       string          `json:"key"`  // of the action
	Kind      string          `json:"kind"`
	Subject   string          `json:"subject"`
	By        string          `json:"by"`
	Why       string          `json:"why"`
	RequestID string          `json:"request_id,omitempty"`
	Attempt   int             `json:"attempt,omitempty"`
	Hash      string          `json:"hash,omitempty"` // SHA-256 of the request, hexadecimal
	Result    json.RawMessage `json:"result,omitempty"`
	Error     string          `json:"error,omitempty"`
}

// maxAuditResult is the largest result that an audit entry repeats.
const maxAuditResult = 1 << 10

// audit adds what happened to a batch.
func (l *Log) audit(b *storage.Batch, rec Record, what string) {
	at := l.now()
	e := Entry{
		At: at, What: what, Key: rec.Key, Kind: rec.Kind, Subject: rec.Subject,
		By: rec.By, Why: rec.Why, RequestID: rec.RequestID, Attempt: rec.Attempt, Error: rec.Error,
	}
	if len(rec.Request) > 0 {
		sum := sha256.Sum256(rec.Request)
		e.Hash = hex.EncodeToString(sum[:])
	}
	if len(rec.Result) <= maxAuditResult {
		e.Result = rec.Result
	}
	id := l.auditID(at)
	b.SetJSON(auditPrefix+id, e)
	b.Set(auditOf(rec.Subject)+id, []byte("{}"))
}

// Note adds to a batch that a person changed something in here, such as a setting: the
// audit says so, and there is no effect outside that could be done twice.
func (l *Log) Note(b *storage.Batch, a Action) error {
	if err := check(&a); err != nil {
		return err
	}
	l.audit(b, Record{Action: a}, string(Done))
	return nil
}

// auditID is a new name for an entry of time at. Names of one log are in order
// even within an instant.
func (l *Log) auditID(at time.Time) string {
	l.mu.Lock()
	l.last = max(at.UnixNano(), l.last+1)
	n := l.last
	l.mu.Unlock()
	return fmt.Sprintf("%s-%08x", countdown(n), rand.Uint32())
}

// countdown is the time in nanoseconds since 1970 as text whose order is the
// newest first.
func countdown(nanos int64) string { return fmt.Sprintf("%016x", math.MaxInt64-nanos) }

func auditOf(subject string) string { return auditOfPrefix + url.PathEscape(subject) + "/" }

// List returns what happened to a subject, or to everything in the space if
// subject is "", newest first: at most limit entries (and never more than 500),
// older than the one with the ID before ("" for the newest).
func (l *Log) List(ctx context.Context, space storage.Space, subject, before string, limit int) ([]Entry, error) {
	prefix := auditPrefix
	if subject != "" {
		prefix = auditOf(subject)
	}
	if before != "" {
		before = prefix + before
	}
	es, err := space.Scan(ctx, prefix, before, min(limit, storage.MaxOps))
	if err == nil && subject != "" && len(es) > 0 {
		keys := make([]string, len(es))
		for i, e := range es {
			keys[i] = auditPrefix + e.Key[len(prefix):]
		}
		es, err = space.Get(ctx, keys...)
	}
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", err)
	}
	var list []Entry
	for _, e := range es {
		if !e.Exists() {
			continue // trimmed meanwhile
		}
		a := Entry{ID: e.Key[len(auditPrefix):]}
		if err := storage.GetJSON(e, &a); err != nil {
			return nil, fmt.Errorf("list audit: %w", err)
		}
		list = append(list, a)
	}
	return list, nil
}

// MarkUndone notes that somebody took a done action back, and why. It stays
// done: what is done once is not done again because of it. The second time is
// nothing new. ErrInvalid if the action is not done.
func (l *Log) MarkUndone(ctx context.Context, space storage.Space, key, by, why, requestID string) (Record, error) {
	rec, entry, err := read(ctx, space, key)
	switch {
	case err != nil:
		return Record{}, err
	case rec.State != Done:
		return rec, fmt.Errorf("%w: %s is not done and cannot be taken back", ErrInvalid, key)
	case rec.Undone:
		return rec, nil
	}
	rec.Undone = true
	told := rec
	told.By, told.Why, told.RequestID = clip(by), clip(why), clip(requestID)
	var b storage.Batch
	b.RequireEntry(entry)
	b.SetJSON(entry.Key, stored{Record: rec, Request: string(rec.Request)})
	l.audit(&b, told, "undone")
	if err := space.Apply(ctx, &b); err != nil {
		return rec, busy(fmt.Errorf("mark action %s undone: %w", key, err))
	}
	return rec, nil
}

// Forget removes what an action would send, or sent, because it must not be kept
// any more: a preview goes as a whole; of an action that is done, or that failed,
// that it was so and what came of it stays. Any other action is left alone.
func (l *Log) Forget(ctx context.Context, space storage.Space, key string) error {
	rec, entry, err := read(ctx, space, key)
	if err != nil {
		return err
	}
	switch {
	case rec.State == Previewed:
		var b storage.Batch
		b.RequireEntry(entry)
		b.Delete(entry.Key)
		l.audit(&b, rec, "forgotten")
		if err := space.Apply(ctx, &b); err != nil {
			return busy(fmt.Errorf("forget action %s: %w", key, err))
		}
	case (rec.State == Done || rec.State == Failed) && len(rec.Request) > 0:
		rec.Request = nil
		if err := l.write(ctx, space, entry, rec, "forgotten"); err != nil {
			return busy(err)
		}
	}
	return nil
}

// trimPage is how many entries one batch of Trim removes.
const trimPage = storage.MaxOps / 2

// Trim removes audit entries that are older than age, and all but the newest
// keep, and returns how many. What is zero does not limit. Records of actions
// stay: they are what keeps an effect from being done twice.
func (l *Log) Trim(ctx context.Context, space storage.Space, age time.Duration, keep int) (int, error) {
	after, removed, seen := "", 0, 0
	oldest := "" // the first key that is too old
	if age > 0 {
		oldest = auditPrefix + countdown(l.now().Add(-age).UnixNano()-1)
	}
	for {
		es, err := space.Scan(ctx, auditPrefix, after, trimPage)
		if err != nil {
			return removed, fmt.Errorf("trim audit: %w", err)
		}
		var b storage.Batch
		for _, e := range es {
			seen++
			if (oldest == "" || e.Key < oldest) && (keep <= 0 || seen <= keep) {
				continue
			}
			var a Entry
			if err := storage.GetJSON(e, &a); err != nil {
				return removed, fmt.Errorf("trim audit: %w", err)
			}
			b.Delete(e.Key)
			b.Delete(auditOf(a.Subject) + e.Key[len(auditPrefix):])
		}
		if len(b.Ops) > 0 {
			if err := space.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
				return removed, fmt.Errorf("trim audit: %w", err)
			}
			removed += len(b.Ops) / 2
		}
		if len(es) < trimPage {
			return removed, nil
		}
		after = es[len(es)-1].Key
	}
}
