//go:build e2e

package e2e

import (
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
)

// hostile is what strangers write who want a browser to do something: to open a dialog, to
// ask another host for something, or to show what is not there.
func hostile() []string {
	return []string{
		`<script>alert("of a stranger")</script>`, `"><script>alert("of a stranger")</script>`, `</title></textarea></option><script>alert("of a stranger")</script>`,
		`<img src="https://elsewhere.example/pixel.png" onerror="alert('of a stranger')">`, `![x](https://elsewhere.example/pixel.png)`,
		`<svg onload="alert('of a stranger')"></svg>`, `' autofocus onfocus='alert("of a stranger")`, `[press](javascript:alert("of a stranger"))`,
		`<iframe src="https://elsewhere.example/"></iframe>`, `<link rel="stylesheet" href="https://elsewhere.example/x.css">`, `<meta http-equiv="refresh" content="0;url=https://elsewhere.example/">`,
		`<base href="https://elsewhere.example/">`, `<form action="https://elsewhere.example/"><button>Sign in again</button></form>`, `<style>body{display:none}</style>`, `{{.Viewer}}<!--`,
	}
}

// TestBrowserHostile: whatever strangers write into every field that they can write into, a
// browser that looks at every page opens no dialog and asks nobody else for anything; and
// the pages' scripts, which change them in place, bring nothing to life.
func TestBrowserHostile(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{bare: true})
	w.hub.Install(acme, "acme")
	w.hub.Create("acme/app", hub.Repository{})
	w.hub.Allow("acme/app", owner, "admin")
	w.hub.Browse(owner)
	b := newWindow(t, w.door.url, true)
	b.open("/")
	b.press("Sign in with GitHub")
	b.shows("signed in as " + owner)
	home := fmt.Sprintf("/installations/%d", acme)

	// Everything that is named here is named by a stranger.
	secret := ""
	connect := func(kind, name string) string {
		b.open(home + "/sources/new?kind=" + kind)
		b.fill("name", name)
		if kind == "feedback" {
			b.fill("repository", "acme/app")
		}
		b.press("Connect")
		if kind == "feedback" {
			b.shows("It is shown this once")
			secret = b.value(".notice.good pre")
			b.press("See what arrives")
		}
		b.shows("Waiting for the first event")
		return b.path()
	}
	id := func(path string) string { return path[strings.LastIndex(path, "/")+1:] }
	sentry := connect("sentry", `<script>alert("of a stranger")</script>`)
	b.fill("secret", key(id(sentry)))
	b.press("Save the secret")
	b.shows("kept, sealed")
	b.fill("project", "known")
	b.fill("repository", "acme/app")
	b.press("Add")
	b.shows("Take out known")
	reports := connect("feedback", `"><img src=https://elsewhere.example/x onerror=alert("of a stranger")>`)

	for n, p := range hostile() {
		for i, project := range []string{"known", p} {
			f := failure{group: itoa(8000 + 10*n + i), project: project, kind: p, message: p, module: p, calls: []string{p, p}}
			body := encode(f.alert(eventID(100+10*n+i), object{"title": p, "message": p, "culprit": p, "release": p, "environment": p, "level": p, "web_url": "javascript:alert('of a stranger')",
				"transaction": p, "user": object{"email": p, "username": p}, "tags": [][]string{{p, p}, {"release", p}}}))
			if _, err := w.post("/ingest/sentry/"+id(sentry), map[string]string{"Sentry-Hook-Resource": "event_alert", "Sentry-Hook-Signature": signature(key(id(sentry)), body)}, body); err != nil {
				t.Fatal(err)
			}
		}
		for _, address := range []string{"javascript:alert('of a stranger')", "https://elsewhere.example/?q=" + url.QueryEscape(p)} {
			body := encode([]object{
				{"external_id": itoa(n) + address, "title": p, "body": p, "author": p, "release": p, "environment": p, "labels": []string{p}, "url": address},
				{"external_id": "plain" + itoa(n) + address, "title": fmt.Sprintf("Problem number %d", n), "body": p, "author": p},
			})
			if _, err := w.post("/ingest/feedback/"+id(reports), map[string]string{"Content-Type": "application/json", "X-API-Key": secret}, body); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.post("/ingest/feedback/"+id(reports), map[string]string{"X-API-Key": p, "X-Request-ID": p}, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	b.open(home + "/keys")
	b.fill("name", `<script>alert("of a stranger")</script>`)
	b.choose("acme/app")
	b.press("Make the key")
	b.shows("It is shown this once")

	within(t, slow, "what strangers wrote is grouped", func() error {
		b.open("/")
		text, err := b.text()
		if err != nil || !strings.Contains(text, "All problems of acme/app") || strings.Contains(text, "waiting to be grouped") {
			return fmt.Errorf("%v %s", err, text)
		}
		return nil
	})
	// All that is linked, as it is looked at; and each once more as the scripts of the page
	// would bring it in.
	todo, looked, seen := []string{"/"}, 0, 0
	for i := 0; i < len(todo) && i < 120; i++ {
		b.open(todo[i])
		looked++
		page, err := chromedp.Run(b.ctx, chromedp.OuterHTML(chromedp.CSS("html")))
		if err != nil {
			t.Fatal(err)
		}
		seen += strings.Count(page, "of a stranger")
		const again = `fetch(location.href, {headers: {Accept: "text/html"}}).then(a => a.text()).then(text => {
			const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("main");
			document.getElementById("main").replaceChildren();
			Idiomorph.morph(document.getElementById("main"), fresh);
			return document.querySelectorAll("main script, main img, main iframe, main style, main link, main meta, main base, main object, main [onload], main [onerror], main [onfocus], main [href^='javascript' i]").length;
		})`
		alive, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](again, chromedp.EvalAwaitPromise))
		if err != nil || alive != 0 {
			t.Errorf("%s: %d are alive, %v", todo[i], alive, err)
		}
		if at := b.address(); !strings.HasPrefix(at, b.ours+"/") {
			t.Errorf("%s leads to %s", todo[i], at)
		}
		for _, m := range localLink.FindAllStringSubmatch(page, -1) {
			path := html.UnescapeString(m[1])
			if !strings.HasPrefix(path, "/assets/") && !slices.Contains(todo, path) {
				todo = append(todo, path)
			}
		}
	}
	if looked < 40 || seen < 100 {
		t.Errorf("what strangers wrote is not on the pages: %d pages, %d times", looked, seen)
	}
	if all := b.elsewhere(b.ours, w.hub.URL); len(all) > 0 {
		t.Errorf("the browser asked %q", all)
	}
}

