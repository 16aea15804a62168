package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const usedKey = "quota"

// Limits bound what one installation may use. What is zero bounds nothing.
type Limits struct {
	Reports  int   // a day (UTC)
	Clusters int   // in all projects
	Bytes    int64 // stored
	Micros   int64 // a month (UTC), in millionths of a US dollar
}

// Config is what a meter needs.
type Config struct {
	Projects *project.Registry
	Limits   func(installation int64) Limits
	// Runs says how many runs of the agent were used, and of how many; nil: there are none.
	Runs func(ctx context.Context, installation int64) ([]Use, error)
	Wake func(spaces ...string)
	Log  zerolog.Logger
	Now  func() time.Time
}

// Meter counts what installations use. It is safe for concurrent use.
type Meter struct {
	Config

	mu sync.Mutex
	of map[int64]*account

	writing sync.Mutex // one write at a time: two would write the same counts
}

// New returns a meter. It counts at once, and writes what it counted while [Meter.Run]
// runs.
func New(c Config) *Meter { return &Meter{Config: c, of: make(map[int64]*account)} }

const (
	every      = 2 * time.Second  // counts are written
	rereadIdle = 5 * time.Second  // and counts of others read, while somebody asks
	forget     = 10 * time.Minute // what nobody asks about
	recount    = 10 * time.Second // clusters, where there is much room
	muchRoom   = 1000             // clusters
	tries      = 5
	storeTime  = 5 * time.Second
)

// used is what an installation used, as it is stored.
type used struct {
	Day     string    `json:"day,omitempty"` // 2006-01-02 (UTC), of Reports
	Reports int64     `json:"reports,omitempty"`
	Month   string    `json:"month,omitempty"` // 2006-01 (UTC), of Micros
	Micros  int64     `json:"micros,omitempty"`
	Stored  int64     `json:"stored,omitempty"` // bytes that the last walk found
	Since   int64     `json:"since,omitempty"`  // about how many came since
	Walked  time.Time `json:"walked,omitzero"`
	Mark    string    `json:"mark,omitempty"` // of who wrote it last: tells whether a write happened whose answer was lost
}

// counts is what was counted and not written yet.
type counts struct {
	day     string
	reports int64
	month   string
	micros  int64
	bytes   int64
}

func (c counts) none() bool { return c.reports == 0 && c.micros == 0 && c.bytes == 0 }

// at brings the periods of c up to now; what was counted in one that is over, and not
// written, is not counted.
func (c *counts) at(now time.Time) {
	if day := now.UTC().Format(time.DateOnly); c.day != day {
		c.day, c.reports = day, 0
	}
	if month := now.UTC().Format("2006-01"); c.month != month {
		c.month, c.micros = month, 0
	}
}

// less takes out what was written.
func (c *counts) less(w counts) {
	if c.day == w.day {
		c.reports -= w.reports
	}
	if c.month == w.month {
		c.micros -= w.micros
	}
	c.bytes -= w.bytes
}

// plus adds counts. A period that is older than the stored one is over.
func (u used) plus(c counts) used {
	switch {
	case c.day > u.Day:
		u.Day, u.Reports = c.day, c.reports
	case c.day == u.Day:
		u.Reports += c.reports
	}
	switch {
	case c.month > u.Month:
		u.Month, u.Micros = c.month, c.micros
	case c.month == u.Month:
		u.Micros += c.micros
	}
	u.Since += c.bytes
	return u
}

// account is what is known of an installation here.
type account struct {
	used      used // as it was last read or written
	more      counts
	lost      *written // a write whose answer was lost
	read      time.Time
	asked     time.Time // when somebody last asked or counted
	suspended bool
	coming    coming

	clusters int
	counted  time.Time      // when they were
	told     map[string]int // of which limits the log was told, and how far they were used
}

// written is a write of which nobody knows whether it happened.
type written struct {
	counts
	mark    string
	version uint64 // of the entry that it required
}

// account returns what is known of an installation, from the store if nothing is;
// storage.ErrNoSpace if it is not there. It belongs to who holds m.mu.
func (m *Meter) account(ctx context.Context, installation int64) error {
	m.mu.Lock()
	a := m.of[installation]
	if a != nil {
		a.asked = m.Now()
		m.mu.Unlock()
		return nil
	}
	m.mu.Unlock()
	fresh := &account{told: make(map[string]int)}
	if _, err := m.load(ctx, installation, fresh); err != nil {
		return err
	}
	n, err := m.count(ctx, installation)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of[installation] == nil {
		fresh.asked, fresh.clusters, fresh.counted = m.Now(), n, m.Now()
		m.of[installation] = fresh
	}
	return nil
}

// load reads what is stored of an installation into a.
func (m *Meter) load(ctx context.Context, installation int64, a *account) (storage.Entry, error) {
	home, err := m.Projects.Space(ctx, installation)
	if err != nil {
		return storage.Entry{}, err
	}
	entries, err := home.Get(ctx, usedKey)
	if err != nil {
		return storage.Entry{}, fmt.Errorf("read what installation %d uses: %w", installation, err)
	}
	in, _, err := project.LoadInstallation(ctx, home)
	if err != nil {
		return storage.Entry{}, err
	}
	a.used, a.suspended, a.read = used{}, in.Suspended, m.Now()
	return entries[0], storage.GetJSON(entries[0], &a.used)
}

