package run

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Keys in a project's space:
//
//	run/<id>                        Run: the record
//	run-of/<cluster>                string: id of the cluster's newest run
//	run-pull/<number>               string: id of the run whose pull request it is
//	run-at/<countdown>-<id>         {}: all runs, the newest first
//	run-for/<cluster>/<countdown>-<id>   {}: those of a cluster, the newest first
//	run-evidence/<id>               []brief.Evidence: frozen when it was asked for
//	run-words/<id>/<round>          Words: what the round adds to the evidence, frozen
//	run-live/<id>                   Live: the agent's last heartbeat
//	run-usage/<id>                  Usage
//	run-log/<id>/<attempt>          logged: how much of the agent's log is stored
//	run-log/<id>/<attempt>/<offset> text: a piece of the agent's log, redacted
//	run-result/<id>/<attempt>       Handover: the result, once all of it is there
//	run-result/<id>/<attempt>/<writer>-<n>   a piece of its JSON
//
// and in the app's space:
//
//	run-index/<id>                  string: the space that the run is in
//
// Due work in a project's space is "run/<id>".
const (
	runPrefix      = "run/"
	ofPrefix       = "run-of/"
	pullPrefix     = "run-pull/"
	atPrefix       = "run-at/"
	forPrefix      = "run-for/"
	evidencePrefix = "run-evidence/"
	wordsPrefix    = "run-words/"
	livePrefix     = "run-live/"
	usagePrefix    = "run-usage/"
	indexPrefix    = "run-index/"
)

// Words is what a round adds to the evidence: the words of people with write
// permission, frozen when they were said.
type Words struct {
	By     string        `json:"by"` // login, or "" if checks asked
	Words  string        `json:"words,omitempty"`
	Review *brief.Review `json:"review,omitempty"`
}

// ErrNone says that there is no such run.
var ErrNone = errors.New("run: there is no such run")

// NewID returns a new id: 16 lower-case letters and digits, 80 bits of chance.
func NewID() string { return strings.ToLower(rand.Text()[:16]) }

// Work is the key of the due work of a run.
func Work(id string) string { return runPrefix + id }

// Load returns a run with the entry that it was read from; ErrNone if there is
// none.
func Load(ctx context.Context, space storage.Space, id string) (*Run, storage.Entry, error) {
	entries, err := space.Get(ctx, runPrefix+id)
	if err != nil {
		return nil, storage.Entry{}, fmt.Errorf("read run %s: %w", id, err)
	}
	if !entries[0].Exists() {
		return nil, entries[0], fmt.Errorf("read run %s: %w", id, ErrNone)
	}
	r := new(Run)
	return r, entries[0], storage.GetJSON(entries[0], r)
}

// Save adds to the batch that the run is now r, unless someone changed it since it
// was read.
func Save(b *storage.Batch, was storage.Entry, r *Run) {
	b.RequireEntry(was)
	b.SetJSON(runPrefix+r.ID, r)
}

// Begin adds a new run to the batch with its evidence and the words of its first
// round, and makes it due. was is the entry of [Of] that showed that the cluster has
// no run alive: the batch conflicts if another one was begun since.
func Begin(b *storage.Batch, was storage.Entry, r *Run, evidence []brief.Evidence, words Words) {
	b.RequireEntry(was)
	b.Set(was.Key, []byte(r.ID))
	b.Require(runPrefix+r.ID, 0)
	b.SetJSON(runPrefix+r.ID, r)
	mark := fmt.Sprintf("%016x-%s", math.MaxInt64-r.Created.UnixNano(), r.ID)
	b.Set(atPrefix+mark, []byte("{}"))
	b.Set(forPrefix+r.Cluster+"/"+mark, []byte("{}"))
	b.SetJSON(evidencePrefix+r.ID, evidence)
	SetWords(b, r.ID, r.Round().N, words)
	work.Add(b, Work(r.ID))
}

// Of returns the newest run of a cluster, nil if there was none, with the entry
// that says which it is.
func Of(ctx context.Context, space storage.Space, cluster string) (*Run, storage.Entry, error) {
	return by(ctx, space, ofPrefix+cluster)
}

// OfPull returns the run whose pull request has the number, nil if it is none of
// ours.
func OfPull(ctx context.Context, space storage.Space, number int) (*Run, error) {
	r, _, err := by(ctx, space, fmt.Sprintf("%s%d", pullPrefix, number))
	return r, err
}

func by(ctx context.Context, space storage.Space, key string) (*Run, storage.Entry, error) {
	entries, err := space.Get(ctx, key)
	if err != nil {
		return nil, storage.Entry{}, fmt.Errorf("read %s: %w", key, err)
	}
	if !entries[0].Exists() {
		return nil, entries[0], nil
	}
	r, _, err := Load(ctx, space, string(entries[0].Value))
	if errors.Is(err, ErrNone) {
		return nil, entries[0], nil
	}
	return r, entries[0], err
}

// SetPull adds to the batch whose pull request a number is.
func SetPull(b *storage.Batch, number int, id string) {
	b.Set(fmt.Sprintf("%s%d", pullPrefix, number), []byte(id))
}

// List returns the runs of a project, newest first, at most limit, that are older
// than the one whose mark is before ("" for the newest), and the mark of the last.
func List(ctx context.Context, space storage.Space, before string, limit int) (list []*Run, mark string, err error) {
	return listed(ctx, space, atPrefix, before, limit)
}

// ListFor returns the runs of a cluster, as List does.
func ListFor(ctx context.Context, space storage.Space, cluster, before string, limit int) (list []*Run, mark string, err error) {
	return listed(ctx, space, forPrefix+cluster+"/", before, limit)
}

