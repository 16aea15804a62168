package lexical

import (
	"math"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/stack"
)

// How much the features of a trace weigh against a call of the program's own at
// the top of the root cause's stack, which weighs callWeight.
const (
	callWeight   = 6.0 // about the idf of a rare word
	systemShare  = 0.3 // of a call outside the program
	moduleShare  = 0.5 // of where a call is, without which function
	wordsShare   = 0.5 // of the words that a name is made of
	messageShare = 0.5 // of the words of a message
)

// trace gives the features of a stack trace. A call's weight falls with the
// square root of its place, counted from the newest in-app call of the root
// cause, exceptions after that following on.
func (e *Embedder) trace(d embed.Document) features {
	f := features{words: map[uint64]float64{}, parts: map[uint64]float64{}, mixed: true}
	add := func(h uint64, w float64) { f.parts[h] = max(f.parts[h], w) }
	words := func(text string, share float64) {
		e.lexicon.terms(tokens(cut(text, maxText)), func(_ byte, h uint64, w float64) {
			f.words[h] = max(f.words[h], share*w*e.idf(h))
		})
	}
	place := 0.0
	seen := map[string]bool{}
	for _, exception := range d.Exceptions {
		add(hash(typeTerm, exception.Type), callWeight)
		words(exception.Type, wordsShare)
		words(stack.Mask(exception.Value), messageShare)
		for _, c := range stack.Calls(exception) {
			if c.InApp || place > 0 {
				place++
			}
			if c.Module+c.Function == "" || seen[c.String()] {
				continue
			}
			seen[c.String()] = true
			w := 1 / math.Sqrt(max(place, 1))
			if !c.InApp {
				w *= systemShare
			}
			add(hash(callTerm, c.String()), w*callWeight)
			add(hash(moduleTerm, c.Module), w*callWeight*moduleShare)
			if c.InApp {
				words(c.Module, w*wordsShare)
				words(c.Function, w*wordsShare)
			}
		}
	}
	return f
}