// count counts the clusters of an installation, exactly.
func (m *Meter) count(ctx context.Context, installation int64) (n int, err error) {
	names, err := m.Projects.Projects(ctx, installation)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		space, err := m.Projects.Open(ctx, name)
		if err == nil {
			var some int
			some, err = cluster.Count(ctx, space)
			n += some
		}
		if err != nil && !errors.Is(err, storage.ErrNoSpace) {
			return 0, err
		}
	}
	return n, nil
}

// add counts something of an installation that is known here.
func (m *Meter) add(installation int64, fill func(c *counts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.of[installation]; a != nil {
		a.more.at(m.Now())
		fill(&a.more)
		a.asked = m.Now()
	}
}

// Run writes what is counted until ctx is done, and then once more.
func (m *Meter) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			m.turn(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	m.Write(last)
}

// turn writes what was counted, reads what others did, and forgets what nobody asks
// about.
func (m *Meter) turn(ctx context.Context) {
	now := m.Now()
	var due, clusters []int64
	m.mu.Lock()
	for id, a := range m.of {
		idle := now.Sub(a.asked)
		switch {
		case !a.more.none() || a.lost != nil, now.Sub(a.read) >= rereadIdle && idle < time.Minute:
			due = append(due, id)
		case idle >= forget:
			delete(m.of, id)
			continue
		}
		if now.Sub(a.counted) >= time.Minute && idle < time.Minute {
			clusters = append(clusters, id)
		}
	}
	m.mu.Unlock()
	m.each(ctx, due, m.write)
	m.each(ctx, clusters, func(ctx context.Context, id int64) error {
		n, err := m.count(ctx, id)
		if err == nil {
			m.counted(id, n)
		}
		return err
	})
}

func (m *Meter) counted(installation int64, clusters int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.of[installation]; a != nil {
		a.clusters, a.counted = clusters, m.Now()
	}
}

// Write writes all that was counted.
func (m *Meter) Write(ctx context.Context) {
	m.mu.Lock()
	ids := slices.Collect(maps.Keys(m.of))
	m.mu.Unlock()
	m.each(ctx, ids, m.write)
}

func (m *Meter) each(ctx context.Context, ids []int64, do func(ctx context.Context, id int64) error) {
	for _, id := range ids {
		own, cancel := context.WithTimeout(ctx, storeTime)
		err := do(own, id)
		cancel()
		switch {
		case errors.Is(err, storage.ErrNoSpace): // it was uninstalled
			m.mu.Lock()
			delete(m.of, id)
			m.mu.Unlock()
		case err != nil && ctx.Err() == nil:
			m.Log.Warn().Err(err).Int64("installation", id).Msg("what an installation uses could not be written down; it is tried again")
		}
	}
}

// write adds what was counted here to what is stored.
func (m *Meter) write(ctx context.Context, installation int64) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	for range tries {
		var is account
		entry, err := m.load(ctx, installation, &is)
		if err != nil {
			return err
		}
		next, what := m.merge(installation, entry, is)
		if what.none() {
			return nil
		}
		home, err := m.Projects.Space(ctx, installation)
		if err != nil {
			return err
		}
		var b storage.Batch
		b.RequireEntry(entry)
		b.SetJSON(usedKey, next)
		if next.Walked.IsZero() {
			work.Add(&b, WalkWork)
		}
		err = home.Apply(ctx, &b)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		m.mu.Lock()
		a := m.of[installation]
		switch {
		case a == nil:
		case err == nil:
			a.used = next
			a.more.less(what)
		case errors.Is(err, storage.ErrUnavailable):
			a.lost = &written{what, next.Mark, entry.Version}
		}
		m.mu.Unlock()
		if err != nil {
			return fmt.Errorf("write what installation %d uses: %w", installation, err)
		}
		if next.Walked.IsZero() {
			m.Wake(home.Name())
		}
		m.tell(ctx, installation)
		return nil
	}
	return nil // others write all the time: the next turn
}

// merge takes over what was read, finds out what became of a write whose answer was
// lost, and returns what is to be written, if anything.
func (m *Meter) merge(installation int64, entry storage.Entry, is account) (next used, what counts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.of[installation]
	if a == nil {
		return is.used, counts{}
	}
	a.used, a.suspended, a.read = is.used, is.suspended, is.read
	if l := a.lost; l != nil {
		// It happened, or somebody wrote since and nobody can tell: in both cases it is
		// not counted again.
		if a.used.Mark == l.mark || entry.Version != l.version {
			a.more.less(l.counts)
		}
		a.lost = nil
	}
	a.more.at(m.Now())
	next = a.used.plus(a.more)
	next.Mark = rand.Text()
	return next, a.more
}
