package publish

import (
	"context"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// difference is what a change comes to.
type difference struct {
	files    []github.TreeFile
	requests []FileRequest
	was      [][]byte // what the first of them held, as many as a preview shows
}

// differences leaves out what is as it was.
func differences(ctx context.Context, b *base, files []brief.File) (d difference, err error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b brief.File) int { return strings.Compare(a.Path, b.Path) })
	room := previewBytes
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
		r := FileRequest{Path: f.Path, Mode: f.Mode, Blob: blob, Bytes: len(f.Content), Note: note}
		var was []byte
		if readable := e.Type == "blob" && e.Size <= github.MaxBlob; readable || !there {
			if readable {
				if was, err = b.host.Blob(ctx, b.at, e.SHA); err != nil {
					return d, err
				}
			}
			r.Lines = countLines(was, f.Content)
		}
		d.files = append(d.files, github.TreeFile{Path: f.Path, Mode: f.Mode, Content: f.Content, Delete: f.Mode == ""})
		d.requests = append(d.requests, r)
		if room -= len(was) + len(f.Content); room >= 0 {
			d.was = append(d.was, was)
		}
	}
	return d, nil
}

// sum is all of it in numbers.
func (d difference) sum() run.Diff {
	sum := run.Diff{Files: len(d.requests)}
	for _, r := range d.requests {
		if r.Lines != nil {
			sum.Added += r.Lines.Added
			sum.Cut += r.Lines.Cut
		}
	}
	return sum
}

// previewBytes is how much of the files the log of a preview has room for.
const previewBytes = 32 << 10

// preview adds to the requests what the files held and hold.
func (d difference) preview() {
	for i, was := range d.was {
		d.requests[i].Before, d.requests[i].After = string(was), string(d.files[i].Content)
	}
}

// Redact takes out of the agent's own words what looks like a secret.
func (p *Publisher) Redact(ctx context.Context, said string) string {
	return p.scanner.redact(ctx, said)
}

// proposal is a change as people are told of it. The container's word for what was run
// does not count: only the repository's own command does.
func (p *Publisher) proposal(ctx context.Context, c Change) tell.Proposal {
	ran := slices.DeleteFunc(slices.Clone(c.Result.Tests), func(t brief.Test) bool { return c.Fix.Test == "" || t.Command != c.Fix.Test })
	return tell.Proposal{
		Run: c.Run, Title: p.scanner.redact(ctx, c.Title), Said: p.Redact(ctx, c.Result.Said), Ending: c.Result.Ending, Test: c.Fix.Test, Tests: ran,
		Usage: c.Usage, Asked: c.Asked, Words: c.Words, Held: c.Fix.Checks != policy.Run, Rounds: c.Fix.Rounds,
	}
}