func listed(ctx context.Context, space storage.Space, prefix, before string, limit int) (list []*Run, mark string, err error) {
	if before != "" {
		before = prefix + before
	}
	entries, err := space.Scan(ctx, prefix, before, min(limit, storage.MaxOps))
	if err != nil {
		return nil, "", fmt.Errorf("list runs: %w", err)
	}
	if len(entries) == 0 {
		return nil, "", nil
	}
	keys := make([]string, len(entries))
	for i, e := range entries {
		mark = e.Key[len(prefix):]
		_, id, _ := strings.Cut(mark, "-")
		keys[i] = runPrefix + id
	}
	if entries, err = space.Get(ctx, keys...); err != nil {
		return nil, "", fmt.Errorf("list runs: %w", err)
	}
	for _, e := range entries {
		if !e.Exists() {
			continue
		}
		r := new(Run)
		if err := storage.GetJSON(e, r); err != nil {
			return nil, "", err
		}
		list = append(list, r)
	}
	return list, mark, nil
}

// Evidence returns what was frozen when the run was asked for.
func Evidence(ctx context.Context, space storage.Space, id string) (list []brief.Evidence, err error) {
	err = get(ctx, space, evidencePrefix+id, &list)
	return list, err
}

// SetEvidence adds to the batch what a run has as its evidence from now on.
func SetEvidence(b *storage.Batch, id string, list []brief.Evidence) {
	b.SetJSON(evidencePrefix+id, list)
}

// HashEvidence is what binds a run to the evidence that was shown: SHA-256,
// hexadecimal, of its JSON.
func HashEvidence(list []brief.Evidence) (string, error) {
	data, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("hash evidence: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// WordsOf returns what was frozen for a round.
func WordsOf(ctx context.Context, space storage.Space, id string, round int) (w Words, err error) {
	err = get(ctx, space, fmt.Sprintf("%s%s/%d", wordsPrefix, id, round), &w)
	return w, err
}

// SetWords adds to the batch what a round adds to the evidence.
func SetWords(b *storage.Batch, id string, round int, w Words) {
	b.SetJSON(fmt.Sprintf("%s%s/%d", wordsPrefix, id, round), w)
}

// LiveOf returns the agent's last heartbeat; its time is zero if there was none.
func LiveOf(ctx context.Context, space storage.Space, id string) (l Live, err error) {
	err = get(ctx, space, livePrefix+id, &l)
	return l, err
}

// SetLive adds a heartbeat to the batch.
func SetLive(b *storage.Batch, id string, l Live) { b.SetJSON(livePrefix+id, l) }

// UsageOf returns what the run's model has cost so far, with its entry.
func UsageOf(ctx context.Context, space storage.Space, id string) (u Usage, e storage.Entry, err error) {
	entries, err := space.Get(ctx, usagePrefix+id)
	if err != nil {
		return u, e, fmt.Errorf("read usage of run %s: %w", id, err)
	}
	return u, entries[0], storage.GetJSON(entries[0], &u)
}

// UsagesOf returns what the models of runs have cost so far, in the order of the ids, at
// most 500 of them.
func UsagesOf(ctx context.Context, space storage.Space, ids ...string) ([]Usage, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = usagePrefix + id
	}
	entries, err := space.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read usage of runs: %w", err)
	}
	all := make([]Usage, len(ids))
	for i, e := range entries {
		if err := storage.GetJSON(e, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// SaveUsage adds to the batch what the run's model has cost, unless that changed
// since it was read.
func SaveUsage(b *storage.Batch, was storage.Entry, u Usage) {
	b.RequireEntry(was)
	b.SetJSON(was.Key, u)
}

func get(ctx context.Context, space storage.Space, key string, v any) error {
	entries, err := space.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return storage.GetJSON(entries[0], v)
}

// Index adds to a batch of the app's space where a run is, so that its container
// can be told apart by the run's id alone.
func Index(b *storage.Batch, id, space string) { b.Set(indexPrefix+id, []byte(space)) }

// Unindex takes it out again.
func Unindex(b *storage.Batch, id string) { b.Delete(indexPrefix + id) }

// UnindexAll takes out of the app's space where all runs are that are in spaces whose
// names begin with below, and reports whether there were any.
func UnindexAll(ctx context.Context, app storage.Space, below string) (there bool, err error) {
	for after := ""; ; {
		entries, err := app.Scan(ctx, indexPrefix, after, storage.MaxOps)
		if err != nil {
			return there, fmt.Errorf("list where runs are: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			if after = e.Key; strings.HasPrefix(string(e.Value), below) {
				there = true
				b.Delete(e.Key)
			}
		}
		if len(b.Ops) > 0 {
			if err := app.Apply(ctx, &b); err != nil {
				return there, fmt.Errorf("forget where runs are: %w", err)
			}
		}
		if len(entries) < storage.MaxOps {
			return there, nil
		}
	}
}

// Where returns the name of the space that a run is in; ErrNone if it is in none.
func Where(ctx context.Context, app storage.Space, id string) (string, error) {
	if !isID(id) {
		return "", ErrNone
	}
	entries, err := app.Get(ctx, indexPrefix+id)
	if err != nil {
		return "", fmt.Errorf("look up run %s: %w", id, err)
	}
	if !entries[0].Exists() {
		return "", ErrNone
	}
	return string(entries[0].Value), nil
}

// isID reports whether s has the form of an id; it comes from outside.
func isID(s string) bool {
	return len(s) > 0 && len(s) <= 20 && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) < 0
}

// Elapsed is how long a run took so far, or in all.
func (r *Run) Elapsed(now time.Time) time.Duration {
	if !r.Ended.IsZero() {
		now = r.Ended
	}
	return now.Sub(r.Created)
}
