package issue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sectionOf is a section with the content.
func sectionOf(content string) string { return wrap("c7", mac("c7"), content) }

func TestSplice(t *testing.T) {
	old, new := sectionOf("old news\n\n```text\nstack\n```"), sectionOf("fresh news\n\n```text\nother stack\n```")
	begin, _, _ := strings.Cut(old, "\n")
	headless := strings.TrimPrefix(old, begin+"\n") // without the marker of the cluster
	noEnd := strings.TrimSuffix(old, "\n<!-- soulcaster:end -->")
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	edited := strings.Replace(old, "old news", "what a person wrote inside\n\nof it", 1)
	brokenFence := strings.Replace(old, "\n```\n", "\n", 1)
	orphan := strings.Split(old, "\n")[1]

	for name, c := range map[string]struct{ body, want string }{
		"empty":                 {"", new},
		"blank":                 {" \r\n\n", new},
		"alone":                 {old, new},
		"no marker":             {"Hello.", "Hello.\n\n" + new},
		"no marker, line end":   {"Hello.\n", "Hello.\n\n" + new},
		"no marker, crlf":       {"Hello.\r\n\r\n", "Hello.\r\n\r\n" + new},
		"around":                {"above\n\n" + old + "\n\nbelow\n", "above\n\n" + new + "\n\nbelow\n"},
		"glued":                 {"above\n" + old + "\nbelow", "above\n" + new + "\nbelow"},
		"crlf":                  {crlf("above\n\n" + old + "\n\nbelow\n"), "above\r\n\r\n" + new + "\r\n\r\nbelow\r\n"},
		"edited inside":         {"above\n\n" + edited + "\n\nbelow", "above\n\n" + new + "\n\nbelow"},
		"fence broken inside":   {"above\n\n" + brokenFence + "\n\nbelow", "above\n\n" + new + "\n\nbelow"},
		"cluster marker gone":   {"above\n\n" + headless + "\n\nbelow", "above\n\n" + new + "\n\nbelow"},
		"twice":                 {old + "\n\nmine\n\n" + old + "\n\nbelow", new + "\n\nmine\n\n\nbelow"},
		"end gone":              {"above\n\n" + noEnd + "\n\nbelow", "above\n\n" + new + "\n\nbelow"},
		"end gone, crlf":        {crlf("above\n\n" + noEnd + "\n\nbelow"), "above\r\n\r\n" + new + "\r\n\r\nbelow"},
		"end gone and edited":   {orphan + "\nhalf of it\n\nmine", "half of it\n\nmine\n\n" + new},
		"begin gone":            {"half of it\n<!-- soulcaster:end -->\nmine", "half of it\nmine\n\n" + new},
		"end before begin":      {"<!-- soulcaster:end -->\nmine\n" + orphan + "\nmore", "mine\nmore\n\n" + new},
		"quoted":                {quoteLines(old) + "\n\nmine", quoteLines(old) + "\n\nmine\n\n" + new},
		"fenced":                {"~~~~\n" + old + "\n~~~~\n\nmine", "~~~~\n" + old + "\n~~~~\n\nmine\n\n" + new},
		"fenced and real":       {"~~~~\n" + old + "\n~~~~\n\n" + old, "~~~~\n" + old + "\n~~~~\n\n" + new},
		"real and fenced":       {old + "\n\n````\n" + old + "\n````", new + "\n\n````\n" + old + "\n````"},
		"indented":              {"    " + strings.ReplaceAll(old, "\n", "\n    "), "    " + strings.ReplaceAll(old, "\n", "\n    ") + "\n\n" + new},
		"in a sentence":         {"look: <!-- soulcaster:end -->", "look: <!-- soulcaster:end -->\n\n" + new},
		"behind an open fence":  {"~~~\nnever closed\n\n" + old + "\nmore", new + "\n\n~~~\nnever closed\n\nmore"},
		"behind one like ours":  {"```\nnever closed\n\n" + old + "\nmore", new + "\n\n```\nnever closed\n\nmore"},
		"two behind one":        {"```\n" + sectionOf("older") + "\n" + old, new + "\n\n```\n"},
		"fenced too shortly":    {"```\n" + old + "\n```\nmore", "```\n```\nmore\n\n" + new},
		"open fence, no marker": {"~~~\nnever closed", new + "\n\n~~~\nnever closed"},
		"no fence after all":    {"``` a`b\n" + old, "``` a`b\n" + new},
		"spaces behind markers": {strings.ReplaceAll(old, " -->", " -->  "), new},
		"similar comments":      {"<!-- soulcaster:ending -->\n<!-- soulcaster:begin -->\nmine", "<!-- soulcaster:ending -->\n<!-- soulcaster:begin -->\nmine\n\n" + new},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed, err := Splice(c.body, new)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
			if !changed {
				t.Error("it says that nothing changed")
			}
			if again, changed, err := Splice(got, new); again != got || changed || err != nil {
				t.Errorf("done again it is\n%q, %v, %v", again, changed, err)
			}
		})
	}
}

func quoteLines(s string) string { return "> " + strings.ReplaceAll(s, "\n", "\n> ") }

// What GitHub gives back with other line ends is not written again.
func TestSpliceUnchanged(t *testing.T) {
	s := sectionOf("news\n\nmore")
	for _, body := range []string{s, "above\n\n" + s + "\nbelow", strings.ReplaceAll("above\n\n"+s+"\nbelow", "\n", "\r\n")} {
		if got, changed, err := Splice(body, s); got != body || changed || err != nil {
			t.Errorf("Splice(%q) = %q, %v, %v", body, got, changed, err)
		}
	}
}

