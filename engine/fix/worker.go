package fix

import (
	"context"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// sitting is one look at one run.
type sitting struct {
	*Runs
	space   storage.Space
	project project.Project
	policy  policy.Policy
	now     time.Time
	run     *run.Run
	entry   storage.Entry
	saved   bool // the run was written since it was read
	tries   int  // that failed in a row, with this one
}

// maxSteps bounds how many steps of a run are taken in one go.
const maxSteps = 20

// handle is the handler of a run's work: it takes steps until the run has to wait,
// then brings the status comment in line.
func (r *Runs) handle(ctx context.Context, it work.Item) (time.Time, error) {
	for range maxSteps {
		s, err := r.sit(ctx, it.Space, it.Subject)
		if errors.Is(err, run.ErrNone) {
			return time.Time{}, nil
		}
		if err != nil {
			return r.calm(ctx, err)
		}
		s.tries = it.Attempt
		again, err := s.step(ctx)
		if errors.Is(err, storage.ErrConflict) {
			continue // somebody else wrote the run: decide again
		}
		if err != nil {
			return s.trouble(ctx, err)
		}
		if again.IsZero() || again.After(s.now) {
			if s.saved {
				if s, err = r.sit(ctx, it.Space, it.Subject); err != nil {
					return r.calm(ctx, err)
				}
			}
			when, err := s.tell(ctx)
			if err != nil {
				return r.calm(ctx, err)
			}
			return earlier(again, when), nil
		}
	}
	return r.Now(), nil
}

// pull is the handler of the work of a pull request that a delivery told of: what a
// review says is kept as it is now, whatever its run is at.
func (r *Runs) pull(ctx context.Context, it work.Item) (time.Time, error) {
	number, err := strconv.Atoi(it.Subject)
	if err != nil {
		return time.Time{}, work.Dead(err)
	}
	of, err := run.OfPull(ctx, it.Space, number)
	if err != nil {
		return time.Time{}, err
	}
	notes, err := reviewsOf(ctx, it.Space, number)
	if err != nil {
		return time.Time{}, err
	}
	var b storage.Batch
	if of != nil && of.State.Alive() {
		p, _, err := project.Load(ctx, it.Space)
		if err != nil {
			return time.Time{}, err
		}
		whole, err := r.freeze(ctx, it.Space, github.At{Installation: p.Installation, Repo: p.Repo}, of, notes)
		if err != nil {
			return r.calm(ctx, err)
		}
		if !whole {
			return r.Now(), nil // there are more people to be asked for
		}
		work.Add(&b, run.Work(of.ID))
	} else {
		for _, n := range notes {
			b.Delete(n.entry.Key)
		}
	}
	if err := it.Space.Apply(ctx, &b); err != nil {
		return time.Time{}, err
	}
	r.Wake(it.Space.Name())
	return time.Time{}, nil
}

// sit reads a run as it is.
func (r *Runs) sit(ctx context.Context, space storage.Space, id string) (*sitting, error) {
	s := &sitting{Runs: r, space: space, now: r.Now().UTC()}
	var err error
	if s.run, s.entry, err = run.Load(ctx, space, id); err != nil {
		return nil, err
	}
	if s.project, _, err = project.Load(ctx, space); err != nil {
		return nil, err
	}
	s.policy = r.Projects.Policy(s.project)
	return s, nil
}

// step takes the next step of a run. A time that is not after now says to go on at
// once, the zero time that there is nothing more to wait for.
func (s *sitting) step(ctx context.Context) (time.Time, error) {
	if s.run.State.Busy() {
		if over, err := s.overtaken(ctx); err != nil || over {
			return s.now, err
		}
	}
	if r := s.run; !r.State.Busy() && (r.Released || r.Attempt == nil) {
		if err := s.withdraw(ctx); err != nil {
			return time.Time{}, err
		}
	}
	switch s.run.State {
	case run.Queued:
		return s.queue(ctx)
	case run.Launching:
		return s.launch(ctx)
	case run.Working:
		return s.attend(ctx)
	case run.Publishing:
		return s.publish(ctx)
	case run.Proposed:
		return s.propose(ctx)
	}
	return s.settle(ctx)
}

// stuck is how long a run may fail to leave a state before it is given up.
const stuck = 30 * time.Minute

// trouble decides what an error of a step means. What is no failure is tried again;
// what fails all the time ends the round before the queue gives it up: a run that
// goes nowhere would keep all others away.
func (s *sitting) trouble(ctx context.Context, err error) (time.Time, error) {
	again, failure := s.calm(ctx, err)
	if failure == nil || isLater(failure) || !s.run.State.Busy() || s.now.Sub(s.run.Changed) < stuck {
		return again, failure
	}
	zerolog.Ctx(ctx).Error().Err(failure).Str("run", s.run.ID).Msg("a run is given up")
	fresh, err := s.sit(ctx, s.space, s.run.ID) // the step may have changed this one
	if err != nil {
		return s.calm(ctx, err)
	}
	if err := fresh.uncommit(ctx); err != nil {
		return s.calm(ctx, err)
	}
	if again, err = fresh.roundEnds(ctx, run.Failed, run.ReasonForbidden, failure.Error()); err != nil {
		return s.calm(ctx, err)
	}
	return again, nil
}

// save writes the run, with whatever else belongs to it, and has the next step taken
// at once.
func (s *sitting) save(ctx context.Context, also ...func(b *storage.Batch)) (time.Time, error) {
	var b storage.Batch
	run.Save(&b, s.entry, s.run)
	for _, add := range also {
		add(&b)
	}
	if err := s.space.Apply(ctx, &b); err != nil {
		return time.Time{}, err
	}
	s.saved = true
	return s.now, nil
}

// become moves the run to a state.
func (s *sitting) become(ctx context.Context, state run.State, also ...func(b *storage.Batch)) (time.Time, error) {
	was := s.run.State
	s.run.State, s.run.Changed = state, s.now
	again, err := s.save(ctx, also...)
	if err == nil {
		zerolog.Ctx(ctx).Info().Str("run", s.run.ID).Str("was", string(was)).Str("is", string(state)).
			Str("reason", string(s.run.Reason)).Str("detail", s.run.Detail).Int("round", s.run.Round().N).Msg("run")
	}
	return again, err
}

// live reports whether the run may write: it was begun so, and the repository has not
// gone back to preview since.
func (s *sitting) live() bool { return s.run.Live && s.policy.Mode == policy.Live }

func (s *sitting) at() github.At {
	return github.At{Installation: s.project.Installation, Repo: s.project.Repo}
}

// by is whom the audit names for what a run does.
func (s *sitting) by() string {
	if round := s.run.Round(); round.By != "" {
		return action.By("@"+round.By, round.Through)
	}
	return action.By("@"+s.run.By, s.run.Rounds[0].Through)
}

// earlier returns the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// clip cuts a text to a number of runes.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
