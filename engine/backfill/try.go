package backfill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/work"
)

// dueKeys are where package work keeps what is due in a space. A draft has no
// queue: what becomes due in it is done here.
const dueKeys = "work/due/"

func nobody(...string) {}

// uncounted counts nothing: what is tried did not come.
type uncounted struct{}

func (uncounted) Project(string, traffic.Counts) {}

// try takes the readings in, in the draft.
func (s *sitting) try(ctx context.Context) error {
	d := s.draft()
	if s.i.Part == 0 {
		for {
			gone, err := d.Discard(ctx) // of an earlier preview, or one that was cut short
			if err != nil {
				return err
			}
			if gone {
				break
			}
			if s.over() {
				return nil
			}
		}
		revision, err := cluster.Revision(ctx, s.space)
		if err != nil {
			return err
		}
		if err := cluster.BeginDraft(ctx, d, s.c.Embedder.Name()); err != nil {
			return err
		}
		s.i.Revision, s.i.Stale, s.i.Done = revision, false, 0
	}
	taker := intake.New(s.c.Projects, issue.Standings{}, uncounted{}, nobody, s.c.Now)
	for s.i.Part < s.i.Parts {
		all, err := readings(ctx, s.space, s.i.ID, s.i.Part)
		if err != nil {
			return err
		}
		if _, err := taker.Into(ctx, d, all); err != nil {
			return fmt.Errorf("try import %s: %w", s.i.ID, err)
		}
		s.i.Part++
		s.i.Done += distinct(all)
		s.i.Trouble = ""
		if err := s.save(ctx, nil); err != nil || s.over() {
			return err
		}
	}
	s.i.step(Grouping, s.i.Read)
	return s.save(ctx, nil)
}

// group groups what was taken in, in the draft.
func (s *sitting) group(ctx context.Context) error {
	d := s.draft()
	// It keeps no index from one step to the next: another replica may do that one.
	assigner := cluster.NewAssigner(s.c.Embedder, s.c.Same, s.c.Strictness, nobody, s.c.Now)
	for {
		again, err := assigner.Handle(ctx, work.Item{Space: d, Key: intake.AssignWork, Kind: intake.AssignWork})
		if err != nil {
			return err
		}
		waiting, err := s.waiting(ctx)
		if err != nil {
			return err
		}
		s.i.Done, s.i.Trouble = max(0, s.i.Of-waiting), ""
		if again.IsZero() || again.After(s.c.Now()) {
			break
		}
		if err := s.save(ctx, nil); err != nil || s.over() {
			return err
		}
	}
	n, err := s.dueIssues(ctx)
	if err != nil {
		return err
	}
	s.i.step(Judging, n)
	return s.save(ctx, nil)
}

// waiting is how much of what was taken in is not grouped yet.
func (s *sitting) waiting(ctx context.Context) (n int, err error) {
	return s.count(ctx, "todo/")
}

// dueIssues is how many clusters there are that something changed in.
func (s *sitting) dueIssues(ctx context.Context) (int, error) {
	return s.count(ctx, dueKeys+"issue/")
}

func (s *sitting) count(ctx context.Context, prefix string) (n int, err error) {
	for after := ""; ; {
		entries, err := s.draft().Written(ctx, prefix, after, 500)
		if err != nil {
			return 0, err
		}
		n += len(entries)
		if len(entries) < 500 {
			return n, nil
		}
		after = entries[len(entries)-1].Key
	}
}

// handlers are those of an issue keeper that writes nowhere.
type handlers map[string]work.Handler

func (h handlers) Handle(kind string, handle work.Handler) { h[kind] = handle }

// judge works out what each cluster amounts to, in the draft: whether it would get
// an issue, and what it waits for if not. Places of a day's budget are not given.
func (s *sitting) judge(ctx context.Context) (time.Time, error) {
	d := s.draft()
	keeping := handlers{}
	issue.NewKeeper(nil, s.c.People, s.c.Verdict, s.c.Projects, s.c.Sources, s.c.Actions, s.c.Mac, nobody, s.c.Now).Register(keeping)
	var later time.Time
	after := ""
	for {
		due, err := d.Written(ctx, dueKeys+"issue/", after, 50)
		if err != nil {
			return s.now, err
		}
		for _, e := range due {
			after = e.Key
			id := strings.TrimPrefix(e.Key, dueKeys+"issue/")
			again, err := s.stand(ctx, keeping["issue"], d, id)
			switch {
			case err != nil:
				return s.now, err
			case again.After(s.c.Now()) && again.Sub(s.c.Now()) < time.Minute:
				later = again // a big cluster that was summed up a moment ago
				continue
			}
			var b storage.Batch
			b.RequireEntry(e)
			b.Delete(e.Key)
			if err := d.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
				return s.now, err
			}
			s.i.Done = min(s.i.Done+1, s.i.Of)
		}
		if err := s.save(ctx, nil); err != nil || s.over() {
			return s.now, err
		}
		if len(due) < 50 {
			break
		}
	}
	if n, err := s.dueIssues(ctx); err != nil || n > 0 {
		return later, err
	}
	s.i.step(Summing, s.i.Read)
	return s.now, s.save(ctx, nil)
}

// stand has it worked out where a cluster stands. What is wrong with one cluster is
// no reason not to show the others.
func (s *sitting) stand(ctx context.Context, issue work.Handler, d storage.Space, id string) (again time.Time, err error) {
	for range 3 { // some look again at once at what they changed
		again, err = issue(ctx, work.Item{Space: d, Key: intake.IssueWork(id), Kind: "issue", Subject: id})
		switch {
		case err == nil && (again.IsZero() || again.After(s.c.Now())):
			return again, nil
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace):
			return time.Time{}, err
		default:
			zerolog.Ctx(ctx).Warn().Err(err).Str("import", s.i.ID).Str("cluster", id).Msg("a preview cannot say where a cluster would stand")
			return time.Time{}, nil
		}
	}
	return time.Time{}, nil
}

