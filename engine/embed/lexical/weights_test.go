package lexical

import (
	"bytes"
	"strings"
	"testing"
)

func TestFrozenWeights(t *testing.T) {
	w, err := readWeights(frozen)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.bytes(), frozen) {
		t.Error("the weights are not what they are read from")
	}
	idf := func(kind byte, text string) float64 {
		v, ok := w.term(hash(kind, text))
		if !ok {
			t.Errorf("the weights do not know %q", text)
		}
		return v
	}
	if common, rare := idf(wordTerm, "peopl"), idf(wordTerm, "accordion"); common+2 > rare {
		t.Errorf("people weighs %.1f, accordion %.1f", common, rare)
	}
	if login := idf(conceptTerm, "login"); login < 3 {
		t.Errorf("the concept of logging in weighs only %.1f", login)
	}
	if _, ok := w.term(hash(wordTerm, "qqzzxxq")); ok {
		t.Error("a word that nobody uses is known")
	}
}

func TestCountWeights(t *testing.T) {
	var corpus strings.Builder
	for range 5 {
		corpus.WriteString("r\tapples everywhere\tapples and pears\n")
	}
	for range 15 {
		corpus.WriteString("r\tpears\tpears pears\n")
	}
	corpus.WriteString("r\tunique\tword\n")
	first, err := CountWeights(strings.NewReader(corpus.String()))
	if err != nil {
		t.Fatal(err)
	}
	again, err := CountWeights(strings.NewReader(corpus.String()))
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the same corpus gives other bytes (%v)", err)
	}
	w, err := readWeights(first)
	if err != nil {
		t.Fatal(err)
	}
	apple, ok := w.term(hash(wordTerm, "appl"))
	if !ok || apple < 1.2 || apple > 1.4 { // ln(22/6)
		t.Errorf("a word of 5 in 21 documents weighs %.2f (%t)", apple, ok)
	}
	if pear, ok := w.term(hash(wordTerm, "pear")); !ok || pear > .1 { // ln(22/21)
		t.Errorf("a word of 20 in 21 documents weighs %.2f (%t)", pear, ok)
	}
	if _, ok := w.term(hash(wordTerm, "uniqu")); ok {
		t.Error("a word of one document was kept")
	}
	if gram := w.gram(hash(gramTerm, "<ap")); gram < 1.2 || gram > 1.4 {
		t.Errorf("an n-gram of 5 in 21 documents weighs %.2f", gram)
	}
	if _, err := CountWeights(strings.NewReader("no tab\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a line without a tab: %v", err)
	}
}

func TestReadWeightsRefuses(t *testing.T) {
	tests := map[string][]byte{
		"nothing":      {},
		"another file": []byte("PNG\x00\x00\x00\x00\x00"),
		"cut short":    frozen[:len(frozen)-1],
		"too long":     append(bytes.Clone(frozen), 0),
	}
	for name, b := range tests {
		if _, err := readWeights(b); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}
