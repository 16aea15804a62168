package stack

import (
	"testing"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

func TestMask(t *testing.T) {
	tests := map[string]string{
		"":                                 "",
		"GeneratedMethodAccessor42":        "GeneratedMethodAccessor#",
		"app.3f9a1c7e.js":                  "app.#.js",
		"open /tmp/x81: 0x7ffe12":          "open /tmp/x#: #",
		"require lower (0.0) <= (-2.3000)": "require lower (#.#) <= (-#.#)",
		"deadbeef facade":                  "deadbeef facade", // words, not numbers
		"utf8 base64":                      "utf# base#",
		"Größe 17 überschritten":           "Größe # überschritten",
	}
	for in, want := range tests {
		if got := Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCalls(t *testing.T) {
	tests := []struct {
		name   string
		frames []feedback.Frame // oldest first
		want   []Call           // newest first
	}{
		{"marked by the reporter", []feedback.Frame{{Module: "app", Function: "run", InApp: true}, {Module: "lib", Function: "call"}},
			[]Call{{"lib", "call", false}, {"app", "run", true}}},
		{"not marked, told by the module", []feedback.Frame{{Module: "java.lang.Thread", Function: "run"}, {Module: "org.acme.Cart", Function: "pay"}},
			[]Call{{"org.acme.Cart", "pay", true}, {"java.lang.Thread", "run", false}}},
		{"a module that only begins like a runtime's", []feedback.Frame{{Module: "runtimeconfig", Function: "load"}, {Module: "runtime", Function: "main"}},
			[]Call{{"runtime", "main", false}, {"runtimeconfig", "load", true}}},
		{"not marked, told by the path", []feedback.Frame{{Function: "get", File: "/srv/node_modules/got/index.js"}, {Function: "fetchAll", File: "src/list.js"}},
			[]Call{{"list.js", "fetchAll", true}, {"index.js", "get", false}}},
		{"a file with a build's hash", []feedback.Frame{{Function: "render", File: "https://x.test/static/main.8f3b2c1d.js?v=3", InApp: true}},
			[]Call{{"main.#.js", "render", true}}},
		{"names that say nothing", []feedback.Frame{{Module: "a", Function: "<anonymous>", InApp: true}, {Module: "b", Function: "t", InApp: true}, {File: "<stdin>", Function: "?", InApp: true}},
			[]Call{{"", "", true}, {"b", "", true}, {"a", "", true}}},
		{"decorated names", []feedback.Frame{{Module: "a", Function: "async load", InApp: true}, {Module: "a", Function: "Object.save [as onClick]", InApp: true}},
			[]Call{{"a", "save", true}, {"a", "load", true}}},
		{"a Windows path", []feedback.Frame{{File: `C:\src\Cart.cs`, Function: "Pay", InApp: true}},
			[]Call{{"Cart.cs", "Pay", true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Calls(feedback.Exception{Frames: tt.frames})
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("call %d is %+v, want %+v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func FuzzMask(f *testing.F) {
	f.Add("app.3f9a1c7e.js")
	f.Add("0x7ffe12 Größe \xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Mask(s)
		for i := range len(got) {
			if isDigit(got[i]) {
				t.Errorf("Mask(%q) = %q keeps a digit", s, got)
			}
		}
		if again := Mask(got); again != got {
			t.Errorf("Mask(%q) = %q, masked again %q", s, got, again)
		}
	})
}
