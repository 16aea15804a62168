package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/kilo"
	"github.com/soulcaster/soulcaster/engine/fix/local/child"
)

// bare has Kilo alone fix a bug: in a plain clone, with the report as its prompt. It
// is configured as in Soulcaster's agent, so that the difference is Soulcaster's.
func (s *suite) bare(ctx context.Context, c *bug, as *account, dir string) (a attempt, err error) {
	tree, home := filepath.Join(dir, "result"), filepath.Join(dir, "home")
	if err := errors.Join(c.place(tree, "repo"), os.Mkdir(home, 0o755)); err != nil {
		return a, err
	}
	// Kilo's repository is its own: what it may leave there is nothing to run here. A
	// second one of the same tree tells what it changed.
	ours := []string{"--git-dir=" + filepath.Join(dir, "ours.git"), "--work-tree=" + tree}
	for _, where := range [][]string{nil, ours} {
		for _, args := range [][]string{{"init", "--quiet", "--template=", "--initial-branch=main"}, {"add", "--all"}, {"commit", "--quiet", "--message=Initial commit"}} {
			if _, err := git(ctx, tree, nil, slices.Concat(where, args)...); err != nil {
				return a, err
			}
		}
	}
	config, prompt := filepath.Join(dir, "kilo.json"), filepath.Join(dir, "prompt.md")
	text, err := kilo.Config(kilo.Model(s.model.name, s.model.context), as.url(), "")
	if err := errors.Join(err, os.WriteFile(config, text, 0o644), os.WriteFile(prompt, []byte(c.Report.text()), 0o644)); err != nil {
		return a, fmt.Errorf("write kilo's configuration: %w", err)
	}
	// Kilo reads its prompt from standard input.
	command := slices.Concat([]string{"/bin/sh", "-c", `exec "$@" <"$0"`, prompt}, s.kilo.command, kilo.Arguments(s.model.name, c.Name))
	if err := s.cover.give(tree, home); err != nil {
		return a, err
	}
	running, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	began := time.Now()
	exit, said, err := drive(running, child.Spec{Command: s.cover.startsApart(command...), Dir: tree, Env: append(surroundings(home), kilo.Switches(config)...)})
	a.Seconds = time.Since(began).Seconds()
	if err != nil {
		return a, err
	}
	if running.Err() != nil {
		a.Note = "stopped when its time was over"
	}
	if _, err := git(ctx, tree, nil, slices.Concat(ours, []string{"add", "--all"})...); err != nil {
		return a, err
	}
	different, err := git(ctx, tree, nil, slices.Concat(ours, []string{"diff", "--cached", "--name-only", "HEAD"})...)
	switch {
	case err != nil:
		return a, err
	case different != "":
		a.Outcome = changed
	case exit != 0 || running.Err() != nil:
		a.Outcome = failed
		if a.Note == "" {
			a.Note = fmt.Sprintf("kilo ended with status %d", exit)
		}
		a.Said = said
	default:
		a.Outcome = empty
	}
	return a, nil
}
