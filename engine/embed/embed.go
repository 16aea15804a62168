// Package embed says what an embedder is: what turns feedback into vectors whose
// cosine says how alike two reports are.
//
// Package lexical needs no network and no key; package gemini asks Google.
package embed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// Embedder turns texts into vectors of unit length.
type Embedder interface {
	// Name names what made a vector: model and dimensions, and for the lexical
	// one the version of its weights. Vectors of two names are never compared.
	Name() string
	// Dim is the number of dimensions of every vector.
	Dim() int
	// Batch is how many documents one call should carry, at most.
	Batch() int
	// Embed returns one unit vector per document, in order: all or an error. An
	// [*UnavailableError] means that the service is away or asks to wait, which
	// is no failure of the documents; a [*RefusedError] that some of them are at
	// fault, and that the others can be embedded without them.
	Embed(ctx context.Context, docs []Document) ([][]float32, error)
}

// Document is what is embedded of one feedback.
type Document struct {
	Title      string
	Body       string
	Exceptions []feedback.Exception // Sentry's order: root cause first, oldest frame first
}

// Of returns the document of a feedback.
func Of(f *feedback.Feedback) Document {
	return Document{Title: f.Title, Body: f.Body, Exceptions: f.Exceptions}
}

// Kind is the sort of text that a document is: a threshold that is right for
// stack traces is wrong for prose.
type Kind string

// The kinds of documents.
const (
	Trace Kind = "trace" // it has an exception
	Prose Kind = "prose"
)

// Kind says which sort of text the document is.
func (d Document) Kind() Kind {
	if len(d.Exceptions) > 0 {
		return Trace
	}
	return Prose
}

// Text is the document as one plain text, for embedders that read prose: title,
// exceptions with their in-app frames newest first, body.
func (d Document) Text() string {
	var b strings.Builder
	b.WriteString(d.Title)
	for i := len(d.Exceptions) - 1; i >= 0; i-- {
		e := d.Exceptions[i]
		fmt.Fprintf(&b, "\n%s: %s", e.Type, e.Value)
		for j := len(e.Frames) - 1; j >= 0; j-- {
			if f := e.Frames[j]; f.InApp {
				fmt.Fprintf(&b, "\n  at %s %s", f.Function, f.File)
			}
		}
	}
	if d.Body != "" {
		b.WriteString("\n")
		b.WriteString(d.Body)
	}
	return b.String()
}

// UnavailableError says that the embedder's service is away, or asked us to
// wait until a moment (zero if it did not say).
type UnavailableError struct {
	Until time.Time
	Err   error
}

func (e *UnavailableError) Error() string { return "embed: " + e.Err.Error() }
func (e *UnavailableError) Unwrap() error { return e.Err }

// SpentError says that what may be spent on vectors is spent, until a moment. The
// documents wait for it, and nothing else has to: what needs no vector goes on.
type SpentError struct {
	Until time.Time
	Err   error // in words for people
}

func (e *SpentError) Error() string { return e.Err.Error() }
func (e *SpentError) Unwrap() error { return e.Err }

// RefusedError says that the embedder works, but takes some of the documents in
// no form: it is their text.
type RefusedError struct {
	At  []int // which of the documents, ascending
	Err error // why, of one of them
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("embed: %d documents were refused: %v", len(e.At), e.Err)
}
func (e *RefusedError) Unwrap() error { return e.Err }
