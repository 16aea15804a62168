package tell_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	xhtml "golang.org/x/net/html"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
)

// hostile are the texts that package markdown is held to, and some that are made for
// this one.
func hostile(tb testing.TB) (texts []string) {
	tb.Helper()
	data, err := os.ReadFile("../../markdown/testdata/hostile.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		s, err := strconv.Unquote(line)
		if err != nil {
			tb.Fatal(err)
		}
		texts = append(texts, s)
	}
	return append(texts,
		"***NO_CI*** and [skip netlify] [netlify skip] [skip render]", "Release-As: 9.0.0", "BREAKING CHANGE: all", "BREAKING-CHANGE: all",
		"[skip ci]", "[CI SKIP] and [no ci] [skip actions] [actions skip]", "`[skip ci]`", "```\n[skip ci]\nskip-checks: true\n```", "skip-checks: true", "x\n\n\nskip-checks:true",
		"Co-authored-by: octocat <octocat@github.com>", "## What was wrong\n@octocat", "## What I changed and why\n```\n## What I could not verify\n@octocat",
		"# `@octocat`\n`a`@octocat `b`#1 `c", "`fixes #1`, `closes acme/web#2` for `@octocat`", "```go\n// Fixes GH-1: ask @octocat, see https://github.com/acme/web/issues/1\n```", "```\n"+strings.Repeat("@a", 6000)+"\n```", "- `x` fixes #1\n> `y`@octocat\n1. /soulcaster fix\n- /soulcaster checks", "`a`/soulcaster fix", "a `` ` `` b ``` c", "~~~\n@octocat\n~~~~\n@octocat",
		"</details>\n@octocat", "|a|b|\n|-|-|\n|@octocat|#1|", "text\n===\ntext\n---", "    @octocat\n\t#1", "closes", "fixes\n#1", "[x]: https://evil.example\n[x]", "https://github.com/acme/web/pull/1",
		strings.Repeat("`", 400)+strings.Repeat("@octocat ", 3000), strings.Repeat("- #1\n", 2000),
	)
}

// texts are all that is said about a run in which everything foreign is s.
func texts(s string) map[string]string {
	out := make(map[string]string)
	foreign := func(v *tell.View) {
		v.Said, v.Run.By, v.Run.Waits, v.Run.CommentURL = s, s, s, s
		v.Run.Wish = &run.Wish{By: s, Through: s}
		v.Evidence = []brief.Evidence{{Source: s, Field: s, Text: s}, {Source: "sentry", Field: "stack", Text: s}}
		v.Run.Round().By, v.Run.Round().Through = s, s
		v.Run.Round().Refused = []run.Refusal{{Path: s, Rule: "path", Why: "a path that goes nowhere or up"}, {Path: s, Rule: "size", Why: "too long"}}
		v.Run.Attempt = &run.Attempt{N: 1, Round: 1}
		v.Live = run.Live{At: v.Now, Attempt: 1, Phase: brief.Phase(s), Note: s}
	}
	for _, state := range []run.State{run.Queued, run.Working, run.Proposed, run.Merged, run.NoChange, run.Cancelled} {
		v := view(state, withPull, foreign)
		v.Run.Pull.MergedBy = s
		out["status of a run that is "+string(state)] = tell.Status(v)
	}
	second := view(run.Proposed, withPull, func(v *tell.View) { v.Run.Rounds = append(v.Run.Rounds, run.Round{N: 2}) }, foreign)
	out["round"] = tell.RoundEnded(second)
	out["alive"] = tell.Alive(second, "https://github.com/acme/web/issues/7#issuecomment-1")
	p := proposal(func(p *tell.Proposal) {
		p.Title, p.Said, p.Asked, p.Run.By = s, s, s, s
		p.Run.Rounds = append(p.Run.Rounds, run.Round{N: 2, By: s, Through: s})
		p.Tests = []brief.Test{{When: s, Command: s}, {When: "after", Command: s}}
		p.Files = []tell.File{{Path: s, Note: "new"}, {Path: s}}
	})
	out["body"] = tell.PullBody(p)
	p.Said = "## " + tell.HeadingWrong + "\n" + s + "\n## " + tell.HeadingChanged + "\n" + s + "\n## " + tell.HeadingUnverified + "\n" + s
	out["body in parts"] = tell.PullBody(p)
	out["title"] = tell.PullTitle(p)
	p.Held = false
	out["message"] = tell.CommitMessage(p)
	out["checks"] = tell.ChecksMessage(s)
	return out
}

