//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// shots is a folder that gets a picture of each page, if the environment names one, as make
// e2e does.
var shots = os.Getenv("SOULCASTER_TEST_SHOTS")

// window is a real browser that somebody sits at.
type window struct {
	t       *testing.T
	ctx     context.Context
	ours    string // what the addresses of our pages begin with
	scripts bool   // pages may run scripts

	mu    sync.Mutex
	wrong []string // what the browser complained of
	asked []string // what it asked for, from wherever
}

// newWindow opens a browser, in which pages may run scripts or not. What it says is wrong
// with pages of ours, a dialog among it, fails the test.
func newWindow(t *testing.T, ours string, scripts bool) *window {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not here: make e2e installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.IgnoreCertErrors, // the door's is its own
		chromedp.WindowSize(1200, 900))
	place, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, leave := chromedp.NewContext(place)
	b := &window{t: t, ctx: ctx, ours: ours, scripts: scripts}
	var listening sync.WaitGroup
	console := chromedp.Console(ctx)
	listening.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if (m.IsException() || m.Type == "error" || m.Type == "warning") && (m.URL == "" || strings.HasPrefix(m.URL, ours)) {
				b.complain(m.Text + " " + m.URL)
			}
		}
	})
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("the browser does not close in good order: %v", err)
		}
		leave()
		end()
		listening.Wait()
		for _, text := range b.complaints() {
			t.Errorf("the browser complains: %s", text)
		}
	})
	b.run(scripts)
	err = chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *page.EventJavascriptDialogOpening:
			b.complain(fmt.Sprintf("a dialog opens: %s %s", e.Message, e.URL))
		case *network.EventRequestWillBeSent:
			b.mu.Lock()
			defer b.mu.Unlock()
			b.asked = append(b.asked, e.Request.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *window) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, text)
}

// complaints takes what the browser complained of.
func (b *window) complaints() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, b.wrong = b.wrong, nil
	return all
}

// another is a second window of the same browser, with the same cookies. What it complains of is
// not heard.
func (b *window) another() *window {
	b.t.Helper()
	ctx, leave := chromedp.NewContext(b.ctx)
	b.t.Cleanup(leave)
	a := &window{t: b.t, ctx: ctx, ours: b.ours, scripts: b.scripts}
	a.run(b.scripts)
	return a
}

// run has the window run scripts, or not.
func (b *window) run(scripts bool) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts}); err != nil {
		b.t.Fatal(err)
	}
}

// slowed keeps the answers back for a while that come to what is sent to such an address.
func (b *window) slowed(pattern string, hold time.Duration) {
	b.t.Helper()
	err := chromedp.Listen(b.ctx, func(event any) {
		e, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		time.AfterFunc(hold, func() {
			// Fails where the test is over.
			_, _ = chromedp.Call(b.ctx, fetch.ContinueResponse, fetch.ContinueResponseParams{RequestID: e.RequestID})
		})
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern, RequestStage: fetch.RequestStageResponse}}})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// refused waits until the browser has complained that an address of ours is answered with a
// status that is none of success, and takes that as what was wanted.
func (b *window) refused(address string) {
	b.t.Helper()
	eventually(b.t, "the browser says that "+address+" was refused", func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		rest := slices.DeleteFunc(slices.Clone(b.wrong), func(text string) bool {
			return strings.HasPrefix(text, "Failed to load resource") && strings.Contains(text, address)
		})
		if len(rest) == len(b.wrong) {
			return fmt.Errorf("it says %q", b.wrong)
		}
		b.wrong = rest
		return nil
	})
}

// do has the browser do something, within patience.
func (b *window) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		look, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		page, _ := chromedp.Run(look, chromedp.OuterHTML(chromedp.CSS("html")))
		b.t.Fatalf("%s: %v\nat %s:\n%s", what, err, b.address(), tail(page, 6<<10))
	}
}

// address is where the window is.
func (b *window) address() string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

// path is its path on our pages.
func (b *window) path() string {
	b.t.Helper()
	path, _, _ := strings.Cut(strings.TrimPrefix(b.address(), b.ours), "?")
	return path
}

// open goes to an address, of our pages if it begins with a slash.
func (b *window) open(address string) {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.ours + address
	}
	b.do("open "+address, chromedp.Navigate(address))
}

