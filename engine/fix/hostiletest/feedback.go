// Package hostiletest is what strangers say to steer the agent: reports that give
// orders, speak as somebody else, or break out of where they are quoted.
package hostiletest

import (
	"embed"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Report is what a stranger sends.
type Report struct {
	Name, Title, Text string
	Shows             string // of Text, what a reader has to see of it
}

//go:embed feedback/*.txt
var files embed.FS

// escaped stands in the files for a character that an editor would not show.
var escaped = regexp.MustCompile(`\{U\+([0-9A-F]{4,6})\}`)

// Feedback returns the reports of the folder feedback, which say what each is up to.
func Feedback(t testing.TB) (all []Report) {
	t.Helper()
	entries, err := files.ReadDir("feedback")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := files.ReadFile(path.Join("feedback", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "-- title --\n")
		title, rest, _ := strings.Cut(rest, "\n-- text --\n")
		text, shows, ok := strings.Cut(rest, "\n-- shows --\n")
		shows = strings.TrimSpace(shows)
		if !ok || title == "" || shows == "" || !strings.Contains(text, shows) {
			t.Fatalf("%s: want a title, a text, and what it shows", e.Name())
		}
		all = append(all, Report{strings.TrimSuffix(e.Name(), ".txt"), unescape(title), unescape(text), shows})
	}
	return all
}

func unescape(text string) string {
	return escaped.ReplaceAllStringFunc(text, func(s string) string {
		code, err := strconv.ParseInt(s[len("{U+"):len(s)-1], 16, 32)
		if err != nil {
			panic(err) // the expression lets nothing else through
		}
		return string(rune(code))
	})
}
