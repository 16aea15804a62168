//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unregistered is a world whose app knows no App, at an address of its own.
func unregistered(t *testing.T, s stage) *fixworld {
	t.Helper()
	s.absent = true
	w := stages(t, s)
	for _, name := range []string{"GITHUB_APP_INTEGRATION_ID", "GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_WEBHOOK_SECRET", "GITHUB_OAUTH_CLIENT_ID", "GITHUB_OAUTH_CLIENT_SECRET"} {
		delete(w.env, name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.env["SOULCASTER_ADDR"] = l.Addr().String()
	l.Close()
	return w
}

// opens starts the app, and returns where its log says that the set-up page is.
func (w *fixworld) opens() (page string) {
	w.t.Helper()
	p := launch(w.t, w.dir, w.environ(), binary, "serve")
	eventually(w.t, "the log says where the page is", func() error {
		for line := range strings.Lines(p.log.String()) {
			var l struct{ Open string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Open != "" {
				page = l.Open
				return nil
			}
		}
		return errors.New("it does not")
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.app, w.home = p, "http://"+w.env["SOULCASTER_ADDR"]
	return page
}

// browser is one that follows nothing by itself.
type browser struct {
	t      testing.TB
	cookie string
}

func (b *browser) ask(method, address string, form url.Values) reply {
	b.t.Helper()
	header := map[string]string{"Cookie": b.cookie}
	if form != nil {
		header["Content-Type"] = "application/x-www-form-urlencoded"
	}
	r, err := request(method, address, header, []byte(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if c, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";"); c != "" {
		b.cookie = c
	}
	return r
}

// fields are the hidden ones of the form on a page, and where it goes.
func fields(page string) (to string, values url.Values) {
	values = make(url.Values)
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	if m := regexp.MustCompile(`<form[^>]* action="([^"]*)"`).FindStringSubmatch(page); m != nil {
		to = html.UnescapeString(m[1])
	}
	return to, values
}

// register has somebody choose what the App is to be, and agree at GitHub; it returns
// where GitHub sends the browser back to.
func (w *fixworld) register(b *browser, choices url.Values) (back string) {
	w.t.Helper()
	if r := b.ask("GET", w.opens(), nil); r.status != http.StatusSeeOther {
		w.t.Fatalf("the page does not open: %d %s", r.status, r.body)
	}
	choices.Set("name", "Soulcaster of Acme")
	choices.Set("owner", "organization")
	choices.Set("organization", "acme")
	r := b.ask("POST", w.door.url+"/setup/manifest", choices)
	to, form := fields(r.body)
	if r.status != 200 || !strings.HasPrefix(to, w.hub.URL+"/organizations/acme/settings/apps/new?state=") {
		w.t.Fatalf("the form leads to %q: %d %s", to, r.status, r.body)
	}
	there := &browser{t: w.t} // GitHub's cookies are none of ours
	agree, form := fields(there.ask("POST", to, form).body)
	back = there.ask("POST", w.hub.URL+agree, form).header.Get("Location")
	if !strings.HasPrefix(back, w.door.url+"/setup/registered?code=") {
		w.t.Fatalf("GitHub sends the browser back to %q", back)
	}
	return back
}

// ready waits until the app is at work.
func (w *fixworld) ready() {
	w.t.Helper()
	eventually(w.t, "the app is ready", func() error {
		if r := w.get("/readyz"); r.status != http.StatusOK {
			return fmt.Errorf("%d %s", r.status, r.body)
		}
		return nil
	})
}

// TestRegister: without credentials the app has an App registered, and works with it
// at once, also after a power cut.
func TestRegister(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		keeps := map[string]string{"bolt": "file", "redis": "store"} // a file is offered beside one of the app's own
		keep := keeps[s.name]
		w := unregistered(t, stage{store: s})
		b := &browser{t: t}
		home := w.door.url
		back := w.register(b, url.Values{"fix": {"on"}, "keep": {keep}})
		stranger := &browser{t: t}
		if r := stranger.ask("GET", back, nil); r.status != http.StatusForbidden {
			t.Errorf("another browser: %d %s", r.status, r.body)
		}
		if r := b.ask("GET", back, nil); r.status != http.StatusSeeOther {
			t.Fatalf("the way back: %d %s", r.status, r.body)
		}
		w.ready()
		if page := b.ask("GET", home+"/setup", nil); page.status != 200 || !strings.Contains(page.body, "/installations/new") {
			t.Errorf("afterwards: %d %s", page.status, page.body)
		}
		if page := b.ask("GET", home+"/setup/checks", nil); !strings.Contains(page.body, "<strong>GitHub App</strong>: in order") || strings.Contains(page.body, `class="bad"`) {
			t.Errorf("the checks: %d %s", page.status, page.body)
		}
		if r := b.ask("GET", back, nil); r.status != http.StatusForbidden {
			t.Errorf("the way back, again: %d", r.status)
		}
		number := w.greeting()

		w.again() // it needs nobody any more
		eventually(t, "the issue is known", func() error {
			a, err := w.tryReport("acme-api", report("report-The shop greets me with a typo", "customer-1", "The shop greets me with a typo", "It says Helo when I open it."))
			if err != nil || len(a.Items) != 1 || !strings.HasPrefix(a.Items[0].State, "issue #"+itoa(number)) {
				return fmt.Errorf("%v %s", err, a.body)
			}
			return nil
		})
		// A secret of it is rotated by setting it: the rest stays what was kept.
		w.stop()
		w.env["GITHUB_APP_WEBHOOK_SECRET"] = "the-next-secret"
		w.start()
		w.examines("ok    permissions of the App") // whether the store is the server's alone or not
		ping := []byte(`{"zen":"Half measures are as bad as nothing at all.","hook_id":1}`)
		for secret, want := range map[string]int{"the-next-secret": http.StatusOK, webhookSecret: http.StatusBadRequest} {
			r, err := w.send("POST", "/api/github/hook", map[string]string{"Content-Type": "application/json",
				"X-GitHub-Event": "ping", "X-GitHub-Delivery": guid(), "X-Hub-Signature-256": "sha256=" + signature(secret, ping)}, ping)
			if err != nil || r.status != want {
				t.Errorf("signed with %s: %v %d %s", secret, err, r.status, r.body)
			}
		}
		file := filepath.Join(w.dir, "data", "soulcaster.db.github.json")
		if s.name == "bolt" {
			file = strings.TrimPrefix(s.url, "bolt:") + ".github.json"
		}
		info, err := os.Stat(file)
		if (keep == "file") != (err == nil) || err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("kept in the %s: %v %v", keep, info, err)
		}
		for _, secret := range []string{webhookSecret, "oauth-secret-0123456789", "PRIVATE KEY"} {
			if strings.Contains(w.written(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}
