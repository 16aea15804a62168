package backfill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/cluster/offline"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// FileSource is the id that feedback out of files has in the place of a source's.
// No source has it: its form is not one of theirs.
const FileSource = "import_file"

// Sources finds a source by its id.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, error)
}

// Taker stores readings: as their source routes them, or in a project.
type Taker interface {
	Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]intake.Answer, error)
	Into(ctx context.Context, space storage.Space, readings []feedback.Reading) ([]intake.Answer, error)
}

// Config is what imports work with: what feedback passes through in earnest.
type Config struct {
	Projects *project.Registry
	Sources  Sources
	Taker    Taker
	Actions  *action.Log

	Embedder   embed.Embedder
	Same       cluster.Judge // may be nil
	Verdict    issue.Judge   // may be nil
	People     issue.People  // may be nil
	Strictness func(ctx context.Context, space storage.Space) (cluster.Strictness, error)
	Mac        func(space, text string) string

	// Reader returns what reads for a source of an installation now.
	Reader func(src *source.Source) *feedback.Reader
	// Sentry returns a client for a source that has an API token.
	Sentry func(api source.API) (*sentryapi.Client, error)
	// Reddit returns a client for a source's OAuth client.
	Reddit func(id, secret string) *reddit.Client

	Wake func(spaces ...string)
	Now  func() time.Time
}

// Backfill makes imports and works on them. It is safe for concurrent use.
type Backfill struct{ c Config }

// New returns a backfill.
func New(c Config) *Backfill { return &Backfill{c} }

// Register names the handlers to a queue.
func (b *Backfill) Register(q interface {
	Handle(kind string, h work.Handler)
}) {
	q.Handle("import", b.handle)
	q.Handle("lacking", b.compare)
}

var idForm = regexp.MustCompile(`^[0-9]{14}-[a-z2-7]{8}$`)

func newID(now time.Time) string {
	return now.UTC().Format("20060102150405") + "-" + strings.ToLower(rand.Text()[:8])
}

// From begins an import of what a source has that routes to the project: a Sentry
// with a token for its API, or subreddits with an OAuth client.
func (b *Backfill) From(ctx context.Context, space storage.Space, src *source.Source, by By) (Import, error) {
	p, _, err := project.Load(ctx, space)
	if err != nil {
		return Import{}, err
	}
	if err := Asks(src, p); err != nil {
		return Import{}, err
	}
	i := Import{Source: src.ID, Name: src.Label(), State: Fetching, Kind: Reddit, From: &cursor{Places: slices.Clone(src.Subreddits)}}
	if src.Kind == source.Sentry {
		i.Kind, i.From.Places = Sentry, sentryProjects(src, p)
	}
	return b.begin(ctx, space, i, by)
}

// Asks reports whether a source can be asked for what belongs to a project; a
// [*LimitError] says why not.
func Asks(src *source.Source, p project.Project) error {
	switch {
	case src.Kind == source.Sentry && src.API != nil:
		if len(sentryProjects(src, p)) == 0 {
			return &LimitError{"nothing of this source belongs to this project: no route of it leads here"}
		}
	case src.Kind == source.Reddit && src.Client != nil:
		switch {
		case !routed(src.Repository, p):
			return &LimitError{"nothing of this source belongs to this project: its repository is another"}
		case len(src.Subreddits) == 0:
			return &LimitError{"this source names no subreddits"}
		}
	default:
		return &LimitError{"this source cannot be asked: give it a token for Sentry's API, or Reddit's OAuth client"}
	}
	return nil
}

// routed reports whether a repository's name means the project.
func routed(repository string, p project.Project) bool {
	name := strings.ToLower(repository)
	return name != "" && (name == p.Alias || !p.Borrowed && name == strings.ToLower(p.Repo.String()))
}

