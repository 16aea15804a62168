package command

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/github"
)

func TestParse(t *testing.T) {
	tests := []struct {
		body string
		kind Kind
		name string
	}{
		{"/soulcaster help", Run, "help"},
		{"/soulcaster status", Run, "status"},
		{"/soulcaster undo", Run, "undo"},
		{"/soulcaster", Run, "help"},
		{"/Soulcaster STATUS", Run, "status"},
		{"/soulcaster status\r\nthank you!", Run, "status"},
		{"/soulcaster\t status \u200b\ufeff\r\n", Run, "status"},
		{"/soulcaster\u00a0status", Run, "status"}, // as telephones type it
		{"   /soulcaster status", Run, "status"},
		{"\n\r\n  \n/soulcaster status", Run, "status"},

		{"", Ignore, ""},
		{"\n\n", Ignore, ""},
		{"I like this", Ignore, ""},
		{"please /soulcaster status", Ignore, ""},
		{"soulcaster status", Ignore, ""},
		{"@soulcaster status", Ignore, ""},
		{"thanks!\n/soulcaster undo", Ignore, ""},
		{"> /soulcaster undo", Ignore, ""},
		{">/soulcaster undo", Ignore, ""},
		{"```\n/soulcaster undo\n```", Ignore, ""},
		{"~~~\n/soulcaster undo", Ignore, ""},
		{"`/soulcaster undo`", Ignore, ""},
		{"    /soulcaster undo", Ignore, ""},
		{"\t/soulcaster undo", Ignore, ""},
		{"  \t/soulcaster undo", Ignore, ""},
		{"- /soulcaster undo", Ignore, ""},
		{"<!-- /soulcaster undo -->", Ignore, ""},
		{"/soulcasters undo", Ignore, ""},
		{"/soulcaster:undo", Ignore, ""},
		{"/soulcaster/undo", Ignore, ""},
		{"//soulcaster undo", Ignore, ""},
		{"\u200b/soulcaster undo", Ignore, ""}, // neutralised
		{"/soul\u200bcaster undo", Ignore, ""}, // neutralised
		{"\u202e/soulcaster undo", Ignore, ""}, // reads backwards
		{"/\u017foulcaster undo", Ignore, ""},  // a long s
		{"/soulcaster\u200b undo", Ignore, ""}, // not the exact word
		{"&#47;soulcaster undo", Ignore, ""},   // neutralised
		{"/run soulcaster\nhelp", Ignore, ""},  // somebody else's command
		{"\u3000/soulcaster undo", Ignore, ""},

		{"/soulcaster undo now", Reply, ""},
		{"/soulcaster frobnicate", Reply, ""},
		{"/soulcaster \u212aelp", Reply, ""},
		{"/soulcaster und\u200bo", Reply, ""},
	}
	for _, tt := range tests {
		c, r := Parse(tt.body)
		if r.Kind != tt.kind || c.Name != tt.name || len(c.Arguments) != 0 {
			t.Errorf("%q: %+v, %+v, want kind %d, %q", tt.body, c, r, tt.kind, tt.name)
		}
		if (r.Reply != "") != (r.Kind == Reply) {
			t.Errorf("%q: kind %d with reply %q", tt.body, r.Kind, r.Reply)
		}
	}
}

// Nothing but a person's own first line is a command: not what is quoted, shown as
// code, hidden, or looks like one.
func TestHostileFirstLines(t *testing.T) {
	for _, name := range []string{"fix", "fix use a constant", "retry", "cancel", "checks", "undo", "status"} {
		c := Word + " " + name
		for _, body := range []string{
			"> " + c, ">" + c, ">> " + c, "   > " + c, "> quote\n\n" + c, "\n> " + c + "\n" + c,
			"```\n" + c + "\n```", "```" + c, "~~~\n" + c + "\n~~~", "`" + c + "`", "``" + c + "``", "    " + c, "\t" + c, " \t" + c, "     " + c,
			"- " + c, "* " + c, "+ " + c, "1. " + c, "- [ ] " + c, "# " + c, "| " + c + " |", "**" + c + "**", "_" + c + "_", "~~" + c + "~~",
			"<!-- " + c + " -->", "<!--\n" + c + "\n-->", "<p>" + c + "</p>", "<details>\n" + c, "[" + c + "](https://example.com)", "![" + c + "](x)", "\\" + c,
			"\u00a0" + c, "\u3000" + c, "\u2003" + c, "\u200b" + c, "\ufeff" + c, "\u202e" + c, "\u2066" + c, "\u00ad" + c, "\x00" + c, "\x1b[0m" + c, "\u180e" + c,
			"please " + c, "@soulcaster " + c, "On Monday, Ann wrote:\n" + c, "thanks!\n\n" + c, ". " + c, "\"" + c + "\"", "\u201c" + c + "\u201d", "($ " + c + ")", "$ " + c,
			"\uff0f" + c[1:], "\u2044" + c[1:], "\u2215" + c[1:], "/ " + c[1:], "//" + c[1:], "/s\u043eulcaster " + name, "/soulca\u017fter " + name, "/soul\u200bcaster " + name,
			"/soulcaster\u200b " + name, "/soulcaster-" + name, "/soulcaster:" + name, "/soulcaster/" + name, "/soulcaster." + name, "/soulcasters " + name, "&#47;" + c[1:], "%2F" + c[1:],
		} {
			if got, r := Parse(body); r.Kind != Ignore || got.Name != "" {
				t.Errorf("%q was taken for a command: %+v, %+v", body, got, r)
			}
		}
	}
}