func TestSpliceTooLong(t *testing.T) {
	body := strings.Repeat("x", hardMax-10)
	got, changed, err := Splice(body, sectionOf("news"))
	if !errors.Is(err, ErrTooLong) || changed || got != body {
		t.Errorf("got %d bytes, %v, %v", len(got), changed, err)
	}
	if room := Room(body); room != 0 {
		t.Errorf("there is room for %d", room)
	}
}

// A section that is rendered for the room that there is always fits.
func TestRoom(t *testing.T) {
	pol := livePolicy("full")
	pub := Publish(Summarise(problems(t)["checkout"], pol), pol)
	for _, n := range []int{0, 10, 50_000, 58_000, 59_000} {
		for _, old := range []string{"", sectionOf(strings.Repeat("old ", 200))} {
			body := strings.Repeat("p", n) + "\n\n" + old
			s := Section(pub, mac, Room(body))
			got, _, err := Splice(body, s)
			if err != nil || len(got) > MaxBody {
				t.Errorf("%d bytes of people's and a section of %d are %d, %v", n, len(s), len(got), err)
			}
		}
	}
}

func TestFindMarker(t *testing.T) {
	marker := "<!-- soulcaster:cluster=c7 mac=mac-of-c7 -->"
	for name, c := range map[string]struct {
		body string
		want string
	}{
		"section":      {"above\r\n\r\n" + sectionOf("news") + "\r\nbelow", "c7"},
		"alone":        {marker, "c7"},
		"none":         {"text", ""},
		"forged":       {"<!-- soulcaster:cluster=c7 mac=mac-of-c8 -->", ""},
		"forged first": {"<!-- soulcaster:cluster=c8 mac=00 -->\n" + marker, "c7"},
		"empty mac":    {"<!-- soulcaster:cluster=c7 mac= -->", ""},
		"fenced":       {"```\n" + marker + "\n```", ""},
		"tildes":       {"~~~~ html\n```\n" + marker + "\n~~~\n~~~~\n", ""},
		"other fence":  {"```\n~~~\n" + marker, ""},
		"no fence":     {"    ```\n" + marker, "c7"},
		"shorter end":  {"````\n```\n" + marker, ""},
		"after fence":  {"```\nx\n```\n" + marker, "c7"},
		"quoted":       {"> " + marker, ""},
		"indented":     {"    " + marker, ""},
		"in a line":    {"see " + marker, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := FindMarker(c.body, mac)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, ok, c.want)
			}
		})
	}
}

// What people wrote outside of the section survives, in its order, whatever else
// stands in the body and whichever of our markers are left over in it.
func TestSplicePeopleSurvive(t *testing.T) {
	section := sectionOf("news\n\n```text\nstack\n```")
	marker, begin, end := strings.Split(section, "\n")[0], strings.Split(section, "\n")[1], "<!-- soulcaster:end -->"
	common := []string{
		section, sectionOf("older"), sectionOf("older\n\n~~~\nopen"), strings.ReplaceAll(section, "\n", "\r\n"), marker, quoteLines(section),
		"~~~~~\n" + section + "\n~~~~~", "```", "~~~", "<!-- open", "# Heading", "- list\n  ```\n  x",
	}
	for name, orphan := range map[string]string{"begin": begin, "end": end} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, 7))
			pieces := append(slices.Clone(common), orphan)
			for range 1500 {
				var body, want []string
				for i := range 1 + random.IntN(8) {
					want = append(want, fmt.Sprintf("word%d", i))
					body = append(body, pieces[random.IntN(len(pieces))], want[i])
				}
				got, _, err := Splice(strings.Join(body, "\n"), section)
				if err != nil {
					t.Fatal(err)
				}
				if left := word.FindAllString(got, -1); !slices.Equal(left, want) {
					t.Fatalf("of\n%s\nthere is left\n%s", strings.Join(body, "\n"), got)
				}
			}
		})
	}
}

var word = regexp.MustCompile(`word\d`)

// FuzzSplice puts sections into bodies made of pieces of sections and of what
// people write, in any order.
func FuzzSplice(f *testing.F) {
	section := sectionOf("news\n\n```text\nstack\n```")
	lines := strings.Split(section, "\n")
	pieces := append([]string{
		section, sectionOf("older"), strings.ReplaceAll(section, "\n", "\r\n"), "", "mine", "\r\nmine\r\n", "```", "````text", "~~~", "   ```", "> quote",
		"<!-- open", "-->", "- list\n  ```", "    indented", "<details>", "# Heading",
	}, lines...)
	for i := range pieces {
		f.Add([]byte{byte(i), 4, byte(i + 1), 9}, "words")
		f.Add([]byte{6, byte(i), 0, byte(i)}, "```\n")
	}
	f.Fuzz(func(t *testing.T, order []byte, people string) {
		if len(order) > 40 || len(people) > 2000 {
			t.Skip("long bodies say no more than short ones")
		}
		var body string
		for _, o := range order {
			body += pieces[int(o)%len(pieces)] + "\n" + people + "\n"
		}
		got, changed, err := Splice(body, section)
		if err != nil {
			t.Fatal(err)
		}
		if changed != (got != body) {
			t.Errorf("changed is %v for\n%q\n%q", changed, body, got)
		}
		if !strings.Contains(strings.ReplaceAll(got, "\r\n", "\n"), section) {
			t.Errorf("the section is not in\n%q", got)
		}
		if again, changed, _ := Splice(got, section); again != got || changed {
			t.Errorf("from\n%q\nit goes on from\n%q\nto\n%q", body, got, again)
		}
	})
}
