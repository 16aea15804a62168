package run

import (
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Order is what a person with write permission asked for in a comment.
type Order struct {
	Name      string // of the command: fix, retry, cancel, checks
	Cluster   string // "" if it is given on a pull request
	Number    int    // of the issue or pull request that it is given on
	Pull      bool   // that is a pull request
	By        string // login
	ByID      int64  // GitHub's id of the same
	Through   string // what a program brought that ordered it in their name, in words
	Comment   int64  // 0 if it was given on a page
	Order     string // id of what was given on a page
	URL       string // of the comment
	Words     string // after the command's name, as they were written: at most 4,000 runes
	At        time.Time
	RequestID string
}

// Answer is what becomes of an order.
type Answer struct {
	// Reply is to be written on the issue or pull request, in Markdown of ours. It is
	// empty if the run's status comment says enough.
	Reply string
	// Change goes into the batch that ends the command; nil changes nothing. The
	// batch conflicts if it was decided on what is not so any more: ask again.
	Change func(b *storage.Batch)
}

// Issue is what is known of a cluster's issue.
type Issue struct {
	Number int
	URL    string
	Title  string // as we wrote it, or would
	Open   bool
}

// Merge says that the proposal of a run was merged.
type Merge struct {
	Run    string    `json:"run"`
	Pull   int       `json:"pull"`
	URL    string    `json:"url"`
	Commit string    `json:"commit"` // that merged it
	At     time.Time `json:"at"`
	By     string    `json:"by"` // login of who merged
}
