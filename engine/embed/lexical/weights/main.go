// Command weights counts in how many documents of a corpus words and character
// n-grams are, and writes the weights that package lexical is built with. It
// reads standard input, one document a line as "kind TAB title TAB text", and
// writes standard output.
package main

import (
	"fmt"
	"os"

	"github.com/soulcaster/soulcaster/engine/embed/lexical"
)

func main() {
	weights, err := lexical.CountWeights(os.Stdin)
	if err == nil {
		_, err = os.Stdout.Write(weights)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "count weights:", err)
		os.Exit(1)
	}
}
