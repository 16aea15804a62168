package backfill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/reddit"
)

// maxWaiting is how much of a project may wait to be grouped while something is
// imported: what arrives meanwhile stands behind it.
const maxWaiting = 1000

// carry takes the readings in, in earnest.
func (s *sitting) carry(ctx context.Context) (time.Time, error) {
	for s.i.Part < s.i.Parts {
		todo, err := intake.Waiting(ctx, s.space, maxWaiting)
		if err != nil {
			return s.now, err
		}
		if len(todo) >= maxWaiting {
			return s.now.Add(time.Second), nil
		}
		all, err := readings(ctx, s.space, s.i.ID, s.i.Part)
		if err != nil {
			return s.now, err
		}
		answers, err := s.c.Taker.Into(ctx, s.space, all)
		var over *quota.OverError
		if errors.As(err, &over) {
			return over.Until, s.hinder(ctx, over.Use.Message+"; it goes on by itself")
		}
		if err != nil {
			return s.now, fmt.Errorf("import %s: %w", s.i.ID, err)
		}
		if err := s.watch(ctx, all); err != nil {
			return s.now, err
		}
		counted := make(map[string]bool)
		for _, a := range answers {
			switch {
			case counted[a.ID]: // a group and its event are one report
			case a.Status == intake.Accepted:
				s.i.Accepted++
			case a.Status == intake.Duplicate:
				s.i.Duplicates++
			}
			counted[a.ID] = true
		}
		s.i.Part++
		s.i.Trouble = ""
		s.i.Done += distinct(all)
		if err := s.save(ctx, nil); err != nil || s.over() {
			return s.now, err
		}
	}
	s.i.step(Done, 0)
	return s.now, s.save(ctx, nil)
}

// watch has what came from Reddit looked at again, because what is deleted there has
// to go here.
func (s *sitting) watch(ctx context.Context, all []feedback.Reading) error {
	if s.i.Kind != Reddit {
		return nil
	}
	home, err := s.c.Projects.Space(ctx, s.project.Installation)
	if err != nil {
		return err
	}
	var names []string
	for _, r := range all {
		names = append(names, r.Feedback.External)
	}
	_, err = reddit.Watch(ctx, home, s.i.Source, names...)
	return err
}

// distinct is how many reports readings are of.
func distinct(all []feedback.Reading) int {
	ids := make(map[string]bool, len(all))
	for _, r := range all {
		ids[r.Feedback.ID] = true
	}
	return len(ids)
}
