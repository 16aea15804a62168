package backfill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Keys in an installation's space:
//
//	lacking/<source>   Lacking
const lackingPrefix = "lacking/"

// Lacking is what a source's Sentry has and the app lacks: groups of which no
// webhook came, because Sentry does not send again what an internal integration did
// not get.
type Lacking struct {
	Asked  time.Time `json:"asked,omitzero"`  // when somebody asked to compare
	Looked time.Time `json:"looked,omitzero"` // when that was done
	By     string    `json:"by,omitempty"`    // who asked last

	Compared int     `json:"compared"`           // groups that Sentry has
	Unrouted int     `json:"unrouted,omitempty"` // of them, of projects that no route names: they are left out
	More     bool    `json:"more,omitempty"`     // Sentry has more than are compared
	Groups   []Group `json:"groups"`             // that are lacking, the newest first
	Trouble  string  `json:"trouble,omitempty"`

	Fetch   bool `json:"fetch,omitempty"`   // somebody wants them
	Fetched int  `json:"fetched,omitempty"` // that were, since they were compared
	Failed  int  `json:"failed,omitempty"`  // that could not be

	Page string `json:"page,omitempty"` // where comparing goes on; empty while nothing is compared
	Busy bool   `json:"busy,omitempty"`
}

// Group is one that is lacking.
type Group struct {
	ID      string    `json:"id"` // Sentry's
	Title   string    `json:"title"`
	Project string    `json:"project,omitempty"`
	URL     string    `json:"url,omitempty"`
	Count   int       `json:"count"`
	Last    time.Time `json:"last,omitzero"`
}

// LackingWork is the key of due work, in an installation's space, that says that a
// source is to be compared with its Sentry, or that what it lacks is to be fetched.
func LackingWork(sourceID string) string { return lackingPrefix + sourceID }

// maxCompared is how many unresolved groups are compared, the newest.
const maxCompared = 500

// LackingOf returns what was found when a source was compared last.
func LackingOf(ctx context.Context, home storage.Space, sourceID string) (Lacking, error) {
	l, _, err := lackingOf(ctx, home, sourceID)
	return l, err
}

func lackingOf(ctx context.Context, home storage.Space, sourceID string) (l Lacking, e storage.Entry, err error) {
	entries, err := home.Get(ctx, lackingPrefix+sourceID)
	if err != nil {
		return l, e, fmt.Errorf("read what a source lacks: %w", err)
	}
	return l, entries[0], storage.GetJSON(entries[0], &l)
}

// Compare has a source compared with its Sentry.
func (b *Backfill) Compare(ctx context.Context, home storage.Space, sourceID string, by By) error {
	return b.changeLacking(ctx, home, sourceID, func(batch *storage.Batch, l *Lacking) error {
		*l = Lacking{Asked: b.c.Now().UTC(), By: by.Who, Looked: l.Looked, Groups: l.Groups, Busy: true}
		return b.note(batch, "compare", sourceID, by, "its Sentry is asked what it has")
	})
}

// FetchLacking has the groups fetched that were lacking when the source was compared
// last.
func (b *Backfill) FetchLacking(ctx context.Context, home storage.Space, sourceID string, by By) error {
	return b.changeLacking(ctx, home, sourceID, func(batch *storage.Batch, l *Lacking) error {
		if len(l.Groups) == 0 || l.Busy || l.Fetch {
			return nil
		}
		l.Fetch, l.By, l.Trouble = true, by.Who, ""
		return b.note(batch, "lacking", sourceID, by, fmt.Sprintf("%d groups that Sentry has are fetched", len(l.Groups)))
	})
}

func (b *Backfill) changeLacking(ctx context.Context, home storage.Space, sourceID string, do func(batch *storage.Batch, l *Lacking) error) error {
	for range 10 {
		l, e, err := lackingOf(ctx, home, sourceID)
		if err != nil {
			return err
		}
		var batch storage.Batch
		if err := do(&batch, &l); err != nil {
			return err
		}
		batch.RequireEntry(e)
		batch.SetJSON(lackingPrefix+sourceID, l)
		work.Add(&batch, LackingWork(sourceID))
		switch err := home.Apply(ctx, &batch); {
		case errors.Is(err, storage.ErrConflict):
			continue
		case err != nil:
			return fmt.Errorf("ask what a source lacks: %w", err)
		}
		b.c.Wake(home.Name())
		return nil
	}
	return fmt.Errorf("ask what a source lacks: %w", storage.ErrConflict)
}

