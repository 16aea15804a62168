package markdown

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// corpus is testdata/hostile.txt: one Go string literal in each line; empty
// lines and lines that begin with // are for readers.
func corpus(tb testing.TB) []string {
	tb.Helper()
	f, err := os.Open("testdata/hostile.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var texts []string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		s, err := strconv.Unquote(line)
		if err != nil {
			tb.Fatalf("hostile.txt:%d: %v: %s", n, err, line)
		}
		texts = append(texts, s)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return texts
}

// check holds every function to what it promises for one text.
func check(tb testing.TB, s string) {
	tb.Helper()
	checkInline(tb, s)
	checkQuote(tb, s)
	checkCode(tb, s)
	checkFence(tb, s)
	checkTitle(tb, s)
	checkLink(tb, s)
}

func checkInline(tb testing.TB, s string) {
	tb.Helper()
	const most = 300
	in := Inline(s, most)
	if in == "" {
		return // then the line is ours alone
	}
	if strings.ContainsRune(in, '\n') {
		tb.Errorf("Inline(%q) has more than one line: %q", s, in)
	}
	if n := len(in); n > 9*most {
		tb.Errorf("Inline(%q) has %d bytes", s, n)
	}
	// At the start of a line, inside one, in brackets, in a list, in a link,
	// and followed by whatever we go on with.
	for _, around := range []string{"%", "word % word", "(% 1", "- %", "> %", "**%**", "[%](https://example.com/)", "%name", "%//x"} {
		source := strings.Replace(around, "%", in, 1)
		p := render(tb, source)
		p.only(tb, []string{"Paragraph", "Text", "TextBlock", "List", "ListItem", "Blockquote", "Emphasis", "Link", "String"}, []string{"p", "ul", "li", "blockquote", "strong", "a"})
		checkDead(tb, around, p.visible)
		checkSource(tb, around, source)
		for _, link := range p.links {
			if link != "https://example.com/" {
				tb.Errorf("Inline(%q) made a link to %q", s, link)
			}
		}
		if strings.ContainsRune(p.visible, '$') {
			tb.Errorf("Inline(%q) kept a dollar", s)
		}
	}
	p := render(tb, "| "+in+" | second |\n|---|---|\n| third | "+in+" |")
	p.only(tb, []string{"Table", "TableHeader", "TableRow", "TableCell", "Text", "String"}, []string{"table", "thead", "tbody", "tr", "th", "td"})
	if n := strings.Count(strings.Join(p.nodes, " "), "TableCell"); n != 4 {
		tb.Errorf("Inline(%q) makes a table of %d cells out of one of 4", s, n)
	}
	// Nothing of the text got lost: without what nobody sees, it reads the same.
	p = render(tb, "x"+in)
	want := "x" + strings.ReplaceAll(cutRunes(fold(clean(StripCommands(fold(clean(s))))), most), "$", "＄")
	if got := strings.TrimSuffix(strings.ReplaceAll(p.shown, breaker, ""), "\n"); got != want {
		tb.Errorf("Inline(%q) reads\n%q, want\n%q", s, got, want)
	}
}

func checkQuote(tb testing.TB, s string) {
	tb.Helper()
	q := Quote(s, 400)
	p := render(tb, "before\n\n"+q+"\n\nafter")
	p.only(tb, []string{"Paragraph", "Text", "Blockquote", "String"}, []string{"p", "blockquote"})
	checkDead(tb, "quote", p.visible)
	checkSource(tb, "quote", q)
	if q != "" && !strings.HasPrefix(q, "> ") || strings.Count(q, "\n") > 2*13 {
		tb.Errorf("Quote(%q) = %q", s, q)
	}
}

func checkCode(tb testing.TB, s string) {
	tb.Helper()
	c := Code(s, 300)
	p := render(tb, "in "+c+" of it")
	p.only(tb, []string{"Paragraph", "Text", "CodeSpan", "String"}, []string{"p", "code"})
	if c != "" && strings.TrimSpace(p.visible) != "in · of it" {
		tb.Errorf("Code(%q): outside of the code stands %q", s, p.visible)
	}
	checkSource(tb, "code", c)
}

func checkFence(tb testing.TB, s string) {
	tb.Helper()
	for _, most := range []int{40, 200, 5000} {
		f := Fence(s, most)
		if len(f) > most {
			tb.Errorf("Fence(%q, %d) has %d bytes", s, most, len(f))
		}
		p := render(tb, "before\n\n"+f+"\n\nafter")
		p.only(tb, []string{"Paragraph", "Text", "FencedCodeBlock", "String"}, []string{"p", "pre", "code"})
		if got := strings.Join(strings.Fields(p.visible), " "); got != "before after" && got != "before · after" {
			tb.Errorf("Fence(%q): outside of the block stands %q", s, got)
		}
		checkSource(tb, "fence", f)
		if !utf8.ValidString(f) {
			tb.Errorf("Fence(%q) is not UTF-8", s)
		}
	}
}

func checkTitle(tb testing.TB, s string) {
	tb.Helper()
	title := Title(s)
	if n := utf8.RuneCountInString(title); n > 200 {
		tb.Errorf("Title(%q) has %d characters", s, n)
	}
	if strings.ContainsAny(title, "\n`") {
		tb.Errorf("Title(%q) = %q", s, title)
	}
	checkDead(tb, "title", title)
	checkDead(tb, "title", title+"name")
	if strings.HasPrefix(title, "/soulcaster") {
		tb.Errorf("Title(%q) is a command", s)
	}
}

// checkLink uses the text as the words of a link, and as its address.
func checkLink(tb testing.TB, s string) {
	tb.Helper()
	for _, link := range []string{Link(s, "https://acme.sentry.io/issues/4507/"), Link("seen", s), Link(s, "https://reddit.com/"+s), Link("seen", "https://reddit.com/?q="+s+"#"+s)} {
		p := render(tb, "At "+link+", yes")
		p.only(tb, []string{"Paragraph", "Text", "Link", "String"}, []string{"p", "a"})
		checkDead(tb, "link", p.visible)
		checkSource(tb, "link", link)
		if len(p.links) > 1 {
			tb.Errorf("Link with %q has %d addresses", s, len(p.links))
		}
		for _, l := range p.links {
			if !strings.HasPrefix(l, "https://") || strings.HasPrefix(l, "https://github.com/") {
				tb.Errorf("Link with %q leads to %q", s, l)
			}
		}
	}
}

func TestHostileCorpus(t *testing.T) {
	texts := corpus(t)
	if len(texts) < 120 {
		t.Errorf("the corpus has %d texts", len(texts))
	}
	for _, s := range texts {
		t.Run(strconv.Quote(s), func(t *testing.T) { check(t, s) })
	}
	// Together, what one begins another could end.
	t.Run("all", func(t *testing.T) { check(t, strings.Join(texts, "\n")) })
}

// The corpus is hostile: each text, taken as it is, brings something to life.
// Otherwise it would prove nothing.
func TestCorpusIsAliveWhenRaw(t *testing.T) {
	harmless := 0
	for _, s := range corpus(t) {
		p := render(t, s)
		live := !slices.Equal(p.nodes, []string{"Document", "Paragraph", "Text"}) || strings.Contains(s, "`")
		for _, re := range alive {
			live = live || re.MatchString(p.visible)
		}
		for _, r := range s {
			live = live || unseen(r) || r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2000 && r <= 0x206f || r >= 0xe0000 || r == '\ufeff' || r == '\u00ad' || r == '\u061c'
		}
		live = live || strings.Contains(s, "$") || strings.HasPrefix(strings.TrimSpace(s), "/") || strings.ContainsRune("\\", rune(s[len(s)-1]))
		if !live {
			harmless++
			t.Logf("harmless: %q", s)
		}
	}
	if harmless > 0 {
		t.Errorf("%d texts of the corpus bring nothing to life", harmless)
	}
}

func FuzzHarmless(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4<<10 {
			t.Skip("long texts are tested with fixed ones")
		}
		check(t, s)
	})
}
