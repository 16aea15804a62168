package command

import (
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
	if len(who) != 3 || who["help"] != github.Read || who["status"] != github.Read || who["undo"] != github.Write {
		t.Errorf("who may: %v", who)
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
