package issue

import (
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// paths are names of files as compilers and runtimes write them, and what may be
// seen of each in public.
var paths = map[string]string{
	"/home/alice.meier/app/run.py":                  "app/run.py",
	"/Users/alice.meier/app/run.py":                 "app/run.py",
	"/mnt/c/Users/alice.meier/src/shop/cart.go":     "src/shop/cart.go",
	"/var/home/alice.meier/shop/cart.go":            "shop/cart.go",
	"/export/HOME/alice.meier//shop/cart.go":        "shop/cart.go",
	"~/alice.meier/shop/cart.go":                    "shop/cart.go",
	"~alice.meier/shop/cart.go":                     "shop/cart.go",
	"/srv/www/~alice.meier/cart.php":                "cart.php",
	`C:\Users\alice.meier\shop\Cart.cs`:             `shop\Cart.cs`,
	`d:\\work\\users\\alice.meier\\Cart.cs`:         "Cart.cs",
	`C:\Documents and Settings\alice.meier\Cart.cs`: "Cart.cs",
	`\\wsl$\Ubuntu\home\alice.meier\shop\cart.go`:   `shop\cart.go`,
	`C:/Users\alice.meier/shop/Cart.cs`:             "shop/Cart.cs",
	"C://Users/alice.meier/shop/Cart.cs":            "shop/Cart.cs",
	"file://home/alice.meier/cart.go":               "cart.go",
	"file:///home/alice.meier/cart.go?v=7#a":        "cart.go",
	"https://shop.example/~alice.meier/cart.js":     "cart.js",
	"jar:file:/C:/Users/alice.meier/shop.jar!/Cart": "shop.jar!/Cart",
	"/home/ci/build/Users/alice.meier/cart.go":      "cart.go",

	// What only looks like it stays.
	"app/users/views.py":                  "app/users/views.py",
	"app/homes/alice/views.py":            "app/homes/alice/views.py",
	"my-home/shop/cart.go":                "my-home/shop/cart.go",
	"https://shop.example/static/cart.js": "/static/cart.js",
	"github.com/acme/shop/cart.go":        "github.com/acme/shop/cart.go",
}

// Nobody's name gets into public by way of a path, wherever paths are written:
// in the names of files, and of closures, modules and types.
func TestSafePathsNameNobody(t *testing.T) {
	for name, want := range paths {
		if got := (view{}).file(name); got != want {
			t.Errorf("file %s is shown as %s, want %s", name, got, want)
		}
		if got := (view{full: true}).file(name); got != name {
			t.Errorf("with everything shown, file %s is shown as %s", name, got)
		}
		group := func(change func(*feedback.Feedback)) *feedback.Feedback {
			f := &feedback.Feedback{Kind: feedback.Sentry, Title: "Error: x", Exceptions: []feedback.Exception{
				{Type: "Error", Frames: []feedback.Frame{{Function: "run", InApp: true}}},
			}}
			change(f)
			return f
		}
		for where, f := range map[string]*feedback.Feedback{
			"file":     group(func(f *feedback.Feedback) { f.Exceptions[0].Frames[0].File = name }),
			"function": group(func(f *feedback.Feedback) { f.Exceptions[0].Frames[0].Function = "{closure:" + name + ":7}" }),
			"module": group(func(f *feedback.Feedback) {
				f.Exceptions[0].Frames[0].Function, f.Exceptions[0].Frames[0].Module = "", name
			}),
			"type":    group(func(f *feedback.Feedback) { f.Exceptions[0].Type = name }),
			"culprit": group(func(f *feedback.Feedback) { f.Exceptions, f.Culprit = nil, "charge("+name+")" }),
		} {
			shown := (view{}).title([]Member{{Feedback: f}}) + "\n" + strings.Join((view{}).stack(f), "\n")
			if strings.Contains(shown, "alice.meier") {
				t.Errorf("%s of %s: %q", where, name, shown)
			}
		}
	}
}
