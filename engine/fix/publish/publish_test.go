package publish_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// desk is a publisher in front of a repository.
type desk struct {
	*publish.Publisher
	host  *host
	log   *action.Log
	space storage.Space
	now   time.Time
	hook  func(point string) error
	base  string
}

func newDesk(t *testing.T, files map[string]string) *desk {
	t.Helper()
	d := &desk{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	d.host, d.base = newHost(t, files)
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "soulcaster.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if d.space, err = db.Create(t.Context(), "project/101/9"); err != nil {
		t.Fatal(err)
	}
	d.log = action.New(action.Options{Now: func() time.Time { return d.now }, Hook: func(_ context.Context, point string) error {
		if d.hook == nil {
			return nil
		}
		return d.hook(point)
	}})
	mac := func(space, key string) string { return fmt.Sprintf("%x", space+key) }
	if d.Publisher, err = publish.New(d.host, d.log, mac, publish.Limits()); err != nil {
		t.Fatal(err)
	}
	return d
}

// change is a change of the files in the first round. A file is written "path" or
// "mode path"; mode "-" deletes.
func (d *desk) change(files map[string]string) publish.Change {
	c := publish.Change{
		Space: d.space,
		At:    github.At{Installation: 101, Repo: project.Repo{Owner: "acme", Name: "web", ID: 9}},
		Run: &run.Run{ID: "k3v9x2m4q7p1z8ab", Cluster: "c1", Issue: 7, By: "octocat", Live: true, State: run.Publishing,
			Branch: "soulcaster/issue-7-k3v9x2m4q7p1z8ab", Rounds: []run.Round{{N: 1, By: "octocat", Base: d.base}}},
		Fix:           policy.Fix{Minutes: 30, Rounds: 3, Checks: policy.Held},
		DefaultBranch: "main", Title: "TypeError in the cart", Asked: "octocat", Live: true, Now: d.now,
		Result: &brief.Result{Round: 1, Attempt: 1, Ending: brief.Finished, Base: d.base, Said: "## What was wrong\n\nA typo."},
	}
	for path, content := range files {
		c.Result.Files = append(c.Result.Files, file(path, content))
	}
	return c
}

func file(path, content string) brief.File {
	f := brief.File{Path: path, Mode: brief.ModeFile, Content: []byte(content)}
	for _, mode := range []string{brief.ModeFile, brief.ModeExecutable, brief.ModeLink, brief.ModeSubmodule, "-", "040000"} {
		if len(path) > len(mode) && path[:len(mode)+1] == mode+" " {
			f.Path, f.Mode = path[len(mode)+1:], mode
		}
	}
	if f.Mode == "-" {
		f.Mode, f.Content = "", nil
	}
	return f
}

// propose does what a run does, from the commit to the pull request.
func (d *desk) propose(t *testing.T, c publish.Change) (string, run.Pull) {
	t.Helper()
	sha, _, err := d.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Move(t.Context(), c, sha); err != nil {
		t.Fatal(err)
	}
	pull, err := d.Propose(t.Context(), c, sha)
	if err != nil {
		t.Fatal(err)
	}
	return sha, pull
}

// next is the round after one that was proposed.
func (d *desk) next(c publish.Change, sha string, pull run.Pull, files map[string]string) publish.Change {
	n := d.change(files)
	r := *c.Run
	r.Pull, r.Head = &pull, sha
	r.Rounds = append(append([]run.Round(nil), r.Rounds...), run.Round{N: len(r.Rounds) + 1, By: "hubot", Base: sha})
	n.Run, n.Asked, n.Result.Base = &r, "hubot", sha
	return n
}

var errCrash = errors.New("crash")