// FromFile begins an import of a file's reports, JSON lines or CSV. What is read of
// it is stored when it returns; lines that could not be read are in the import. A
// file of which nothing can be read, or that is too large, is a [*LimitError].
func (b *Backfill) FromFile(ctx context.Context, space storage.Space, name string, r io.Reader, by By) (Import, error) {
	name = fileName(name)
	i := Import{Kind: File, Name: name, State: Receiving}
	in := &io.LimitedReader{R: r, N: MaxBytes + 1}
	docs, err := offline.Read(name, in, func(line int, err error) {
		i.Bad++
		if len(i.Lines) < maxBad {
			i.Lines = append(i.Lines, Bad{Line: line, Why: err.Error()})
		}
	})
	switch {
	case in.N <= 0:
		return Import{}, &LimitError{fmt.Sprintf("the file is larger than %d MB: split it", MaxBytes>>20)}
	case len(docs) > MaxRows:
		return Import{}, &LimitError{fmt.Sprintf("the file holds more than %d reports: split it", MaxRows)}
	case err != nil:
		return Import{}, &LimitError{err.Error()}
	}
	installation := project.Installation(space.Name())
	reader := b.c.Reader(&source.Source{Installation: installation, ID: FileSource, Kind: source.Feedback})
	var all []feedback.Reading
	for _, d := range docs {
		if err := ctx.Err(); err != nil {
			return Import{}, err
		}
		row := feedback.Row{Title: d.Title, Body: d.Body, Exceptions: d.Exceptions, Author: d.Author, URL: d.URL, At: d.At,
			Release: d.Release, Environment: d.Environment, Level: d.Level}
		if !d.Numbered { // the ids of two files have nothing to do with each other
			row.External = name + ":" + d.ID
		}
		if one := reader.Row(row); one.Err == nil {
			all = append(all, one)
		} else {
			i.Bad++
			if len(i.Lines) < maxBad {
				i.Lines = append(i.Lines, Bad{Line: d.Line, Why: one.Err.Error()})
			}
		}
	}
	if len(all) == 0 {
		why := "there are no reports in it"
		if len(i.Lines) > 0 {
			why = fmt.Sprintf("nothing of it could be read; line %d: %s", i.Lines[0].Line, i.Lines[0].Why)
		}
		return Import{}, &LimitError{why}
	}
	parts, size, err := pack(all)
	switch {
	case err != nil:
		return Import{}, err
	case size > maxStored:
		return Import{}, &LimitError{"what the file holds is too much to be kept: split it"}
	}
	if i, err = b.begin(ctx, space, i, by); err != nil {
		return Import{}, err
	}
	for n, value := range parts {
		var batch storage.Batch
		batch.Set(partKey(i.ID, n), value)
		if err := space.Apply(ctx, &batch); err != nil {
			return Import{}, fmt.Errorf("store a file: %w", err)
		}
	}
	return b.change(ctx, space, i.ID, func(_ *storage.Batch, i *Import) error {
		if i.State != Receiving {
			return &StateError{i.State}
		}
		i.Read, i.Parts = len(all), len(parts)
		i.step(Storing, len(all))
		return nil
	})
}

// fileName is the last element of a name, as far as it can be shown and be part of
// ids.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, name)
	if runes := []rune(name); len(runes) > 60 {
		name = string(runes[len(runes)-60:]) // its end says what is in it
	}
	if name == "." || name == "/" {
		return "file"
	}
	return name
}

// begin writes an import and makes it due.
func (b *Backfill) begin(ctx context.Context, space storage.Space, i Import, by By) (Import, error) {
	all, err := List(ctx, space)
	if err != nil {
		return Import{}, err
	}
	alive, ended := 0, 0
	var batch storage.Batch
	for _, other := range all {
		if !other.State.Ended() {
			alive++
			continue
		}
		if ended++; ended >= maxEnded {
			forget(&batch, other.ID)
		}
	}
	if alive >= maxAlive {
		return Import{}, &LimitError{fmt.Sprintf("this project has %d imports that have not ended: import or drop one first", alive)}
	}
	now := b.c.Now().UTC()
	i.ID, i.By, i.Started, i.Changed, i.Expires = newID(now), by.Who, now, now, now.Add(keepFor)
	batch.Require(importPrefix+i.ID, 0)
	batch.SetJSON(importPrefix+i.ID, i)
	work.Add(&batch, Work(i.ID))
	if err := b.note(&batch, "begin", i.ID, by, fmt.Sprintf("a preview of what %q would bring", i.Name)); err != nil {
		return Import{}, err
	}
	if err := space.Apply(ctx, &batch); err != nil {
		return Import{}, fmt.Errorf("begin an import: %w", err)
	}
	b.c.Wake(space.Name())
	return i, nil
}

