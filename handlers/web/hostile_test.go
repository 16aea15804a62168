package web

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
)

// payloads are what somebody writes who wants the page to do something.
func payloads() []string {
	return []string{
		`<script>alert(1)</script>`, `<ScRiPt src=//evil.example/x.js></sCrIpT>`, `</title><script>alert(1)</script>`,
		`<img src=x onerror=alert(1)>`, `![x](https://evil.example/pixel.png)`, `![x](javascript:alert(1))`,
		`[click](javascript:alert(1))`, `[click](JaVaScRiPt&#58;alert(1))`, `[click](&#x6A;avascript:alert(1))`, `[click](java` + "\t" + `script:alert(1))`,
		`<a href="javascript:alert(1)">x</a>`, `<a href=" &#14; javascript:alert(1)">x</a>`, `[x](data:text/html;base64,PHNjcmlwdD4=)`, `[x](vbscript:msgbox)`,
		`<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `<math><mi//xlink:href="data:x,<script>alert(1)</script>">`,
		`<iframe src="https://evil.example"></iframe>`, `<object data="x"></object>`, `<embed src="x">`, `<base href="https://evil.example/">`,
		`<form action="https://evil.example"><input name=password><button>go</button></form>`, `<meta http-equiv="refresh" content="0;url=https://evil.example">`,
		`<style>body{display:none}</style>`, `<link rel=stylesheet href=//evil.example/x.css>`, `<p style="position:fixed">x</p>`, `<div class="card" id="x">x</div>`,
		`<details open ontoggle=alert(1)><summary>x</summary></details>`, `<video><source onerror="alert(1)"></video>`, `<body onload=alert(1)>`,
		`"><script>alert(1)</script>`, `' onmouseover='alert(1)`, `{{.Held}}`, "`</code><script>alert(1)</script>`", "```\n</pre><script>alert(1)</script>\n```",
		`<!--><script>alert(1)</script>-->`, `<![CDATA[<script>alert(1)</script>]]>`, `<noscript><p title="</noscript><img src=x onerror=alert(1)>">`,
		`<https://evil.example/"onmouseover="alert(1)>`, `https://evil.example/"onmouseover="alert(1)`, `[x]: javascript:alert(1)` + "\n\n[x]",
	}
}

// alive returns what in a text would do something.
func alive(t *testing.T, text io.Reader) []string {
	return living(t, text, func(*html.Node) bool { return false })
}

// aliveOnPage returns what in a page would do something and is not ours: our scripts, the
// forms that send to us with what is in them, and the pictures that we draw.
func aliveOnPage(t *testing.T, page io.Reader) []string {
	return living(t, page, func(n *html.Node) bool {
		switch n.Data {
		case "script":
			return n.FirstChild == nil && (attribute(n, "src") == "/assets/live.js" || attribute(n, "src") == "/assets/idiomorph.js")
		case "form":
			return local(attribute(n, "action")) == attribute(n, "action")
		case "input", "button", "select", "textarea":
			for up := n.Parent; up != nil; up = up.Parent {
				if up.Data == "form" {
					return strings.HasPrefix(attribute(up, "action"), "/") && attribute(n, "name") != "password"
				}
			}
			return false
		case "svg":
			return attribute(n, "class") == "spark" && attribute(n, "role") == "img"
		}
		return attribute(n, "id") != "x"
	})
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// living returns what would do something, but for what of ours may.
func living(t *testing.T, page io.Reader, ours func(*html.Node) bool) (found []string) {
	t.Helper()
	doc, err := html.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		own := ours(n)
		if slices.Contains([]string{"script", "img", "iframe", "object", "embed", "svg", "math", "style", "form", "input", "button",
			"base", "video", "audio", "source", "noscript", "template", "frame", "area", "map"}, n.Data) {
			if !own {
				found = append(found, "<"+n.Data+">")
			}
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "http-equiv", a.Key == "formaction":
				found = append(found, n.Data+" "+a.Key)
			case !own && (a.Key == "src" || a.Key == "action" || a.Key == "id"):
				found = append(found, n.Data+" "+a.Key)
			case a.Key == "href" && n.Data == "link" && value != "/assets/style.css" && value != "/assets/icon.svg":
				found = append(found, "link to "+value)
			case a.Key == "href" && n.Data != "link" && !strings.HasPrefix(value, "https://") && !strings.HasPrefix(value, "http://") && (!own || local(a.Val) != a.Val && a.Val != "#main"):
				found = append(found, "href "+value)
			}
		}
	}
	return found
}

