package reddit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// pollWorld is a world with a source that is read from a Reddit.
type pollWorld struct {
	*enginetest.World
	server *server
	source *source.Source // nil: it was removed
	poller *reddit.Poller
	home   storage.Space
}

func (w *pollWorld) Source(_ context.Context, id string) (*source.Source, error) {
	if w.source == nil || w.source.ID != id {
		return nil, source.ErrNone
	}
	return w.source, nil
}

func newPollWorld(t *testing.T) *pollWorld {
	w := &pollWorld{server: newServer(t)}
	w.source = &source.Source{Installation: enginetest.Installation, ID: "posts", Kind: source.Reddit, Repository: "acme/web",
		Subreddits: []string{"Shop"}, Client: &source.Client{ID: "client-id", Secret: "client-secret"}}
	w.World = enginetest.New(t, false, nil)
	w.poller = w.start()
	var err error
	if w.home, err = w.Projects.Space(t.Context(), enginetest.Installation); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *pollWorld) start() *reddit.Poller {
	return reddit.NewPoller(reddit.PollerConfig{
		Sources: w, Taker: w.Intake, Now: w.Now,
		Client: func(id, secret string) *reddit.Client { return w.server.client(id, secret, w.Now) },
		Reader: func(src *source.Source) *feedback.Reader { return w.Reader(src.ID) },
	})
}

// poll is one turn of the work; it returns when the next one is.
func (w *pollWorld) poll() time.Time {
	w.T.Helper()
	again, err := w.poller.Handle(w.T.Context(), work.Item{Space: w.home, Key: reddit.Work("posts"), Kind: "reddit", Subject: "posts"})
	if err != nil {
		w.T.Fatal(err)
	}
	w.Time = again
	return again
}

// stored is what the project knows of some posts, "" where there is none.
func (w *pollWorld) stored(names ...string) []string {
	w.T.Helper()
	ids := make([]string, len(names))
	for i, n := range names {
		ids[i] = feedback.ID("posts", n)
	}
	all, _, err := intake.Load(w.T.Context(), w.Space("acme/web"), ids...)
	if err != nil {
		w.T.Fatal(err)
	}
	out := make([]string, len(names))
	for i, f := range all {
		if f != nil {
			out[i] = f.Title
		}
		if f != nil && f.Removed {
			out[i] = "(removed)" + f.Title
		}
	}
	return out
}

func (w *pollWorld) state() reddit.State {
	w.T.Helper()
	s, err := reddit.StateOf(w.T.Context(), w.home, "posts")
	if err != nil {
		w.T.Fatal(err)
	}
	return s
}

// What was there before is left alone; what is new afterwards is taken in, all of
// it and once, also after a restart.
func TestNewPosts(t *testing.T) {
	w := newPollWorld(t)
	old := w.server.add("shop", 2000, "From before")
	w.poll()
	if got := w.stored(old.name()); got[0] != "" {
		t.Errorf("what was there before: %q", got)
	}
	a := w.server.add("shop", 2001, "Export hangs")
	b := w.server.add("shop", 2002, "Login loops")
	w.poll()
	if got := w.stored(a.name(), b.name()); got[0] != "Export hangs" || got[1] != "Login loops" {
		t.Errorf("two new ones: %q", got)
	}
	w.poller = w.start()
	var many []string
	for n := range 230 {
		many = append(many, w.server.add("shop", 3000+n, fmt.Sprintf("Number %d", n)).name())
	}
	w.poll()
	for i, got := range w.stored(many...) {
		if got != fmt.Sprintf("Number %d", i) {
			t.Fatalf("number %d is %q", i, got)
		}
	}
	before := len(w.server.asked())
	next := w.poll()
	if n := len(w.server.asked()) - before; n > 2 {
		t.Errorf("%d requests where nothing is new", n)
	}
	if next.Before(w.Time) {
		t.Errorf("again at %s", next)
	}
	// They were told apart by order of arrival: oldest first.
	todo, err := intake.Waiting(t.Context(), w.Space("acme/web"), 1000)
	if err != nil || len(todo) != 232 || todo[0].Feedback != feedback.ID("posts", a.name()) {
		t.Errorf("%d wait, %v", len(todo), err)
	}
}

