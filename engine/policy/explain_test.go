package policy

import (
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// Every key that a file may have is explained, by the layer that said it last.
func TestExplain(t *testing.T) {
	all, err := Parse([]byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	one, err := Parse([]byte("mode: preview\nignore: []\nfix: {minutes: 5}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := Explain(false, Layer{"the server", all}, Layer{"the pages", one}, Layer{"the repository", File{}})
	if len(got) != len(all.said()) {
		t.Errorf("%d keys are explained, and a file may have %d", len(got), len(all.said()))
	}
	if leaves := len(leaves(t, everything)); leaves != len(got) {
		t.Errorf("%d keys are explained, and the documentation's example has %d", len(got), leaves)
	}
	for _, e := range got {
		want := "the server"
		if slices.Contains([]string{"mode", "ignore", "fix.minutes"}, e.Key) {
			want = "the pages"
		}
		if e.From != want {
			t.Errorf("%s is from %q, want %q", e.Key, e.From, want)
		}
	}
	value := func(of []Explained, key string) Explained {
		return of[slices.IndexFunc(of, func(e Explained) bool { return e.Key == key })]
	}
	for key, want := range map[string]string{"mode": "preview", "ignore": "nothing", "fix.minutes": "5", "levels": `"error", "fatal"`, "watch.soak_days": "14", "fix.repair": "true"} {
		if e := value(got, key); e.Value != want {
			t.Errorf("%s is %q, want %q", key, e.Value, want)
		}
	}
	for private, want := range map[bool]string{true: "full", false: "safe"} {
		if e := value(Explain(private), "publish"); e.Value != want || e.From != "" {
			t.Errorf("by default, private %v: %+v", private, e)
		}
	}
}

// leaves are the keys of a file that have values.
func leaves(t *testing.T, text string) (keys []string) {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	for key, value := range tree {
		if below, ok := value.(map[string]any); ok {
			for k := range below {
				keys = append(keys, key+"."+k)
			}
			continue
		}
		keys = append(keys, key)
	}
	return keys
}
