package backfill

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// cursor is where fetching goes on.
type cursor struct {
	Places []string `json:"places"`          // Sentry projects, "" for all, or subreddits
	At     int      `json:"at"`              // the one that is read
	Page   string   `json:"page,omitempty"`  // of it
	Skip   int      `json:"skip,omitempty"`  // groups of the page that were read
	Bytes  int      `json:"bytes,omitempty"` // that were stored so far
}

// next goes on to the next page, or the next place after the last one.
func (c *cursor) next(page string) {
	if c.Page, c.Skip = page, 0; page == "" {
		c.At++
	}
}

// sentryProjects are the projects to ask for: all of them if the project is where a
// source's feedback goes that no route names, else those whose route leads to it.
func sentryProjects(src *source.Source, p project.Project) []string {
	if routed(src.Repository, p) {
		return []string{""}
	}
	var slugs []string
	for slug, repository := range src.Routes {
		if routed(repository, p) {
			slugs = append(slugs, slug)
		}
	}
	slices.Sort(slugs)
	return slugs
}

// perPage is how many groups are listed at a time: their newest events are one
// request each.
const perPage = 25

// maxWait is how long a step waits by itself when Sentry asks for it.
const maxWait = 2 * time.Second

// fetchSentry reads the next page of groups, each with its newest event.
func (s *sitting) fetchSentry(ctx context.Context, src *source.Source) error {
	from := s.i.From
	if from.At >= len(from.Places) || s.i.Read >= MaxItems {
		s.i.Cut = from.At < len(from.Places)
		return s.fetched(ctx)
	}
	client, err := s.c.Sentry(*src.API)
	if err != nil {
		return err
	}
	place := from.Places[from.At]
	page, err := client.Unresolved(ctx, sentryapi.Query{Project: place, Cursor: from.Page, Limit: perPage})
	if errors.Is(err, sentryapi.ErrUnknown) && place != "" {
		return s.skip(ctx, place)
	}
	if err != nil {
		return err
	}
	groups := page.Groups[min(from.Skip, len(page.Groups)):]
	var all []feedback.Reading
	wait := page.Wait
	for n, group := range groups {
		if s.i.Read >= MaxItems {
			break
		}
		mine, err := s.belongs(src, group)
		if err != nil {
			s.i.Bad++
			continue
		}
		if !mine {
			continue
		}
		if err := pause(ctx, wait, s.c.Now()); err != nil {
			return errors.Join(err, s.kept(ctx, all, n))
		}
		event, after, err := client.Latest(ctx, sentryapi.ID(group))
		if err != nil {
			// What was read is kept, so that a limit that is met at every page is
			// no circle.
			return errors.Join(err, s.kept(ctx, all, n))
		}
		wait = after
		readings, err := s.c.Reader(src).SentryGroup(group, event)
		if err != nil {
			readings, err = s.c.Reader(src).SentryGroup(group, nil)
		}
		if err != nil {
			s.i.Bad++
			continue
		}
		all = append(all, readings...)
		s.i.Read++
		if s.over() && n < len(groups)-1 {
			return s.kept(ctx, all, n+1)
		}
	}
	from.next(page.Next)
	return s.store(ctx, all)
}

// belongs reports whether a group is one of the project's.
func (s *sitting) belongs(src *source.Source, group []byte) (bool, error) {
	readings, err := s.c.Reader(src).SentryGroup(group, nil)
	if err != nil {
		return false, err
	}
	repository, ok := src.Route(readings[0].Feedback.Project)
	return ok && routed(repository, s.project), nil
}

// skip goes on after a place that cannot be read: the others may be.
func (s *sitting) skip(ctx context.Context, place string) error {
	s.i.Skipped = append(s.i.Skipped, place)
	s.i.From.next("")
	return s.save(ctx, nil)
}

// kept stores what was read of a page, and that so many of its groups were, although
// the step may be over.
func (s *sitting) kept(ctx context.Context, all []feedback.Reading, n int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	s.i.From.Skip += n
	return s.store(ctx, all)
}

// pause waits until Sentry wants the next request, if that is in a moment.
func pause(ctx context.Context, until, now time.Time) error {
	d := until.Sub(now)
	if until.IsZero() || d <= 0 {
		return nil
	}
	if d > maxWait {
		return &work.Later{Until: until, Err: errors.New("it asks to go more slowly")}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetchReddit reads the next page of a subreddit.
func (s *sitting) fetchReddit(ctx context.Context, src *source.Source) error {
	from := s.i.From
	if from.At >= len(from.Places) || s.i.Read >= MaxItems {
		s.i.Cut = from.At < len(from.Places)
		return s.fetched(ctx)
	}
	client := s.c.Reddit(src.Client.ID, src.Client.Secret)
	place := from.Places[from.At]
	l, err := client.Newest(ctx, place, reddit.Place{After: from.Page})
	if errors.Is(err, reddit.ErrUnknown) {
		return s.skip(ctx, "r/"+place)
	}
	if err != nil {
		return err
	}
	var all []feedback.Reading
	if len(l.Names) > 0 {
		readings, err := s.c.Reader(src).Reddit(l.Body)
		var nothing *feedback.BodyError
		if err != nil && !errors.As(err, &nothing) {
			return err
		}
		for _, r := range readings {
			switch {
			case r.Err != nil:
				s.i.Bad++
			case !r.Removed && s.i.Read < MaxItems:
				all = append(all, r)
				s.i.Read++
			}
		}
	}
	if l.After == from.Page {
		l.After = "" // it leads in a circle
	}
	from.next(l.After)
	return s.store(ctx, all)
}

// store stores readings in further parts, with how far fetching got.
func (s *sitting) store(ctx context.Context, all []feedback.Reading) error {
	parts, size, err := pack(all)
	if err != nil {
		return err
	}
	if s.i.From.Bytes += size; s.i.From.Bytes > maxStored {
		s.i.From.At = len(s.i.From.Places)
		s.i.Cut = true
	}
	for n, value := range parts {
		// Parts are written before they are counted: what a crash leaves is written over.
		if n == len(parts)-1 {
			break
		}
		var b storage.Batch
		b.Set(partKey(s.i.ID, s.i.Parts+n), value)
		if err := s.space.Apply(ctx, &b); err != nil {
			return err
		}
	}
	var b storage.Batch
	if len(parts) > 0 {
		b.Set(partKey(s.i.ID, s.i.Parts+len(parts)-1), parts[len(parts)-1])
	}
	s.i.Parts += len(parts)
	s.i.Trouble = ""
	return s.save(ctx, &b)
}

// fetched goes on to the preview, if there is anything to see.
func (s *sitting) fetched(ctx context.Context) error {
	cut := s.i.Cut
	if s.i.Read == 0 {
		why := strings.TrimSuffix(s.asked(), ":") + " has nothing for this project"
		if len(s.i.Skipped) > 0 {
			why += ", or does not show it: " + strings.Join(s.i.Skipped, ", ")
		}
		return s.fail(ctx, why)
	}
	s.i.step(Storing, s.i.Read)
	s.i.Cut = cut
	return s.save(ctx, nil)
}
