package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// runTold is what the API tells of a run.
type runTold struct {
	ID      string     `json:"id"`
	Page    string     `json:"page"` // its path
	Cluster string     `json:"cluster"`
	Issue   int        `json:"issue_number,omitempty"`
	State   run.State  `json:"state"`
	Reason  run.Reason `json:"reason,omitempty"` // why it ended, or its last round came to nothing
	Live    bool       `json:"live"`             // false: nothing is written to GitHub
	By      string     `json:"by"`
	Through string     `json:"through,omitempty"` // what a program brought that asked in their name
	Created time.Time  `json:"created"`
	Changed time.Time  `json:"changed"` // when the state became what it is
	Ended   *time.Time `json:"ended,omitempty"`
	Round   int        `json:"round"`
	Tasks   int        `json:"tasks"`           // that were started
	Place   int        `json:"place,omitempty"` // in the queue
	Waits   string     `json:"waits,omitempty"` // for what, in words
	Agent   *agentTold `json:"agent,omitempty"`
	Cost    costTold   `json:"cost"`
	Commit  string     `json:"commit,omitempty"` // that is proposed
	Change  *run.Diff  `json:"change,omitempty"` // of the last round that made one
	Pull    *pullTold  `json:"pull_request,omitempty"`
}

// agentTold is what was last heard of the agent.
type agentTold struct {
	At       time.Time   `json:"at,omitzero"`
	Phase    brief.Phase `json:"phase,omitempty"`
	Note     string      `json:"note,omitempty"` // foreign
	Steps    int         `json:"steps"`
	LogBytes int64       `json:"log_bytes"` // of this attempt's log
}

type costTold struct {
	Requests int64  `json:"requests"`
	Input    int64  `json:"input_tokens"`
	Cached   int64  `json:"cached_tokens"`
	Output   int64  `json:"output_tokens"`
	Micros   *int64 `json:"usd_micros,omitempty"` // millionths of a US dollar; left out if the model's price is not known
	Spent    string `json:"spent,omitempty"`
}

type pullTold struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
}

// toldWhole is a run with what it has to show.
type toldWhole struct {
	runTold
	Rounds   int           `json:"rounds"`             // the most that there may be
	Detail   string        `json:"detail,omitempty"`   // what went wrong, for the operator
	Comment  string        `json:"comment"`            // about it on the issue, or that would be: Markdown
	Proposal *proposalTold `json:"proposal,omitempty"` // the pull request's text
	Files    []fileTold    `json:"files,omitempty"`    // of the change, as many as there was room for
	Diff     string        `json:"diff,omitempty"`     // of them, as far as there was room: foreign
	Log      string        `json:"log"`                // its end; what the agent printed, and that may be foreign
	LogCut   bool          `json:"log_cut"`
}

// proposalTold is the text of a pull request as it was opened, or would be.
type proposalTold struct {
	Title  string `json:"title"`
	Body   string `json:"body"` // Markdown
	Opened bool   `json:"opened"`
}

type fileTold struct {
	Path string `json:"path"` // foreign
	Note string `json:"note,omitempty"`
	*run.Lines
}

func toldOf(space string, r *run.Run, u run.Usage) runTold {
	t := runTold{
		ID: r.ID, Page: RunPath(space, r.ID), Cluster: r.Cluster, Issue: r.Issue, State: r.State, Reason: r.Reason, Live: r.Live, By: r.By, Through: r.Rounds[0].Through,
		Created: r.Created, Changed: r.Changed, Round: r.Round().N, Change: r.Diff(), Tasks: r.Attempts, Place: r.Place, Waits: r.Waits,
		Cost: costTold{Requests: u.Requests, Input: u.Input, Cached: u.Cached, Output: u.Output, Spent: u.Spent},
	}
	if u.Priced {
		t.Cost.Micros = &u.Micros
	}
	if !r.Ended.IsZero() {
		t.Ended = &r.Ended
	}
	if r.Pull != nil {
		t.Pull = &pullTold{r.Pull.Number, r.Pull.URL}
	}
	_, t.Commit = r.Proposal()
	return t
}

