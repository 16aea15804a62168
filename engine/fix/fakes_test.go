package fix_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
)

// cloud is a launcher that remembers. It fails the test when one attempt is started
// twice, or a second agent of a run while one is at work.
type cloud struct {
	w         *world
	tasks     map[string]*task.Task // by id, which is run/attempt
	plans     map[string]string
	spots     []bool
	order     []string
	described int
	stops     []string
	// fail is what the next launches come to; nil is success.
	fail []error
	// away is what the service says instead of an answer.
	away error
}

type plan struct {
	Run     string `json:"run"`
	Attempt int    `json:"attempt"`
	Spot    bool   `json:"spot"`
}

func (c *cloud) Plan(s task.Spec) (json.RawMessage, error) {
	return json.Marshal(plan{s.Run, s.Attempt, s.Spot})
}

func (c *cloud) Launch(_ context.Context, data json.RawMessage, claim string) (task.Task, error) {
	var p plan
	if err := json.Unmarshal(data, &p); err != nil {
		c.w.T.Error(err)
	}
	id := fmt.Sprintf("%s/%d", p.Run, p.Attempt)
	if was, known := c.plans[id]; known && was != string(data) {
		c.w.T.Errorf("%s was launched with another plan", id)
		return task.Task{}, task.ErrOtherPlan
	}
	c.plans[id] = string(data)
	if t := c.tasks[id]; t != nil {
		return *t, nil
	}
	if c.away != nil {
		return task.Task{}, c.away
	}
	if len(c.fail) > 0 {
		err := c.fail[0]
		c.fail = c.fail[1:]
		if err != nil {
			return task.Task{}, err
		}
	}
	for other, t := range c.tasks {
		if strings.HasPrefix(other, p.Run+"/") && (t.Phase == task.Pending || t.Phase == task.Running) {
			c.w.T.Errorf("%s was started while %s is %s", id, other, t.Phase)
		}
	}
	if claim == "" {
		c.w.T.Error("a task without a claim")
	}
	c.tasks[id] = &task.Task{ID: id, Run: p.Run, Phase: task.Pending, Version: 1}
	c.spots, c.order = append(c.spots, p.Spot), append(c.order, id)
	return *c.tasks[id], nil
}

func (c *cloud) Describe(_ context.Context, ids ...string) ([]task.Task, error) {
	c.described++
	if len(ids) > 100 {
		c.w.T.Errorf("%d tasks in one call", len(ids))
	}
	if c.away != nil {
		return nil, c.away
	}
	all := make([]task.Task, len(ids))
	for i, id := range ids {
		all[i] = task.Task{ID: id, Phase: task.Missing}
		if t := c.tasks[id]; t != nil {
			all[i] = *t
		}
	}
	return all, nil
}

func (c *cloud) Find(_ context.Context, id string) (all []task.Task, err error) {
	for _, t := range c.tasks {
		if t.Run == id {
			all = append(all, *t)
		}
	}
	return all, c.away
}

func (c *cloud) Stop(_ context.Context, id, _ string) error {
	if c.away != nil {
		return c.away
	}
	c.stops = append(c.stops, id)
	if t := c.tasks[id]; t != nil && t.Phase != task.Stopped {
		killed := 143
		c.end(id, task.Asked, &killed)
	}
	return nil
}

func (c *cloud) end(id string, cause task.Cause, exit *int) {
	t := c.tasks[id]
	if t == nil {
		c.w.T.Fatalf("there is no task %s", id)
	}
	t.Phase, t.Cause, t.Exit = task.Stopped, cause, exit
	t.Version++
}

// alive returns the tasks that go on.
func (c *cloud) alive() (ids []string) {
	for id, t := range c.tasks {
		if t.Phase != task.Stopped {
			ids = append(ids, id)
		}
	}
	return ids
}

// publisher is a publisher on the world's GitHub.
type publisher struct{ w *world }

func (p publisher) Check(_ context.Context, c publish.Change) ([]run.Refusal, error) {
	if c.Result.Base != c.Run.Round().Base {
		p.w.T.Errorf("a change of %s, the round is of %s", c.Result.Base, c.Run.Round().Base)
	}
	return p.w.refusals, nil
}

func (p publisher) Commit(_ context.Context, c publish.Change) (string, run.Diff, error) {
	diff := run.Diff{Files: len(c.Result.Files)}
	if !c.Live {
		return "", diff, nil
	}
	// Each call makes another commit, as a clock would.
	sha := fmt.Sprintf("commit-%d-%d", c.Run.Round().N, len(p.w.GitHub.Writes()))
	return sha, diff, p.w.GitHub.Commit(c.At, sha, c.Run.Round().Base)
}

func (p publisher) Move(ctx context.Context, c publish.Change, sha string) error {
	if !c.Live {
		return nil
	}
	at, found, err := p.w.GitHub.Ref(ctx, c.At, c.Run.Branch)
	if err != nil || at == sha {
		return err
	}
	parent, err := p.w.GitHub.Parent(c.At, sha)
	if err != nil {
		return err
	}
	if found != (c.Run.Pull != nil) && !found || found && parent != at {
		return publish.ErrMoved
	}
	return p.effect(ctx, "branch.move", func() error { return p.w.GitHub.MoveBranch(ctx, c.At, c.Run.Branch, sha) })
}

func (p publisher) Propose(ctx context.Context, c publish.Change, sha string) (run.Pull, error) {
	if !c.Live {
		return run.Pull{}, nil
	}
	if at, _, _ := p.w.GitHub.Ref(ctx, c.At, c.Run.Branch); at != sha {
		p.w.T.Errorf("%s is proposed while the branch is at %s", sha, at)
	}
	all, err := p.w.GitHub.PullsByHead(ctx, c.At, c.Run.Branch)
	if err != nil {
		return run.Pull{}, err
	}
	if len(all) > 0 {
		return run.Pull{Number: all[0].Number, URL: all[0].URL}, nil
	}
	var pull github.Pull
	err = p.effect(ctx, "pull.create", func() error {
		pull, err = p.w.GitHub.CreatePull(ctx, c.At, github.NewPull{Title: c.Title, Head: c.Run.Branch, Base: c.DefaultBranch, Draft: true})
		return err
	})
	return run.Pull{Number: pull.Number, URL: pull.URL}, err
}

func (p publisher) Checks(ctx context.Context, c publish.Change, from, _ string) (string, error) {
	at, _, err := p.w.GitHub.Ref(ctx, c.At, c.Run.Branch)
	if err != nil {
		return "", err
	}
	if at != from {
		return "", publish.ErrMoved
	}
	sha := fmt.Sprintf("checks-%d", len(p.w.GitHub.Writes()))
	return sha, p.w.GitHub.Commit(c.At, sha, at)
}

func (p publisher) Redact(_ context.Context, said string) string {
	return strings.ReplaceAll(said, "hush", "[secret]")
}

// effect is an effect with the fault points of the action log around it.
func (p publisher) effect(_ context.Context, kind string, do func() error) error {
	if p.w.Hook != nil {
		if err := p.w.Hook("effect.before:" + kind); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if p.w.Hook != nil {
		return p.w.Hook("effect.after:" + kind)
	}
	return nil
}
