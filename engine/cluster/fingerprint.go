package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/stack"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

const (
	minWords = 3 // of a text that is known again by its words
	minCalls = 2 // of a stack that is known again at all
	sureFrom = 3 // calls of a stack that is known again without its message
)

// Fingerprints returns the exact keys of a document, at most one now: two
// documents that share one are the same problem. There is none where the text
// says too little to be sure.
//
// A trace is known by its exceptions' types and all of the program's own named
// calls, without line numbers, generated names and repetitions; a short one (two
// calls) by its message too, and one that failed an assertion not at all, because
// what was asserted is in the values and not in the stack. Of the pairs in
// defects4j_crashes and defects4j_traces that share one, 113 of 113 are the same
// defect; with the message left out of short stacks too, two would not be.
//
// Prose is known by its words, all of them, whatever their case and spacing.
func Fingerprints(d embed.Document) []string {
	if d.Kind() == embed.Trace {
		return stackPrint(d.Exceptions)
	}
	words := strings.Fields(strings.ToLower(d.Title + "\n" + d.Body))
	if len(words) < minWords {
		return nil
	}
	return []string{"text:" + digest(words)}
}

func stackPrint(chain []feedback.Exception) []string {
	var key, messages []string
	calls := 0
	for _, e := range chain {
		kind := strings.ToLower(e.Type)
		if strings.Contains(kind, "assert") || strings.Contains(kind, "comparisonfailure") {
			return nil
		}
		key = append(key, "!"+e.Type)
		messages = append(messages, stack.Mask(e.Value))
		last := ""
		for _, c := range stack.Calls(e) {
			if !c.InApp || !c.Named() || c.String() == last {
				continue
			}
			last = c.String()
			key = append(key, last)
			calls++
		}
	}
	switch {
	case calls < minCalls:
		return nil
	case calls < sureFrom:
		key = append(key, messages...)
	}
	return []string{"stack:" + digest(key)}
}

// digest is half a SHA-256: too long for collisions, and the text cannot be read
// back out of it.
func digest(parts []string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = io.WriteString(h, p) // a hash does not fail
		_, _ = h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:sha256.Size/2])
}
