package gemini

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/soulcaster/soulcaster/engine/embed"
)

const (
	// probe is a text that no model has a reason to refuse.
	probe = "The page does not load."
	// maxPlain is how much of a refused document is tried as plain words, in bytes.
	maxPlain = 1000
)

// sieve embeds texts and sorts out those that the model does not take.
type sieve struct {
	e       *Embedder
	texts   []string
	vectors [][]float32
	refused embed.RefusedError
	works   bool // the model took a text
}

// embed embeds the texts at these positions. Its error is not one of the texts.
func (s *sieve) embed(ctx context.Context, at []int) error {
	texts := make([]string, len(at))
	for i, n := range at {
		texts[i] = s.texts[n]
	}
	vectors, err := s.e.request(ctx, texts)
	var no refusal
	switch {
	case err == nil:
		for i, n := range at {
			s.vectors[n] = vectors[i]
		}
		s.works = true
		return nil
	case !errors.As(err, &no):
		return err
	case !s.works:
		// Is it these texts, or is it the model?
		if _, err := s.e.request(ctx, []string{probe}); err != nil {
			return err
		}
		s.works = true
	}
	if len(at) == 1 {
		return s.plain(ctx, at[0], no)
	}
	half := len(at) / 2
	if err := s.embed(ctx, at[:half]); err != nil {
		return err
	}
	return s.embed(ctx, at[half:])
}

// plain embeds the words of a text that was refused, and refuses it if that is
// refused too.
func (s *sieve) plain(ctx context.Context, i int, why error) error {
	words := strings.Join(strings.FieldsFunc(s.texts[i], func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	}), " ")
	words = strings.TrimSpace(cut(words, maxPlain))
	if words == "" {
		s.refuse(i, why)
		return nil
	}
	vectors, err := s.e.request(ctx, []string{words})
	var no refusal
	switch {
	case err == nil:
		s.vectors[i] = vectors[0]
	case errors.As(err, &no):
		s.refuse(i, no)
	default:
		return err
	}
	return nil
}

func (s *sieve) refuse(i int, why error) {
	s.refused.At = append(s.refused.At, i)
	s.refused.Err = cmp.Or(s.refused.Err, why)
}
