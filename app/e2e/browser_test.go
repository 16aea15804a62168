//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// shots is a folder that gets a picture of each page, if the environment names one.
var shots = os.Getenv("SOULCASTER_TEST_SHOTS")

// window is a real browser that somebody sits at.
type window struct {
	t   *testing.T
	ctx context.Context
}

// newWindow opens a browser, in which pages may run scripts or not. What its console
// says is wrong with pages of ours fails the test.
func newWindow(t *testing.T, ours string, scripts bool) *window {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not here: make e2e installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1200, 900))
	place, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, leave := chromedp.NewContext(place)
	b := &window{t: t, ctx: ctx}
	said := make(chan []chromedp.ConsoleMessage, 1)
	console := chromedp.Console(ctx)
	go func() {
		var all []chromedp.ConsoleMessage
		for m, err := range console {
			if err != nil {
				break
			}
			all = append(all, m)
		}
		said <- all
	}()
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("the browser does not close in good order: %v", err)
		}
		leave()
		end()
		for _, m := range <-said {
			if (m.IsException() || m.Type == "error" || m.Type == "warning") && (m.URL == "" || strings.HasPrefix(m.URL, ours)) {
				t.Errorf("the browser complains: %s %s", m.Text, m.URL)
			}
		}
	})
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts}); err != nil {
		t.Fatal(err)
	}
	return b
}

// do has the browser do something, within patience.
func (b *window) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		look, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		at, _ := chromedp.Run(look, chromedp.Location())
		page, _ := chromedp.Run(look, chromedp.OuterHTML(chromedp.CSS("html")))
		b.t.Fatalf("%s: %v\nat %s:\n%s", what, err, at, tail(page, 4<<10))
	}
}

// open goes to an address.
func (b *window) open(address string) {
	b.t.Helper()
	b.do("open "+address, chromedp.Navigate(address))
}

// press presses the button, or follows the link, with that text.
func (b *window) press(text string) {
	b.t.Helper()
	b.do("press "+text, chromedp.Click(chromedp.Search(fmt.Sprintf(`//*[self::button or self::a][normalize-space(.)=%q]`, text))))
}

// fill writes into the field of that name.
func (b *window) fill(name, text string) {
	b.t.Helper()
	field := chromedp.CSS(fmt.Sprintf(`input[name=%q]:not([type=radio])`, name))
	b.do("fill "+name, chromedp.Clear(field), chromedp.SendKeys(field, text))
}

// choose ticks what has that label.
func (b *window) choose(label string) {
	b.t.Helper()
	b.do("choose "+label, chromedp.Click(chromedp.Search(fmt.Sprintf(`//label[contains(., %q)]`, label))))
}

// shows waits until the page says something.
func (b *window) shows(parts ...string) (text string) {
	b.t.Helper()
	within(b.t, slow, fmt.Sprintf("the page shows %q", parts), func() error {
		var err error
		if text, err = b.text(); err != nil {
			return err
		}
		for _, part := range parts {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
				return fmt.Errorf("%q is not in %s", part, text)
			}
		}
		return nil
	})
	return text
}

func (b *window) text() (string, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
}

// shot takes pictures of the page, if somebody wants them: light and dark, wide and on a
// phone. No page may be wider than the phone.
func (b *window) shot(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for size, width := range map[string]int64{"wide": 1200, "phone": 390} {
			ctx, cancel := context.WithTimeout(b.ctx, patience)
			defer cancel()
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
			if err == nil {
				err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 900))
			}
			var picture []byte
			if err == nil {
				picture, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
			}
			if err != nil {
				b.t.Fatalf("take a picture of %s: %v", name, err)
			}
			if over, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)); err == nil && over {
				b.t.Errorf("%s does not fit on a %s screen", name, size)
			}
			if shots == "" {
				continue
			}
			if err := os.MkdirAll(shots, 0o755); err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(shots, fmt.Sprintf("%s-%s-%s.png", name, scheme, size)), picture, 0o644); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.do("a wide screen again", chromedp.EmulateViewport(1200, 900))
}

// TestBrowser: somebody registers the App, signs in and looks, with a real browser, with
// and without scripts.
func TestBrowser(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := unregistered(t, newBolt(t))
			b := newWindow(t, w.door.url, scripts)
			b.open(w.opens())
			b.shows("Name of the App", w.door.url+"/api/github/hook")
			b.shot("setup")
			b.fill("name", "Soulcaster of Acme")
			b.choose("an organisation")
			b.fill("organization", "acme")
			b.press("Register the App on GitHub")
			if !scripts {
				b.press("Go on to GitHub")
			}
			b.shows("Create Soulcaster of Acme for acme")
			b.press("Create GitHub App")
			b.shows("Soulcaster of Acme is registered")
			b.shot("registered")
			b.press("Check everything")
			b.shows("GitHub App: in order")
			b.shot("checks")

			number := w.greeting()
			w.hub.Browse(reader)
			b.open(w.door.url + "/")
			b.shows("Sign in with GitHub to see")
			b.shot("login")
			b.press("Sign in with GitHub")
			b.shows("signed in as "+reader, "The shop greets me with a typo", "issue #"+itoa(number))
			b.shot("overview")
			b.press(shop)
			b.shows("Problems", "The shop greets me with a typo")
			b.fill("q", "nothing of the kind")
			if !scripts {
				b.press("Show")
			}
			b.shows("0 problems match")
			b.press("Show all")
			b.shows("1 problem", "The shop greets me with a typo")
			b.shot("problems")
			b.press("The shop greets me with a typo")
			b.shows("Why these belong together", "What happened", "filed as issue #"+itoa(number), "What is withheld, and why")
			b.shot("problem")
			b.open(w.door.url + "/installed?installation_id=" + itoa(acme) + "&setup_action=install")
			b.shows("Soulcaster is installed on acme", "number is "+itoa(acme))
			b.shot("installed")

			w.hub.Allow(shop, reader, "none") // and GitHub tells of it, in some way
			w.hub.As(reader).Renounce()
			eventually(t, "the reader is signed out", func() error {
				if r, err := w.send(http.MethodGet, "/", nil, nil); err != nil || r.status != http.StatusUnauthorized {
					return errors.New("the door is open")
				}
				b.open(w.door.url + "/")
				if text, err := b.text(); err != nil || !strings.Contains(text, "Sign in with GitHub") {
					return fmt.Errorf("%v %s", err, text)
				}
				return nil
			})
			b.press("Sign in with GitHub")
			b.shows("There is nothing to see for you")
			b.press("Sign out")
			b.shows("Sign in with GitHub to see")
		})
	}
}
