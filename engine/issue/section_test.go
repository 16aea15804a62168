package issue

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	xhtml "golang.org/x/net/html"
)

// hostile are the texts that package markdown is held to.
func hostile(tb testing.TB) []string {
	tb.Helper()
	f, err := os.Open("../markdown/testdata/hostile.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var texts []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if s, err := strconv.Unquote(lines.Text()); err == nil {
			texts = append(texts, s)
		}
	}
	if len(texts) < 100 {
		tb.Fatalf("only %d hostile texts", len(texts))
	}
	return texts
}

// poisoned is a cluster in which every text is s.
func poisoned(s string) Cluster {
	fill := func(f *feedback.Feedback) {
		f.Source, f.Title, f.Body, f.URL, f.Culprit = s, s, s+"\n\n"+s, s, s
		f.Releases, f.Environments, f.Labels = []string{s, "v" + s}, []string{s}, []string{s}
		f.Public = true
	}
	share := 0.5
	c := Cluster{ID: "c1", Cohesion: &share}
	for i, kind := range []feedback.Kind{feedback.Sentry, feedback.Sentry, feedback.Report, feedback.Reddit, feedback.Report} {
		m := one(fmt.Sprint(i), kind, fill)
		m.Reason, m.Similarity = s, &share
		if i == 0 {
			frames := slices.Repeat([]feedback.Frame{{Module: s, Function: s, File: s, Line: 3, InApp: true}}, 20)
			m.Feedback.Exceptions = []feedback.Exception{{Type: s, Value: s, Module: s, Frames: frames}}
		}
		if i == 4 {
			m.Feedback.URL = "https://forum.example/" + s
		}
		c.Members = append(c.Members, m)
	}
	return c
}

// What strangers wrote never comes alive in a section, and never ends it.
func TestSectionOfHostileText(t *testing.T) {
	for _, s := range hostile(t) {
		for _, publish := range []policy.Publish{policy.Safe, policy.Full} {
			pol := livePolicy(publish)
			pub := Publish(Summarise(poisoned(s), pol), pol)
			section := Section(pub, mac, MaxBody)
			checkSection(t, s, section)
			if strings.ContainsAny(Title(pub), "\n\r") || utf8.RuneCountInString(Title(pub)) > 200 {
				t.Errorf("the title is %q", Title(pub))
			}
		}
	}
}

var (
	mention = regexp.MustCompile(`[@＠#＃][\pL\pN_]`)
	order   = regexp.MustCompile(`(?m)^[ \t>]*/[A-Za-z]\w*(\s|$)`)
)

func checkSection(t *testing.T, s, section string) {
	t.Helper()
	if n := strings.Count(section, "<!--"); n != 3 {
		t.Errorf("with %q there are %d comments in\n%s", s, n, section)
	}
	if m := order.FindString(section); m != "" {
		t.Errorf("with %q there is a command: %q", s, m)
	}
	if got, changed, err := Splice("above\n\n"+section+"\n\nbelow", section); changed || err != nil {
		t.Errorf("with %q the section is not found in\n%s", s, got)
	}
	var out bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote), goldmark.WithRendererOptions(html.WithUnsafe()))
	if err := md.Convert([]byte("above\n\n"+section+"\n\nbelow"), &out); err != nil {
		t.Fatal(err)
	}
	tree, err := xhtml.Parse(&out)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(n *xhtml.Node, depth int)
	details, summaries := 0, 0
	walk = func(n *xhtml.Node, depth int) {
		switch {
		case n.Type == xhtml.TextNode:
			if m := mention.FindString(n.Data); m != "" && !in(n, "code", "a") {
				t.Errorf("with %q this is alive: %q in %q", s, m, n.Data)
			}
			if strings.TrimSpace(n.Data) == "below" && n.Parent.Parent.Data != "body" {
				t.Errorf("with %q what follows the section is inside of <%s>", s, n.Parent.Parent.Data)
			}
		case n.Type != xhtml.ElementNode:
		case n.Data == "details":
			details++
		case n.Data == "summary":
			summaries++
		case n.Data == "a":
			for _, a := range n.Attr {
				if a.Key == "href" && !strings.HasPrefix(a.Val, "https://") {
					t.Errorf("with %q there is a link to %q", s, a.Val)
				}
			}
		case !slices.Contains([]string{"html", "head", "body", "p", "strong", "code", "pre", "ul", "li", "blockquote", "sub"}, n.Data):
			t.Errorf("with %q there is a <%s>", s, n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, depth+1)
		}
	}
	walk(tree, 0)
	if details != 1 || summaries != 1 {
		t.Errorf("with %q there are %d details and %d summaries", s, details, summaries)
	}
}

