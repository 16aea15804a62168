package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in a project's space:
//
//	import/<id>              Import; ids begin with the time
//	import-part/<id>/<n>     part: readings, in order
//	import-result/<id>       Result
//	draft/import-<id>/…      the draft in which an import is tried, see package draft
const (
	importPrefix = "import/"
	partPrefix   = "import-part/"
	resultPrefix = "import-result/"
)

// Work is the key of due work that says that an import is to go on.
func Work(id string) string { return importPrefix + id }

// Kind says where an import comes from.
type Kind string

// The kinds of imports.
const (
	Sentry Kind = "sentry"
	Reddit Kind = "reddit"
	File   Kind = "file"
)

// State says how far an import is.
type State string

// The states, in their order. Ready waits for a person, the last four have ended.
const (
	Receiving State = "receiving" // a file is being stored
	Fetching  State = "fetching"
	Storing   State = "storing"  // into the draft
	Grouping  State = "grouping" // in the draft
	Judging   State = "judging"  // what each cluster amounts to
	Summing   State = "summing"  // the result
	Ready     State = "ready"
	Importing State = "importing"

	Done    State = "done"
	Dropped State = "dropped"
	Expired State = "expired"
	Failed  State = "failed"
)

// Ended reports whether nothing more comes of it.
func (s State) Ended() bool { return s == Done || s == Dropped || s == Expired || s == Failed }

// Trying reports whether a preview is being worked out.
func (s State) Trying() bool { return s == Storing || s == Grouping || s == Judging || s == Summing }

// Limits of imports.
const (
	MaxRows  = 20_000             // of a file
	MaxBytes = 10 << 20           // of a file
	MaxItems = 500                // groups from Sentry, or posts of all subreddits from Reddit
	keepFor  = 7 * 24 * time.Hour // what was read is kept, unless it is imported or dropped before

	maxAlive = 3  // imports of a project that have not ended
	maxEnded = 20 // that are remembered
	maxBad   = 20 // lines of a file that are named
)

// By says who asks, and in which request.
type By struct {
	Who       string // a login
	RequestID string
}

// Import is what was, or would be, brought into a project.
type Import struct {
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`
	Source string `json:"source,omitempty"` // the source's id; empty for a file
	Name   string `json:"name"`             // of the source or the file, for people
	By     string `json:"by"`
	Agreed string `json:"agreed,omitempty"` // who said that it is to be imported

	Started time.Time `json:"started"`
	Changed time.Time `json:"changed"` // when it got on last
	Expires time.Time `json:"expires"` // when what was read goes, if nobody imports it

	State   State  `json:"state"`
	Trouble string `json:"trouble,omitempty"` // what holds it up, or why it failed

	Read  int   `json:"read"`            // reports that were read
	Parts int   `json:"parts"`           // in which they are stored
	Bad   int   `json:"bad,omitempty"`   // elements that could not be read
	Lines []Bad `json:"lines,omitempty"` // the first of them, of a file
	Cut   bool  `json:"cut,omitempty"`   // there was more than is read of one

	Skipped []string `json:"skipped,omitempty"` // Sentry projects or subreddits that are not shown to us

	From *cursor `json:"from,omitempty"` // where fetching goes on

	Part int `json:"part,omitempty"` // the next one of the present step
	Done int `json:"done,omitempty"` // reports, or clusters, that the present step is through with
	Of   int `json:"of,omitempty"`   // how many it has

	Revision uint64 `json:"revision,omitempty"` // of the project's clusters when the preview began
	Stale    bool   `json:"stale,omitempty"`    // something arrived while it was worked out

	Accepted   int `json:"accepted,omitempty"` // of what was imported
	Duplicates int `json:"duplicates,omitempty"`
}

// Bad is a line of a file that could not be read.
type Bad struct {
	Line int    `json:"line"`
	Why  string `json:"why"`
}

// ErrNone says that there is no such import.
var ErrNone = errors.New("no such import")

// StateError says that what is asked of an import cannot be done in its state.
type StateError struct{ State State }

func (e *StateError) Error() string { return "the import is " + string(e.State) + " by now" }

// LimitError says that there are as many imports as there may be, or that a file is
// too large.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return e.Message }

// Get returns an import of a project; ErrNone if there is none of that id.
func Get(ctx context.Context, space storage.Space, id string) (Import, error) {
	i, _, err := load(ctx, space, id)
	return i, err
}

func load(ctx context.Context, space storage.Space, id string) (i Import, e storage.Entry, err error) {
	if !idForm.MatchString(id) {
		return i, e, ErrNone
	}
	entries, err := space.Get(ctx, importPrefix+id)
	if err != nil {
		return i, e, fmt.Errorf("read import %s: %w", id, err)
	}
	if !entries[0].Exists() {
		return i, entries[0], ErrNone
	}
	return i, entries[0], storage.GetJSON(entries[0], &i)
}

// List returns the imports of a project, the newest first.
func List(ctx context.Context, space storage.Space) ([]Import, error) {
	entries, err := space.Scan(ctx, importPrefix, "", 2*(maxAlive+maxEnded))
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	all := make([]Import, len(entries))
	for i, e := range entries {
		if err := storage.GetJSON(e, &all[i]); err != nil {
			return nil, err
		}
	}
	slices.Reverse(all)
	return all, nil
}

// Behind reports whether a project's clusters, which are at a revision now, have
// changed since the preview of an import began: what would come of it may be something
// else by now.
func Behind(i Import, revision uint64) bool {
	return i.Stale || i.State == Ready && revision != i.Revision
}
