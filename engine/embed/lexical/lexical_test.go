package lexical

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

var _ embed.Embedder = (*Embedder)(nil)

func vectors(t *testing.T, docs ...embed.Document) [][]float32 {
	t.Helper()
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Embed(context.Background(), docs)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func cosine(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

func titled(title string) embed.Document { return embed.Document{Title: title} }

func thrown(kind, value string, functions ...string) embed.Document {
	e := feedback.Exception{Type: kind, Value: value}
	for _, f := range functions {
		module, name, _ := strings.Cut(f, ".")
		e.Frames = append(e.Frames, feedback.Frame{Module: module, Function: name, InApp: module != "lib"})
	}
	return embed.Document{Exceptions: []feedback.Exception{e}}
}

// Whatever comes, a vector has the promised shape.
func TestUnitLength(t *testing.T) {
	docs := []embed.Document{
		{}, titled("   "), titled("the of and"), titled("!!! ???"), titled("\xff\xfe broken \xc3"),
		titled("Export fails"), {Title: "a", Body: strings.Repeat("word ", 100_000)}, {Body: "no title. But a body"},
		titled("ログインできません"), titled(strings.Repeat("x", 10_000)), titled("12345 0xdeadbeef 3.4.0 PROJ-17 https://www.example.org/x"),
		thrown("", ""), thrown("KeyError", "'id'", "app.run", "lib.call"),
		{Exceptions: []feedback.Exception{{}, {Frames: []feedback.Frame{{}, {Function: "?"}}}}},
	}
	for i, v := range vectors(t, docs...) {
		if len(v) != Dim {
			t.Errorf("document %d: %d dimensions", i, len(v))
		}
		if n := cosine(v, v); math.Abs(n-1) > 1e-5 || math.IsNaN(n) {
			t.Errorf("document %d: length² %v", i, n)
		}
	}
}

func TestNameFitsDim(t *testing.T) {
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if e.Name() != "lexical-1/2048" || e.Dim() != 2048 {
		t.Errorf("%s has %d dimensions", e.Name(), e.Dim())
	}
}

// Stored vectors are compared with new ones for years: the same name must mean
// the same vector. Whoever breaks this raises the version in Name.
func TestVectorsAreFrozen(t *testing.T) {
	docs := []embed.Document{
		{Title: "Login fails after password reset", Body: "Since the update to 3.4.0 I can't sign in. See https://example.org/faq"},
		thrown("KeyError", "no row 17", "app.main", "app.export_csv", "lib.execute"),
	}
	want := []float64{-0.641765, 0.132972}
	for i, v := range vectors(t, docs...) {
		// The shadow on a fixed direction: the last bits may differ between machines.
		rng, shadow := rand.New(rand.NewPCG(1, 2)), 0.0
		for _, x := range v {
			shadow += float64(x) * rng.NormFloat64()
		}
		if math.Abs(shadow-want[i]) > 1e-5 {
			t.Errorf("document %d: its vector changed (%.6f): raise the version in Name", i, shadow)
		}
	}
}

// The order in which maps are walked, and who else is embedding, changes nothing.
func TestDeterministicAndConcurrent(t *testing.T) {
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	docs := []embed.Document{
		{Title: "CSV export times out", Body: strings.Repeat("many different words about exports, timeouts and spreadsheets ", 20)},
		thrown("KeyError", "'id'", "app.run", "app.load", "lib.call"),
	}
	want, err := e.Embed(context.Background(), docs)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				got, err := e.Embed(context.Background(), docs)
				if err != nil || !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
					t.Error("the same documents got other vectors", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestEmbedStopsWithContext(t *testing.T) {
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Embed(ctx, []embed.Document{titled("x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Each row is one thing that the features are for: near must be more like base
// than far is, by a margin.
func TestWhatIsAlike(t *testing.T) {
	form := "Steps to reproduce:\n1. see above\nActual results:\nUser Agent: Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/128.0\n"
	log := strings.Repeat("INFO worker started and is waiting for the queue to have jobs in it\n", 40)
	tests := []struct {
		name            string
		base, near, far embed.Document
	}{
		{"inflection", titled("exporting reports crashes"), titled("export of report crashed"), titled("printing labels is slow")},
		{"ways of saying it", titled("cannot sign in"), titled("login is not possible"), titled("cannot print")},
		{"typing errors", titled("notifications missing"), titled("notificatons mising"), titled("notes moving")},
		{"identifiers", titled("NullPointerException in parseHeader"), titled("parse header: null pointer exception"), titled("write footer: index error")},
		{"negation and articles say little", titled("the map does not load"), titled("map loads never"), titled("the cart does not save")},
		{"versions tell apart", titled("Upgrade kafka to 3.4.0"), titled("upgrade of kafka to 3.4.0"), titled("Upgrade kafka to 2.8.2")},
		{"status codes tell apart", titled("error 404 on the page"), titled("page gives 404"), titled("error 500 on the page")},
		{"hosts tell apart", titled("https://shop.test/a is blank"), titled("blank: http://www.shop.test/"), titled("https://news.test/a is blank")},
		{"forms say nothing", embed.Document{Title: "menu is hidden", Body: form}, titled("hidden menu"), embed.Document{Title: "cart is empty", Body: form}},
		{"titles lead", embed.Document{Title: "menu is hidden", Body: log}, titled("hidden menu"), embed.Document{Title: "cart is empty", Body: log}},
		{"a first line leads", embed.Document{Body: "menu is hidden\n" + log}, titled("hidden menu"), embed.Document{Body: "cart is empty\n" + log}},
		{"no spaces between words", titled("ログインできません"), titled("ログインができない"), titled("印刷が遅いです")},
		{"other lines and ids of a trace", thrown("KeyError", "no row 17", "app.main", "app.load"), thrown("KeyError", "no row 18", "app.main", "app.load"), thrown("KeyError", "no row 17", "app.main", "app.save")},
		{"the newest call counts most", thrown("E", "", "app.serve", "app.route", "app.charge"), thrown("E", "", "app.batch", "app.route", "app.charge"), thrown("E", "", "app.serve", "app.route", "app.refund")},
		{"libraries count little", thrown("E", "", "app.charge", "lib.fetch"), thrown("E", "", "app.charge", "lib.query"), thrown("E", "", "app.print", "lib.fetch")},
		{"messages count", thrown("E", "disk quota exceeded", "app.a"), thrown("E", "exceeded quota of disk", "app.a"), thrown("E", "broken certificate chain", "app.a")},
		{"a trace and a complaint about it", thrown("TimeoutError", "csv export timed out", "app.export_csv"), titled("CSV export times out"), titled("dark mode is unreadable")},
	}
	for _, tt := range tests {
		v := vectors(t, tt.base, tt.near, tt.far)
		if near, far := cosine(v[0], v[1]), cosine(v[0], v[2]); near < far+.05 {
			t.Errorf("%s: near %.2f, far %.2f", tt.name, near, far)
		}
	}
}

func BenchmarkEmbed(b *testing.B) {
	e, err := New()
	if err != nil {
		b.Fatal(err)
	}
	for name, doc := range map[string]embed.Document{
		"short": titled("Login fails after password reset"),
		"long":  {Title: "CSV export times out", Body: strings.Repeat("When I export a large report the server does not answer. ", 35)},
		"trace": thrown("KeyError", "no row 17", strings.Split(strings.Repeat("app.load_all_rows app.save lib.call ", 10), " ")[:30]...),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Embed(context.Background(), []embed.Document{doc}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
