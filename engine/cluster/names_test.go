package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/soulcaster/soulcaster/engine/cluster"
)

// What every report of a project says, such as the product's name, is no reason
// to put two of them together.
func TestNamesThatAllReportsShare(t *testing.T) {
	for _, form := range []string{"Zebrafish: %s", "%s (Globex Portal)", "[ACME-CANARY-7f3a] %s", "In WalrusPay, %s", "%s canary-globex-51c9"} {
		a := newAssigner(t)
		problems := groups(t, "same.txt")
		rng := rand.New(rand.NewPCG(9, 9))
		right, all := 0, 0
		for i, p := range problems {
			for _, q := range problems[:i] {
				var texts, first []string
				for _, text := range p {
					first = append(first, fmt.Sprintf(form, text))
				}
				texts = append(texts, first...)
				for _, text := range q {
					texts = append(texts, fmt.Sprintf(form, text))
				}
				rng.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
				of := a.assign(cluster.Balanced, texts)
				all++
				if two(of, texts, first) {
					right++
				}
			}
		}
		t.Logf("%q: %d of %d", form, right, all)
		if 10*right < 9*all {
			t.Errorf("%q: %d of %d pairs of problems end in exactly two clusters", form, right, all)
		}
	}
}
