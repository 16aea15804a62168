// Package traffic counts what arrives: at a source, what was taken in and what was
// refused and why; in a project, what came to it. Pages draw it, and it tells a
// source that fell silent.
//
// A [Traffic] counts in memory and writes every few seconds, merging into what other
// replicas wrote. A crash loses the last seconds of it, and where the store does not
// say what became of a write that is counted again: these are figures for people,
// and nothing is decided by them.
package traffic

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in an installation's space:
//
//	traffic/<source>   Record: what arrived at a source
//
// and in a project's space:
//
//	traffic            Record: what came to the project
const (
	sourcePrefix = "traffic/"
	projectKey   = "traffic"
)

// How much is remembered.
const (
	Hours         = 48
	Days          = 35
	MaxRejections = 20
	maxReason     = 300 // bytes
	maxRequestID  = 128
)

const (
	hour = int64(time.Hour / time.Second)
	day  = 24 * hour
)

// Counts is how many elements of requests came to what.
type Counts struct {
	Accepted   int64 `json:"a,omitempty"` // they were new
	Duplicates int64 `json:"d,omitempty"` // they were known
	Rejected   int64 `json:"r,omitempty"` // they could not be read; and requests that were refused as a whole
}

// Spoke is how many were taken in.
func (c Counts) Spoke() int64 { return c.Accepted + c.Duplicates }

func (c Counts) plus(d Counts) Counts {
	return Counts{c.Accepted + d.Accepted, c.Duplicates + d.Duplicates, c.Rejected + d.Rejected}
}

// Span is what arrived in an hour or a day of UTC.
type Span struct {
	Start int64 `json:"t"` // Unix seconds
	Counts
}

