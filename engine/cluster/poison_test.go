package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// picky is an embedder that refuses texts with "poison" in them.
type picky struct{ embed.Embedder }

func (p picky) Embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	var refused embed.RefusedError
	for i, d := range docs {
		if strings.Contains(d.Text(), "poison") {
			refused.At = append(refused.At, i)
		}
	}
	if len(refused.At) > 0 {
		refused.Err = errors.New("no such text, please")
		return nil, &refused
	}
	return p.Embedder.Embed(ctx, docs)
}

func newLexical(t *testing.T) *lexical.Embedder {
	t.Helper()
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// write changes what is stored by hand; a nil value deletes.
func (s *shelfTest) write(key string, value []byte) {
	s.t.Helper()
	var b storage.Batch
	if value == nil {
		b.Delete(key)
	} else {
		b.Set(key, value)
	}
	if err := s.space.Apply(s.t.Context(), &b); err != nil {
		s.t.Fatal(err)
	}
}

// of returns where a feedback is, "" if it is in no cluster.
func (s *shelfTest) of(id string) string {
	s.t.Helper()
	m, _, err := cluster.Memberships(s.t.Context(), s.space, id)
	if err != nil {
		s.t.Fatal(err)
	}
	if m[0] == nil {
		return ""
	}
	return m[0].Cluster
}

// A post is deleted while its project moves to another embedder, for which it has
// no text any more: it leaves its cluster all the same, and holds up nobody.
func TestRemovedWhileTheEmbedderChanges(t *testing.T) {
	e := newLexical(t)
	s := newShelf(t)
	a := s.assigner(e)
	s.put(feedback.Feedback{ID: "a", Title: topics[0]})
	s.put(feedback.Feedback{ID: "b", Title: topics[0] + " again"})
	s.put(feedback.Feedback{ID: "c", Title: topics[1]})
	s.run(a)
	pair, alone := s.of("a"), s.of("c")
	if pair != s.of("b") || pair == alone {
		t.Fatal("a and b belong together, without c")
	}
	s.put(feedback.Feedback{ID: "a", Removed: true})
	s.put(feedback.Feedback{ID: "c", Removed: true})
	s.put(feedback.Feedback{ID: "d", Title: topics[2]})
	other := renamed{e}
	s.run(s.assigner(other))
	s.check(other.Name())
	if s.of("a")+s.of("c") != "" || s.of("b") != pair || s.of("d") == "" {
		t.Errorf("a, b, c, d are in %q, %q, %q, %q", s.of("a"), s.of("b"), s.of("c"), s.of("d"))
	}
	if _, ok, err := cluster.Get(t.Context(), s.space, alone); ok || err != nil {
		t.Errorf("the cluster of c is still there (%v)", err)
	}
	if left := s.scan("recount/"); len(left) > 0 {
		t.Errorf("%d clusters still wait to be counted", len(left))
	}
}

// What cannot be embedded, or read, waits alone, and is grouped when it can be,
// however much of it there is.
func TestPoisonHoldsUpNobody(t *testing.T) {
	e := newLexical(t)
	s, rng := newShelf(t), rand.New(rand.NewPCG(8, 9))
	for i := range 40 { // more than a batch
		s.put(feedback.Feedback{ID: fmt.Sprintf("p%02d", i), Title: fmt.Sprint("poison ", i)})
	}
	s.put(feedback.Feedback{ID: "broken", Title: topics[0]})
	s.write("fb/broken", []byte(`{"title": 7}`))
	for i := range 60 {
		s.put(text(rng, i))
	}
	s.put(feedback.Feedback{ID: "lost", Title: topics[0]})
	s.write("of/lost", []byte("nothing of the kind"))
	a := s.assigner(picky{e})
	s.settled(a)
	s.write("of/lost", nil)
	s.check(e.Name())
	if n := len(s.scan("of/")); n != 60 {
		t.Errorf("%d reports are in clusters, want the 60 good ones", n)
	}
	todo, err := intake.Waiting(t.Context(), s.space, 100)
	if err != nil || len(todo) != 42 {
		t.Fatalf("%d wait (%v), want the 40 refused ones and 2 that could not be read", len(todo), err)
	}
	for _, w := range todo {
		var p cluster.Postponed
		if err := json.Unmarshal(w.Entry.Value, &p); err != nil || p.Why == "" || !p.Until.After(s.now) || !w.Arrived.Equal(p.Until) {
			t.Errorf("%s waits with %s", w.Feedback, w.Entry.Value)
		}
	}

	// They stand back, and what comes now does not.
	s.put(feedback.Feedback{ID: "new", Title: topics[3]})
	again := s.settled(a)
	if s.of("new") == "" || !again.After(s.now) {
		t.Errorf("the new one is in %q; again at %v", s.of("new"), again)
	}
	// Their time comes.
	var f []byte
	if f, err = json.Marshal(feedback.Feedback{ID: "broken", Title: topics[0]}); err != nil {
		t.Fatal(err)
	}
	s.write("fb/broken", f)
	s.now = again
	if again := s.settled(s.assigner(e)); !again.IsZero() {
		t.Errorf("something still waits until %v", again)
	}
	s.check(e.Name())
	if n := len(s.scan("of/")); n != 60+42+1 {
		t.Errorf("%d reports are in clusters, want all 103", n)
	}
}

// settled works until nothing is due now, and returns when something is.
func (s *shelfTest) settled(a *cluster.Assigner) time.Time {
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

// A member whose text is changed into one that is refused stays as it is.
func TestPoisonedMemberStays(t *testing.T) {
	e := newLexical(t)
	s := newShelf(t)
	a := s.assigner(picky{e})
	s.put(feedback.Feedback{ID: "a", Title: topics[0]})
	s.run(a)
	was := s.of("a")
	s.put(feedback.Feedback{ID: "a", Title: "poison"})
	if again := s.settled(a); !again.After(s.now) || s.of("a") != was {
		t.Errorf("again at %v; a was in %s and is in %s", again, was, s.of("a"))
	}
	s.check(e.Name())
	s.put(feedback.Feedback{ID: "a", Removed: true})
	s.settled(a)
	s.check(e.Name())
	if s.of("a") != "" {
		t.Error("a was removed, and is still a member")
	}
}

// A member that a new embedder refuses stays in its cluster and is counted, and
// is found by what is the same; it can be removed.
func TestRefusedWhileTheEmbedderChanges(t *testing.T) {
	e := newLexical(t)
	s := newShelf(t)
	s.put(feedback.Feedback{ID: "a", Title: topics[0]})
	s.put(feedback.Feedback{ID: "b", Title: topics[0] + " poison"})
	s.put(feedback.Feedback{ID: "c", Title: "poison in the well water"})
	s.run(s.assigner(e))
	pair, alone := s.of("a"), s.of("c")
	if pair != s.of("b") || pair == alone {
		t.Fatal("a and b belong together, without c")
	}
	other := picky{renamed{e}}
	a := s.assigner(other)
	s.run(a)
	for id, size := range map[string]int{pair: 2, alone: 1} {
		if c, ok, err := cluster.Get(t.Context(), s.space, id); err != nil || !ok || c.Size != size || c.Bare != 1 {
			t.Errorf("cluster %+v (%v), want %d members, one of them bare", c, err, size)
		}
	}
	s.put(feedback.Feedback{ID: "b", Removed: true})
	s.put(feedback.Feedback{ID: "c", Title: topics[1]}) // a text that it takes
	s.run(a)
	s.check(other.Name())
	if c, _, err := cluster.Get(t.Context(), s.space, pair); err != nil || c.Size != 1 || c.Bare != 0 {
		t.Errorf("cluster %+v (%v), want one member", c, err)
	}
}

// A vector or a sum that cannot be read is no more than one that is not there.
func TestUnreadableVectors(t *testing.T) {
	e := newLexical(t)
	for name, spoil := range map[string]func(s *shelfTest){
		"vector":         func(s *shelfTest) { s.write("vec/"+e.Name()+"/a", []byte("spoilt")) },
		"short vector":   func(s *shelfTest) { s.write("vec/"+e.Name()+"/a", cluster.EncodeVector([]float32{1})) },
		"missing vector": func(s *shelfTest) { s.write("vec/"+e.Name()+"/a", nil) },
		"sum":            func(s *shelfTest) { s.write("sum/"+e.Name()+"/"+s.of("a")+"/prose", []byte("spoilt")) },
		"sum, short":     func(s *shelfTest) { s.write("sum/"+e.Name()+"/"+s.of("a")+"/prose", []byte("1234d\x01\x00abcd")) },
		"sum and vector": func(s *shelfTest) {
			s.write("sum/"+e.Name()+"/"+s.of("a")+"/prose", nil)
			s.write("vec/"+e.Name()+"/a", nil)
		},
		"only the vector": func(s *shelfTest) { s.write("vec/"+e.Name()+"/c", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.put(feedback.Feedback{ID: "a", Title: topics[0]})
			s.put(feedback.Feedback{ID: "b", Title: topics[0] + " again"})
			s.put(feedback.Feedback{ID: "c", Title: topics[1]})
			s.run(s.assigner(e))
			spoil(s)
			s.put(feedback.Feedback{ID: "d", Title: topics[2]})
			s.put(feedback.Feedback{ID: "a", Title: topics[0] + " and again"})
			s.put(feedback.Feedback{ID: "c", Removed: true})
			s.run(s.assigner(e)) // a new process reads everything
			s.check(e.Name())
			apart := name == "sum and vector" // nothing said that b is there
			if (s.of("a") != s.of("b")) != apart || s.of("c") != "" || s.of("d") == "" {
				t.Errorf("a, b, c, d are in %q, %q, %q, %q", s.of("a"), s.of("b"), s.of("c"), s.of("d"))
			}
		})
	}
}

// Much that changes at once is written in as many batches as it needs.
func TestABatchNeverGrowsTooBig(t *testing.T) {
	e := newLexical(t)
	s := newShelf(t)
	a := s.assigner(e)
	rng := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		letters := make([]byte, 9)
		for i := range letters {
			letters[i] = byte('a' + rng.IntN(26))
		}
		return string(letters)
	}
	for range 2 {
		for i := range 64 { // each is a problem of its own, and becomes another
			s.put(feedback.Feedback{ID: fmt.Sprint("f", i), Title: strings.Join([]string{word(), word(), word(), word()}, " ")})
		}
		s.run(a)
		s.check(e.Name())
		if n := len(s.scan("cluster/")); n < 60 {
			t.Fatalf("%d clusters: the test wants reports that have nothing in common", n)
		}
	}
}
