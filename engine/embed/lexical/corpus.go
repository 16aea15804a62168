package lexical

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// minCount is how many documents a term must be in to be kept: what is in fewer
// is mostly typing errors.
const minCount = 4

// CountWeights reads a corpus, one document a line as "kind TAB title TAB text",
// and returns what [New] reads from weights.bin. The same corpus gives the same
// bytes.
func CountWeights(corpus io.Reader) ([]byte, error) {
	lexicon := newLexicon()
	terms := map[uint64]int{} // documents that have it
	grams := make([]int, gramBuckets)
	last := make([]int, gramBuckets) // the document that a bucket was counted for
	n := 0
	lines := bufio.NewScanner(corpus)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, text, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			return nil, fmt.Errorf("read line %d: no tab in it", n+1)
		}
		n++
		list := tokens(text)
		doc := map[uint64]bool{}
		lexicon.terms(list, func(_ byte, h uint64, _ float64) { doc[h] = true })
		for h := range doc {
			terms[h]++
		}
		for _, t := range list {
			if t.form == part || t.form == exact || lexicon.stop[t.text] {
				continue
			}
			eachGram(t.text, func(h uint64) {
				if b := h % gramBuckets; last[b] != n {
					last[b] = n
					grams[b]++
				}
			})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read line %d: %w", n+1, err)
	}
	w := commonest(terms, n)
	for _, df := range grams {
		w.grams = append(w.grams, idfByte(df, n))
	}
	return w.bytes(), nil
}

// commonest keeps the terms that are in most documents.
func commonest(df map[uint64]int, n int) weights {
	type entry struct {
		hash uint32
		df   int
	}
	var list []entry
	for h, c := range df {
		if c >= minCount {
			list = append(list, entry{uint32(h), c})
		}
	}
	// Of two terms with the same 32 bits, the commoner one is kept: a term that is
	// taken for a rarer one would weigh too much.
	byHash := func(a, b entry) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(b.df, a.df)) }
	slices.SortFunc(list, byHash)
	list = slices.CompactFunc(list, func(a, b entry) bool { return a.hash == b.hash })
	slices.SortFunc(list, func(a, b entry) int { return cmp.Or(cmp.Compare(b.df, a.df), cmp.Compare(a.hash, b.hash)) })
	list = list[:min(len(list), maxTerms)]
	slices.SortFunc(list, byHash)
	var w weights
	for _, e := range list {
		w.terms = append(w.terms, e.hash)
		w.idf = append(w.idf, idfByte(e.df, n))
	}
	return w
}