// Fate says what would become of a cluster that reports are in.
type Fate string

// The fates.
const (
	WouldFile Fate = "file"    // it would get an issue
	HasIssue  Fate = "join"    // it has one, or would join one that somebody opened
	WouldHold Fate = "hold"    // it would wait for more
	Ignore    Fate = "ignore"  // nothing in it counts
	IsMuted   Fate = "muted"   // its issue was closed as not planned
	IsBlocked Fate = "blocked" // something else is in the way
)

// Row is a cluster that reports of an import are, or would be, in.
type Row struct {
	Cluster string `json:"cluster,omitempty"` // empty: it would be opened
	Title   string `json:"title"`             // foreign, as it might be published
	Fate    Fate   `json:"fate"`
	Text    string `json:"text,omitempty"` // where it stands, as people read it, if Fate does not say it all
	Number  int    `json:"number,omitempty"`
	URL     string `json:"url,omitempty"`
	Reports int    `json:"reports"` // of the import
	All     int    `json:"all"`     // with those that were there
}

// Result is what a preview found.
type Result struct {
	Reports  int          `json:"reports"`  // told apart
	Known    int          `json:"known"`    // of them, that the project knows already
	Nowhere  int          `json:"nowhere"`  // of them, that cannot be grouped: the embedder refuses them, say
	Clusters int          `json:"clusters"` // that they are in
	New      int          `json:"new"`      // of them, that would be opened
	Fates    map[Fate]int `json:"fates"`    // of the clusters
	Rows     []Row        `json:"rows"`     // the largest, at most MaxShown
}

// MaxShown is how many clusters of a result are listed.
const MaxShown = 300

// ResultOf returns what the preview of an import found; nil before there is one.
func ResultOf(ctx context.Context, space storage.Space, id string) (*Result, error) {
	entries, err := space.Get(ctx, resultPrefix+id)
	if err != nil {
		return nil, fmt.Errorf("read the preview of import %s: %w", id, err)
	}
	if !entries[0].Exists() {
		return nil, nil
	}
	r := new(Result)
	return r, storage.GetJSON(entries[0], r)
}

// sum says what came of it all, and discards the draft.
func (s *sitting) sum(ctx context.Context) error {
	d := s.draft()
	r := Result{Fates: make(map[Fate]int)}
	of := make(map[string]int) // cluster → reports
	seen := make(map[string]bool)
	for n := range s.i.Parts {
		all, err := readings(ctx, s.space, s.i.ID, n)
		if err != nil {
			return err
		}
		var ids []string
		for _, one := range all {
			if id := one.Feedback.ID; !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		known, err := intake.Known(ctx, s.space, ids...)
		if err != nil {
			return err
		}
		r.Known += len(known)
		stored, err := intake.Known(ctx, d, ids...)
		if err != nil {
			return err
		}
		where, _, err := cluster.Memberships(ctx, d, ids...)
		if err != nil {
			return err
		}
		for i, m := range where {
			switch {
			case m != nil:
				of[m.Cluster]++
			case stored[ids[i]]:
				r.Nowhere++
			default:
				continue // it only said that something is gone
			}
			r.Reports++
		}
	}
	if err := s.rows(ctx, &r, of); err != nil {
		return err
	}
	revision, err := cluster.Revision(ctx, s.space)
	if err != nil {
		return err
	}
	stale := revision != s.i.Revision
	s.i.step(Ready, 0)
	s.i.Stale = stale
	var b storage.Batch
	b.SetJSON(resultPrefix+s.i.ID, r)
	if err := s.save(ctx, &b); err != nil {
		return err
	}
	for {
		if gone, err := d.Discard(ctx); err != nil || gone || s.over() {
			return err // what is left goes with the import
		}
	}
}

// rows lists the clusters.
func (s *sitting) rows(ctx context.Context, r *Result, of map[string]int) error {
	d := s.draft()
	for _, id := range slices.Sorted(maps.Keys(of)) {
		line, told, err := issue.LineOf(ctx, d, id)
		if err != nil {
			return err
		}
		row := Row{Cluster: id, Title: line.Title, Text: line.Text, Number: line.Number, URL: line.URL, Reports: of[id], All: max(line.Reports, of[id])}
		if !told {
			row.Text = "what it amounts to could not be worked out"
		}
		waits, err := issue.WaitsForPlace(ctx, d, id)
		if err != nil {
			return err
		}
		switch row.Fate = fate(line, waits); {
		case line.Joins != 0:
			row.Fate, row.Text, row.Number, row.URL = HasIssue, "somebody opened it", line.Joins, line.JoinsURL
		case row.Fate == WouldFile:
			row.Text = "" // that it waits for a place in the day's budget goes for all of them
		}
		r.Clusters++
		r.Fates[row.Fate]++
		if cluster.Drafted(id) {
			row.Cluster = ""
			r.New++
		}
		r.Rows = append(r.Rows, row)
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Reports, a.Reports), strings.Compare(a.Title, b.Title))
	})
	r.Rows = r.Rows[:min(len(r.Rows), MaxShown)]
	return nil
}

// fate says what becomes of a cluster by where it stands.
func fate(line issue.Line, waits bool) Fate {
	switch line.State {
	case issue.Filed, issue.Closed:
		return HasIssue
	case issue.Muted:
		return IsMuted
	case issue.Ignored:
		return Ignore
	case issue.Blocked:
		return IsBlocked
	case issue.Preview, issue.Ready:
		return WouldFile
	}
	if waits {
		return WouldFile
	}
	return WouldHold
}
