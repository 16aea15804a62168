package github

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

// tries is how often a read is tried on the spot before it is given up for now.
const tries = 3

// read does a call without effect in a repository.
func (a *App) read(ctx context.Context, at At, what string, do func(*github.Client) (*github.Response, error)) error {
	if err := at.check(); err != nil {
		return err
	}
	return a.ask(ctx, at, what, do)
}

// ask does a call without effect; at.Installation 0 asks as the App itself.
func (a *App) ask(ctx context.Context, at At, what string, do func(*github.Client) (*github.Response, error)) error {
	lane := a.lanes.get(at.Installation, a.now())
	for try := 1; ; try++ {
		if err := lane.resting(a.now()); err != nil {
			return err
		}
		client, err := a.client(at.Installation)
		if err != nil {
			return err
		}
		resp, err := do(client)
		f := a.judge(at, resp, err)
		if f == nil {
			return nil
		}
		err = fmt.Errorf("%s: %w", what, f.err)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case !f.rest.IsZero():
			return a.later(lane, f.rest, err)
		case !f.outage:
			return err
		case try == tries:
			return &work.Later{Err: err}
		}
		if err := a.sleep(ctx, jitter(a.pace.Retry<<(try-1))); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// write does a call with effect, when its turn comes, once. If the repository
// was renamed, GitHub refuses under the old name, and the call is made again
// under the new one.
func (a *App) write(ctx context.Context, at At, k kind, what string, do func(*github.Client, project.Repo) (*github.Response, error)) error {
	if err := at.check(); err != nil {
		return err
	}
	err := a.writeOnce(ctx, at, k, what, do)
	var moved *MovedError
	if !errors.As(err, &moved) || at.Repo.ID == 0 || moved.Repository != at.Repo.ID {
		return err
	}
	now, err := a.RepositoryByID(ctx, at.Installation, at.Repo.ID)
	if err != nil {
		return err
	}
	at.Repo = now.Repo
	return a.writeOnce(ctx, at, k, what, do)
}

func (a *App) writeOnce(ctx context.Context, at At, k kind, what string, do func(*github.Client, project.Repo) (*github.Response, error)) error {
	lane := a.lanes.get(at.Installation, a.now())
	leave, err := a.enter(ctx, lane, k)
	if err != nil {
		return err
	}
	defer leave()
	client, err := a.client(at.Installation)
	if err != nil {
		return err
	}
	resp, err := do(client, at.Repo)
	f := a.judge(at, resp, err)
	if f == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", what, f.err)
	switch {
	case !f.rest.IsZero():
		return a.later(lane, f.rest, err)
	case f.outage && (f.unsent || k == object): // an object twice is there once
		return &work.Later{Err: err}
	case f.outage:
		return action.Unknown(err)
	}
	return err
}

// later leaves GitHub alone until the moment, for all calls of the lane.
func (a *App) later(l *lane, until time.Time, err error) error {
	l.leaveAlone(until, err)
	return &work.Later{Until: until, Err: err}
}

// jitter returns a duration between a half of d and d.
func jitter(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2)
}
