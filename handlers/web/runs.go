package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
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
	perRuns   = 10       // of a project
	logPieces = 200      // of a run's log
	logBytes  = 64 << 10 // of them, the last
	diffBytes = 64 << 10
)

// runLine is a run in a list.
type runLine struct {
	Href, State, By, Title string
	Tone                   string
	Issue                  int
	Created                time.Time
	PullURL                string
}

// runView is what the page of a run shows.
type runView struct {
	frame
	Run     *run.Run
	Project string
	State   string
	Tone    string
	Status  template.HTML // the comment, as it stands on the issue or would
	Pull    *issueView    // the pull request that was opened, or would be
	Diff    []diffLine
	Files   []publish.FileRequest
	Log     string
	LogCut  bool
	Acts    []actView
}

// diffLine is a line of a difference; Kind is add, cut, head or empty.
type diffLine struct{ Kind, Text string }

// RunPath is where the page of a run is.
func RunPath(space, id string) string { return "/runs/" + strings.TrimPrefix(space, "p/") + "/" + id }

// run serves the page of a run.
func (p *Pages) run(w http.ResponseWriter, r *http.Request, at *place) {
	v, err := p.lookAtRun(r.Context(), at, r.PathValue("run"))
	if errors.Is(err, run.ErrNone) {
		err = errNone
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v.frame = p.inside(r, at, "", link{Text: "run " + v.Run.ID})
	p.write(w, r, http.StatusOK, p.runPage, v)
}

func (p *Pages) lookAtRun(ctx context.Context, at *place, runID string) (*runView, error) {
	space, known := at.space, at.project
	r, _, err := run.Load(ctx, space, runID)
	if err != nil {
		return nil, err
	}
	v := &runView{Run: r, Project: known.Repo.String(), State: tell.State(r.State), Tone: runTone(r.State)}
	policy := p.projects.Policy(known)
	t := tell.View{Run: r, Rounds: policy.Fix.Rounds, Minutes: policy.Fix.Minutes, Now: p.now().UTC()}
	if t.Evidence, err = run.Evidence(ctx, space, r.ID); err != nil {
		return nil, err
	}
	if t.Live, err = run.LiveOf(ctx, space, r.ID); err != nil {
		return nil, err
	}
	if t.Usage, _, err = run.UsageOf(ctx, space, r.ID); err != nil {
		return nil, err
	}
	if t.Words, err = run.WordsOf(ctx, space, r.ID, r.Round().N); err != nil {
		return nil, err
	}
	v.Status = p.markdown.html(tell.Status(t))
	if err := p.proposal(ctx, space, v); err != nil {
		return nil, err
	}
	if r.Attempt != nil {
		if v.Log, v.LogCut, err = tail(ctx, space, r.ID, r.Attempt.N); err != nil {
			return nil, err
		}
	}
	v.Acts, err = p.acts(ctx, space, r.ID)
	return v, err
}

// proposal adds the pull request and the change of the last round that made one.
func (p *Pages) proposal(ctx context.Context, space storage.Space, v *runView) error {
	var n github.NewPull
	made, err := p.request(ctx, space, publish.PullKey(v.Run.ID), &n)
	if err != nil {
		return err
	}
	if made != "" {
		v.Pull = &issueView{Title: n.Title, Body: p.markdown.html(n.Body), Filed: made == action.Done}
		if v.Run.Pull != nil {
			v.Pull.URL = v.Run.Pull.URL
		}
	}
	for _, round := range slices.Backward(v.Run.Rounds) {
		var c publish.CommitRequest
		made, err := p.request(ctx, space, publish.CommitKey(v.Run.ID, round.N), &c)
		if err != nil {
			return err
		}
		if made != "" {
			v.Files = c.Files
			v.Diff = difference(c.Files)
			return nil
		}
	}
	return nil
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
			if size += len(line); size > diffBytes {
				return append(lines, diffLine{"head", "… and more"})
			}
			kind := ""
			switch {
			case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "@@"):
				kind = "head"
			case strings.HasPrefix(line, "+"):
				kind = "add"
			case strings.HasPrefix(line, "-"):
				kind = "cut"
			}
			lines = append(lines, diffLine{kind, strings.TrimRight(line, "\n")})
		}
	}
	return lines
}

// tail is the end of the log of an attempt.
func tail(ctx context.Context, space storage.Space, id string, attempt int) (text string, cut bool, err error) {
	after := ""
	for {
		more, next, err := run.LogOf(ctx, space, id, attempt, after, logPieces)
		if err != nil {
			return "", false, err
		}
		if text += more; len(text) > logBytes {
			text, cut = strings.ToValidUTF8(text[len(text)-logBytes:], ""), true
		}
		if next == "" || next == after {
			return text, cut, nil
		}
		after = next
	}
}

// runs lists the newest runs of a project.
func (p *Pages) runs(ctx context.Context, space storage.Space) ([]runLine, error) {
	list, _, err := run.List(ctx, space, "", perRuns)
	if err != nil {
		return nil, err
	}
	lines := make([]runLine, len(list))
	for i, r := range list {
		lines[i] = runLine{Href: RunPath(space.Name(), r.ID), State: tell.State(r.State), Tone: runTone(r.State), By: r.By, Issue: r.Issue, Created: r.Created, Title: r.ID}
		if r.Pull != nil {
			lines[i].PullURL = r.Pull.URL
		}
	}
	return lines, nil
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
