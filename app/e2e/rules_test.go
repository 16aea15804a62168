//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestPublicRepository: on a public repository an issue holds nothing that is
// private, unless its people said that it may.
func TestPublicRepository(t *testing.T) {
	t.Parallel()
	w := started(t, newBolt(t), strings.ReplaceAll(settings, "publish: full, ", ""))
	n := tenants[0]
	w.sentry("acme-sentry", "event_alert", n.checkout().alert(eventID(1), object{"release": "shop@1.0.0"}))
	w.report("acme-api", n.exports()[:2])
	w.reddit("acme-reddit", listing(n.posts()...))
	eventually(t, "the issues are filed", func() error { return has(w.github.issues("acme/web"), 3) })
	text := ""
	for _, i := range w.github.issues("acme/web") {
		text += i.Title + "\n" + i.Body + "\n"
	}
	for _, shown := range []string{"TypeError", "grandTotal_" + n.words.checkout, "shop@1.0.0", "https://org.sentry.io/issues/9001/", "black on black", "reddit.com/r/shop"} {
		if !strings.Contains(text, shown) {
			t.Errorf("%q is public already, and is not shown", shown)
		}
	}
	for _, hidden := range []string{"cannot read total", "stays empty", "acme-api", "acme-sentry"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%q is private, and is shown in\n%s", hidden, text)
		}
		if !strings.Contains(w.pages(allPages), hidden) && hidden != "stays empty" {
			t.Errorf("%q is not on the page", hidden)
		}
	}
}

// TestHeldBack: what is not enough for an issue, or too much for a day, is not
// filed, and it is said why.
func TestHeldBack(t *testing.T) {
	t.Parallel()
	w := started(t, newBolt(t), strings.ReplaceAll(settings, "issues_per_day: 1000", "issues_per_day: 1"))
	n := tenants[0]
	w.report("acme-api", n.exports()[0])
	w.reddit("acme-reddit", listing(n.posts()[:2]...))
	w.stands(n.exports()[0], "held: 1 of 2 people")
	eventually(t, "posts alone are held", func() error {
		if a := w.reddit("acme-reddit", listing(n.posts()[0])); !strings.Contains(a.Items[0].State, "held: posts alone, 2 of 3 people") {
			return errors.New(a.Items[0].State)
		}
		return nil
	})
	if err := has(w.github.issues("acme/web"), 0); err != nil {
		t.Fatal(err)
	}
	w.file("acme/web", n.checkout())
	w.report("acme-api", n.exports()[1])
	w.stands(n.exports()[0], "budget, 1 of 1")
	if err := has(w.github.issues("acme/web"), 1); err != nil {
		t.Error(err)
	}
}

// TestTakenBack: what is deleted at Reddit goes out of the issue, the page and
// the answers.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	w := started(t, newBolt(t), settings)
	posts := tenants[0].posts()
	posts[0]["selftext"] = "In dark mode the text of invoices is black on black and unreadable, said Rumpelstiltskin."
	w.reddit("acme-reddit", listing(posts...))
	eventually(t, "the issue is filed", func() error { return has(w.github.issues("acme/web"), 1) })
	w.shows("acme/web", 1, "Rumpelstiltskin")

	posts[0]["selftext"], posts[0]["author"] = "[deleted]", "[deleted]"
	w.reddit("acme-reddit", listing(posts[0]))
	eventually(t, "it is gone", func() error {
		if strings.Contains(w.github.issue("acme/web", 1).Body, "Rumpelstiltskin") {
			return errors.New("it is in the issue")
		}
		if strings.Contains(w.pages(allPages), "Rumpelstiltskin") {
			return errors.New("it is on the page")
		}
		return nil
	})
}

// TestHostileText: nothing that a stranger writes comes alive in an issue.
func TestHostileText(t *testing.T) {
	t.Parallel()
	w := started(t, newBolt(t), settings)
	const evil = "/soulcaster undo\n<!-- soulcaster:end -->\n<!-- soulcaster:begin hash=0 -->\n<!-- soulcaster:cluster=1 mac=2 -->\n" +
		"@maintainer and @acme/owners, fixes #1, closes acme/web#1, GH-1, ![x](http://evil.example/pixel) [click](javascript:alert(1)) " +
		"<img src=http://evil.example/y onerror=alert(1)> <script>alert(1)</script> \u202eabc\n```\n/soulcaster undo\n~~~\n> /soulcaster undo\n"
	for i := range 2 {
		w.report("acme-api", report(fmt.Sprint("evil-", i), fmt.Sprint("evil-", i), "Export fails @maintainer fixes #1 <img src=x>", evil))
	}
	eventually(t, "the issue is filed", func() error { return has(w.github.issues("acme/web"), 1) })
	i := w.github.issues("acme/web")[0]
	if len(clusterMarker.FindAllString(i.Body, -1)) != 1 || strings.Count(i.Body, "<!--") != 3 {
		t.Errorf("a marker came alive:\n%s", i.Body)
	}
	for _, live := range []string{`@maintainer`, `@acme`, `(?i)(fixes|closes) #1`, `web#1`, `GH-1`, `\x{202e}`, `(?m)^[> ]*/soulcaster`} {
		if m := regexp.MustCompile(live).FindString(i.Title + "\n" + i.Body); m != "" {
			t.Errorf("%q is alive in\n%s\n%s", m, i.Title, i.Body)
		}
	}
	for _, live := range []string{`!\[`, `\]\(http://evil`, `\]\(javascript`, `<img`, `<script`} { // a title is no Markdown
		if m := regexp.MustCompile(`(^|[^\\])` + live).FindString(i.Body); m != "" {
			t.Errorf("%q is alive in\n%s", m, i.Body)
		}
	}
	if !strings.Contains(i.Body, "Export fails") {
		t.Errorf("the report is not quoted, so this proves nothing:\n%s", i.Body)
	}
	page := w.pages(regexp.MustCompile(`^/(projects|runs|installations/\d+$)`)) // what is downloaded is no page
	for _, live := range []string{"<script>", "<img", `href="javascript:`, `href="http://evil`} {
		if strings.Contains(page, live) {
			t.Errorf("%q is alive on the page", live)
		}
	}
}
