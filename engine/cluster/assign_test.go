package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/work"
)

// shelfTest is a project's space on disk with feedback put in by hand.
type shelfTest struct {
	t     *testing.T
	db    storage.DB
	space storage.Space
	now   time.Time
	n     int
}

func newShelf(t *testing.T) *shelfTest {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	space, err := db.Create(t.Context(), "p/1/x")
	if err != nil {
		t.Fatal(err)
	}
	return &shelfTest{t: t, db: db, space: space, now: time.Unix(1_700_000_000, 0)}
}

func (s *shelfTest) assigner(e embed.Embedder) *cluster.Assigner {
	return cluster.NewAssigner(e, nil, func(context.Context, storage.Space) (cluster.Strictness, error) {
		return cluster.Balanced, nil
	}, func(...string) {}, func() time.Time { return s.now })
}

// put stores feedback, as the intake does, and makes it wait.
func (s *shelfTest) put(f feedback.Feedback) {
	s.t.Helper()
	s.n++
	var b storage.Batch
	b.SetJSON("fb/"+f.ID, f)
	b.Set(fmt.Sprintf("todo/%016x-%s", s.now.UnixNano()+int64(s.n), f.ID), nil)
	if err := s.space.Apply(s.t.Context(), &b); err != nil {
		s.t.Fatal(err)
	}
}

// run works until nothing waits.
func (s *shelfTest) run(a *cluster.Assigner) {
	s.t.Helper()
	for range 200 {
		again, err := a.Handle(s.t.Context(), work.Item{Space: s.space, Key: "assign"})
		if err != nil {
			s.t.Fatal(err)
		}
		if again.IsZero() {
			return
		}
	}
	s.t.Fatal("assigning never ends")
}

func (s *shelfTest) scan(prefix string) []storage.Entry {
	s.t.Helper()
	var all []storage.Entry
	after := ""
	for {
		entries, err := s.space.Scan(s.t.Context(), prefix, after, 500)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, entries...)
		if len(entries) < 500 {
			return all
		}
		after = entries[len(entries)-1].Key
	}
}

// check holds everything that is stored of clusters against what their members
// say: memberships both ways, sizes, sums, cohesion and fingerprints.
func (s *shelfTest) check(embedder string) {
	s.t.Helper()
	type part struct {
		n   int
		sum []float32
	}
	parts := make(map[string]*part) // by cluster/kind
	sizes := make(map[string]int)
	prints := make(map[string]int)
	for _, e := range s.scan("of/") {
		id := strings.TrimPrefix(e.Key, "of/")
		var m cluster.Membership
		if err := json.Unmarshal(e.Value, &m); err != nil {
			s.t.Fatal(err)
		}
		got, err := s.space.Get(s.t.Context(), "member/"+m.Cluster+"/"+id, "vec/"+embedder+"/"+id)
		if err != nil || !got[0].Exists() || !got[1].Exists() {
			s.t.Fatalf("%s is in cluster %s, but its entry or its vector is missing (%v)", id, m.Cluster, err)
		}
		v, err := cluster.DecodeVector(got[1].Value)
		if err != nil {
			s.t.Fatal(err)
		}
		key := m.Cluster + "/" + string(m.Kind)
		if parts[key] == nil {
			parts[key] = &part{sum: make([]float32, len(v))}
		}
		parts[key].n++
		cluster.Sum(parts[key].sum, v, 1)
		sizes[m.Cluster]++
		for _, f := range m.Fingerprints {
			prints[f+"/"+m.Cluster]++
		}
	}
	if got := len(s.scan("member/")); got != total(sizes) {
		s.t.Errorf("%d members, %d memberships", got, total(sizes))
	}
	clusters := s.scan("cluster/")
	if n, err := cluster.Count(s.t.Context(), s.space); err != nil || n != len(clusters) {
		s.t.Errorf("%d clusters are counted (%v), %d are stored", n, err, len(clusters))
	}
	if len(clusters) != len(sizes) {
		s.t.Errorf("%d clusters are stored, members are in %d", len(clusters), len(sizes))
	}
	for _, e := range clusters {
		var c cluster.Cluster
		if err := json.Unmarshal(e.Value, &c); err != nil {
			s.t.Fatal(err)
		}
		if c.Size != sizes[c.ID] || c.Created.IsZero() {
			s.t.Errorf("cluster %+v has %d members", c, sizes[c.ID])
		}
	}
	sums := s.scan("sum/" + embedder + "/")
	if len(sums) != len(parts) {
		s.t.Errorf("%d sums, want %d", len(sums), len(parts))
	}
	for _, e := range sums {
		want := parts[strings.TrimPrefix(e.Key, "sum/"+embedder+"/")]
		got, err := cluster.DecodeVector(e.Value[4:])
		if err != nil || want == nil {
			s.t.Fatalf("%s: %v", e.Key, err)
		}
		for i := range got {
			if math.Abs(float64(got[i]-want.sum[i])) > 1e-3 {
				s.t.Fatalf("%s: at %d is %g, want %g", e.Key, i, got[i], want.sum[i])
			}
		}
	}
	stored := s.scan("fp/")
	if len(stored) != len(prints) {
		s.t.Errorf("%d fingerprints, want %d", len(stored), len(prints))
	}
	for _, e := range stored {
		if want := fmt.Sprint(prints[strings.TrimPrefix(e.Key, "fp/")]); string(e.Value) != want {
			s.t.Errorf("%s is %s, want %s", e.Key, e.Value, want)
		}
	}
}

