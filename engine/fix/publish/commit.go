package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
)

// CommitRequest is what the action log holds of a commit, in preview too.
type CommitRequest struct {
	Branch  string        `json:"branch"` // that it is for
	Parent  string        `json:"parent"`
	Tree    string        `json:"tree"` // of the parent; the commit's own if there are no files
	Message string        `json:"message"`
	Files   []FileRequest `json:"files,omitempty"` // as many as there is room for
	Diff    *run.Diff     `json:"diff,omitempty"`  // all of them
}

// FileRequest is one file of a commit.
type FileRequest struct {
	Path  string `json:"path"`
	Mode  string `json:"mode,omitempty"` // "" if it is deleted
	Blob  string `json:"blob,omitempty"` // git's name of its content
	Bytes int    `json:"bytes"`
	Note  string `json:"note,omitempty"` // what becomes of it, in words
	// Lines are nil where they are not counted: what was there is long, or no text.
	Lines *run.Lines `json:"lines,omitempty"`
	// Before and After are what it held and holds, in preview alone, where there is
	// nothing else to look at, and only as far as the log has room.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// CommitKey is the key of the action that makes the commit of a round.
func CommitKey(run string, round int) string { return fmt.Sprintf("commit.create/%s/%d", run, round) }

// Commit makes the commit of a checked change on top of the round's base, and returns
// its name and what it changes; nobody sees it until Move. It is ErrEmpty if nothing would be different.
// Called again with the same change it returns the commit that it made. In preview
// the name is empty.
func (p *Publisher) Commit(ctx context.Context, c Change) (sha string, diff run.Diff, err error) {
	if c.Result.Base != c.Run.Round().Base {
		return "", diff, fmt.Errorf("commit change of run %s: it is of another commit", c.Run.ID)
	}
	b, err := openBase(ctx, p.host, c.At, c.Run.Round().Base)
	if err != nil {
		return "", diff, fmt.Errorf("commit change of run %s: %w", c.Run.ID, err)
	}
	d, err := differences(ctx, b, c.Result.Files)
	if err != nil {
		return "", diff, fmt.Errorf("commit change of run %s: %w", c.Run.ID, err)
	}
	if len(d.files) == 0 {
		return "", diff, ErrEmpty
	}
	diff = d.sum()
	request := CommitRequest{
		Branch: c.Run.Branch, Parent: c.Run.Round().Base, Tree: b.tree,
		Message: tell.CommitMessage(p.proposal(ctx, c)), Files: d.requests, Diff: &diff,
	}
	if !c.Live {
		d.preview()
	}
	sha, err = p.commit(ctx, c, CommitKey(c.Run.ID, c.Run.Round().N), "commit.create", "the agent's change", request, d.files)
	return sha, diff, err
}

// ChecksKey is the key of the action that makes a commit on top of another one, for
// its checks to run.
func ChecksKey(run, head string) string { return "checks.commit/" + run + "/" + head }

// Checks makes a commit on top of the branch that holds the same files and lets the
// repository's workflows start, for the person who asked; Move puts the branch on it.
// It is ErrMoved unless the branch is at the commit from, which that person has seen. In
// preview the name is empty.
func (p *Publisher) Checks(ctx context.Context, c Change, from, by string) (sha string, err error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("let checks of run %s run: %w", c.Run.ID, err)
	}
	head, tree := c.Run.Head, ""
	if c.Live {
		found := false
		if head, found, err = p.host.Ref(ctx, c.At, c.Run.Branch); err != nil {
			return fail(err)
		}
		if !found || head != from {
			return fail(ErrMoved)
		}
		commit, err := p.host.CommitOf(ctx, c.At, head)
		if err != nil {
			return fail(err)
		}
		tree = commit.Tree
	}
	c.Asked = by
	request := CommitRequest{Branch: c.Run.Branch, Parent: head, Tree: tree, Message: tell.ChecksMessage(by)}
	return p.commit(ctx, c, ChecksKey(c.Run.ID, head), "checks.commit", "to let the checks run", request, nil)
}

// made is what is remembered of a commit.
type made struct {
	SHA string `json:"sha"`
}

// commit makes a commit, or returns the one that was made of the same request. One
// that nobody recorded is in nobody's way: it is part of no branch.
func (p *Publisher) commit(ctx context.Context, c Change, key, kind, why string, r CommitRequest, files []github.TreeFile) (string, error) {
	request, err := r.fit()
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", key, err)
	}
	rec, known, err := p.log.Get(ctx, c.Space, key)
	if err != nil {
		return "", err
	}
	if !known || rec.State != action.Done || string(rec.Request) != string(request) || !c.Live {
		rec, err = p.log.Converge(ctx, c.Space, p.action(c, key, kind, why, request), c.Live, action.Effect{Do: func(ctx context.Context) (any, error) {
			tree := r.Tree
			if len(files) > 0 {
				if tree, err = p.host.CreateTree(ctx, c.At, r.Tree, files); err != nil {
					return nil, err
				}
				if tree == r.Tree {
					return nil, ErrEmpty
				}
			}
			sha, err := p.host.CreateCommit(ctx, c.At, r.Message, tree, []string{r.Parent})
			return made{sha}, err
		}})
		if errors.Is(err, ErrEmpty) {
			return "", ErrEmpty
		}
		if err != nil || !c.Live {
			return "", err
		}
	}
	var m made
	if err := json.Unmarshal(rec.Result, &m); err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return m.SHA, nil
}

// fit is the request as the action log has room for it.
func (r CommitRequest) fit() ([]byte, error) {
	data, err := encode(r)
	if len(data) <= action.MaxBytes {
		return data, err
	}
	files := slices.Clone(r.Files)
	for i := range files {
		files[i].Before, files[i].After = "", ""
	}
	for r.Files = files; ; r.Files = r.Files[:len(r.Files)/2] {
		if data, err = encode(r); err != nil || len(data) <= action.MaxBytes || len(r.Files) == 0 {
			return data, err
		}
	}
}

// encode is a request as JSON, without the escapes for HTML: they make six bytes out of
// one, and a long description would not fit into the log.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (p *Publisher) action(c Change, key, kind, why string, request []byte) action.Action {
	by := "checks"
	if c.Asked != "" {
		by = action.By("@"+c.Asked, c.Through)
	}
	return action.Action{Key: key, Kind: kind, Subject: c.Run.ID, By: by, Why: why, RequestID: c.Run.RequestID, Request: request}
}
