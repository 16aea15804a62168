package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// How much of runs a page shows.
const (
	perRuns   = 25       // of a project
	logBytes  = 64 << 10 // of a run's log, the last
	diffBytes = 64 << 10
)

// runLine is a run in a list.
type runLine struct {
	Href, State, By, Title string
	Tone                   string
	Issue                  int
	Created                time.Time
	Took, Cost             string
	Change                 *run.Diff
	PullURL                string
	Pull                   int
}

// runsView is what the page of a project's runs shows.
type runsView struct {
	frame
	Runs  []runLine
	Older string // the address of those before, "" if there are none
	Later bool   // these are not the newest
	Here  string // the address of the page
}

// runView is what the page of a run shows.
type runView struct {
	frame
	Run         *run.Run
	Project     string
	ProblemHref string // the address of the problem's page
	State       string
	Tone        string
	Took        string
	Cost        string
	Change      *run.Diff
	Rounds      int           // the most that there may be
	Status      template.HTML // the comment, as it stands on the issue or would
	Pull        *issueView    // the pull request that was opened, or would be
	Diff        []diffLine
	Files       []publish.FileRequest // as many as there was room for
	Log         string
	LogCut      bool
	Acts        []actView
	Commands    *commandsView
}

// diffLine is a line of a difference; Kind is add, cut, head or empty.
type diffLine struct{ Kind, Text string }

// RunPath is where the page of a run is.
func RunPath(space, id string) string { return "/runs/" + strings.TrimPrefix(space, "p/") + "/" + id }

// runsPath is where the runs of a project are listed.
func runsPath(at *place) string { return projectPath(at.project) + "/runs" }

// run serves the page of a run.
func (p *Pages) run(w http.ResponseWriter, r *http.Request, at *place) {
	v, err := p.lookAtRun(r.Context(), at, r.PathValue("run"))
	if err != nil {
		p.fail(w, r, noRun(err))
		return
	}
	v.frame = p.inside(r, at, "Runs", link{"Runs", runsPath(at)}, link{Text: "run " + v.Run.ID})
	if v.Run.State.Alive() {
		v.Live = api + runsPath(at) + "/" + v.Run.ID + "/events"
	}
	p.write(w, r, http.StatusOK, p.runPage, v)
}

// took is how long a run took, or takes so far; while people look at its proposal, until
// that was made.
func (p *Pages) took(r *run.Run) time.Duration {
	if r.State == run.Proposed {
		return r.Changed.Sub(r.Created)
	}
	return r.Elapsed(p.now())
}

// noRun makes of a run that there is not what any address is that names nothing.
func noRun(err error) error {
	if errors.Is(err, run.ErrNone) {
		return errNone
	}
	return err
}

func (p *Pages) lookAtRun(ctx context.Context, at *place, runID string) (*runView, error) {
	space, known := at.space, at.project
	r, _, err := run.Load(ctx, space, runID)
	if err != nil {
		return nil, err
	}
	v := &runView{Run: r, Project: known.Repo.String(), ProblemHref: clusterPath(known, r.Cluster), State: tell.State(r.State), Tone: runTone(r.State),
		Took: tell.Span(p.took(r)), Rounds: p.projects.Policy(known).Fix.Rounds + 1, Change: r.Diff()}
	t, err := p.statusOf(ctx, at, r)
	if err != nil {
		return nil, err
	}
	v.Status, v.Cost = p.markdown.html(tell.Status(t)), tell.Cost(t.Usage)
	made, err := p.proposal(ctx, space, r)
	if err != nil {
		return nil, err
	}
	v.Files, v.Diff = made.files, difference(made.files)
	if n := made.pull; n != nil {
		v.Pull = &issueView{Title: n.Title, Body: p.markdown.html(n.Body), Filed: made.opened}
		if r.Pull != nil {
			v.Pull.URL = r.Pull.URL
		}
	}
	if r.Attempt != nil {
		if v.Log, v.LogCut, err = run.LogTail(ctx, space, r.ID, r.Attempt.N, logBytes); err != nil {
			return nil, err
		}
	}
	if v.Commands, err = p.runCommands(ctx, at, r); err != nil {
		return nil, err
	}
	v.Acts, err = p.acts(ctx, space, r.ID)
	return v, err
}

// statusOf is what the comment about a run tells.
func (p *Pages) statusOf(ctx context.Context, at *place, r *run.Run) (t tell.View, err error) {
	policy := p.projects.Policy(at.project)
	t = tell.View{Run: r, Rounds: policy.Fix.Rounds, Minutes: policy.Fix.Minutes, Now: p.now().UTC()}
	if t.Evidence, err = run.Evidence(ctx, at.space, r.ID); err != nil {
		return t, err
	}
	if t.Live, err = run.LiveOf(ctx, at.space, r.ID); err != nil {
		return t, err
	}
	if t.Usage, _, err = run.UsageOf(ctx, at.space, r.ID); err != nil {
		return t, err
	}
	t.Words, err = run.WordsOf(ctx, at.space, r.ID, r.Round().N)
	return t, err
}

