package enginetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Crowd puts clusters of so many reports each into a project that has none, as the
// assigner and the keeper would have left them, without the work of finding them: at
// most a report in a hundred-thousand is written by its own way in that time. The first
// cluster is 000001, report n of all is "Report number n.", every vector is the same.
func Crowd(t testing.TB, space storage.Space, at time.Time, sizes ...int) {
	t.Helper()
	const embedder = "crowd"
	vector := make([]float32, 8)
	vector[0] = 1
	var b storage.Batch
	write := func(least int) {
		t.Helper()
		if len(b.Ops) < least {
			return
		}
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		b = storage.Batch{}
	}
	b.SetJSON("head", cluster.Head{Epoch: "crowd", Next: len(sizes), Embedder: embedder})
	n := 0
	for i, size := range sizes {
		id := fmt.Sprintf("%06d", i+1)
		one := 1.0
		for range size {
			n++
			fb := fmt.Sprintf("%08x%024x", uint32(n)*2654435761, n) // ids are in no order
			when := at.Add(-time.Duration(n%(14*24*60)) * time.Minute)
			b.SetJSON("fb/"+fb, feedback.Feedback{ID: fb, Source: "reports", Kind: feedback.Report, External: fmt.Sprint(n), Title: fmt.Sprintf("Report number %d.", n),
				Body:   "It says at some length what was done, what was to be seen, and what should have been.",
				Author: fmt.Sprintf("%032x", n%500), Count: 1, First: when, Last: when, Stored: when, Releases: []string{fmt.Sprintf("1.%d.0", n%30)}})
			b.SetJSON("of/"+fb, cluster.Membership{Cluster: id, Reason: "its text is close to the others'", Similarity: &one, Kind: embed.Prose, Joined: when})
			b.Set("member/"+id+"/"+fb, nil)
			b.Set("vec/"+embedder+"/"+fb, cluster.EncodeVector(vector))
			write(storage.MaxOps - 4)
		}
		sum := make([]float32, len(vector))
		sum[0] = float32(size)
		b.SetJSON("cluster/"+id, cluster.Cluster{ID: id, Created: at, Size: size, Cohesion: 1})
		b.Set("sum/"+embedder+"/"+id+"/"+string(embed.Prose), cluster.EncodePart(cluster.Part{N: size, Sum: sum}))
		write(storage.MaxOps - 8)
		l := issue.Line{
			Cluster: id, Title: fmt.Sprintf("Problem %d of the %s", i+1, []string{"checkout", "export", "login", "search"}[i%4]), Culprit: fmt.Sprintf("shop.part%d.do", i%97),
			State: issue.Held, Text: "held: 1 of 2 people", Kinds: []feedback.Kind{feedback.Report}, Reports: size, People: size, Events: size,
			Hurt: issue.Hurt{People: size, Voices: size, Events: size}, Cohesion: &one, Made: at.Add(-time.Duration(i) * time.Minute),
			First: at.AddDate(0, 0, -14), Last: at.Add(-time.Duration(i) * time.Minute), Trend: issue.Trend{3: 1, 13: size}, At: at,
		}
		if i%3 == 0 {
			l.State, l.Number, l.Text, l.URL = issue.Filed, i+1, fmt.Sprintf("issue #%d", i+1), fmt.Sprintf("https://github.example/acme/web/issues/%d", i+1)
		}
		issue.SetLine(&b, l)
	}
	write(1)
}
