package gemini

import (
	"context"
	"fmt"
	"math"
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
// A [*SettingError] says that the model or the key is not accepted; an
// [*embed.UnavailableError] that the documents should wait. Both hold when
// waiting for the operator is what helps.
func (e *Embedder) Embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	vectors := make([][]float32, 0, len(docs))
	for len(docs) > 0 {
		n := min(batch, len(docs))
		some, err := e.embed(ctx, docs[:n])
		if err != nil {
			return nil, fmt.Errorf("embed %d documents with %s: %w", n, e.Name(), err)
		}
		vectors = append(vectors, some...)
		docs = docs[n:]
	}
	return vectors, nil
}

func (e *Embedder) embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	contents := make([]*genai.Content, len(docs))
	for i, d := range docs {
		text := cut(strings.TrimSpace(strings.ToValidUTF8(d.Text(), "\uFFFD")), maxInput)
		if text == "" {
			return nil, fmt.Errorf("document %d has no text", i) // the API would refuse the whole batch
		}
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
	if len(answer.Embeddings) != len(docs) {
		return nil, fmt.Errorf("got %d vectors for %d documents", len(answer.Embeddings), len(docs))
	}
	vectors := make([][]float32, len(docs))
	for i, v := range answer.Embeddings {
		if v == nil {
			return nil, fmt.Errorf("vector %d is missing", i)
		}
		if vectors[i], err = unit(v.Values); err != nil {
			return nil, fmt.Errorf("vector %d: %w", i, err)
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
