package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// pairs is how many seeds, and reports that are a little like one of them each,
// the tests have.
const pairs = 40

// toy is an embedder for "seed 7" and "like 7", which are alike enough to ask about
// and not enough to be put together; everything else is quite unlike. It counts
// the texts that it is given.
type toy struct{ embedded *atomic.Int64 }

func (toy) Name() string { return "toy/80" }
func (toy) Dim() int     { return 2 * pairs }
func (toy) Batch() int   { return 100 }

func (e toy) Embed(_ context.Context, docs []embed.Document) ([][]float32, error) {
	vectors := make([][]float32, len(docs))
	for i, d := range docs {
		e.embedded.Add(1)
		var kind string
		var n int
		if _, err := fmt.Sscanf(d.Title, "%s %d", &kind, &n); err != nil {
			return nil, err
		}
		v := make([]float32, 2*pairs)
		v[n] = 1
		if kind == "like" {
			v[n], v[pairs+n] = .77, float32(math.Sqrt(1-.77*.77))
		}
		vectors[i] = v
	}
	return vectors, nil
}

// judge answers after a while, and counts how often it is asked about a report.
type judge struct {
	t     *testing.T
	takes time.Duration
	same  func(report embed.Document) bool
	asked map[string]int
	then  func() // is called before an answer
}

func (j *judge) Same(ctx context.Context, report embed.Document, group []embed.Document) (bool, error) {
	j.asked[report.Title]++
	if by, ok := ctx.Deadline(); !ok || time.Until(by) > 10*time.Second {
		j.t.Errorf("a question may take until %v", by)
	}
	if j.then != nil {
		j.then()
	}
	timer := time.NewTimer(j.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return j.same(report), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// like returns the number of a report that is like a seed.
func like(title string) (n int) {
	if _, err := fmt.Sscanf(title, "like %d", &n); err != nil {
		panic(err)
	}
	return n
}

// seeded is a shelf with the seeds in clusters and the reports that are like them
// waiting.
func seeded(t *testing.T, j *judge) (*shelfTest, *cluster.Assigner, *atomic.Int64) {
	s := newShelf(t)
	j.t, j.asked = t, make(map[string]int)
	embedded := new(atomic.Int64)
	a := cluster.NewAssigner(toy{embedded}, j, func(context.Context, storage.Space) (cluster.Strictness, error) {
		return cluster.Balanced, nil
	}, func(...string) {}, time.Now)
	for i := range pairs {
		s.put(feedback.Feedback{ID: fmt.Sprintf("seed%d", i), Title: fmt.Sprintf("seed %d", i)})
	}
	s.run(a)
	if n := len(s.scan("cluster/")); n != pairs || len(j.asked) > 0 {
		t.Fatalf("%d clusters, %d questions: the seeds should be alone, without question", n, len(j.asked))
	}
	for i := range pairs {
		s.put(feedback.Feedback{ID: fmt.Sprintf("like%d", i), Title: fmt.Sprintf("like %d", i)})
	}
	return s, a, embedded
}

// turns calls Handle as the queue does, with its deadline, until nothing waits.
func turns(t *testing.T, s *shelfTest, a *cluster.Assigner) int {
	t.Helper()
	for n := 1; n <= pairs; n++ {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		again, err := a.Handle(ctx, work.Item{Space: s.space, Key: "assign"})
		cancel()
		if err != nil {
			t.Fatalf("turn %d: %v", n, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("turn %d took %s", n, took)
		}
		if again.IsZero() {
			return n
		}
	}
	t.Fatal("assigning never ends")
	return 0
}

// A model that takes nine seconds for an answer is asked about everything, once,
// and its answers hold.
func TestSlowModelIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &judge{takes: 9 * time.Second, same: func(d embed.Document) bool { return like(d.Title)%2 == 0 }}
		s, a, embedded := seeded(t, j)
		turns(t, s, a)
		s.check("toy/80")
		for i := range pairs {
			id := fmt.Sprintf("like%d", i)
			if n := j.asked[fmt.Sprintf("like %d", i)]; n != 1 {
				t.Errorf("%s was asked about %d times", id, n)
			}
			if with := s.of(id) == s.of(fmt.Sprintf("seed%d", i)); with != (i%2 == 0) {
				t.Errorf("%s with its seed: %v", id, with)
			}
		}
		if n := embedded.Load(); n != 2*pairs {
			t.Errorf("%d texts were embedded, want each once", n)
		}
	})
}

// A model that takes longer than anybody waits holds nothing up: silence means a
// new cluster. After two questions without an answer a turn goes on without it.
func TestSilentModelHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &judge{takes: time.Hour, same: func(embed.Document) bool { return true }}
		s, a, _ := seeded(t, j)
		n := turns(t, s, a)
		s.check("toy/80")
		if got := len(s.scan("cluster/")); got != 2*pairs {
			t.Errorf("%d clusters, want %d", got, 2*pairs)
		}
		if len(j.asked) > 2*n {
			t.Errorf("%d questions in %d turns", len(j.asked), n)
		}
	})
}

// An answer that could not be used, because another replica was faster, is not
// asked for again.
func TestAnswersOutliveAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := 0
		j := &judge{takes: time.Second, same: func(embed.Document) bool { return true }}
		s, a, embedded := seeded(t, j)
		j.then = func() {
			if lost++; lost%5 == 0 { // somebody writes the head
				head, err := s.space.Get(t.Context(), "head")
				if err != nil {
					t.Error(err)
				}
				s.write("head", head[0].Value)
			}
		}
		turns(t, s, a)
		s.check("toy/80")
		for title, n := range j.asked {
			if n != 1 {
				t.Errorf("%s was asked about %d times", title, n)
			}
		}
		if len(j.asked) != pairs || len(s.scan("cluster/")) != pairs {
			t.Errorf("%d questions, %d clusters, want %d each", len(j.asked), len(s.scan("cluster/")), pairs)
		}
		if n := embedded.Load(); n != 2*pairs {
			t.Errorf("%d texts were embedded, want each once", n)
		}
	})
}

// When the process stops while the model thinks, nothing is decided.
func TestStopWhileTheModelThinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &judge{takes: 5 * time.Second, same: func(embed.Document) bool { return true }}
		s, a, _ := seeded(t, j)
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		if _, err := a.Handle(ctx, work.Item{Space: s.space, Key: "assign"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the context's end", err)
		}
		if n := len(s.scan("of/")); n != pairs {
			t.Errorf("%d reports are in clusters, want the %d that were before", n, pairs)
		}
		turns(t, s, a)
		if n := len(s.scan("cluster/")); n != pairs {
			t.Errorf("%d clusters, want %d", n, pairs)
		}
	})
}

// slowpoke is an embedder that never answers.
type slowpoke struct{ toy }

func (slowpoke) Embed(ctx context.Context, _ []embed.Document) ([][]float32, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// An embedder that never answers is one that is away: the reports wait, and that
// is no failure.
func TestEmbedderWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		s.put(feedback.Feedback{ID: "a", Title: "seed 1"})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		_, err := s.assigner(slowpoke{}).Handle(ctx, work.Item{Space: s.space, Key: "assign"})
		var later *work.Later
		if !errors.As(err, &later) || ctx.Err() != nil {
			t.Errorf("got %v, want *work.Later before the deadline", err)
		}
	})
}