// press presses the button, follows the link or unfolds what has that text, or begins
// with it if it ends in "…".
func (b *window) press(text string) {
	b.t.Helper()
	is := fmt.Sprintf("normalize-space(.)=%q", text)
	if begin, cut := strings.CutSuffix(text, "…"); cut {
		is = fmt.Sprintf("starts-with(normalize-space(.), %q)", begin)
	}
	b.do("press "+text, chromedp.Click(chromedp.Search("//*[self::button or self::a or self::summary]["+is+"]")))
}

// fill writes into the field of that name.
func (b *window) fill(name, text string) {
	b.t.Helper()
	field := chromedp.CSS(fmt.Sprintf(`input[name=%q]:not([type=radio]):not([type=hidden]):not([type=checkbox])`, name))
	b.do("fill "+name, chromedp.Clear(field), chromedp.SendKeys(field, text))
}

// write writes into the empty field of that name that has room for several lines.
func (b *window) write(name, text string) {
	b.t.Helper()
	b.do("write "+name, chromedp.SendKeys(chromedp.CSS(fmt.Sprintf(`textarea[name=%q]`, name)), text))
}

// choose ticks what has that label.
func (b *window) choose(label string) {
	b.t.Helper()
	b.do("choose "+label, chromedp.Click(chromedp.Search(fmt.Sprintf(`//label[contains(., %q)]`, label))))
}

// shows waits until the page says something.
func (b *window) shows(parts ...string) (text string) {
	b.t.Helper()
	return b.waits(false, parts)
}

// becomes waits until the page says something that it did not yet when it was opened: by
// itself where scripts run, and otherwise when it is opened again.
func (b *window) becomes(parts ...string) (text string) {
	b.t.Helper()
	return b.waits(!b.scripts, parts)
}

// untroubled is how long a page is left alone before it is opened again: a form that was sent a
// moment ago has to get through, and is answered within two seconds.
const untroubled = 3 * time.Second

func (b *window) waits(reload bool, parts []string) (text string) {
	b.t.Helper()
	again := time.Now().Add(untroubled)
	within(b.t, slow, fmt.Sprintf("the page shows %q", parts), func() error {
		var err error
		if text, err = b.text(); err != nil {
			return err
		}
		for _, part := range parts {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
				if reload && time.Now().After(again) {
					again = time.Now().Add(untroubled)
					ctx, cancel := context.WithTimeout(b.ctx, patience)
					defer cancel()
					err = chromedp.Do(ctx, chromedp.Reload()) // fails where the page is left just then
				}
				return errors.Join(fmt.Errorf("%q is not in %s", part, text), err)
			}
		}
		return nil
	})
	return text
}

// text is what the page says, with one space between words.
func (b *window) text() (string, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	return strings.Join(strings.Fields(text), " "), err
}

// value is what the text of an element is.
func (b *window) value(css string) (text string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS(css)))
	if err != nil {
		b.t.Fatalf("%s: %v", css, err)
	}
	return strings.TrimSpace(text)
}

// shot looks at the page, light and dark, wide and on a phone, and takes pictures of it if
// somebody wants them. No page may be wider than the phone, and where scripts run people
// must be able to use it whatever they see and have at hand.
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
			if err != nil {
				b.t.Fatalf("look at %s: %v", name, err)
			}
			over, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
			if err != nil || over {
				b.t.Errorf("%s does not fit on a %s screen (%v)", name, size, err)
			}
			if b.scripts {
				b.accessible(name + ", " + scheme + ", " + size)
			}
			if shots == "" {
				continue
			}
			picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err == nil {
				err = errors.Join(os.MkdirAll(shots, 0o755), os.WriteFile(filepath.Join(shots, fmt.Sprintf("%s-%s-%s.png", name, scheme, size)), picture, 0o644))
			}
			if err != nil {
				b.t.Fatalf("take a picture of %s: %v", name, err)
			}
		}
	}
	b.do("a wide screen again", chromedp.EmulateViewport(1200, 900))
}

// elsewhere are the hosts that the browser asked for something and that are none of those.
func (b *window) elsewhere(hosts ...string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.asked), func(address string) bool {
		return slices.ContainsFunc(hosts, func(h string) bool { return address == h || strings.HasPrefix(address, h+"/") })
	})
}