// Every payload in every place where foreign text is shown.
func TestHostileTextIsDead(t *testing.T) {
	one, full := 1, policy.Full
	w := enginetest.New(t, false, project.Settings{enginetest.Installation: {"acme/web": policy.File{
		Publish: &full, FileAfter: &policy.FileAfter{Errors: &one, Reports: &one, Posts: &one}}}},
		source.Source{Installation: enginetest.Installation, ID: "reports", Kind: source.Feedback, Repository: "acme/web", Public: true},
		source.Source{Installation: enginetest.Installation, ID: "sentry", Kind: source.Sentry, Routes: map[string]string{"api": "acme/web"}},
	)
	h := pages(t, w, Config{Preview: true})
	quote := func(s string) string {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for i, address := range []string{`javascript:alert(1)`, `JaVaScRiPt:alert(1)//https://x.example/`, ` javascript:alert(1)`, `data:text/html,<script>alert(1)</script>`, `vbscript:msgbox`, `//evil.example/x`,
		`https://x.example/" onclick="alert(1)`, `https://x.example/'><script>alert(1)</script>`, `https://user:password@x.example/`, `file:///etc/passwd`} {
		// What is refused is refused by itself.
		w.Take("reports", w.Report("reports", fmt.Sprintf(`[{"external_id": "u%[1]d", "title": "Its address is odd %[1]d", "author": "u%[1]d", "url": %[2]s}, {"external_id": "v%[1]d", "title": "It has no address %[1]d"}]`, i, quote(address)))...)
		readings, err := w.Reader("sentry").Sentry("event_alert", []byte(fmt.Sprintf(`{"action": "triggered", "data": {"event": {"event_id": "%032x", "issue_id": "9%d", "title": "Its address is odd", "project_slug": "api", "web_url": %s}}}`,
			i+5000, i, quote(address))))
		if err != nil {
			t.Fatal(err)
		}
		w.Take("sentry", readings...)
	}
	for i, p := range payloads() {
		q := quote(p)
		w.Take("reports", w.Report("reports", fmt.Sprintf(`{"external_id": "r%d", "title": %s, "body": %s, "author": %s, "release": %s, "environment": %s, "labels": [%s], "url": "https://x.example/?q=%%22%%3E%%3Cscript%%3E"}`,
			i, q, q, q, q, q, q))...)
		for _, route := range []string{"api", p} { // the second one is held
			readings, err := w.Reader("sentry").Sentry("event_alert", []byte(fmt.Sprintf(`{"action": "triggered", "data": {"event": {
				"event_id": "%032x", "issue_id": "%d", "title": %s, "message": %s, "culprit": %s, "release": %s, "project_slug": %s, "web_url": %s,
				"exception": {"values": [{"type": %s, "value": %s, "stacktrace": {"frames": [{"function": %s, "filename": %s, "module": %s, "in_app": true}]}}]}}}}`,
				i, i+len(route)*1000, q, q, q, q, quote(route), q, q, q, q, q, q)))
			if err != nil {
				t.Fatal(err)
			}
			w.Take("sentry", readings...)
		}
	}
	home := pathOf(t, w, "acme/web")
	href := regexp.MustCompile(`href="(/[^"]*)"`)
	check := func(when string) {
		t.Helper()
		seen, asked := 0, map[string]bool{"/": true, home + "?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E": true}
		for todo := slices.Collect(maps.Keys(asked)); len(todo) > 0; todo = todo[1:] { // all that is linked
			out := get(t.Context(), h, "GET", todo[0])
			page := out.Body.String()
			if out.Code != 200 {
				t.Fatalf("%s: %s: %d %s", when, todo[0], out.Code, page)
			}
			if strings.HasPrefix(todo[0], "/assets/") {
				continue
			}
			seen += strings.Count(page, "alert(1)")
			for _, a := range aliveOnPage(t, strings.NewReader(page)) {
				t.Errorf("%s: %s: alive: %s", when, todo[0], a)
			}
			for _, m := range href.FindAllStringSubmatch(page, -1) {
				path, _, _ := strings.Cut(html.UnescapeString(m[1]), "#")
				if !asked[path] {
					asked[path] = true
					todo = append(todo, path)
				}
			}
		}
		if seen < len(payloads())/2 {
			t.Errorf("%s: the payloads are not on the pages: %d", when, seen)
		}
		if when == "grouped" && len(asked) < len(payloads())/2 {
			t.Errorf("%d pages were looked at", len(asked))
		}
	}
	check("waiting")
	w.Settle()
	check("grouped")
}

// The sanitiser alone: the page must not depend on text having been neutralised
// before.
func TestMarkdownIsSanitised(t *testing.T) {
	m := newMarkdown()
	for _, p := range payloads() {
		for _, text := range []string{p, "> " + p, "- " + p, "| a |\n| - |\n| " + p + " |", "<details><summary>x</summary>\n\n" + p + "\n\n</details>", "# " + p, "**" + p + "**", p + "\n\n" + p} {
			for _, a := range alive(t, strings.NewReader(string(m.html(text)))) {
				t.Errorf("%q: alive: %s in %s", text, a, m.html(text))
			}
		}
	}
	for text, want := range map[string]string{
		"**a** `b`":              "<p><strong>a</strong> <code>b</code></p>",
		"[x](https://a.example)": `<p><a href="https://a.example" rel="nofollow noreferrer">x</a></p>`,
		"| a |\n| - |\n| b |":    "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>b</td>\n</tr>\n</tbody>\n</table>",
		"<details>\n<summary>s</summary>\n\nb\n\n</details>": "<details>\n<summary>s</summary>\n<p>b</p>\n</details>",
		"a <!-- soulcaster:cluster=1 --> b":                  "<p>a  b</p>",
		"<sub>small</sub>":                                   "<p><sub>small</sub></p>",
	} {
		if got := strings.TrimSpace(string(m.html(text))); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