func in(n *xhtml.Node, names ...string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if slices.Contains(names, p.Data) {
			return true
		}
	}
	return false
}

// However much strangers write, and however little room there is, a section is
// no longer than it may be.
func TestSectionIsBounded(t *testing.T) {
	texts := hostile(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 4 {
		var s strings.Builder
		for s.Len() < 60_000 {
			one := texts[random.IntN(len(texts))]
			s.WriteString(strings.Repeat(one, 1+random.IntN(200)))
			if random.IntN(2) == 0 {
				s.WriteString("\n")
			}
		}
		pol := livePolicy(policy.Full)
		p := Summarise(poisoned(s.String()), pol)
		for range 300 {
			p.Releases = append(p.Releases, fmt.Sprint(random.Int(), s.String()[:1000]))
		}
		pub := Publish(p, pol)
		for _, room := range []int{MaxBody, 1 << 30, 20_000, 12_000} {
			section := Section(pub, mac, room)
			if len(section) > min(room, MaxBody) {
				t.Errorf("%d: a section for %d has %d bytes", i, room, len(section))
			}
			if !utf8.ValidString(section) {
				t.Errorf("%d: the section is not UTF-8", i)
			}
		}
		if i < 3 {
			checkSection(t, "very long text", Section(pub, mac, MaxBody))
		}
	}
}

// With little room the least useful parts go first, and what always stands does.
func TestSectionDrops(t *testing.T) {
	pol := livePolicy(policy.Full)
	pub := Publish(Summarise(problems(t)["checkout"], pol), pol)
	parts := []string{"Why these belong together", "Anyone else", "When I enter the code", "**Stack**", "**`TypeError`**", "**Reports**"}
	left := len(parts)
	for room := 5000; room >= 0; room -= 20 {
		section := Section(pub, mac, room)
		has := 0
		for i, p := range parts {
			if strings.Contains(section, p) {
				has++
			} else if i >= len(parts)-left && i > len(parts)-left {
				t.Errorf("with room for %d %q went before what is less useful", room, p)
			}
		}
		if has > left {
			t.Errorf("with room for %d there is more than with more room", room)
		}
		left = has
	}
	if left != 1 {
		t.Errorf("at last %d parts are left", left)
	}
	if s := Section(pub, mac, 0); !strings.Contains(s, "/soulcaster help") || len(s) > 2000 {
		t.Errorf("without room there is left\n%s", s)
	}
}

// The same problem has the same bytes; another has another hash.
func TestSectionHash(t *testing.T) {
	pol := livePolicy(policy.Full)
	render := func(c Cluster) string { return Section(Publish(Summarise(c, pol), pol), mac, MaxBody) }
	c := problems(t)["checkout"]
	first := render(c)
	slices.Reverse(c.Members)
	if again := render(c); again != first {
		t.Errorf("in another order it is\n%s\nand was\n%s", again, first)
	}
	if h := Hash(first); len(h) != 16 || h != Hash(strings.ReplaceAll("above\n"+first, "\n", "\r\n")) {
		t.Errorf("the hash is %q", h)
	}
	c.Members[0].Feedback.Count++
	if other := render(c); Hash(other) == Hash(first) {
		t.Error("another section has the same hash")
	}
	if h := Hash("no section"); h != "" {
		t.Errorf("no section has the hash %q", h)
	}
}