func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

var topics = []string{
	"CSV export of orders times out", "Login loops after a password reset", "Dark mode makes the size table unreadable",
	"Payment with a credit card is declined twice", "Photo upload crashes the app on Android", "Search finds nothing with an umlaut",
	"Invoices show the wrong tax for Switzerland", "Notifications arrive hours late", "The map does not load on slow networks",
}

func text(rng *rand.Rand, id int) feedback.Feedback {
	t := topics[rng.IntN(len(topics))]
	return feedback.Feedback{ID: fmt.Sprintf("f%04d", id), Kind: feedback.Report, Title: t, Body: strings.Repeat("please ", rng.IntN(3)) + t}
}

// TestAssignAddRemoveEnrich keeps the books right through a random life.
func TestAssignAddRemoveEnrich(t *testing.T) {
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	s, rng := newShelf(t), rand.New(rand.NewPCG(1, 2))
	a := s.assigner(e)
	for round := range 12 {
		for i := range 20 {
			f := text(rng, rng.IntN(120))
			switch {
			case i%7 == 6:
				f.Removed, f.Title, f.Body = true, "", ""
			case i%5 == 4:
				f.Kind = feedback.Sentry
				f.Exceptions = []feedback.Exception{{Type: "TypeError", Value: "x is undefined", Frames: []feedback.Frame{
					{Module: "shop.cart", Function: fmt.Sprint("total", rng.IntN(3)), File: "cart.js", InApp: true},
					{Module: "shop.pay", Function: "pay", File: "pay.js", InApp: true}}}}
			}
			s.put(f)
		}
		if round == 6 {
			a = s.assigner(e) // a new process reads everything
		}
		s.run(a)
		s.check(e.Name())
	}
}

// TestTwoReplicas lets two assigners work on one project at once: no problem gets
// two clusters that one worker would have given one.
func TestTwoReplicas(t *testing.T) {
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	s, rng := newShelf(t), rand.New(rand.NewPCG(3, 4))
	for i := range 400 {
		s.put(text(rng, i))
	}
	var wg sync.WaitGroup
	for range 2 {
		a := s.assigner(e)
		wg.Go(func() {
			for range 400 {
				again, err := a.Handle(context.WithoutCancel(t.Context()), work.Item{Space: s.space, Key: "assign"})
				if err != nil {
					t.Error(err)
					return
				}
				if again.IsZero() {
					return
				}
			}
			t.Error("assigning never ends")
		})
	}
	wg.Wait()
	s.run(s.assigner(e))
	s.check(e.Name())
	if n := len(s.scan("cluster/")); n != len(topics) {
		t.Errorf("%d clusters, want %d", n, len(topics))
	}
}

