package publish

import (
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Change is what a round of a run came to, and all that is said of it.
type Change struct {
	Space         storage.Space // the project's
	At            github.At
	Run           *run.Run
	Fix           policy.Fix
	DefaultBranch string        // that the pull request is to be merged into
	Title         string        // the issue's: foreign
	Result        *brief.Result // the container's: foreign
	Usage         run.Usage
	Asked         string    // login of who asked for this round; "" if checks did
	Through       string    // what a program brought that asked in their name, in words
	Words         run.Words // what they said
	Live          bool      // false: nothing is written to GitHub
	Now           time.Time
}