// note adds to the audit what somebody did.
func (b *Backfill) note(batch *storage.Batch, what, id string, by By, why string) error {
	kind := "import." + what
	return b.c.Actions.Note(batch, action.Action{Key: kind + "/" + id, Kind: kind, Subject: id, By: by.Who, Why: why, RequestID: by.RequestID})
}

// forget deletes all that is left of an import that has ended and was cleared.
func forget(batch *storage.Batch, id string) {
	batch.Delete(importPrefix + id)
	batch.Delete(resultPrefix + id)
}

// Agree is a person's word that what was previewed is to be imported.
func (b *Backfill) Agree(ctx context.Context, space storage.Space, id string, by By) (Import, error) {
	return b.change(ctx, space, id, func(batch *storage.Batch, i *Import) error {
		if i.State != Ready {
			return &StateError{i.State}
		}
		i.Agreed = by.Who
		i.step(Importing, i.Read)
		return b.note(batch, "agree", id, by, fmt.Sprintf("%d reports of %q are imported", i.Read, i.Name))
	})
}

// Again works the preview out anew: something may have arrived since.
func (b *Backfill) Again(ctx context.Context, space storage.Space, id string, by By) (Import, error) {
	return b.change(ctx, space, id, func(batch *storage.Batch, i *Import) error {
		if i.State != Ready {
			return &StateError{i.State}
		}
		i.step(Storing, i.Read)
		return b.note(batch, "again", id, by, fmt.Sprintf("what %q would bring is worked out anew", i.Name))
	})
}

// Drop ends an import. What was read is deleted; what was imported already stays.
func (b *Backfill) Drop(ctx context.Context, space storage.Space, id string, by By) (Import, error) {
	return b.change(ctx, space, id, func(batch *storage.Batch, i *Import) error {
		if i.State.Ended() {
			return &StateError{i.State}
		}
		why := fmt.Sprintf("what was read of %q is deleted", i.Name)
		if i.State == Importing {
			why += fmt.Sprintf("; %d of %d reports were imported", i.Done, i.Of)
		}
		i.step(Dropped, 0)
		return b.note(batch, "drop", id, by, why)
	})
}

// step goes on to a state with so much to do.
func (i *Import) step(s State, of int) {
	i.State, i.Part, i.Done, i.Of, i.Trouble, i.From = s, 0, 0, of, "", nil
}

// change changes an import, whatever its worker does meanwhile, and makes it due.
func (b *Backfill) change(ctx context.Context, space storage.Space, id string, do func(batch *storage.Batch, i *Import) error) (Import, error) {
	for range 10 {
		i, e, err := load(ctx, space, id)
		if err != nil {
			return Import{}, err
		}
		var batch storage.Batch
		if err := do(&batch, &i); err != nil {
			return Import{}, err
		}
		i.Changed = b.c.Now().UTC()
		batch.RequireEntry(e)
		batch.SetJSON(e.Key, i)
		work.Add(&batch, Work(id))
		switch err := space.Apply(ctx, &batch); {
		case errors.Is(err, storage.ErrConflict):
			continue
		case err != nil:
			return Import{}, fmt.Errorf("change import %s: %w", id, err)
		}
		b.c.Wake(space.Name())
		return i, nil
	}
	return Import{}, fmt.Errorf("change import %s: %w", id, storage.ErrConflict)
}
