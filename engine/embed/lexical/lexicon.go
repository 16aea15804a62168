package lexical

import (
	_ "embed" // for the word lists
	"strings"

	"github.com/kljensen/snowball/english"
)

//go:embed concepts.txt
var concepts string

//go:embed stopwords.txt
var stopwords string

// lexicon knows which words say nothing, and which ways of saying something are
// the same to people who report problems.
type lexicon struct {
	stop    map[string]bool
	phrases map[string]string // stems joined by spaces → concept
	longest int               // words of the longest phrase
}

func newLexicon() *lexicon {
	l := &lexicon{stop: map[string]bool{}, phrases: map[string]string{}}
	for _, w := range strings.Fields(stopwords) {
		l.stop[w] = true
	}
	for line := range strings.Lines(concepts) {
		name, list, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		for phrase := range strings.SplitSeq(list, ",") {
			key := stems(tokens(phrase))
			l.longest = max(l.longest, len(key))
			l.phrases[strings.Join(key, " ")] = name
		}
	}
	return l
}

// What terms weigh in a text's counts, against a word that is no concept.
const (
	conceptWeight = 1.5
	stemWeight    = 0.2 // of the words that a concept was said in
	wholeWeight   = 0.5 // of an identifier, beside its parts
)

// terms yields the words of a text, without those that say nothing, as hashed
// terms with their weights: stems, concepts, identifiers, numbers.
func (l *lexicon) terms(list []token, yield func(kind byte, h uint64, weight float64)) {
	stemmed := stems(list)
	word := func(i int, weight float64) {
		if !l.stop[list[i].text] && len(list[i].text) > 1 {
			kind := byte(wordTerm)
			if list[i].name {
				kind = nameTerm
			}
			yield(kind, hash(wordTerm, stemmed[i]), weight)
		}
	}
	for i := 0; i < len(list); {
		if list[i].form == whole {
			yield(wordTerm, hash(wordTerm, list[i].text), wholeWeight)
			i++
			continue
		}
		n, concept := l.match(stemmed[i:])
		switch {
		case n > 0:
			yield(conceptTerm, hash(conceptTerm, concept), conceptWeight)
			for ; n > 0; n-- {
				word(i, stemWeight)
				i++
			}
			continue
		case list[i].form == exact:
			yield(exactTerm, hash(exactTerm, list[i].text), 1)
		default:
			word(i, 1)
		}
		i++
	}
}

// match finds the longest phrase of a concept at the start of stems.
func (l *lexicon) match(stems []string) (words int, concept string) {
	for n := min(l.longest, len(stems)); n > 0; n-- {
		if name, ok := l.phrases[strings.Join(stems[:n], " ")]; ok {
			return n, name
		}
	}
	return 0, ""
}

// stems are the tokens' stems (Porter's second algorithm for English).
func stems(list []token) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.text
		if t.form == plain || t.form == part {
			out[i] = english.Stem(t.text, true)
		}
	}
	return out
}
