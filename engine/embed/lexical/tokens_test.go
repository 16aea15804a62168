package lexical

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTokens(t *testing.T) {
	tests := map[string]string{ // forms: plain, whole/, part-, exact=
		"":                                "",
		"Can't log in!":                   "cant log in",
		"don’t":                           "dont",
		"parseHTTPHeader_v2":              "parsehttpheaderv2/ parse- http- header- v2-",
		"save_file":                       "savefile/ save- file-",
		"PDFs":                            "pdfs",
		"Upgrade to 3.4.0.":               "upgrade to 3.4.0=",
		"PROJ-17 and e-mail":              "proj-17= and e mail",
		"see https://www.Example.org/a?b": "see example.org=",
		"(http://x.test:80) www.y.test,":  "x.test= y.test=",
		"error 500, id 1234567890123":     "error 500= id",
		"0x7ffe12 3f9a1c7e":               "",
		"Größe über_alles":                "größe überalles/ über- alles-",
		"ログイン出来":                          "ログ グイ イン ン出 出来",
		"a\x00b\xff":                      "a b",
		strings.Repeat("y", 200) + " z":   "z",
	}
	for in, want := range tests {
		var got []string
		for _, tok := range tokens(in) {
			got = append(got, tok.text+map[form]string{whole: "/", part: "-", exact: "="}[tok.form])
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("tokens(%q) = %q, want %q", in, s, want)
		}
	}
}

func TestLead(t *testing.T) {
	tests := []struct{ text, title, rest string }{
		{"", "", ""},
		{"short", "short", ""},
		{" first line \nsecond", "first line ", "\nsecond"},
		{"One sentence. Another one.", "One sentence.", " Another one."},
		{strings.Repeat("word ", 40) + "end", strings.TrimSpace(strings.Repeat("word ", 24)), strings.Repeat(" word", 16) + " end"},
	}
	for _, tt := range tests {
		title, rest := lead(tt.text)
		if strings.TrimSpace(title) != strings.TrimSpace(tt.title) || strings.TrimSpace(rest) != strings.TrimSpace(tt.rest) {
			t.Errorf("lead(%q) = %q, %q", tt.text, title, rest)
		}
	}
}

func TestOwn(t *testing.T) {
	in := "Menu gone <!-- please\nfill in -->\nUser Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/85.0 Safari/537.36\nSteps to reproduce:\nopen it"
	if got := strings.Join(strings.Fields(own(in)), " "); got != "Menu gone open it" {
		t.Errorf("own = %q", got)
	}
	if got := own("the environment variable is lost"); got != "the environment variable is lost" {
		t.Errorf("a sentence lost a word: %q", got)
	}
}

// A phrase stands for its concept once: two concepts must not claim it.
func TestConceptsAreDistinct(t *testing.T) {
	seen := map[string]string{}
	for line := range strings.Lines(concepts) {
		name, list, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		for phrase := range strings.SplitSeq(list, ",") {
			key := strings.Join(stems(tokens(phrase)), " ")
			if key == "" {
				t.Errorf("%s has an empty phrase", name)
			}
			if other, ok := seen[key]; ok && other != name {
				t.Errorf("%q is said for %s and for %s", strings.TrimSpace(phrase), other, name)
			}
			seen[key] = name
		}
	}
	if len(seen) < 300 {
		t.Errorf("only %d phrases were read", len(seen))
	}
}

func TestProblemWordsAreNoStopWords(t *testing.T) {
	l := newLexicon()
	for _, w := range strings.Fields("crash export login slow empty missing duplicate delete save load open close print upload error fail") {
		if l.stop[w] {
			t.Errorf("%q is a stop word", w)
		}
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("parseHTTPHeader_v2 3.4.0 PROJ-17 https://x.test/ can't ログイン")
	f.Add("\xff\xc3 _ ' - . __a__ 'b'")
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range tokens(text) {
			if tok.text == "" {
				t.Errorf("tokens(%q) has an empty one", text)
			}
			if utf8.ValidString(text) && !utf8.ValidString(tok.text) {
				t.Errorf("tokens(%q) has the broken %q", text, tok.text)
			}
			eachGram(tok.text, func(uint64) {})
		}
		own(text)
		lead(text)
	})
}