// toldRun is what there is to tell of a run now.
func toldRun(ctx context.Context, space storage.Space, id string) (t runTold, r *run.Run, err error) {
	if r, _, err = run.Load(ctx, space, id); err != nil {
		return t, nil, noRun(err)
	}
	u, _, err := run.UsageOf(ctx, space, id)
	if err != nil {
		return t, nil, err
	}
	t = toldOf(space.Name(), r, u)
	if r.Attempt == nil {
		return t, r, nil
	}
	heard, err := run.LiveOf(ctx, space, id)
	if err != nil {
		return t, nil, err
	}
	t.Agent = new(agentTold)
	if heard.Attempt == r.Attempt.N {
		t.Agent.At, t.Agent.Phase, t.Agent.Note, t.Agent.Steps = heard.At, heard.Phase, heard.Note, heard.Steps
	}
	t.Agent.LogBytes, err = run.LogSize(ctx, space, id, r.Attempt.N)
	return t, r, err
}

// tellRuns tells of the runs of a project, newest first.
func (p *Pages) tellRuns(w http.ResponseWriter, r *http.Request, at *place) {
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if cursor := q.Get("cursor"); cursor != "" && !markForm.MatchString(cursor) {
		p.badCursor(w, r)
		return
	}
	list, costs, next, err := listRuns(r.Context(), at.space, q.Get("cursor"), limit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	all := struct {
		Runs []runTold `json:"runs"`
		Next string    `json:"next,omitempty"` // where the next page begins
	}{[]runTold{}, next}
	for i, r := range list {
		all.Runs = append(all.Runs, toldOf(at.space.Name(), r, costs[i]))
	}
	handlers.JSON(w, http.StatusOK, all)
}

// tellRun tells of one.
func (p *Pages) tellRun(w http.ResponseWriter, r *http.Request, at *place) {
	ctx := r.Context()
	t, is, err := toldRun(ctx, at.space, r.PathValue("run"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	whole, err := p.toldWhole(ctx, at, is)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	whole.runTold = t
	handlers.JSON(w, http.StatusOK, whole)
}

// toldWhole is what a run has to show.
func (p *Pages) toldWhole(ctx context.Context, at *place, r *run.Run) (t toldWhole, err error) {
	status, err := p.statusOf(ctx, at, r)
	if err != nil {
		return t, err
	}
	t.Rounds, t.Detail, t.Comment = status.Rounds+1, r.Detail, tell.Status(status)
	made, err := p.proposal(ctx, at.space, r)
	if err != nil {
		return t, err
	}
	if n := made.pull; n != nil {
		t.Proposal = &proposalTold{n.Title, n.Body, made.opened}
	}
	for _, f := range made.files {
		t.Files = append(t.Files, fileTold{f.Path, f.Note, f.Lines})
	}
	var diff strings.Builder
	for _, line := range difference(made.files) {
		diff.WriteString(line.Text + "\n")
	}
	t.Diff = diff.String()
	if r.Attempt != nil {
		t.Log, t.LogCut, err = run.LogTail(ctx, at.space, r.ID, r.Attempt.N, logBytes)
	}
	return t, err
}

// runEvents serves a stream about a run: what the API tells of it, without its log and its
// change, and the orders about its problem.
func (p *Pages) runEvents(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("run")
	p.events(w, r, at, needs.see, func(ctx context.Context) (any, bool, error) {
		t, is, err := toldRun(ctx, at.space, id)
		if err != nil {
			return nil, false, err
		}
		list, err := p.orders(ctx, at, is.Cluster)
		if err != nil {
			return nil, false, err
		}
		return struct {
			runTold
			Orders any `json:"orders"`
		}{t, list}, !is.State.Alive(), nil
	})
}
