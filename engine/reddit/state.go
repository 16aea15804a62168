package reddit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in an installation's space:
//
//	reddit/<source>               State
//	reddit-post/<source>/<age>    watched: a post that was taken in and is looked at
//	                              again; ages are fullnames, in the order of their making
func stateKey(source string) string    { return "reddit/" + source }
func watchPrefix(source string) string { return "reddit-post/" + source + "/" }

// State is what is remembered of a source that is read from Reddit.
type State struct {
	Subreddits map[string]*Subreddit `json:"subreddits,omitempty"` // by name in lower case
	Looked     time.Time             `json:"looked,omitzero"`      // when all was well last
	Trouble    string                `json:"trouble,omitempty"`    // what is wrong with all of it
	Since      time.Time             `json:"since,omitzero"`       // that there is trouble

	Watched int       `json:"watched,omitempty"` // about how many posts are looked at again
	Round   time.Time `json:"round,omitzero"`    // when the present or last round of looking began
	At      string    `json:"at,omitempty"`      // the key that the round got to; empty: it is over
}

// Subreddit is what is remembered of one.
type Subreddit struct {
	Begun   bool      `json:"begun,omitempty"`
	Newest  string    `json:"newest,omitempty"`  // fullname of the newest post that was read
	Last    time.Time `json:"last,omitzero"`     // when something was new last
	Whole   time.Time `json:"whole,omitzero"`    // when the newest page was last read as a whole
	Looked  time.Time `json:"looked,omitzero"`   // when it was read last
	Trouble string    `json:"trouble,omitempty"` // why it was not
}

// Of returns what is remembered of a subreddit, nil if nothing is.
func (s *State) Of(name string) *Subreddit { return s.Subreddits[strings.ToLower(name)] }

// see notes the newest of some posts.
func (s *Subreddit) see(names []string) {
	for _, n := range names {
		if age(n) > age(s.Newest) {
			s.Newest = n
		}
	}
}

// StateOf returns what is remembered of a source.
func StateOf(ctx context.Context, home storage.Space, source string) (State, error) {
	s, _, err := stateOf(ctx, home, source)
	return s, err
}

func stateOf(ctx context.Context, space storage.Space, source string) (s State, e storage.Entry, err error) {
	entries, err := space.Get(ctx, stateKey(source))
	if err != nil {
		return s, e, fmt.Errorf("read what of Reddit was read: %w", err)
	}
	return s, entries[0], storage.GetJSON(entries[0], &s)
}

// age is a fullname so that those made later come after in the order of strings:
// ids are numbers to the base of 36. That of no name comes before all.
func age(fullname string) string {
	kind, id, ok := strings.Cut(fullname, "_")
	if !ok {
		return ""
	}
	const digits = 13
	return strings.Repeat("0", max(0, digits-len(id))) + id + "_" + kind
}

// named is the fullname of an age.
func named(age string) string {
	id, kind, _ := strings.Cut(age, "_")
	return kind + "_" + strings.TrimLeft(id, "0")
}