// runCommands are the commands on the page of a run: those about its problem, as long as
// it is the problem's newest run.
func (p *Pages) runCommands(ctx context.Context, at *place, r *run.Run) (*commandsView, error) {
	newest, _, err := run.Of(ctx, at.space, r.Cluster)
	if err != nil || newest == nil || newest.ID != r.ID {
		return nil, err
	}
	return p.commands(ctx, at, r.Cluster, r.ID)
}

// proposal is what a run proposes, or would.
type proposal struct {
	pull   *github.NewPull       // nil if there is none
	opened bool                  // it is on GitHub
	files  []publish.FileRequest // of the last round that made a change
}

func (p *Pages) proposal(ctx context.Context, space storage.Space, r *run.Run) (made proposal, err error) {
	var n github.NewPull
	state, err := p.request(ctx, space, publish.PullKey(r.ID), &n)
	if err != nil {
		return made, err
	}
	if state != "" {
		made.pull, made.opened = &n, state == action.Done
	}
	for _, round := range slices.Backward(r.Rounds) {
		var c publish.CommitRequest
		state, err := p.request(ctx, space, publish.CommitKey(r.ID, round.N), &c)
		if err != nil {
			return made, err
		}
		if state != "" {
			made.files = c.Files
			return made, nil
		}
	}
	return made, nil
}

// request reads what an action sends, and returns its state; "" if there is none.
func (p *Pages) request(ctx context.Context, space storage.Space, key string, to any) (action.State, error) {
	rec, ok, err := p.actions.Get(ctx, space, key)
	if err != nil || !ok || len(rec.Request) == 0 {
		return "", err
	}
	if err := json.Unmarshal(rec.Request, to); err != nil {
		return "", fmt.Errorf("read the record of %s: %w", key, err)
	}
	return rec.State, nil
}

// difference shows the files whose text the record has.
func difference(files []publish.FileRequest) (lines []diffLine) {
	size := 0
	for _, f := range files {
		if f.Before == "" && f.After == "" {
			continue
		}
		for line := range strings.Lines(udiff.Unified("a/"+f.Path, "b/"+f.Path, f.Before, f.After)) {
			kind := ""
			switch {
			case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "@@"):
				kind = "head"
			case strings.HasPrefix(line, "+"):
				kind = "add"
			case strings.HasPrefix(line, "-"):
				kind = "cut"
			}
			was := size
			switch size += len(line); {
			case size <= diffBytes:
				lines = append(lines, diffLine{kind, strings.TrimRight(line, "\n")})
			case was <= diffBytes:
				lines = append(lines, diffLine{"head", "… and more"})
			}
		}
	}
	return lines
}

// allRuns serves the runs of a project.
func (p *Pages) allRuns(w http.ResponseWriter, r *http.Request, at *place) {
	before := r.URL.Query().Get("before")
	list, next, err := p.runLines(r.Context(), at.space, before)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := runsView{frame: p.inside(r, at, "Runs", link{Text: "Runs"}), Runs: list, Later: before != "", Here: runsPath(at)}
	if next != "" {
		v.Older = v.Here + "?" + url.Values{"before": {next}}.Encode()
	}
	p.write(w, r, http.StatusOK, p.runsPage, v)
}

// runLines lists runs of a project, newest first, and says where the next page begins.
func (p *Pages) runLines(ctx context.Context, space storage.Space, before string) (lines []runLine, next string, err error) {
	list, costs, next, err := listRuns(ctx, space, before, perRuns)
	if err != nil {
		return nil, "", err
	}
	for i, r := range list {
		l := runLine{Href: RunPath(space.Name(), r.ID), State: tell.State(r.State), Tone: runTone(r.State), By: r.By, Issue: r.Issue, Created: r.Created,
			Title: r.ID, Took: tell.Span(p.took(r)), Cost: tell.Price(costs[i]), Change: r.Diff()}
		if r.Pull != nil {
			l.Pull, l.PullURL = r.Pull.Number, r.Pull.URL
		}
		lines = append(lines, l)
	}
	return lines, next, nil
}

// listRuns is a page of a project's runs, with what their models have cost.
func listRuns(ctx context.Context, space storage.Space, before string, limit int) (list []*run.Run, costs []run.Usage, next string, err error) {
	list, next, err = run.List(ctx, space, before, limit)
	if err != nil {
		return nil, nil, "", err
	}
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ID
	}
	if costs, err = run.UsagesOf(ctx, space, ids...); err != nil {
		return nil, nil, "", err
	}
	if len(list) == limit { // is there one more?
		more, _, err := run.List(ctx, space, next, 1)
		if err != nil {
			return nil, nil, "", err
		}
		if len(more) > 0 {
			return list, costs, next, nil
		}
	}
	return list, costs, "", nil
}

func runTone(s run.State) string {
	switch s {
	case run.Proposed, run.Merged:
		return "good"
	case run.Failed, run.TimedOut:
		return "bad"
	}
	return "hold"
}