// The post that reading goes on from was deleted: Reddit shows nothing as newer
// than it, and all the same nothing is missed.
func TestNewestIsDeleted(t *testing.T) {
	w := newPollWorld(t)
	w.server.add("shop", 2000, "From before")
	newest := w.server.add("shop", 2001, "The newest")
	w.poll()
	newest.gone = true
	later := w.server.add("shop", 2002, "Came later")
	for range 20 {
		w.poll()
	}
	if got := w.stored(later.name(), newest.name()); got[0] != "Came later" || got[1] != "" {
		t.Errorf("got %q", got)
	}
	again := w.server.add("shop", 2003, "Came last")
	w.poll()
	if got := w.stored(again.name()); got[0] != "Came last" {
		t.Errorf("got %q", got)
	}
}

// What its author deletes, and what Reddit does not know any more, goes here too;
// what was edited is changed.
func TestDeletedPosts(t *testing.T) {
	w := newPollWorld(t)
	w.server.add("shop", 2000, "From before")
	w.poll()
	deleted := w.server.add("shop", 2001, "My password is wrong")
	edited := w.server.add("shop", 2002, "Export hangs")
	vanished := w.server.add("shop", 2003, "Vanishes")
	stays := w.server.add("shop", 2004, "Stays")
	w.poll()
	w.Settle()
	deleted.text, deleted.author = "[deleted]", "[deleted]"
	edited.title = "Export hangs at 99 %"
	vanished.unknown = true
	look := func(days int) {
		for range 4 * days {
			w.Pass(6 * time.Hour)
			w.poll()
		}
		w.Pass(time.Minute)
		w.poll()
	}
	look(1)
	if got := w.stored(deleted.name(), edited.name(), vanished.name(), stays.name()); got[0] != "(removed)" || got[1] != "Export hangs at 99 %" || got[2] != "Vanishes" || got[3] != "Stays" {
		t.Errorf("after a day: %q", got)
	}
	look(1)
	if got := w.stored(vanished.name(), stays.name()); got[0] != "(removed)" || got[1] != "Stays" {
		t.Errorf("after two days: %q", got)
	}
	if n := w.state().Watched; n != 2 {
		t.Errorf("%d are looked at again", n)
	}
}

func TestTroubleIsTold(t *testing.T) {
	w := newPollWorld(t)
	w.server.add("shop", 2000, "From before")
	w.source.Subreddits = []string{"shop", "nobody"}
	w.poll()
	s := w.state()
	if s.Trouble != "" || !strings.Contains(s.Subreddits["nobody"].Trouble, "not shown") || s.Subreddits["shop"].Trouble != "" {
		t.Errorf("a subreddit that there is not: %+v", s)
	}
	w.source.Client = &source.Client{ID: "client-id", Secret: "wrong"}
	began := w.Time
	if next := w.poll(); next.Sub(began) != time.Hour || !strings.Contains(w.state().Trouble, "OAuth client") {
		t.Errorf("a wrong secret: again at %s, %+v", next, w.state())
	}
	w.source.Client = &source.Client{ID: "client-id", Secret: "client-secret"}
	w.server.refuse = http.StatusServiceUnavailable
	_, err := w.poller.Handle(t.Context(), work.Item{Space: w.home, Subject: "posts"})
	var later *work.Later
	if !errors.As(err, &later) || !strings.Contains(w.state().Trouble, "away") {
		t.Errorf("an outage: %v, %+v", err, w.state())
	}
	w.server.refuse = 0
	w.Pass(time.Hour)
	w.poll()
	if s := w.state(); s.Trouble != "" || s.Looked.IsZero() {
		t.Errorf("afterwards: %+v", s)
	}
	w.source = nil
	if again, err := w.poller.Handle(t.Context(), work.Item{Space: w.home, Subject: "posts"}); err != nil || !again.IsZero() {
		t.Errorf("a removed source: %v, %v", again, err)
	}
	left, err := w.home.Scan(t.Context(), "reddit", "", 10)
	if err != nil || len(left) > 0 {
		t.Errorf("of a removed source is left: %v, %v", left, err)
	}
}
