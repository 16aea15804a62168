package markdown

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	xhtml "golang.org/x/net/html"
)

// page is a text as GitHub would show it: which nodes Markdown made of it, which
// elements HTML has, and what can be read outside of code and links, which is
// where GitHub looks for mentions and references.
type page struct {
	nodes    []string
	elements []string
	links    []string // addresses
	visible  string   // outside of code and links
	shown    string   // all of it
}

// render renders like GitHub, with one difference: HTML comes alive, so that a
// test sees it.
func render(tb testing.TB, source string) page {
	tb.Helper()
	md := goldmark.New(
		goldmark.WithExtensions(extension.GFM, extension.Footnote),
		goldmark.WithRendererOptions(html.WithUnsafe()),
	)
	var p page
	src := []byte(source)
	doc := md.Parser().Parse(text.NewReader(src))
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			p.nodes = append(p.nodes, n.Kind().String())
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	if err := md.Renderer().Render(&out, src, doc); err != nil {
		tb.Fatal(err)
	}
	tree, err := xhtml.Parse(&out)
	if err != nil {
		tb.Fatal(err)
	}
	p.read(tree, false)
	return p
}

func (p *page) read(n *xhtml.Node, aside bool) {
	switch n.Type {
	case xhtml.TextNode:
		p.shown += n.Data
		if !aside {
			p.visible += n.Data
		}
	case xhtml.CommentNode:
		p.elements = append(p.elements, "!--"+n.Data)
	case xhtml.ElementNode:
		p.elements = append(p.elements, n.Data)
		for _, a := range n.Attr {
			if a.Key == "href" || a.Key == "src" {
				p.links = append(p.links, a.Val)
			}
		}
		if n.Data == "code" || n.Data == "pre" || n.Data == "a" {
			aside = true
			if n.Data != "code" {
				p.visible += "\n"
			} else {
				p.visible += "·"
			}
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.read(c, aside)
	}
}

// frame is what any page has.
var frame = []string{"html", "head", "body"}

// only fails the test unless the page is made of nothing but the given Markdown
// nodes and HTML elements.
func (p page) only(tb testing.TB, nodes, elements []string) {
	tb.Helper()
	for _, n := range p.nodes {
		if n != "Document" && !slices.Contains(nodes, n) {
			tb.Errorf("foreign text became a %s", n)
		}
	}
	for _, e := range p.elements {
		if !slices.Contains(frame, e) && !slices.Contains(elements, e) {
			tb.Errorf("foreign text became an element <%s>", e)
		}
	}
}

// alive is what GitHub, or a program that it tells, finds in rendered text.
var alive = map[string]*regexp.Regexp{
	"mention":       regexp.MustCompile(`[@＠﹫][\pL\pN_]`),
	"reference":     regexp.MustCompile(`[#＃﹟][\pL\pN]`),
	"GH reference":  regexp.MustCompile(`(?i)\bgh-\d`),
	"own reference": regexp.MustCompile(`[A-Za-z]-\d`),
	"advisory":      regexp.MustCompile(`(?i)ghsa-[a-z0-9]`),
	"commit":        regexp.MustCompile(`[0-9a-fA-F]{7}`),
	"address":       regexp.MustCompile(`(?i)[a-z]:[^\s\x{200b}]|\bwww\.[^\s\x{200b}]`),
	"emoji":         regexp.MustCompile(`:[a-z0-9_+-]+:`),
	"closing":       regexp.MustCompile(`(?i)\b(close[sd]?|fix(es|ed)?|resolve[sd]?):?\s+(\S*#\d|gh-\d|https?:/)`),
}

// dead fails the test if anything in a rendered text is alive or hides.
func checkDead(tb testing.TB, what, s string) {
	tb.Helper()
	for name, re := range alive {
		if m := re.FindString(s); m != "" {
			tb.Errorf("%s: a %s is alive: %q in %q", what, name, m, s)
		}
	}
	for _, r := range s {
		if r != '\u200b' && r != '\n' && r != '\t' && (!unicode.IsGraphic(r) || unseen(r)) {
			tb.Errorf("%s: %U hides in %q", what, r, s)
		}
	}
	if !utf8.ValidString(s) {
		tb.Errorf("%s: not UTF-8: %q", what, s)
	}
}

// checkSource fails the test if someone who reads the source, and not what it
// renders to, finds a command, one of our markers or a formula in it.
func checkSource(tb testing.TB, what, source string) {
	tb.Helper()
	if m := regexp.MustCompile(`(?m)^[ \t>]*/[A-Za-z][\w-]*(\s|$)`).FindString(source); m != "" {
		tb.Errorf("%s: a command: %q in %q", what, m, source)
	}
	if strings.Contains(source, "<!--") {
		tb.Errorf("%s: a comment in %q", what, source)
	}
	if strings.ContainsRune(source, '\r') {
		tb.Errorf("%s: a carriage return in %q", what, source)
	}
}
