package reddit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Work is the key of due work, in an installation's space, that says that the
// subreddits of a source are to be read.
func Work(sourceID string) string { return WorkKind + "/" + sourceID }

// WorkKind is the kind of that work.
const WorkKind = "reddit"

// How often Reddit is asked. A free client may ask a hundred times a minute; a
// source with 25 subreddits asks at most once for each of them.
const (
	often     = 2 * time.Minute
	seldom    = 10 * time.Minute // when nothing was new for a day
	idleAfter = 24 * time.Hour
	// refusedPause is how long a client that Reddit refuses is left alone.
	refusedPause = time.Hour
	// wholePause is how often the newest page is read as a whole where nothing seems
	// to be new: a post that we go on from may be gone, and Reddit then shows
	// nothing as newer.
	wholePause = 30 * time.Minute
	// maxPages is how many pages of one subreddit are read at a time; the rest is
	// read the next time.
	maxPages = 5
)

// Sources finds a source by its id.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, error)
}

// Taker stores what was read.
type Taker interface {
	Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]intake.Answer, error)
}

// PollerConfig is what a poller works with.
type PollerConfig struct {
	Sources Sources
	Taker   Taker
	// Client returns a client for a source's OAuth client.
	Client func(id, secret string) *Client
	// Reader returns what reads for a source now.
	Reader func(src *source.Source) *feedback.Reader
	// Told is told how much of what was read was new and how much was known; it may
	// be nil.
	Told func(src *source.Source, accepted, known int)
	Now  func() time.Time
}

// Poller reads what is new in subreddits, and looks at what is known again. It is
// safe for concurrent use.
type Poller struct {
	c PollerConfig

	mu      sync.Mutex
	clients map[string]*Client // by source and credentials: tokens and paces are theirs
}

// NewPoller returns a poller.
func NewPoller(c PollerConfig) *Poller {
	if c.Told == nil {
		c.Told = func(*source.Source, int, int) {}
	}
	return &Poller{c: c, clients: make(map[string]*Client)}
}

// maxClients bounds the clients that are kept.
const maxClients = 1000

func (p *Poller) client(src *source.Source) *Client {
	key := strings.Join([]string{src.ID, src.Client.ID, src.Client.Secret}, "\x00")
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[key]
	if c == nil {
		if len(p.clients) >= maxClients {
			clear(p.clients)
		}
		c = p.c.Client(src.Client.ID, src.Client.Secret)
		p.clients[key] = c
	}
	return c
}

// Handle is the handler of [Work].
func (p *Poller) Handle(ctx context.Context, it work.Item) (time.Time, error) {
	src, err := p.c.Sources.Source(ctx, it.Subject)
	switch {
	case errors.Is(err, source.ErrNone):
		return p.forget(ctx, it.Space, it.Subject)
	case err != nil:
		return time.Time{}, err
	case src.Kind != source.Reddit || src.Installation != project.Installation(it.Space.Name()):
		return time.Time{}, nil
	case src.Client == nil:
		return time.Time{}, nil // due again when there is one
	}
	t := &turn{p: p, src: src, space: it.Space, reddit: p.client(src), now: p.c.Now().UTC()}
	if t.state, t.entry, err = stateOf(ctx, it.Space, src.ID); err != nil {
		return time.Time{}, err
	}
	err = t.all(ctx)
	var later *work.Later
	var over *quota.OverError
	switch {
	case errors.As(err, &over):
		t.trouble(over.Use.Message)
		return over.Until, t.save(ctx)
	case err == nil:
		t.state.Trouble, t.state.Looked = "", t.now
		return t.next(), t.save(ctx)
	case errors.Is(err, ErrClient):
		t.trouble(err.Error())
		return t.now.Add(refusedPause), t.save(ctx)
	case errors.As(err, &later):
		t.trouble("Reddit is away, or wants to be asked less often: " + later.Err.Error())
		return time.Time{}, errors.Join(err, t.save(ctx))
	}
	return time.Time{}, err
}

// turn is one look at a source's subreddits.
type turn struct {
	p      *Poller
	src    *source.Source
	space  storage.Space
	reddit *Client
	state  State
	entry  storage.Entry
	now    time.Time
}

func (t *turn) all(ctx context.Context) error {
	if t.state.Subreddits == nil {
		t.state.Subreddits = make(map[string]*Subreddit)
	}
	mine := make(map[string]bool)
	for _, name := range t.src.Subreddits {
		key := strings.ToLower(name)
		mine[key] = true
		s := t.state.Subreddits[key]
		if s == nil {
			s = new(Subreddit)
			t.state.Subreddits[key] = s
		}
		err := t.read(ctx, name, s)
		switch {
		case err == nil:
			s.Trouble, s.Looked = "", t.now
		case errors.Is(err, ErrUnknown), errors.Is(err, ErrAnswer):
			s.Trouble = err.Error() // the others can be read all the same
		default:
			return err
		}
	}
	for name := range t.state.Subreddits {
		if !mine[name] {
			delete(t.state.Subreddits, name)
		}
	}
	return t.again(ctx)
}

