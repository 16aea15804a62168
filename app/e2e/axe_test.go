//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axe is what looks for what keeps people from using a page: axe-core, from npm.
var axe = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	return string(text), err
})

// accessible has axe look at the page as it is shown, for what the Web Content
// Accessibility Guidelines ask for at their levels A and AA, up to 2.2.
func (b *window) accessible(what string) {
	b.t.Helper()
	script, err := axe()
	if err != nil {
		b.t.Fatalf("%v: make e2e installs it", err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	const run = `;axe.run(document, {runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}).then(found => ({
		passed: found.passes.length,
		wrong: found.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 200) + "\n" + n.failureSummary)),
	}))`
	found, err := chromedp.Run(ctx, chromedp.Evaluate[struct {
		Passed int
		Wrong  []string
	}](script+run, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("look at %s: %v", what, err)
	}
	if found.Passed < 5 {
		b.t.Errorf("%s: axe saw too little: %d rules hold", what, found.Passed)
	}
	for _, w := range found.Wrong {
		b.t.Errorf("%s: %s", what, w)
	}
}

// controls are what somebody works a page with, each by a name.
const controls = `(() => {
	const named = (e) => e.nodeName.toLowerCase() + " " + (e.getAttribute("name") || "") + " " + (e.getAttribute("href") || e.getAttribute("value") || "") + " " + e.textContent.trim().slice(0, 40);
	const here = (e) => e.checkVisibility({visibilityProperty: true}) && !e.disabled;
	const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")].filter(here);
	// Of a group of radio buttons the one that is chosen is reached, and the arrows lead on.
	const reached = all.filter(e => e.type !== "radio" || e.checked || ![...document.getElementsByName(e.name)].some(o => o.checked && o.form === e.form));
	window.controlsLeft = new Set(reached);
	return reached.map(named);
})()`

// tabbed is what has the focus: whether it is one of those, and whether one sees it.
const tabbed = `(() => {
	const e = document.activeElement;
	const of = window.controlsLeft.delete(e);
	const style = getComputedStyle(e), box = e.getBoundingClientRect();
	return {left: window.controlsLeft.size, of, what: e.outerHTML.slice(0, 120),
		seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 1 && box.height > 1 && box.right > 0 && box.bottom > 0};
})()`

// keyboard goes through the page with the tab key alone: every control is reached, and
// whoever is at one sees it.
func (b *window) keyboard(name string) {
	b.t.Helper()
	if !b.scripts {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	all, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](controls))
	if err != nil || len(all) == 0 {
		b.t.Fatalf("%s: %d controls, %v", name, len(all), err)
	}
	for range 2*len(all) + 20 {
		if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab)); err != nil {
			b.t.Fatal(err)
		}
		at, err := chromedp.Run(ctx, chromedp.Evaluate[struct {
			Left     int
			Of, Seen bool
			What     string
		}](tabbed))
		if err != nil {
			b.t.Fatal(err)
		}
		if at.Of && !at.Seen {
			b.t.Errorf("%s: one does not see that the focus is on %s", name, at.What)
		}
		if at.Left == 0 {
			return
		}
	}
	left, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`[...window.controlsLeft].map(e => e.outerHTML.slice(0, 120))`))
	b.t.Errorf("%s: the tab key does not lead to %s (%v)", name, strings.Join(left, "\n"), err)
}

// TestBrowserComplains: what breaks the policy of a page is seen, or all that is said of
// the others would say nothing.
func TestBrowserComplains(t *testing.T) {
	t.Parallel()
	w := unregistered(t, stage{bare: true})
	b := newWindow(t, w.door.url, true)
	b.open(w.opens())
	for what, breaks := range map[string]string{
		"an inline script": `const e = document.createElement("script"); e.textContent = "window.ran = 1"; document.body.append(e)`,
		"an inline style":  `document.body.setAttribute("style", "color: red")`,
		"an image":         `const e = document.createElement("img"); e.src = "https://elsewhere.example/pixel.png"; document.body.append(e)`,
		"a frame":          `const e = document.createElement("iframe"); e.src = "https://elsewhere.example/"; document.body.append(e)`,
	} {
		b.open("/setup")
		if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[any]("(() => {"+breaks+"})()")); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		eventually(t, "the browser complains of "+what, func() error {
			all := b.complaints()
			if !strings.Contains(strings.Join(all, "\n"), "Content Security Policy") {
				return fmt.Errorf("it says %q", all)
			}
			return nil
		})
	}
}