// Rejection is why something was rejected, and how often for the same reason.
type Rejection struct {
	Reason    string    `json:"reason"`
	Status    int       `json:"status"` // that the request was answered with
	Count     int64     `json:"count"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	RequestID string    `json:"request_id,omitempty"` // of the last
}

// Record is what arrived at a source or in a project. Hours and days in which nothing
// did are left out.
type Record struct {
	First      time.Time   `json:"first,omitzero"`       // when something was taken in first
	Last       time.Time   `json:"last,omitzero"`        // and last
	Hours      []Span      `json:"hours,omitempty"`      // the newest Hours, oldest first
	Days       []Span      `json:"days,omitempty"`       // the newest Days, oldest first
	Rejections []Rejection `json:"rejections,omitempty"` // the newest MaxRejections, newest first
}

// OfSource returns what arrived at sources of an installation, in the order asked.
func OfSource(ctx context.Context, home storage.Space, ids ...string) ([]Record, error) {
	all := make([]Record, 0, len(ids))
	for some := range slices.Chunk(ids, storage.MaxOps) {
		keys := make([]string, len(some))
		for i, id := range some {
			keys[i] = sourcePrefix + id
		}
		entries, err := home.Get(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("read the traffic of sources: %w", err)
		}
		for _, e := range entries {
			var r Record
			if err := storage.GetJSON(e, &r); err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// OfProject returns what came to a project.
func OfProject(ctx context.Context, space storage.Space) (r Record, err error) {
	entries, err := space.Get(ctx, projectKey)
	if err != nil {
		return r, fmt.Errorf("read the traffic of a project: %w", err)
	}
	return r, storage.GetJSON(entries[0], &r)
}

// Tidy removes what is remembered of sources that are gone. It looks at the first
// thousands, which is more than an installation has.
func Tidy(ctx context.Context, home storage.Space, gone func(ctx context.Context, source string) (bool, error)) error {
	const pages, page = 20, 250
	after := ""
	for range pages {
		entries, err := home.Scan(ctx, sourcePrefix, after, page)
		if err != nil {
			return fmt.Errorf("list the traffic of sources: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			after = e.Key
			is, err := gone(ctx, e.Key[len(sourcePrefix):])
			if err != nil {
				return fmt.Errorf("see whether a source is gone: %w", err)
			}
			if is {
				b.Delete(e.Key)
			}
		}
		if len(b.Ops) > 0 {
			if err := home.Apply(ctx, &b); err != nil {
				return fmt.Errorf("forget the traffic of sources that are gone: %w", err)
			}
		}
		if len(entries) < page {
			return nil
		}
	}
	return nil
}

// LastHours is what arrived in the last n hours, the present one last.
func (r Record) LastHours(now time.Time, n int) []Counts { return series(r.Hours, now, hour, n) }

// LastDays is what arrived in the last n days, the present one last.
func (r Record) LastDays(now time.Time, n int) []Counts { return series(r.Days, now, day, n) }

func series(spans []Span, now time.Time, length int64, n int) []Counts {
	list := make([]Counts, n)
	last := start(now, length)
	for _, s := range spans {
		if at := n - 1 - int((last-s.Start)/length); s.Start <= last && at >= 0 {
			list[at] = s.Counts
		}
	}
	return list
}

// A source is missed if it spoke on so many of the days before it fell silent.
const (
	habitDays = 14
	habit     = 5
)

// Silent reports whether a source that used to speak does not any more, and after
// how long without a word that was said. It used to if it spoke on five of the
// fourteen days that end with its last word; then it is missed after a day, or after
// three times the longest pause that it made in those days.
func (r Record) Silent(now time.Time) (after time.Duration, silent bool) {
	if r.Last.IsZero() {
		return 0, false
	}
	last := start(r.Last, day)
	spoke, pause, before := 0, int64(0), int64(0)
	for _, s := range r.Days {
		if s.Start > last || s.Start <= last-habitDays*day || s.Spoke() == 0 {
			continue
		}
		if spoke++; spoke > 1 {
			pause = max(pause, (s.Start-before)/day-1) // days without a word
		}
		before = s.Start
	}
	if spoke < habit {
		return 0, false
	}
	after = max(24*time.Hour, 3*time.Duration(pause)*24*time.Hour)
	return after, now.Sub(r.Last) > after
}

func start(t time.Time, length int64) int64 {
	s := t.Unix()
	return s - s%length
}

// add counts something that happened.
func (r *Record) add(at time.Time, e Event) {
	at = at.UTC().Truncate(time.Second)
	var d Record
	for _, list := range []struct {
		have, add *[]Span
		length    int64
	}{{&r.Hours, &d.Hours, hour}, {&r.Days, &d.Days, day}} {
		s := Span{start(at, list.length), e.Counts}
		if n := len(*list.have); n > 0 && (*list.have)[n-1].Start == s.Start {
			(*list.have)[n-1].Counts = (*list.have)[n-1].plus(e.Counts)
		} else {
			*list.add = []Span{s}
		}
	}
	if e.Spoke() > 0 {
		d.First, d.Last = at, at
	}
	if e.Rejected > 0 {
		d.Rejections = []Rejection{{Reason: e.Reason, Status: e.Status, Count: e.Rejected, First: at, Last: at, RequestID: e.RequestID}}
	}
	r.merge(d)
}

// merge adds what another record counted.
func (r *Record) merge(d Record) {
	if r.First.IsZero() || !d.First.IsZero() && d.First.Before(r.First) {
		r.First = d.First
	}
	if d.Last.After(r.Last) {
		r.Last = d.Last
	}
	if len(d.Hours) > 0 {
		r.Hours = mergeSpans(r.Hours, d.Hours, Hours*hour)
	}
	if len(d.Days) > 0 {
		r.Days = mergeSpans(r.Days, d.Days, Days*day)
	}
	if len(d.Rejections) > 0 {
		r.Rejections = mergeRejections(r.Rejections, d.Rejections)
	}
}

// mergeSpans adds up two lists that are in order, and keeps what is newer than the
// newest less the time.
func mergeSpans(a, b []Span, keep int64) []Span {
	all := make([]Span, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Start < b[0].Start:
			all, a = append(all, a[0]), a[1:]
		case len(a) == 0 || b[0].Start < a[0].Start:
			all, b = append(all, b[0]), b[1:]
		default:
			all = append(all, Span{a[0].Start, a[0].plus(b[0].Counts)})
			a, b = a[1:], b[1:]
		}
	}
	if len(all) == 0 {
		return nil
	}
	oldest := all[len(all)-1].Start - keep
	return slices.DeleteFunc(all, func(s Span) bool { return s.Start <= oldest })
}

// mergeRejections adds up what was rejected for the same reason.
func mergeRejections(a, b []Rejection) []Rejection {
	type reason struct {
		text   string
		status int
	}
	by := make(map[reason]Rejection, len(a)+len(b))
	for _, list := range [][]Rejection{a, b} {
		for _, r := range list {
			at := reason{r.Reason, r.Status}
			was, ok := by[at]
			if !ok {
				by[at] = r
				continue
			}
			sum := was
			if r.Last.After(was.Last) {
				sum = r
			}
			sum.Count = was.Count + r.Count
			if sum.First = was.First; r.First.Before(was.First) {
				sum.First = r.First
			}
			by[at] = sum
		}
	}
	var all []Rejection
	for _, r := range by {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Rejection) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Status, b.Status))
	})
	return all[:min(len(all), MaxRejections)]
}
