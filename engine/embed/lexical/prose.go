package lexical

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/embed"
)

const (
	titleWeight = 2.0 // of a term in the title, against one in a short body
	halfBody    = 20  // weighted terms at which each term of a body weighs half
	maxTitle    = 120 // bytes of a body that are taken for a title where there is none
	maxText     = 64 << 10

	maxWordIDF = 7 // so that one rare word does not decide, and words that the corpus has not
	minWordIDF = 0.5
	maxGramIDF = 5

	// What all reports of a project share says nothing about one of them: the
	// product's name, a customer's, a running number. Which those are cannot be
	// known from one text, but what they look like can: words that the corpus
	// hardly knows (fewer than one text in 11,000), words written like names, and
	// numbers. With full weights, a product's name in front of each of eight
	// reports of two problems put nearly all of them together; with these shares
	// 113 of 120 pairs of problems end in two clusters, and without such names no
	// fewer than before (see TestNamesThatAllReportsShare in package cluster).
	rareIDF    = 9.3
	fewRare    = 3 // different rare words, at most, that are taken for names
	manyRare   = 7 // from which on they are what the text is about
	rareShare  = 0.3
	nameShare  = 0.5
	exactShare = 0.5
)

// prose gives the features of a text that people wrote. The title leads: bodies
// are full of forms, quotes and logs that many reports share, and the longer one
// is, the less each of its words is about the problem.
func (e *Embedder) prose(d embed.Document) features {
	title, body := d.Title, d.Body
	if strings.TrimSpace(title) == "" {
		title, body = lead(body)
	}
	f := features{words: map[uint64]float64{}, parts: map[uint64]float64{}}
	full := e.technical(title, body)
	e.read(f, title, full, func(int) float64 { return titleWeight })
	e.read(f, body, full, func(n int) float64 { return 1 / (1 + float64(n)/halfBody) })
	for h := range f.words {
		f.words[h] *= e.idf(h)
	}
	for h := range f.parts {
		f.parts[h] *= min(e.weights.gram(h), maxGramIDF)
	}
	return f
}

// lead takes the first sentence or line of a text as its title.
func lead(text string) (title, rest string) {
	text = strings.TrimSpace(text)
	head := cut(text, maxTitle)
	if i := strings.IndexAny(head, "\r\n"); i > 0 {
		return text[:i], text[i:]
	}
	for _, end := range []string{". ", "! ", "? "} {
		if i := strings.Index(head, end); i > 0 {
			head = head[:i+1]
		}
	}
	if len(head) < len(text) && !strings.ContainsAny(head[len(head)-1:], ".!?") {
		if i := strings.LastIndexByte(head, ' '); i > 0 {
			head = head[:i]
		}
	}
	return head, text[len(head):]
}

// technical says how far a text is made of rare words, from 0 to 1. In such a text
// they are what it is about, and not names that all texts share.
func (e *Embedder) technical(texts ...string) float64 {
	rare := map[uint64]bool{}
	for _, text := range texts {
		e.lexicon.terms(tokens(own(cut(text, maxText))), func(kind byte, h uint64, _ float64) {
			if (kind == wordTerm || kind == nameTerm) && e.rare(h) {
				rare[h] = true
			}
		})
	}
	return max(0, min(1, float64(len(rare)-fewRare)/(manyRare-fewRare)))
}

// read counts what is in a text into f. full says how much of their full weight
// rare words get, weight what one of n words is worth.
func (e *Embedder) read(f features, text string, full float64, weight func(words int) float64) {
	of := func(share float64) float64 { return share + (1-share)*full }
	list := tokens(own(cut(text, maxText)))
	words, grams := map[uint64]float64{}, map[uint64]float64{}
	e.lexicon.terms(list, func(kind byte, h uint64, w float64) {
		switch {
		case (kind == wordTerm || kind == nameTerm) && e.rare(h):
			w *= of(rareShare)
		case kind == nameTerm:
			w *= of(nameShare)
		}
		if kind == exactTerm {
			w *= of(exactShare)
		}
		words[h] += w
	})
	n := 0
	stemmed := stems(list)
	for i, t := range list {
		if t.form == plain && e.lexicon.stop[t.text] {
			continue
		}
		if t.form != part {
			n++
		}
		if t.form == plain || t.form == whole {
			share := 1.0
			switch {
			case e.rare(hash(wordTerm, stemmed[i])):
				share = of(rareShare)
			case t.name:
				share = of(nameShare)
			}
			eachGram(t.text, func(h uint64) { grams[h] += share })
		}
	}
	w := weight(n)
	for h, tf := range words {
		f.words[h] += w * sublinear(tf)
	}
	for h, tf := range grams {
		f.parts[h] += w * sublinear(tf)
	}
}

// idf is how much a term says, within bounds. A term that the corpus does not
// know counts like the rarest; of rare words only a share is taken in prose.
func (e *Embedder) idf(h uint64) float64 {
	idf, ok := e.weights.term(h)
	if !ok {
		return maxWordIDF
	}
	return max(minWordIDF, min(idf, maxWordIDF))
}

// rare reports whether the corpus hardly knows a word.
func (e *Embedder) rare(h uint64) bool {
	idf, ok := e.weights.term(h)
	return !ok || idf > rareIDF
}

// sublinear dampens a count: the tenth mention of a word says less than the
// first. Counts below 1 are of terms that weigh less to begin with.
func sublinear(tf float64) float64 {
	if tf <= 1 {
		return tf
	}
	return 1 + math.Log(tf)
}

// eachGram yields the 3-, 4- and 5-grams of a word with its borders marked.
func eachGram(word string, yield func(h uint64)) {
	s := "<" + word + ">"
	for i := range s {
		n := 0
		for j, r := range s[i:] {
			if n++; n > 5 {
				break
			}
			if n >= 3 {
				yield(hash(gramTerm, s[i:i+j+utf8.RuneLen(r)]))
			}
		}
	}
}

// cut shortens a text to at most n bytes, at the border of a rune.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
