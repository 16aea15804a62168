// Command calibrate shows what the thresholds of the lexical embedder do on
// labelled reports: for each file, pairwise precision and recall and the number
// of clusters, at each strictness, for reports that arrive one after the other.
//
//	go run ./engine/cluster/calibrate FILE…
//
// A .jsonl file has a label, and exceptions, title and body, or text, a line. A
// .txt file has blank lines between groups: in same*.txt a group is one problem,
// in any other every line is its own. Lines that say the same as one before are
// the same problem, whatever their label. Files joined by a plus are one set.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
)

// maxRows keeps a run within minutes: what is more is left out, at random.
const maxRows = 3000

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "calibrate:", err)
		os.Exit(1)
	}
}

func run(sets []string) error {
	embedder, err := lexical.New()
	if err != nil {
		return err
	}
	for _, set := range sets {
		var rows []row
		for i, name := range strings.Split(set, "+") {
			more, err := read(name, fmt.Sprint(i, "/"))
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
		rows = unite(rows)
		// The order of arrival is random, but the same every time.
		rng := rand.New(rand.NewPCG(42, 0))
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		rows = rows[:min(len(rows), maxRows)]
		fmt.Printf("%s: %d reports\n", filepath.Base(set), len(rows))
		for _, s := range []cluster.Strictness{cluster.Careful, cluster.Balanced, cluster.Eager} {
			of, err := assign(embedder, rows, s)
			if err != nil {
				return err
			}
			p, r, n := score(rows, of)
			fmt.Printf("  %-9s P %.3f  R %.3f  %d clusters\n", s, p, r, n)
		}
	}
	return nil
}

// assign clusters rows in their order.
func assign(e embed.Embedder, rows []row, s cluster.Strictness) ([]string, error) {
	x := cluster.NewIndex(e.Dim(), cluster.ThresholdsFor(e.Name(), s))
	of := make([]string, len(rows))
	for i, r := range rows {
		vectors, err := e.Embed(context.Background(), []embed.Document{r.doc})
		if err != nil {
			return nil, err
		}
		item := cluster.Item{Kind: r.doc.Kind(), Vector: vectors[0], Fingerprints: cluster.Fingerprints(r.doc)}
		if of[i] = x.Assign(item, nil).Cluster; of[i] == "" {
			of[i] = fmt.Sprint(i)
		}
		if err := x.Add(of[i], item); err != nil {
			return nil, err
		}
	}
	return of, nil
}

// score counts pairs: of those put together, the share that belongs together, and
// of those that belong together, the share that was put together.
func score(rows []row, of []string) (precision, recall float64, clusters int) {
	found, true_, both := map[string]int{}, map[string]int{}, map[[2]string]int{}
	for i, r := range rows {
		found[of[i]]++
		true_[r.label]++
		both[[2]string{of[i], r.label}]++
	}
	right := pairs(both)
	return right / max(1, pairs(found)), right / max(1, pairs(true_)), len(found)
}

func pairs[K comparable](sizes map[K]int) float64 {
	n := 0
	for _, size := range sizes {
		n += size * (size - 1) / 2
	}
	return float64(n)
}
