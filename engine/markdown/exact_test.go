package markdown

import (
	"strings"
	"testing"
)

// What comes out, to the character, for texts that are easy to judge by eye.

func TestInline(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"Login fails after reset":            "Login fails after reset",
		"  two\n\n lines ":                   "two lines",
		"cc @octocat, see #12":               "cc @\u200boctocat, see #\u200b12",
		"**bold** [x](y) <b> &amp; a_b":      "\\*\\*bold\\*\\* \\[x\\](y) \\<b\\> \\&amp; a\\_b",
		"https://example.com/":               "https:\u200b//example.com/",
		"12. first":                          "12\\. first",
		"version 1.2.3":                      "version 1.2.3",
		"# heading":                          "\\# heading",
		"a1b2c3d4e5f6a7":                     "a1b2c3\u200bd4e5f6\u200ba7",
		"/close now":                         "∕close now",
		"/usr/bin/env fails":                 "\\/usr/bin/env fails",
		"$5":                                 "＄5",
		"1234567890123456789012345678901":    "123456\u200b789012\u200b345678\u200b901234\u200b56789…",
		"é\u0301\u0302\u0303\u0304\u0305 ok": "é\u0301\u0302\u0303\u0304 ok",
		"bad \xff\xfe":                       "bad \ufffd\ufffd",
	} {
		if got := Inline(in, 30); got != want {
			t.Errorf("Inline(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Inline("anything", 0); got != "" {
		t.Errorf("no character of it is %q", got)
	}
}

func TestTitle(t *testing.T) {
	for in, want := range map[string]string{
		"TypeError: x is `undefined`":    "TypeError: x is 'undefined'",
		"Fixes #12, thanks @octocat\nhi": "Fixes #\u200b12, thanks @\u200boctocat hi",
		"*stars* & <tags> stay":          "*stars* & <tags> stay",
		"\u200b\u202e":                   "",
		strings.Repeat("é", 201):         strings.Repeat("é", 199) + "…",
		strings.Repeat("@a", 100):        strings.Repeat("@\u200ba", 66) + "@…",
	} {
		if got := Title(in); got != want {
			t.Errorf("Title(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCode(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		" \n":             "",
		"web@2.3.1":       "`web@2.3.1`",
		"a`b``c":          "```a`b``c```",
		"`":               "`` ` ``",
		"`start":          "`` `start ``",
		"end`":            "`` end` ``",
		"two\nlines":      "`two lines`",
		"<!-- x":          "`<\u200b!-- x`",
		"abcdefghijklmno": "`abcdefghi…`",
	} {
		if got := Code(in, 10); got != want {
			t.Errorf("Code(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFence(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 100, ""},
		{"\n \n", 100, ""},
		{"one\r\n  two\n", 100, "```text\none\n  two\n```"},
		{"a ```` b", 100, "`````text\na ```` b\n`````"},
		{"~~~~~", 100, "``````text\n~~~~~\n``````"},
		{"@octocat #12", 100, "```text\n@octocat #12\n```"},
		{"/close\n/bin/sh", 100, "```text\n∕close\n/bin/sh\n```"},
		{"éééé", 3 + 5 + 1 + 3 + 8, "```text\néééé\n```"},
		{"éééé", 3 + 5 + 1 + 3 + 7, "```text\néé…\n```"},
		{"éééé", 3 + 5 + 1 + 3 + 6, "```text\né…\n```"},
		{"éééé", 3 + 5 + 1 + 3 + 3, ""},
		{"x", 3, ""},
		{strings.Repeat("`", 5000), 100, strings.Repeat("`", 33) + "text\n" + strings.Repeat("`", 25) + "…\n" + strings.Repeat("`", 33)},
	} {
		if got := Fence(c.in, c.most); got != c.want {
			t.Errorf("Fence(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 50, ""},
		{"\n\none\n\n\n  two\nthree\n", 50, "> one\n>\n> two\n> three"},
		{"- a\n# b\n===", 50, "> \\- a\n> \\# b\n> \\==="},
		{"four\nfive\nsix", 7, "> four\n> fi…\n>\n> …"},
		{strings.Repeat("x\n", 13), 500, strings.Repeat("> x\n", 12) + ">\n> …"},
	} {
		if got := Quote(c.in, c.most); got != c.want {
			t.Errorf("Quote(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

func TestLink(t *testing.T) {
	for address, want := range map[string]string{
		"https://acme.sentry.io/issues/4507/?project=1":           "[seen (acme.sentry.io)](https://acme.sentry.io/issues/4507/?project=1)",
		"https://www.reddit.com/r/acme/comments/abc/title_of_it/": "[seen (reddit.com)](https://www.reddit.com/r/acme/comments/abc/title_of_it/)",
		"https://sentry.acme.example:9000/x#event":                "[seen (sentry.acme.example)](https://sentry.acme.example:9000/x#event)",
		"https://ACME.sentry.io/Issues":                           "[seen (acme.sentry.io)](https://acme.sentry.io/Issues)",
		"https://example.com/a b)c(d<e>\"f'@g;h":                  "[seen (example.com)](https://example.com/a%20b%29c%28d%3Ce%3E%22f%27%40g%3Bh)",
		"https://example.com/%41%2f?q=ü":                          "[seen (example.com)](https://example.com/%41%2f?q=%C3%BC)",
		"":                                                        "seen",
		"http://acme.sentry.io/":                                  "seen",
		"HTTPS://acme.sentry.io/":                                 "[seen (acme.sentry.io)](https://acme.sentry.io/)",
		"//acme.sentry.io/":                                       "seen",
		"/issues/1":                                               "seen",
		"https:///issues":                                         "seen",
		"https:acme.sentry.io":                                    "seen",
		"https://user:pw@acme.sentry.io/":                         "seen",
		"https://user@acme.sentry.io/":                            "seen",
		"javascript:alert(1)":                                     "seen",
		"https://github.com/acme/web/issues/1":                    "seen",
		"https://GitHub.com/acme/web/issues/1":                    "seen",
		"https://github.com./acme/web/pull/1":                     "seen",
		"https://gist.github.com/x":                               "seen",
		"https://notgithub.com/x":                                 "[seen (notgithub.com)](https://notgithub.com/x)",
		"https://xn--80ak6aa92e.com/":                             "[seen (xn--80ak6aa92e.com)](https://xn--80ak6aa92e.com/)",
		"https://аррӏе.com/":                                      "seen",
		"https://example.com/" + strings.Repeat("x", 2000):        "seen",
		"https://exa mple.com/":                                   "seen",
		"https://[::1]/":                                          "seen",
	} {
		if got := Link("seen", address); got != want {
			t.Errorf("Link(%q) = %q, want %q", address, got, want)
		}
	}
	if got, want := Link("a ](https://evil.example) b", "https://acme.sentry.io/"), "[a \\](https:\u200b//evil.example) b (acme.sentry.io)](https://acme.sentry.io/)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Link("", "https://acme.sentry.io/"), "[(acme.sentry.io)](https://acme.sentry.io/)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStripCommands(t *testing.T) {
	for in, want := range map[string]string{
		"/soulcaster fix":              "∕soulcaster fix",
		"text /soulcaster fix":         "text /soulcaster fix",
		"a\n  /close\nb":               "a\n  ∕close\nb",
		"> /lgtm":                      "> ∕lgtm",
		"/retest.":                     "∕retest.",
		"/usr/local/bin\n/etc/passwd":  "/usr/local/bin\n/etc/passwd",
		"/v1 is gone":                  "∕v1 is gone",
		"//comment\n/* c */\n/ 2\n/42": "//comment\n/* c */\n/ 2\n/42",
		"/a\n/b\n/c":                   "∕a\n∕b\n∕c",
	} {
		if got := StripCommands(in); got != want {
			t.Errorf("StripCommands(%q) = %q, want %q", in, got, want)
		}
	}
}