// comparing is one step of a comparison.
type comparing struct {
	*Backfill
	home   storage.Space
	src    *source.Source
	client *sentryapi.Client
	l      Lacking
	entry  storage.Entry
	now    time.Time
	began  time.Time
}

// compare is the handler of [LackingWork].
func (b *Backfill) compare(ctx context.Context, it work.Item) (time.Time, error) {
	c := &comparing{Backfill: b, home: it.Space, now: b.c.Now().UTC(), began: time.Now()}
	var err error
	if c.l, c.entry, err = lackingOf(ctx, it.Space, it.Subject); err != nil {
		return time.Time{}, err
	}
	c.src, err = b.c.Sources.Source(ctx, it.Subject)
	switch {
	case errors.Is(err, source.ErrNone), err == nil && c.src.Installation != project.Installation(it.Space.Name()):
		var gone storage.Batch
		gone.RequireEntry(c.entry)
		gone.Delete(lackingPrefix + it.Subject)
		return time.Time{}, it.Space.Apply(ctx, &gone)
	case err != nil:
		return time.Time{}, err
	case !c.l.Busy && !c.l.Fetch:
		return time.Time{}, nil
	case c.src.API == nil:
		return time.Time{}, c.end(ctx, "there is no token for Sentry's API any more")
	}
	if c.client, err = b.c.Sentry(*c.src.API); err == nil {
		if c.l.Busy {
			err = c.page(ctx)
		} else {
			err = c.fetch(ctx)
		}
	}
	var later *work.Later
	var over *quota.OverError
	switch {
	case errors.As(err, &over):
		c.l.Trouble = over.Use.Message + "; it goes on by itself"
		return over.Until, c.save(ctx)
	case err == nil && !c.l.Busy && !c.l.Fetch:
		return time.Time{}, nil
	case err == nil, errors.Is(err, storage.ErrConflict):
		return c.now, nil
	case errors.As(err, &later):
		c.l.Trouble = "Sentry: " + later.Err.Error() + "; it goes on by itself"
		return time.Time{}, errors.Join(err, c.save(ctx))
	case ctx.Err() != nil, errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace):
		return time.Time{}, err
	}
	s := &sitting{i: Import{Kind: Sentry}}
	if why := s.final(err); why != "" {
		return time.Time{}, c.end(ctx, why)
	}
	if it.Attempt >= patience {
		return time.Time{}, errors.Join(c.end(ctx, "something went wrong; the log says what"), work.Dead(err))
	}
	return time.Time{}, err
}

// end ends it with what is wrong.
func (c *comparing) end(ctx context.Context, why string) error {
	c.l.Busy, c.l.Fetch, c.l.Page, c.l.Trouble = false, false, "", why
	return c.save(ctx)
}

func (c *comparing) save(ctx context.Context) error {
	var b storage.Batch
	b.RequireEntry(c.entry)
	b.SetJSON(c.entry.Key, c.l)
	if err := c.home.Apply(ctx, &b); err != nil {
		return fmt.Errorf("remember what a source lacks: %w", err)
	}
	entries, err := c.home.Get(ctx, c.entry.Key)
	if err != nil {
		return fmt.Errorf("remember what a source lacks: %w", err)
	}
	c.entry = entries[0]
	return nil
}

