package issue

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// opened remembers for a moment which issues people have opened that link a place where
// problems are told of.
type opened struct {
	mu  sync.Mutex
	all map[string]listing // by space
}

type listing struct {
	at     time.Time
	mark   string // what was stored under openedKey then
	issues []linking
	may    map[int64]github.Permission // by who opened one, as far as it was asked
	asked  time.Time                   // since when that is remembered, over all listings meanwhile
}

// openedKey holds a word of chance, a new one whenever GitHub tells that an issue changed
// which links a place where problems are told of.
const openedKey = "opened"

// NoteOpened adds to the batch that such an issue changed.
func NoteOpened(b *storage.Batch) { b.Set(openedKey, []byte(rand.Text())) }

// linking is an open issue that links something, without what people wrote in it.
type linking struct {
	number  int
	url     string
	author  github.Person
	bot     bool
	origins []feedback.Origin
	room    int    // for our section
	taken   bool   // it holds a section already,
	of      string // marked by us as this cluster's; "" if that is not so
}

const (
	// listingKept is how old what is known of open issues may be where nothing is filed yet.
	listingKept = 10 * time.Minute
	// maxListings is of how many projects it is remembered.
	maxListings = 200
	// maxAuthors is of how many people GitHub is asked what they may do, for one listing. Who
	// comes after them counts as a stranger.
	maxAuthors = 20
)

// linkingIssues returns the open issues that link something, as they were so long ago at
// most.
func (s *sitting) linkingIssues(ctx context.Context, age time.Duration) ([]linking, error) {
	entries, err := s.space.Get(ctx, openedKey)
	if err != nil {
		return nil, fmt.Errorf("see whether issues changed: %w", err)
	}
	mark := string(entries[0].Value)
	s.opened.mu.Lock()
	known, ok := s.opened.all[s.space.Name()]
	s.opened.mu.Unlock()
	if ok && known.mark == mark && s.now.Sub(known.at) < age {
		return known.issues, nil
	}
	open, err := s.people.OpenIssues(ctx, s.at())
	if err != nil {
		return nil, err
	}
	var issues []linking
	for _, i := range open {
		if origins := feedback.Origins(i.Body); len(origins) > 0 {
			of, _ := FindMarker(i.Body, s.macOf)
			issues = append(issues, linking{i.Number, i.URL, github.Person{ID: i.AuthorID, Login: i.Author}, i.AuthorBot, origins, Room(i.Body), len(layout(i.Body).ours) > 0, of})
		}
	}
	slices.SortFunc(issues, func(a, b linking) int { return a.number - b.number })
	s.opened.mu.Lock()
	defer s.opened.mu.Unlock()
	if s.opened.all == nil || len(s.opened.all) >= maxListings {
		s.opened.all = make(map[string]listing)
	}
	if known.may == nil || s.now.Sub(known.asked) >= listingKept {
		known.may, known.asked = make(map[int64]github.Permission), s.now
	}
	s.opened.all[s.space.Name()] = listing{s.now, mark, issues, known.may, known.asked}
	return issues, nil
}

// permission is what who opened an issue may do, as far as it is asked.
func (s *sitting) permission(ctx context.Context, who github.Person) (github.Permission, error) {
	s.opened.mu.Lock()
	asked := s.opened.all[s.space.Name()].may
	may, ok := asked[who.ID]
	n := len(asked)
	s.opened.mu.Unlock()
	if ok || n >= maxAuthors {
		return may, nil
	}
	may, err := s.people.Permission(ctx, s.at(), who)
	if err != nil {
		return github.None, err
	}
	s.opened.mu.Lock()
	if asked != nil { // or somebody else's listings took its place
		asked[who.ID] = may
	}
	s.opened.mu.Unlock()
	return may, nil
}

// forgetListing has GitHub asked anew which issues are open.
func (s *sitting) forgetListing() {
	s.opened.mu.Lock()
	defer s.opened.mu.Unlock()
	if l, ok := s.opened.all[s.space.Name()]; ok {
		l.at = time.Time{}
		s.opened.all[s.space.Name()] = l
	}
}
