package cluster

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

func frame(module, function string, line int) feedback.Frame {
	return feedback.Frame{Module: module, Function: function, Line: line, InApp: true}
}

func thrown(kind, value string, frames ...feedback.Frame) embed.Document {
	return embed.Document{Exceptions: []feedback.Exception{{Type: kind, Value: value, Frames: frames}}}
}

func TestFingerprints(t *testing.T) {
	long := []feedback.Frame{frame("app.web", "serve", 10), frame("app.cart", "checkout", 20), frame("app.pay", "charge", 30)}
	short := long[1:]
	library := feedback.Frame{Module: "django.db", Function: "execute"}
	tests := []struct {
		name string
		a, b embed.Document
		same bool
	}{
		{"the same stack on other lines", thrown("KeyError", "7", long...),
			thrown("KeyError", "8", frame("app.web", "serve", 11), frame("app.cart", "checkout", 21), frame("app.pay", "charge", 31)), true},
		{"the same stack with another message", thrown("KeyError", "'bob'", long...), thrown("KeyError", "'ann'", long...), true},
		{"a short stack with another message", thrown("KeyError", "'bob'", short...), thrown("KeyError", "'ann'", short...), false},
		{"a short stack with another number", thrown("KeyError", "id 17", short...), thrown("KeyError", "id 18", short...), true},
		{"another type", thrown("KeyError", "7", long...), thrown("ValueError", "7", long...), false},
		{"another caller", thrown("KeyError", "7", long...), thrown("KeyError", "7", append([]feedback.Frame{frame("app.job", "run", 1)}, long[1:]...)...), false},
		{"other libraries between", thrown("KeyError", "7", long...), thrown("KeyError", "7", append(slices.Clone(long), library)...), true},
		{"deeper recursion", thrown("E", "", long...), thrown("E", "", append(slices.Clone(long), long[2], long[2])...), true},
		{"generated names", thrown("E", "", append(slices.Clone(long), frame("app.Proxy$17", "call", 1))...),
			thrown("E", "", append(slices.Clone(long), frame("app.Proxy$23", "call", 1))...), true},
		{"a chain with another cause", embed.Document{Exceptions: append(thrown("A", "", long...).Exceptions, thrown("B", "", long...).Exceptions...)},
			thrown("B", "", long...), false},
		{"a text in other case and spacing", embed.Document{Title: "Export  fails again"}, embed.Document{Title: "export fails", Body: "again\n"}, true},
		{"another text", embed.Document{Title: "export fails again"}, embed.Document{Title: "import fails again"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := Fingerprints(tt.a), Fingerprints(tt.b)
			if len(a) != 1 || len(b) != 1 {
				t.Fatalf("fingerprints %v and %v, want one each", a, b)
			}
			if (a[0] == b[0]) != tt.same {
				t.Errorf("the same: %t", a[0] == b[0])
			}
		})
	}
}

func TestNoFingerprint(t *testing.T) {
	tests := map[string]embed.Document{
		"no frames":          thrown("KeyError", "7"),
		"one call":           thrown("KeyError", "7", frame("app", "main", 1)),
		"anonymous calls":    thrown("TypeError", "x", frame("app.js", "<anonymous>", 1), frame("app.js", "?", 2), frame("app.js", "t", 3)),
		"a failed check":     thrown("java.lang.AssertionError", "expected 1", frame("a", "testOne", 1), frame("a", "check", 2), frame("a", "equal", 3)),
		"two words":          {Title: "Help please"},
		"nothing":            {},
		"an empty exception": thrown("", ""),
	}
	for name, d := range tests {
		if got := Fingerprints(d); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// On real failures, what shares a fingerprint is the same defect.
func TestFingerprintsOfRealTraces(t *testing.T) {
	for _, name := range []string{"defects4j_crashes", "defects4j_traces"} {
		path := "../../../shared/data/" + name + ".jsonl"
		f, err := os.Open(path)
		if err != nil {
			t.Skipf("no labelled traces at %s", path)
		}
		defer f.Close()
		labels := map[string][]string{} // fingerprint → labels
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var row struct {
				Label      string
				Exceptions []feedback.Exception
			}
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			for _, p := range Fingerprints(embed.Document{Exceptions: row.Exceptions}) {
				labels[p] = append(labels[p], row.Label)
			}
		}
		right, all := 0, 0
		for _, group := range labels {
			for i, a := range group {
				for _, b := range group[:i] {
					all++
					if a == b {
						right++
					}
				}
			}
		}
		t.Logf("%s: %d of %d pairs", name, right, all)
		if all < 100 || float64(right) < .99*float64(all) {
			t.Errorf("%s: %d of %d pairs with the same fingerprint are the same defect", name, right, all)
		}
	}
}
