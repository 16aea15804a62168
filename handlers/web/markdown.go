package web

import (
	"bytes"
	"errors"
	"html/template"
	"regexp"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	xhtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// markdown shows Markdown as GitHub would, roughly: what the renderer lets
// through is sanitised once more, so that a page never depends on the text
// having been neutralised before.
type markdown struct {
	render goldmark.Markdown
	policy *bluemonday.Policy
}

func newMarkdown() *markdown {
	return &markdown{
		render: goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe())),
		policy: onlyProse(),
	}
}

// onlyProse lets through what a page of prose is made of: text, tables, code and
// links to the web. Images are not: they tell their server who looks.
func onlyProse() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "li",
		"em", "strong", "del", "code", "pre", "sub", "sup", "kbd", "details", "summary",
		"table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowElements("ol")
	p.AllowAttrs("align").Matching(regexp.MustCompile(`^(left|right|center)$`)).OnElements("th", "td")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
}

// html returns the Markdown as safe HTML, in which every element ends: what comes after it
// on a page is not in a table that somebody began.
func (m *markdown) html(text string) template.HTML {
	var out bytes.Buffer
	err := m.render.Convert([]byte(text), &out)
	if err == nil {
		err = balance(&out, m.policy.SanitizeBytes(out.Bytes()))
	}
	if err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(text) + "</pre>")
	}
	return template.HTML(out.String())
}

// balance writes HTML as a browser understands it in a division of a page. It is an error
// if it is nested too deeply for that.
func balance(out *bytes.Buffer, text []byte) error {
	nodes, err := xhtml.ParseFragment(bytes.NewReader(text), &xhtml.Node{Type: xhtml.ElementNode, Data: "div", DataAtom: atom.Div})
	out.Reset()
	for _, n := range nodes {
		err = errors.Join(err, xhtml.Render(out, n))
	}
	return err
}