// ours are the references, links and elements that are meant to be alive.
var (
	ours     = regexp.MustCompile(`#(7|12)\b`)
	elements = []string{"html", "head", "body", "p", "strong", "em", "ul", "li", "code", "pre", "a", "details", "summary", "h3", "table", "thead", "tbody", "tr", "th", "td"}
	links    = []string{"https://soulcaster.example/runs/101/9/k3v9x2m4q7p1z8ab", "https://github.com/acme/web/issues/7#issuecomment-1"}
)

// alive is what GitHub finds in rendered text.
var alive = map[string]*regexp.Regexp{
	"mention":   regexp.MustCompile(`[@＠﹫][\pL\pN_]`),
	"reference": regexp.MustCompile(`[#＃﹟][\pL\pN]|(?i)\bgh-\d|ghsa-[a-z0-9]`),
	"commit":    regexp.MustCompile(`[0-9a-fA-F]{7}`),
	"address":   regexp.MustCompile(`(?i)[a-z]:[^\s\x{200b}]|\bwww\.[^\s\x{200b}]`),
	"emoji":     regexp.MustCompile(`:[a-z0-9_+-]+:`),
}

// inMessage is what GitHub finds in the message of a commit, in code or not.
var inMessage = regexp.MustCompile(`[@＠﹫][\pL\pN_]|(?i)[#＃﹟]\pN|gh-\pN|ghsa-[a-z0-9]|://`)

var (
	commands   = regexp.MustCompile(`(?m)^[ \t>*+-]*/[A-Za-z][\w-]*(\s|$)`)
	directives = regexp.MustCompile(`(?i)\[(skip ci|ci skip|no ci|skip actions|actions skip|skip netlify|netlify skip|skip render)\]|\*\*\*no_ci|skip-checks|request-checks|co-authored-by|release-as|breaking[- ]change`)
)

func check(tb testing.TB, s string) {
	tb.Helper()
	for name, text := range texts(s) {
		if len(text) > tell.MaxText || !utf8.ValidString(text) {
			tb.Errorf("%s with %.80q: %d bytes", name, s, len(text))
		}
		if m := commands.FindString(text); m != "" {
			tb.Errorf("%s with %.80q: a command: %q", name, s, m)
		}
		if strings.Contains(text, "<!--") {
			tb.Errorf("%s with %.80q: a comment", name, s)
		}
		if m := directives.FindString(text); m != "" && !strings.HasPrefix(name, "status") && name != "round" && name != "alive" {
			tb.Errorf("%s with %.80q: a directive: %q", name, s, m)
		}
		visible := text // titles and messages are no Markdown
		if name != "title" && name != "message" && name != "checks" {
			visible = render(tb, name, s, text)
		}
		visible = ours.ReplaceAllString(visible, "")
		if strings.HasPrefix(name, "body") { // which may become the message of a commit
			if m := inMessage.FindString(ours.ReplaceAllString(text, "")); m != "" {
				tb.Errorf("%s with %.80q: alive in a commit's message: %q", name, s, m)
			}
		}
		for what, re := range alive {
			if m := re.FindString(visible); m != "" {
				tb.Errorf("%s with %.80q: a %s is alive: %q", name, s, what, m)
			}
		}
	}
}

