package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// paid counts the texts that it embeds, and embeds none once it is spent.
type paid struct {
	embed.Embedder
	texts int
	spent time.Time
}

func (p *paid) Embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	if !p.spent.IsZero() {
		return nil, &embed.SpentError{Until: p.spent, Err: errors.New("the month's money is spent")}
	}
	p.texts += len(docs)
	return p.Embedder.Embed(ctx, docs)
}

// handle works until nothing is due, and returns when something is again.
func (s *shelfTest) handle(a *cluster.Assigner) time.Time {
	s.t.Helper()
	for range 200 {
		again, err := a.Handle(s.t.Context(), work.Item{Space: s.space, Key: "assign"})
		if err != nil {
			s.t.Fatal(err)
		}
		if again.IsZero() || again.After(s.now) {
			return again
		}
	}
	s.t.Fatal("assigning never ends")
	return time.Time{}
}

var unlike = []string{
	"The export of orders to CSV times out",
	"Dark mode flickers on the settings page",
	"Invoice totals are rounded wrongly for yen",
	"Password reset mail never arrives",
}

// Where there may be no more clusters, what belongs to one joins it, and the rest is
// kept and waits; later it is grouped without being paid for again.
func TestNoRoomForAnotherCluster(t *testing.T) {
	s := newShelf(t)
	e := &paid{Embedder: newLexical(t)}
	a := s.assigner(e)
	limit := 2
	a.Bound(func(ctx context.Context, space storage.Space) (int, string, error) {
		n, err := cluster.Count(ctx, space)
		return limit - n, "no room", err
	})
	for i, title := range unlike {
		s.put(feedback.Feedback{ID: fmt.Sprintf("f%d", i), Kind: feedback.Report, Title: title})
	}
	s.put(feedback.Feedback{ID: "again", Kind: feedback.Report, Title: unlike[0]})
	again := s.handle(a)
	if n := len(s.scan("cluster/")); n != limit || !again.After(s.now) {
		t.Fatalf("%d clusters, to be looked at %v", n, again)
	}
	s.check(e.Name())
	if got := s.scan("of/"); len(got) != 3 || got[0].Key != "of/again" {
		t.Errorf("members: %v", got)
	}
	waiting := s.scan("todo/")
	if len(waiting) != 2 || !strings.Contains(string(waiting[0].Value), "no room") {
		t.Errorf("waiting: %+v", waiting)
	}
	texts := e.texts

	s.now = again.Add(time.Minute) // still no room
	again = s.handle(a)
	if len(s.scan("todo/")) != 2 || e.texts != texts {
		t.Errorf("%d wait, %d more texts were embedded", len(s.scan("todo/")), e.texts-texts)
	}
	limit, s.now = 10, again.Add(time.Minute)
	if again := s.handle(a); !again.IsZero() {
		t.Errorf("something waits until %v", again)
	}
	s.check(e.Name())
	if n := len(s.scan("cluster/")); n != 4 || len(s.scan("todo/")) != 0 || e.texts != texts {
		t.Errorf("%d clusters, %d wait, %d more texts were embedded", n, len(s.scan("todo/")), e.texts-texts)
	}
}

// Without money nothing is grouped, and nothing is lost; but what was deleted goes.
func TestNoMoneyForVectors(t *testing.T) {
	s := newShelf(t)
	e := &paid{Embedder: newLexical(t)}
	a := s.assigner(e)
	s.put(feedback.Feedback{ID: "first", Kind: feedback.Report, Title: unlike[0]})
	s.run(a)
	e.spent = s.now.Add(20 * 24 * time.Hour)
	for i := range 40 { // more than a batch
		s.put(feedback.Feedback{ID: fmt.Sprintf("f%d", i), Kind: feedback.Report, Title: unlike[i%4]})
	}
	s.put(feedback.Feedback{ID: "first", Kind: feedback.Report, Removed: true})
	again := s.handle(a)
	if !again.After(s.now) || len(s.scan("of/")) != 0 || len(s.scan("vec/")) != 0 || len(s.scan("todo/")) != 40 {
		t.Errorf("again %v, %d grouped, %d vectors, %d wait", again, len(s.scan("of/")), len(s.scan("vec/")), len(s.scan("todo/")))
	}
	e.spent, s.now = time.Time{}, again.Add(time.Minute)
	s.handle(a)
	s.check(e.Name())
	if n := len(s.scan("cluster/")); n != 4 || len(s.scan("todo/")) != 0 {
		t.Errorf("%d clusters, %d wait", n, len(s.scan("todo/")))
	}
}

// A move to another embedder waits for money too, and goes on.
func TestNoMoneyForAMove(t *testing.T) {
	s := newShelf(t)
	s.put(feedback.Feedback{ID: "a", Kind: feedback.Report, Title: unlike[0]})
	s.run(s.assigner(newLexical(t)))
	e := &paid{Embedder: renamed{newLexical(t)}, spent: s.now.Add(20 * 24 * time.Hour)}
	a := s.assigner(e)
	var later *work.Later
	if _, err := a.Handle(t.Context(), work.Item{Space: s.space, Key: "assign"}); !errors.As(err, &later) || !later.Until.Equal(e.spent) {
		t.Errorf("a move without money: %v", err)
	}
	e.spent = time.Time{}
	s.run(a)
	s.check(e.Name())
}
