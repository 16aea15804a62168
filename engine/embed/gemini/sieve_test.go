package gemini_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/embed"
)

// picky is a Gemini that says no to a batch with a text in it that no likes, with
// a 400, and gives each text that it takes a vector of its own.
func picky(t *testing.T, no func(text string) bool) *google {
	return newGoogle(t, func(w http.ResponseWriter, _ *http.Request, body []byte, _ int) {
		var got embedRequest
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		type vector struct {
			Values []float64 `json:"values"`
		}
		var out struct {
			Embeddings []vector `json:"embeddings"`
		}
		for _, r := range got.Requests {
			text := r.Content.Parts[0].Text
			if no(text) {
				fail(w, http.StatusBadRequest, "invalid argument", "")
				return
			}
			v := make([]float64, 768)
			v[len(text)%768] = 1
			out.Embeddings = append(out.Embeddings, vector{v})
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(out)
	})
}

// One text that the model says no to keeps no other from its vector, and is
// embedded itself, as its plain words.
func TestRefusedTextIsFound(t *testing.T) {
	for _, bad := range [][]int{{0}, {31}, {7, 20}, {3, 4, 5}} {
		g := picky(t, func(text string) bool { return strings.Contains(text, "<|") })
		all := docs(32)
		for i := range all {
			all[i].Body = strings.Repeat("x", i)
		}
		for _, i := range bad {
			all[i].Body = "<|x|>" + strings.Repeat("y", i)
		}
		got, err := g.client(t, nil).Embedder().Embed(t.Context(), all)
		if err != nil || len(got) != len(all) {
			t.Fatalf("bad %v: %d vectors, %v", bad, len(got), err)
		}
		for i, v := range got {
			text := all[i].Text()
			if slices.Contains(bad, i) {
				text = strings.NewReplacer("\n<|", " ", "|>", " ").Replace(text)
				text = strings.TrimSpace(text)
			}
			if v[len(text)%768] != 1 {
				t.Errorf("bad %v: vector %d is not that of its text", bad, i)
			}
		}
		// For each one that is bad: two a halving, its plain words; and the whole
		// batch and the probe.
		if most := 2 + len(bad)*(2*5+1); len(g.paths) > most {
			t.Errorf("bad %v: %d requests, want at most %d", bad, len(g.paths), most)
		}
	}
}

// A text that is refused in every form is named, so that the others can go on
// without it; and that there is no other changes nothing.
func TestTextRefusedInEveryForm(t *testing.T) {
	no := func(text string) bool { return strings.Contains(text, "poison") }
	g := picky(t, no)
	all := append(docs(5), embed.Document{Title: "poison"}, embed.Document{}, embed.Document{Title: "fine"}, embed.Document{Title: "more poison"})
	got, err := g.client(t, nil).Embedder().Embed(t.Context(), all)
	var refused *embed.RefusedError
	if !errors.As(err, &refused) || !slices.Equal(refused.At, []int{5, 6, 8}) || got != nil {
		t.Errorf("got %v, want documents 5, 6 and 8 to be refused", err)
	}
	alone := picky(t, no)
	if _, err := alone.client(t, nil).Embedder().Embed(t.Context(), []embed.Document{{Title: "poison"}}); !errors.As(err, &refused) || !slices.Equal(refused.At, []int{0}) {
		t.Errorf("got %v, want the only document to be refused", err)
	}
}

// When the model says no to everything, nobody's text is at fault: all of it
// waits, after two requests.
func TestModelThatRefusesEverything(t *testing.T) {
	g := picky(t, func(string) bool { return true })
	_, err := g.client(t, nil).Embedder().Embed(t.Context(), docs(32))
	var gone *embed.UnavailableError
	var refused *embed.RefusedError
	if !errors.As(err, &gone) || errors.As(err, &refused) || len(g.paths) != 2 || !strings.Contains(err.Error(), "SOULCASTER_EMBED_MODEL") {
		t.Errorf("got %v after %d requests", err, len(g.paths))
	}
}