// render returns what can be read of a text outside of code and links.
func render(tb testing.TB, name, s, source string) string {
	tb.Helper()
	var out bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote), goldmark.WithRendererOptions(html.WithUnsafe()))
	if err := md.Convert([]byte(source), &out); err != nil {
		tb.Fatal(err)
	}
	tree, err := xhtml.Parse(&out)
	if err != nil {
		tb.Fatal(err)
	}
	var visible strings.Builder
	for n := range tree.Descendants() {
		switch n.Type {
		case xhtml.CommentNode:
			tb.Errorf("%s with %.80q: a comment", name, s)
		case xhtml.ElementNode:
			if !slices.Contains(elements, n.Data) {
				tb.Errorf("%s with %.80q: an element <%s>", name, s, n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "href" && !slices.Contains(links, a.Val) || a.Key == "src" {
					tb.Errorf("%s with %.80q: a link to %s", name, s, a.Val)
				}
			}
		case xhtml.TextNode:
			if !within(n, "code", "pre", "a") {
				visible.WriteString(n.Data)
				continue
			}
			visible.WriteString("·")
		}
	}
	return visible.String()
}

func within(n *xhtml.Node, names ...string) bool {
	for p := range n.Ancestors() {
		if p.Type == xhtml.ElementNode && slices.Contains(names, p.Data) {
			return true
		}
	}
	return false
}

func TestNothingForeignComesAlive(t *testing.T) {
	for _, s := range hostile(t) {
		check(t, s)
	}
	check(t, strings.Join(hostile(t), "\n"))
}

func FuzzNothingForeignComesAlive(f *testing.F) {
	for i, s := range hostile(f) {
		if i%8 == 0 && len(s) < 1000 { // the test above has them all
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2<<10 {
			t.Skip("long texts are tested with fixed ones")
		}
		check(t, s)
	})
}

// All evidence that a run may have is shown, to the last byte.
func TestEvidenceIsWhole(t *testing.T) {
	v := view(run.Queued)
	v.Evidence = []brief.Evidence{{Source: "report", Field: "text", Text: strings.Repeat("/a\n", 9_990) + "the end"}}
	if text := tell.Status(v); !strings.Contains(text, "the end") || len(text) > tell.MaxText {
		t.Errorf("%d bytes, whole: %t", len(text), strings.Contains(text, "the end"))
	}
	v.Evidence[0].Text = strings.Repeat("too much ", 10_000)
	text := tell.Status(v)
	if !strings.Contains(text, "the run's page has it all") || !strings.HasSuffix(text, "</details>\n") || len(text) > tell.MaxText {
		t.Errorf("%d bytes, ending in %q", len(text), text[len(text)-100:])
	}
	v.Page = ""
	if text = tell.Status(v); strings.Contains(text, "page") || !strings.Contains(text, "There is more of it") {
		t.Errorf("a page is told of that there is not: %q", text[len(text)-100:])
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../run/run.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, listed := 0, run.Reasons()
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") || len(spec.Values) == 0 {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if value != "" && !slices.Contains(listed, run.Reason(value)) {
			t.Errorf("%s is not listed", spec.Names[0].Name)
		}
		if why, _ := tell.Because(run.Reason(value)); why == "" && value != "" {
			t.Errorf("no words for %s", spec.Names[0].Name)
		}
		return true
	})
	if n < 20 {
		t.Errorf("%d reasons found", n)
	}
	for _, s := range run.States() {
		if tell.State(s) == "" {
			t.Errorf("no words for %s", s)
		}
	}
}

// The trailer is the end of the message, behind two empty lines, and nothing in a
// message that lets workflows start keeps them from it.
func TestSkipChecks(t *testing.T) {
	held, free := tell.CommitMessage(proposal()), tell.CommitMessage(proposal(func(p *tell.Proposal) { p.Held = false }))
	if !strings.HasSuffix(held, "\n\n\nskip-checks: true") || held != free+tell.SkipChecks {
		t.Errorf("held: %q\nfree: %q", held, free)
	}
	for line := range strings.Lines(held) {
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 80 {
			t.Errorf("a line of %d characters: %q", n, line)
		}
	}
}
