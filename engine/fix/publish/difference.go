package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// difference is what a change comes to.
type difference struct {
	files    []github.TreeFile
	requests []FileRequest
	told     []tell.File
	was      []string // names of the blobs before, "" if there was none
}

// differences leaves out what is as it was.
func differences(ctx context.Context, b *base, files []brief.File) (d difference, err error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b brief.File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range files {
		e, there, err := b.entry(ctx, f.Path)
		if err != nil {
			return d, err
		}
		blob := blobName(f.Content)
		note := ""
		switch {
		case f.Mode == "" && !there, there && e.SHA == blob && e.Mode == f.Mode:
			continue
		case f.Mode == "":
			note, blob = "deleted", ""
		case f.Mode == brief.ModeLink:
			note = "a symbolic link"
		case !there && f.Mode == brief.ModeExecutable:
			note = "new, executable"
		case !there:
			note = "new"
		case e.Mode != f.Mode && f.Mode == brief.ModeExecutable:
			note = "executable now"
		case e.Mode == brief.ModeExecutable:
			note = "no longer executable"
		}
		d.files = append(d.files, github.TreeFile{Path: f.Path, Mode: f.Mode, Content: f.Content, Delete: f.Mode == ""})
		d.requests = append(d.requests, FileRequest{Path: f.Path, Mode: f.Mode, Blob: blob, Bytes: len(f.Content), Note: note})
		d.told = append(d.told, tell.File{Path: f.Path, Note: note})
		d.was = append(d.was, e.SHA)
	}
	return d, nil
}

// previewBytes is how much of the files the log of a preview has room for.
const previewBytes = 32 << 10

// preview adds to the requests what the files held and hold.
func (d difference) preview(ctx context.Context, b *base, requests []FileRequest) error {
	room := previewBytes
	for i, f := range d.files {
		var was []byte
		if d.was[i] != "" {
			content, err := b.host.Blob(ctx, b.at, d.was[i])
			if err != nil {
				return err
			}
			was = content
		}
		if room -= len(was) + len(f.Content); room < 0 {
			return nil
		}
		requests[i].Before, requests[i].After = string(was), string(f.Content)
	}
	return nil
}

// told is what a change changes, for people.
func (p *Publisher) told(ctx context.Context, c Change) ([]tell.File, error) {
	b, err := openBase(ctx, p.host, c.At, c.Run.Round().Base)
	if err != nil {
		return nil, fmt.Errorf("compare change of run %s: %w", c.Run.ID, err)
	}
	d, err := differences(ctx, b, c.Result.Files)
	if err != nil {
		return nil, fmt.Errorf("compare change of run %s: %w", c.Run.ID, err)
	}
	return d.told, nil
}

// Redact takes out of the agent's own words what looks like a secret.
func (p *Publisher) Redact(ctx context.Context, said string) string {
	return p.scanner.redact(ctx, said)
}

// proposal is a change as people are told of it. The container's word for what was run
// does not count: only the repository's own command does.
func (p *Publisher) proposal(ctx context.Context, c Change, files []tell.File) tell.Proposal {
	ran := slices.DeleteFunc(slices.Clone(c.Result.Tests), func(t brief.Test) bool { return c.Fix.Test == "" || t.Command != c.Fix.Test })
	return tell.Proposal{
		Run: c.Run, Title: p.scanner.redact(ctx, c.Title), Said: p.Redact(ctx, c.Result.Said), Ending: c.Result.Ending, Test: c.Fix.Test, Tests: ran,
		Files: files, Usage: c.Usage, Asked: c.Asked, Words: c.Words, Held: c.Fix.Checks != policy.Run, Rounds: c.Fix.Rounds,
	}
}