// The words are exactly what was written, in whatever white space.
func TestWords(t *testing.T) {
	for body, want := range map[string]string{
		"/soulcaster fix":                               "",
		"/soulcaster fix ":                              "",
		"/soulcaster fix use a constant":                "use a constant",
		"/SOULCASTER Fix  Keep   THE  Case  ":           "Keep   THE  Case",
		"   /soulcaster\t fix\tx\ty":                    "x\ty",
		"/soulcaster\u00a0fix\u00a0a\u00a0b":            "a\u00a0b",
		"/soulcaster fix `/soulcaster undo` > @x <!--":  "`/soulcaster undo` > @x <!--",
		"/soulcaster fix [words]\r\nmore":               "[words]",
		"/soulcaster fix a\u200b":                       "a",
		"/soulcaster fix \u65e5\u672c\u8a9e \U0001f600": "\u65e5\u672c\u8a9e \U0001f600",
	} {
		c, r := Parse(body)
		if r.Kind != Run || c.Name != "fix" || c.Words != want {
			t.Errorf("%q: %+v, words %q, want %q", body, r, c.Words, want)
		}
	}
	for _, name := range []string{"retry", "cancel", "checks"} {
		if _, r := Parse(Word + " " + name + " now"); r.Kind != Reply || !strings.Contains(r.Reply, "takes nothing after its name") {
			t.Errorf("%s with words: %+v", name, r)
		}
	}
}

func TestSplit(t *testing.T) {
	for body, want := range map[string][2]string{
		"":                     {"", ""},
		"\n \n":                {"", ""},
		"a":                    {"a", ""},
		"a\r\nb":               {"a", "b"},
		"\n\na \n\n  b\n\nc\n": {"a", "  b\n\nc"},
		"  a\n\n":              {"  a", ""},
	} {
		if line, rest := Split(body); line != want[0] || rest != want[1] {
			t.Errorf("%q: %q and %q, want %q", body, line, rest, want)
		}
	}
}

func TestSuggestions(t *testing.T) {
	for typed, want := range map[string]string{
		"stauts": "status", "statsu": "status", "satus": "status", "status.": "status", "STATS": "status",
		"hepl": "help", "halp": "help", "undoo": "undo", "udno": "undo",
	} {
		_, r := Parse(Word + " " + typed)
		if want := "Did you mean `" + Word + " " + want + "`?"; r.Kind != Reply || !strings.Contains(r.Reply, want) {
			t.Errorf("%s: %q, want %q", typed, r.Reply, want)
		}
	}
	for _, typed := range []string{"frobnicate", "x", strings.Repeat("status", 1000), "@everyone", "<img>", "日本語"} {
		_, r := Parse(Word + " " + typed)
		if r.Kind != Reply || !strings.Contains(r.Reply, Help()) || strings.Contains(r.Reply, typed) && typed != "x" {
			t.Errorf("%.20q: %q, want the list of commands and not what was typed", typed, r.Reply)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "undo", 4}, {"undo", "undo", 0}, {"undo", "", 4}, {"udno", "undo", 1}, {"udo", "undo", 1}, {"undoo", "undo", 1}, {"unda", "undo", 1}, {"fix", "undo", 4}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestWho(t *testing.T) {
	who := map[string]github.Permission{}
	for _, s := range Table() {
		who[s.Name] = s.Who
	}
	want := map[string]github.Permission{"help": github.Read, "status": github.Read, "fix": github.Write, "retry": github.Write,
		"cancel": github.Write, "checks": github.Write, "mute": github.Write, "unmute": github.Write, "undo": github.Write}
	if !maps.Equal(who, want) {
		t.Errorf("who may: %v, want %v", who, want)
	}
}

// The help lists all that the parser knows, and cannot be taken for a command
// when it is quoted, copied or read by a bot.
func TestHelp(t *testing.T) {
	for _, s := range Table() {
		if !strings.Contains(Help(), s.Usage()) || !strings.Contains(Help(), s.Help) {
			t.Errorf("help lacks %s", s.Name)
		}
		if c, r := Parse(strings.Trim(s.Usage(), "`")); s.Min == 0 && (r.Kind != Run || c.Name != s.Name) {
			t.Errorf("the parser does not know %s", s.Usage())
		}
	}
	dead(t, Help())
}

// dead fails if a line of the text would be a command.
func dead(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if _, r := Parse(line); r.Kind != Ignore {
			t.Errorf("line %q is a command", line)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "/soulcaster", "/soulcaster help", "/soulcaster\r\n", "> /soulcaster undo", "    /soulcaster undo", "/soulcaster \xff\xfe", "\u200b/soulcaster", "/soulcaster stauts now\nx", "\n\n /SOULCASTER\u00a0undo\u200d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c, r := Parse(body)
		if (r.Reply != "") != (r.Kind == Reply) {
			t.Errorf("kind %d with reply %q", r.Kind, r.Reply)
		}
		dead(t, r.Reply)
		if utf8.ValidString(body) && !utf8.ValidString(r.Reply) {
			t.Errorf("reply is no text: %q", r.Reply)
		}
		line := FirstLine(body)
		if again, r2 := Parse(line); again.Name != c.Name || r2 != r || !slices.Equal(again.Arguments, c.Arguments) {
			t.Errorf("first line %q alone means something else: %+v %+v", line, again, r2)
		}
		if r.Kind == Ignore {
			return
		}
		// Whatever was understood begins, as one sees it, with the word.
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), Word) {
			t.Errorf("%q was taken for a command", line)
		}
	})
}