// TestBrowserIsNotLedElsewhere: whatever stands in the address of the page with the button,
// signing in leads to a page of ours, as a browser understands addresses.
func TestBrowserIsNotLedElsewhere(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{})
	w.hub.Browse(reader)
	b := newWindow(t, w.door.url, true)
	for _, to := range []string{
		"//evil.example", `/\evil.example`, `\\evil.example`, "https:evil.example", "https:/evil.example", `https:\\evil.example`, "/%2f%2fevil.example", "/%5cevil.example", "%2f%2fevil.example",
		"/.//evil.example", "/..//evil.example", "/x/../..//evil.example", "/\t/evil.example", "\t//evil.example", "/\n/evil.example", "\x01//evil.example", "//evil.example@" + strings.TrimPrefix(w.door.url, "http://"),
		"javascript:location='https://evil.example'", "data:text/html,x", "/\uff0fevil.example", "/@evil.example", "///evil.example",
	} {
		b.open("/login?" + url.Values{"to": {to}}.Encode())
		b.press("Sign in with GitHub")
		eventually(t, "somebody is signed in", func() error {
			if at := b.address(); strings.HasPrefix(at, b.ours+"/login") {
				return fmt.Errorf("the browser is at %s", at)
			}
			return nil
		})
		if at := b.address(); !strings.HasPrefix(at, b.ours+"/") {
			t.Errorf("%q leads to %s", to, at)
		}
		b.complaints() // of pages that are not there
	}
	if all := b.elsewhere(b.ours, w.hub.URL); len(all) > 0 {
		t.Errorf("the browser asked %q", all)
	}
}
