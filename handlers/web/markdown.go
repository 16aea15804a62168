package web

import (
	"bytes"
	"html/template"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

// markdown shows Markdown as GitHub would, roughly: what the renderer lets
// through is sanitised once more, so that a page never depends on the text
// having been neutralised before.
type markdown struct {
	render goldmark.Markdown
	policy *bluemonday.Policy
}

func newMarkdown() *markdown {
	policy := bluemonday.UGCPolicy()
	policy.AllowElements("details", "summary")
	policy.RequireNoReferrerOnLinks(true)
	policy.SkipElementsContent("img")
	return &markdown{
		render: goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe())),
		policy: policy,
	}
}

// html returns the Markdown as safe HTML.
func (m *markdown) html(text string) template.HTML {
	var out bytes.Buffer
	if err := m.render.Convert([]byte(text), &out); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(text) + "</pre>")
	}
	return template.HTML(m.policy.SanitizeBytes(out.Bytes()))
}