// page compares the next page of groups.
func (c *comparing) page(ctx context.Context) error {
	if c.l.Page == "" {
		c.l.Groups, c.l.Compared, c.l.Unrouted, c.l.More = nil, 0, 0, false
	}
	page, err := c.client.Unresolved(ctx, sentryapi.Query{Cursor: c.l.Page})
	if err != nil {
		return err
	}
	lacking, err := c.unknown(ctx, page)
	if err != nil {
		return err
	}
	c.l.Groups = append(c.l.Groups, lacking...)
	c.l.Compared += len(page.Groups)
	c.l.Page, c.l.Trouble = page.Next, ""
	if page.Next == "" || c.l.Compared >= maxCompared {
		c.l.More = page.Next != ""
		c.l.Page, c.l.Busy, c.l.Looked = "", false, c.now
	}
	if err := c.save(ctx); err != nil {
		return err
	}
	if c.l.Busy {
		return pause(ctx, page.Wait, c.c.Now())
	}
	return nil
}

// unknown are the groups of a page that the app lacks.
func (c *comparing) unknown(ctx context.Context, page sentryapi.Page) ([]Group, error) {
	byRepository := make(map[string][]*feedback.Feedback)
	var order []string
	for _, raw := range page.Groups {
		readings, err := c.c.Reader(c.src).SentryGroup(raw, nil)
		if err != nil {
			continue
		}
		f := readings[0].Feedback
		repository, ok := c.src.Route(f.Project)
		if !ok {
			c.l.Unrouted++
			continue
		}
		repository = strings.ToLower(repository)
		if byRepository[repository] == nil {
			order = append(order, repository)
		}
		byRepository[repository] = append(byRepository[repository], f)
	}
	lacking := make(map[string]bool)
	for _, name := range order {
		all := byRepository[name]
		ids := make([]string, len(all))
		for i, f := range all {
			ids[i] = f.ID
		}
		known, err := c.known(ctx, name, ids)
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			if !known[f.ID] {
				lacking[f.External] = true
			}
		}
	}
	var groups []Group
	for _, raw := range page.Groups { // in Sentry's order
		id := sentryapi.ID(raw)
		if !lacking[id] {
			continue
		}
		readings, err := c.c.Reader(c.src).SentryGroup(raw, nil)
		if err != nil {
			continue
		}
		f := readings[0].Feedback
		groups = append(groups, Group{ID: id, Title: f.Title, Project: f.Project, URL: f.URL, Count: f.Count, Last: f.Last})
	}
	return groups, nil
}

// known reports which feedback of a repository there is.
func (c *comparing) known(ctx context.Context, repository string, ids []string) (map[string]bool, error) {
	held, err := intake.Holds(ctx, c.home, ids...)
	if err != nil {
		return nil, err
	}
	space, err := c.c.Projects.Find(ctx, c.src.Installation, 0, repository)
	if errors.Is(err, storage.ErrNoSpace) {
		return held, nil // nothing came for it so far
	}
	if err != nil {
		return nil, err
	}
	known, err := intake.Known(ctx, space, ids...)
	if err != nil {
		return nil, err
	}
	for id := range held {
		known[id] = true
	}
	return known, nil
}

// fetch takes in the next of what is lacking.
func (c *comparing) fetch(ctx context.Context) error {
	for n := 0; n < perPage && len(c.l.Groups) > 0 && time.Since(c.began) < stepTime; n++ {
		id := c.l.Groups[0].ID
		group, wait, err := c.client.Group(ctx, id)
		if err != nil {
			return err
		}
		var readings []feedback.Reading
		if group != nil {
			if err := pause(ctx, wait, c.c.Now()); err != nil {
				return err
			}
			event, after, err := c.client.Latest(ctx, id)
			if err != nil {
				return err
			}
			wait = after
			reader := c.c.Reader(c.src)
			if readings, err = reader.SentryGroup(group, event); err != nil {
				readings, err = reader.SentryGroup(group, nil)
			}
			if err != nil || readings[0].Feedback.External != id {
				readings = nil
			}
		}
		if len(readings) > 0 {
			if _, err := c.c.Taker.Take(ctx, c.src, readings); err != nil {
				return err
			}
			c.l.Fetched++
		} else {
			c.l.Failed++ // it was deleted, or merged into another, meanwhile
		}
		c.l.Groups, c.l.Trouble = c.l.Groups[1:], ""
		c.l.Fetch = len(c.l.Groups) > 0
		if err := c.save(ctx); err != nil {
			return err
		}
		if c.l.Fetch {
			if err := pause(ctx, wait, c.c.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}
