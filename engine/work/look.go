package work

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// A look reads due entries by the page until it has found enough.
const (
	duePage = 256
	enough  = 64
)

// longestLease bounds how long the claim of another process is respected,
// whatever it says of itself.
const longestLease = time.Hour

// found is what a look saw.
type found struct {
	ready []candidate
	whole bool      // all due entries were seen
	any   bool      // there is one
	now   bool      // one is due now, claimed or not
	at    time.Time // when the first of the others is due
	wait  time.Duration
	// claims are those that were seen, of others, by key.
	claims map[string]sighting
}

// look fills p.ready from the store, says when to look again, and corrects the
// hint. A space that is gone, or has nothing due, is forgotten.
func (d *dispatcher) look(ctx context.Context, p *place) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	// The hint is read first: whoever adds work from here on changes it again.
	read, err := d.q.readHint(ctx, p.name)
	if err != nil {
		return err
	}
	f, err := d.survey(ctx, p)
	if errors.Is(err, storage.ErrNoSpace) {
		// Dropped, perhaps made again since: then it is another generation.
		p.space = nil
		f, err = d.survey(ctx, p)
	}
	if errors.Is(err, storage.ErrNoSpace) {
		f, err = found{whole: true, wait: d.q.o.Sweep}, nil
	}
	if err != nil {
		return fmt.Errorf("look for work in %s: %w", p.name, err)
	}

	p.hint = read.Version
	p.ready = d.rotate(f.ready)
	if f.whole {
		p.lookAt, p.claims = d.q.o.Now().Add(f.wait), f.claims
	} else {
		p.lookAt = time.Time{}
		maps.Copy(p.claims, f.claims)
	}
	if !f.any && f.whole {
		d.forget(p)
	}
	return d.correctHint(ctx, read, f)
}

// survey reads the due entries of p, from where the last survey ended.
func (d *dispatcher) survey(ctx context.Context, p *place) (found, error) {
	f := found{wait: d.q.o.Sweep, claims: map[string]sighting{}}
	if p.space == nil {
		space, err := d.q.db.Open(ctx, p.name)
		if err != nil {
			return f, err
		}
		p.space = space
	}
	start, wrapped := p.after, p.after == ""
	for {
		page, err := p.space.Scan(ctx, duePrefix, p.after, duePage)
		if err != nil {
			return f, err
		}
		if err := d.judge(ctx, p, page, &f); err != nil {
			return f, err
		}
		if len(page) > 0 {
			p.after = page[len(page)-1].Key
		}
		atEnd := len(page) < duePage
		if atEnd {
			p.after = ""
		}
		switch {
		case wrapped && (atEnd || start != "" && p.after >= start):
			f.whole = true
			return f, nil
		case len(f.ready) >= enough:
			return f, nil
		}
		wrapped = wrapped || atEnd
	}
}

// judge adds what a page of due entries says to f.
func (d *dispatcher) judge(ctx context.Context, p *place, page []storage.Entry, f *found) error {
	now := d.q.o.Now()
	var keys, runKeys []string
	for _, e := range page {
		f.any = true
		key := e.Key[len(duePrefix):]
		if at := dueTime(now, decode[due](d.q, e), run{}); at.After(now) {
			f.note(now, at)
			continue
		}
		keys, runKeys = append(keys, key), append(runKeys, runPrefix+key)
	}
	if len(keys) == 0 {
		return nil
	}
	runs, err := p.space.Get(ctx, runKeys...)
	if err != nil {
		return err
	}
	for i, e := range runs {
		d.judgeKey(now, p, keys[i], e, f)
	}
	return nil
}

// judgeKey adds what is known of a key whose due time has come to f.
func (d *dispatcher) judgeKey(now time.Time, p *place, key string, e storage.Entry, f *found) {
	r := decode[run](d.q, e)
	if at := dueTime(now, due{}, r); at.After(now) && r.Claim == nil {
		f.note(now, at)
		return
	}
	f.now = true
	kind, _ := split(key)
	switch {
	case p.inFlight[key]:
	case d.q.handlers[kind] == nil:
		if !d.dull[kind] {
			d.dull[kind] = true
			log := d.q.logSpace(p.name)
			log.Warn().Str("kind", kind).Msg("work of a kind that has no handler here stays due")
		}
	case r.Claim == nil:
		f.ready = append(f.ready, candidate{key: key})
	default:
		seen, left := d.leaseLeft(now, p.claims[key], e.Version, r.Claim)
		f.claims[key] = seen
		if left > 0 {
			f.wait = min(f.wait, left)
			return
		}
		f.ready = append(f.ready, candidate{key: key, void: e.Version})
	}
}

// note accounts for an entry that is due later.
func (f *found) note(now, at time.Time) {
	if f.at.IsZero() || at.Before(f.at) {
		f.at = at
	}
	f.wait = min(f.wait, at.Sub(now))
}

// leaseLeft is how much longer a claim is to be respected: until this process
// has seen it unchanged for the length of its lease. seen is when that was seen
// before, if it was; the sighting returned is the one to remember.
func (d *dispatcher) leaseLeft(now time.Time, seen sighting, version uint64, c *claim) (sighting, time.Duration) {
	if seen.version != version {
		seen = sighting{version: version, at: now}
	}
	// A claim of this very process that no item here knows of: its end, or the
	// answer to the claim, was lost. And nobody is left who could hold a claim of
	// an earlier process if the store is ours alone.
	if c.Owner == d.q.owner || d.q.o.Exclusive {
		return seen, 0
	}
	return seen, min(c.Lease, longestLease) - now.Sub(seen.at)
}

// rotate makes the candidates start somewhere in the middle, so that several
// processes that see the same ones do not all try the first.
func (d *dispatcher) rotate(cs []candidate) []candidate {
	if len(cs) < 2 {
		return cs
	}
	n := int(d.q.o.Rand() * float64(len(cs)))
	return append(cs[n:len(cs):len(cs)], cs[:n]...)
}

// correctHint makes the hint say what a look found.
func (d *dispatcher) correctHint(ctx context.Context, read storage.Entry, f found) error {
	if !f.any && f.whole {
		if !read.Exists() {
			return nil
		}
		return d.q.writeHint(ctx, read, nil)
	}
	var at time.Time // at once, unless all that is due is due later
	if f.whole && !f.now {
		at = f.at.UTC().Round(0)
	}
	said := decode[hint](d.q, read).At
	now := d.q.o.Now()
	if read.Exists() && (said.Equal(at) || !said.After(now) && at.IsZero()) {
		return nil
	}
	return d.q.writeHint(ctx, read, &at)
}

// decode reads an entry. What cannot be read counts as the zero value: it is
// due, it is nobody's, and what is written next replaces it.
func decode[T any](q *Queue, e storage.Entry) T {
	var v T
	if err := storage.GetJSON(e, &v); err != nil {
		q.o.Log.Error().Err(err).Msg("an entry that is not ours to read is taken for empty")
		var zero T
		return zero
	}
	return v
}
