package gemini

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/genai"

	"github.com/soulcaster/soulcaster/engine/embed"
)

const (
	// dimensions of every vector. gemini-embedding-001 is trained so that a prefix
	// of its 3,072 dimensions is a good vector itself; 768 costs a quarter of the
	// space for next to no loss (ai.google.dev/gemini-api/docs/embeddings).
	dimensions = 768
	// batch is the most documents that batchEmbedContents takes.
	batch = 100
	// maxInput is how much of a document is sent, in bytes. The model reads 2,048
	// tokens, which is about four letters of English or one letter of three bytes
	// of Chinese each; what comes after would be billed, and cut by the server.
	maxInput = 8000
)

// Embedder is the client as an [embed.Embedder].
type Embedder struct{ client *Client }

var _ embed.Embedder = (*Embedder)(nil)

// Embedder returns the embedder for the client's embedding model.
func (c *Client) Embedder() *Embedder { return &Embedder{client: c} }

// Name is the model and the number of dimensions.
func (e *Embedder) Name() string {
	return strings.TrimPrefix(e.client.options.EmbedModel, "models/") + "/" + strconv.Itoa(dimensions)
}

// Dim is the number of dimensions: 768.
func (e *Embedder) Dim() int { return dimensions }

// Batch is how many documents one request carries: 100.
func (e *Embedder) Batch() int { return batch }

// Embed returns one vector of unit length per document. More than Batch
// documents are sent as several requests, one after the other.
//
// Its errors are the context's, an [*embed.UnavailableError] while the documents
// should wait, which holds a [*SettingError] where waiting for the operator is
// what helps, and an [*embed.RefusedError].
//
// A document is refused if the model takes other texts, but not this one: a batch
// that the model says no to is halved until it is known whose fault that is. The
// one at fault is tried once more as its plain words, cut short, which are better
// than nothing to compare. A document without text is refused unasked.
func (e *Embedder) Embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	s := sieve{e: e, texts: make([]string, len(docs)), vectors: make([][]float32, len(docs))}
	var at []int
	for i, d := range docs {
		s.texts[i] = cut(strings.TrimSpace(strings.ToValidUTF8(d.Text(), "\uFFFD")), maxInput)
		if s.texts[i] == "" { // the API would say no to the whole batch
			s.refuse(i, errors.New("it has no text"))
			continue
		}
		at = append(at, i)
	}
	for some := range slices.Chunk(at, batch) {
		if err := s.embed(ctx, some); err != nil {
			return nil, fmt.Errorf("embed %d documents with %s: %w", len(some), e.Name(), err)
		}
	}
	if len(s.refused.At) > 0 {
		slices.Sort(s.refused.At)
		return nil, &s.refused
	}
	return s.vectors, nil
}

// request asks for the vectors of texts, at most a batch of them.
func (e *Embedder) request(ctx context.Context, texts []string) ([][]float32, error) {
	contents := make([]*genai.Content, len(texts))
	for i, text := range texts {
		contents[i] = genai.NewContentFromText(text, genai.RoleUser)
	}
	dims := int32(dimensions)
	var answer *genai.EmbedContentResponse
	err := e.client.try(ctx, embedSetting, func(ctx context.Context) (err error) {
		answer, err = e.client.api.Models.EmbedContent(ctx, e.client.options.EmbedModel, contents,
			&genai.EmbedContentConfig{TaskType: "CLUSTERING", OutputDimensionality: &dims})
		return err
	})
	if err != nil {
		return nil, err
	}
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	e.client.options.Used(ctx, Usage{Model: e.client.options.EmbedModel, Input: int64(size+3) / 4})
	if len(answer.Embeddings) != len(texts) {
		return nil, &embed.UnavailableError{Err: fmt.Errorf("got %d vectors for %d documents", len(answer.Embeddings), len(texts))}
	}
	vectors := make([][]float32, len(texts))
	for i, v := range answer.Embeddings {
		if v == nil {
			err = errors.New("it is missing")
		} else {
			vectors[i], err = unit(v.Values)
		}
		if err != nil {
			return nil, &embed.UnavailableError{Err: &SettingError{Setting: embedSetting, Err: refusal{fmt.Errorf("vector %d: %w", i, err)}}}
		}
	}
	return vectors, nil
}

// unit checks a vector and scales it to length 1: a prefix of a unit vector,
// which is what fewer dimensions are, is shorter than that.
func unit(v []float32) ([]float32, error) {
	if len(v) != dimensions {
		return nil, fmt.Errorf("%d dimensions, want %d", len(v), dimensions)
	}
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	if square == 0 || math.IsNaN(square) || math.IsInf(square, 0) {
		return nil, fmt.Errorf("squared length is %v", square)
	}
	length := math.Sqrt(square)
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) / length)
	}
	return out, nil
}

// cut returns the longest prefix of s of at most n bytes that ends on a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
