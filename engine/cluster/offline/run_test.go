package offline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
)

const sample = `{"id":"1","title":"Login fails after password reset"}
{"id":"2","title":"CSV export times out"}
{"id":"3","text":"I can't log in since I reset my password"}
{"id":"4","exceptions":[{"type":"KeyError","value":"'id'","frames":[{"module":"app.web","function":"serve","in_app":true},{"module":"app.cart","function":"checkout","line":7,"in_app":true},{"module":"app.pay","function":"charge","in_app":true}]}]}
{"id":"5","title":"The export to CSV hangs","body":"and then I get a timeout"}
{"id":"6","exceptions":[{"type":"KeyError","value":"'no'","frames":[{"module":"app.web","function":"serve","in_app":true},{"module":"app.cart","function":"checkout","line":9,"in_app":true},{"module":"app.pay","function":"charge","in_app":true}]}]}
`

func clustered(t *testing.T) ([]Doc, []Result) {
	t.Helper()
	docs, err := Read("sample.jsonl", strings.NewReader(sample), func(line int, err error) { t.Errorf("line %d: %v", line, err) })
	if err != nil {
		t.Fatal(err)
	}
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	results, err := Run(context.Background(), docs, small{e}, cluster.Balanced, func(done, total int) { steps = append(steps, fmt.Sprintf("%d/%d", done, total)) })
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(steps, " "); got != "4/6 6/6" {
		t.Errorf("progress %s", got)
	}
	return docs, results
}

// small takes fewer documents at a time, and none that is too many.
type small struct{ *lexical.Embedder }

func (small) Batch() int { return 4 }

func (s small) Embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	if len(docs) > s.Batch() {
		return nil, errors.New("too many documents at once")
	}
	return s.Embedder.Embed(ctx, docs)
}

func TestRun(t *testing.T) {
	_, results := clustered(t)
	var got []string
	for _, r := range results {
		got = append(got, r.ID+"→"+r.Cluster)
		if r.Reason == "" {
			t.Errorf("report %s has no reason", r.ID)
		}
	}
	if s := strings.Join(got, " "); s != "1→1 2→2 3→1 4→3 5→2 6→3" {
		t.Errorf("got %s", s)
	}
}

func TestRunStops(t *testing.T) {
	e, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, []Doc{{ID: "a"}}, e, cluster.Balanced, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if results, err := Run(context.Background(), nil, e, cluster.Balanced, nil); err != nil || len(results) != 0 {
		t.Errorf("no reports: %v, %v", results, err)
	}
}

func TestWriteJSON(t *testing.T) {
	_, results := clustered(t)
	var out bytes.Buffer
	if err := WriteJSON(&out, results); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(results) {
		t.Fatalf("%d lines for %d reports", len(lines), len(results))
	}
	for i, line := range lines {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		first := i == 0 || i == 1 || i == 3
		similarity, isNumber := row["similarity"].(float64)
		if len(row) != 4 || row["id"] != results[i].ID || row["cluster"] != results[i].Cluster || row["reason"] != results[i].Reason ||
			isNumber == first || similarity > 1 {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
	if !strings.HasPrefix(lines[0], `{"id":"1","cluster":"1","similarity":null,"reason":"`) {
		t.Errorf("the first line is %s", lines[0])
	}
}

func TestWriteTable(t *testing.T) {
	docs, results := clustered(t)
	docs[1].Title = "\x1b[2Jgone \u202ekcab\nline\t" + strings.Repeat("x", 100)
	var out bytes.Buffer
	if err := WriteTable(&out, docs, results); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], "Login fails") || !strings.HasSuffix(lines[1], "  1, 3") {
		t.Fatalf("got %q", lines)
	}
	if !strings.Contains(lines[2], "[2Jgone kcab line xxx") || !strings.Contains(lines[2], "x…") {
		t.Errorf("a hostile title reads %q", lines[2])
	}
	if !strings.Contains(lines[3], "KeyError: 'id'") {
		t.Errorf("a trace reads %q", lines[3])
	}
}

func TestWriteMarkdown(t *testing.T) {
	docs, results := clustered(t)
	docs[0].Title = "<img src=x> @acme/all #12 | [x](https://evil.test) **`"
	var out bytes.Buffer
	if err := WriteMarkdown(&out, docs, results); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.HasPrefix(text, "# 6 reports, 3 problems\n") || strings.Count(text, "\n## ") != 3 || strings.Count(text, "\n| ") != 3*2+6 {
		t.Errorf("got %s", text)
	}
	for _, alive := range []string{"<img", "@acme", " #12", "](", "https://", "**", " `"} {
		if strings.Contains(text, alive) {
			t.Errorf("%q is alive in %s", alive, text)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWritersSayWhatFails(t *testing.T) {
	docs, results := clustered(t)
	for name, err := range map[string]error{
		"JSON":     WriteJSON(full{}, results),
		"table":    WriteTable(full{}, docs, results),
		"Markdown": WriteMarkdown(full{}, docs, results),
	} {
		if err == nil {
			t.Errorf("%s: a full disk is no error", name)
		}
	}
}