// TestFiledMembersStay: what is learnt about a member of a filed cluster does not
// move it.
func TestFiledMembersStay(t *testing.T) {
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, filed := range []bool{false, true} {
		s := newShelf(t)
		a := s.assigner(e)
		s.put(feedback.Feedback{ID: "a", Title: topics[0]})
		s.put(feedback.Feedback{ID: "b", Title: topics[0] + " again"})
		s.put(feedback.Feedback{ID: "c", Title: topics[1]})
		s.run(a)
		m, _, err := cluster.Memberships(t.Context(), s.space, "a", "b", "c")
		if err != nil || m[0].Cluster != m[1].Cluster || m[0].Cluster == m[2].Cluster {
			t.Fatalf("memberships %+v (%v)", m, err)
		}
		if filed {
			var b storage.Batch
			cluster.MarkFiled(&b, m[0].Cluster)
			if err := s.space.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		s.put(feedback.Feedback{ID: "b", Title: topics[1] + " once more"})
		s.run(a)
		s.check(e.Name())
		now, _, err := cluster.Memberships(t.Context(), s.space, "b")
		if err != nil {
			t.Fatal(err)
		}
		want := m[2].Cluster
		if filed {
			want = m[0].Cluster
		}
		if now[0].Cluster != want {
			t.Errorf("filed %v: b is in %s, want %s", filed, now[0].Cluster, want)
		}
	}
}

// renamed is an embedder under another name, with other vectors.
type renamed struct{ embed.Embedder }

func (renamed) Name() string { return "other/2048" }

func (r renamed) Embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	out, err := r.Embedder.Embed(ctx, docs)
	for _, v := range out {
		for i, j := 0, len(v)-1; i < j; i, j = i+1, j-1 {
			v[i], v[j] = v[j], v[i]
		}
	}
	return out, err
}

// TestAnotherEmbedder moves a project to another embedder: clusters stay, and new
// feedback finds them by the new vectors.
func TestAnotherEmbedder(t *testing.T) {
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	s, rng := newShelf(t), rand.New(rand.NewPCG(5, 6))
	for i := range 100 {
		s.put(text(rng, i))
	}
	s.run(s.assigner(e))
	before := len(s.scan("cluster/"))
	for i := range 20 {
		s.put(text(rng, 200+i))
	}
	other := renamed{e}
	s.run(s.assigner(other))
	s.check(other.Name())
	if now := len(s.scan("cluster/")); now != before {
		t.Errorf("%d clusters after the move, %d before", now, before)
	}
	if left := append(s.scan("vec/"+e.Name()+"/"), s.scan("sum/"+e.Name()+"/")...); len(left) != 0 {
		t.Errorf("%d vectors and sums of the old embedder are left", len(left))
	}
}

// away is an embedder whose service is away.
type away struct{ embed.Embedder }

func (away) Embed(context.Context, []embed.Document) ([][]float32, error) {
	return nil, &embed.UnavailableError{Err: errors.New("no route")}
}

// TestEmbedderAway: nothing is clustered without a vector, and nothing is lost.
func TestEmbedderAway(t *testing.T) {
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf(t)
	s.put(feedback.Feedback{ID: "a", Title: topics[0]})
	_, err = s.assigner(away{e}).Handle(t.Context(), work.Item{Space: s.space, Key: "assign"})
	var later *work.Later
	if !errors.As(err, &later) {
		t.Fatalf("error %v, want *work.Later", err)
	}
	if todo, err := intake.Waiting(t.Context(), s.space, 10); err != nil || len(todo) != 1 {
		t.Fatalf("waiting %v (%v), want the report", todo, err)
	}
	s.run(s.assigner(e))
	s.check(e.Name())
}