// read takes in what is new in a subreddit. The first time nothing is taken in:
// what was there before comes by an import, if somebody wants it.
func (t *turn) read(ctx context.Context, name string, s *Subreddit) error {
	if !s.Begun {
		l, err := t.reddit.Newest(ctx, name, Place{})
		if err != nil {
			return err
		}
		s.Begun, s.Whole = true, t.now
		s.see(l.Names)
		return nil
	}
	fresh, newest, err := t.newer(ctx, name, s)
	if err != nil {
		return err
	}
	if len(fresh) == 0 && (s.Newest == "" || t.now.Sub(s.Whole) >= wholePause) {
		if fresh, newest, err = t.whole(ctx, name, s); err != nil {
			return err
		}
		s.Whole = t.now
	}
	if err := t.take(ctx, fresh); err != nil {
		return err
	}
	if newest != "" {
		s.Newest = newest
	}
	if len(fresh) > 0 {
		s.Last = t.now
	}
	return t.save(ctx)
}

// newer reads what Reddit shows as newer than the newest that is known, oldest
// first, and says what to go on from.
func (t *turn) newer(ctx context.Context, name string, s *Subreddit) (fresh []feedback.Reading, newest string, err error) {
	newest = s.Newest
	for range maxPages {
		if newest == "" {
			break
		}
		l, err := t.reddit.Newest(ctx, name, Place{Before: newest})
		if err != nil {
			return nil, "", err
		}
		readings, err := t.readings(l)
		if err != nil {
			return nil, "", err
		}
		fresh = append(fresh, readings...)
		if len(l.Names) > 0 {
			newest = l.Names[0]
		}
		if len(l.Names) < MaxThings {
			break
		}
	}
	return fresh, newest, nil
}

// whole reads the newest pages until something is older than the newest that is
// known, and says what to go on from: the post that did for that may be gone.
func (t *turn) whole(ctx context.Context, name string, s *Subreddit) (fresh []feedback.Reading, newest string, err error) {
	var at Place
	for range maxPages {
		l, err := t.reddit.Newest(ctx, name, at)
		if err != nil {
			return nil, "", err
		}
		readings, err := t.readings(l)
		if err != nil {
			return nil, "", err
		}
		for _, n := range l.Names {
			if age(n) > age(newest) {
				newest = n
			}
		}
		known := func(name string) bool { return age(name) <= age(s.Newest) }
		readings = slices.DeleteFunc(readings, func(r feedback.Reading) bool { return known(r.Feedback.External) })
		fresh = append(readings, fresh...)
		if at.After = l.After; at.After == "" || slices.ContainsFunc(l.Names, known) {
			break
		}
	}
	return fresh, newest, nil
}

// readings reads a listing, oldest first.
func (t *turn) readings(l Listing) ([]feedback.Reading, error) {
	if len(l.Names) == 0 {
		return nil, nil
	}
	all, err := t.p.c.Reader(t.src).Reddit(l.Body)
	var nothing *feedback.BodyError
	if err != nil && !errors.As(err, &nothing) {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r feedback.Reading) bool { return r.Err != nil })
	slices.Reverse(all)
	return all, nil
}

// take stores readings and remembers what they are of, to look at it again.
func (t *turn) take(ctx context.Context, readings []feedback.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	answers, err := t.p.c.Taker.Take(ctx, t.src, readings)
	if err != nil {
		return err
	}
	accepted, known := 0, 0
	var names []string
	for i, a := range answers {
		switch {
		case readings[i].Removed:
		case a.Status == intake.Accepted:
			accepted++
			names = append(names, readings[i].Feedback.External)
		default:
			known++
			names = append(names, readings[i].Feedback.External)
		}
	}
	t.p.c.Told(t.src, accepted, known)
	n, err := Watch(ctx, t.space, t.src.ID, names...)
	t.state.Watched += n
	return err
}

// next is when to ask again.
func (t *turn) next() time.Time {
	for _, s := range t.state.Subreddits {
		if !s.Begun || t.now.Sub(s.Last) < idleAfter {
			return t.now.Add(often)
		}
	}
	return t.now.Add(seldom)
}

func (t *turn) trouble(what string) {
	if t.state.Trouble == "" {
		t.state.Since = t.now
	}
	t.state.Trouble = what
}

// save writes the state. Two processes never work on one source, so a conflict
// means that this one lost its turn.
func (t *turn) save(ctx context.Context) error {
	var b storage.Batch
	b.RequireEntry(t.entry)
	b.SetJSON(stateKey(t.src.ID), t.state)
	if err := t.space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("remember what of Reddit was read: %w", err)
	}
	entries, err := t.space.Get(ctx, stateKey(t.src.ID))
	if err != nil {
		return fmt.Errorf("remember what of Reddit was read: %w", err)
	}
	t.entry = entries[0]
	return nil
}

// forget deletes what was remembered of a source that is gone.
func (p *Poller) forget(ctx context.Context, space storage.Space, id string) (time.Time, error) {
	entries, err := space.Scan(ctx, watchPrefix(id), "", 400)
	if err != nil {
		return time.Time{}, fmt.Errorf("forget a source of Reddit: %w", err)
	}
	var b storage.Batch
	b.Delete(stateKey(id))
	for _, e := range entries {
		b.Delete(e.Key)
	}
	if err := space.Apply(ctx, &b); err != nil {
		return time.Time{}, fmt.Errorf("forget a source of Reddit: %w", err)
	}
	zerolog.Ctx(ctx).Info().Str("source", id).Msg("what was remembered of a removed source of Reddit is forgotten")
	if len(entries) == 400 {
		return p.c.Now(), nil
	}
	return time.Time{}, nil
}
