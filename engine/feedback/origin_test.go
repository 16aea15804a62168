package feedback_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

func TestOrigins(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []feedback.Origin
	}{
		"what Sentry's own integration writes": {
			"Sentry Issue: [SHOP-1](https://acme.sentry.io/issues/77/?referrer=github_integration)\n\n```\nTypeError: x\n```", []feedback.Origin{"sentry.io/77"}},
		"the organisation in the path":  {"https://sentry.io/organizations/acme/issues/77/events/0f0f/", []feedback.Origin{"sentry.io/77"}},
		"a region":                      {"https://de.sentry.io/issues/77", []feedback.Origin{"sentry.io/77"}},
		"one of one's own, with a port": {"<https://Errors.Example.com:9000/organizations/acme/issues/5/>", []feedback.Origin{"errors.example.com:9000/5"}},
		"in a sentence":                 {"see https://acme.sentry.io/issues/77, and **https://acme.sentry.io/issues/78**.", []feedback.Origin{"sentry.io/77", "sentry.io/78"}},
		"twice":                         {"https://acme.sentry.io/issues/77/ https://sentry.io/organizations/acme/issues/77/", []feedback.Origin{"sentry.io/77"}},
		"a post":                        {"https://old.reddit.com/r/shop/comments/1AbC2/it_is_slow/", []feedback.Origin{"reddit.com/t3_1abc2"}},
		"a comment":                     {"[here](https://www.reddit.com/r/shop/comments/1abc2/it_is_slow/k9z/?context=3)", []feedback.Origin{"reddit.com/t1_k9z"}},
		"issues of others":              {"https://github.com/acme/web/issues/77 https://gitlab.com/acme/web/-/issues/77", nil},
		"a short name is no number":     {"https://acme.sentry.io/issues/SHOP-1/", nil},
		"a list of groups":              {"https://acme.sentry.io/issues/?query=is%3Aunresolved", nil},
		"another's that looks like it":  {"https://notreddit.com/r/shop/comments/1abc2/x/ https://sentry.io.evil.example/issues/77/", []feedback.Origin{"sentry.io.evil.example/77"}},
		"no link":                       {"sentry.io/issues/77", nil},
		"not one that can be read":      {"https://%zz.sentry.io/issues/77/", nil},
	} {
		if got := feedback.Origins(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	var many strings.Builder
	for i := range 3 * feedback.MaxOrigins {
		many.WriteString("https://acme.sentry.io/issues/1" + strings.Repeat("0", i%30) + "/ https://sentry.io/issues/2" + strings.Repeat("1", i%30) + "/\n")
	}
	if got := feedback.Origins(many.String()); len(got) != feedback.MaxOrigins {
		t.Errorf("%d origins", len(got))
	}
}

// TestOriginOfFeedback: what people's links are compared with is made of the sources' own.
func TestOriginOfFeedback(t *testing.T) {
	for want, f := range map[feedback.Origin]feedback.Feedback{
		"sentry.io/77":        {Kind: feedback.Sentry, External: "77", URL: "https://sentry.io/organizations/acme/issues/77/"},
		"reddit.com/t3_1abc2": {Kind: feedback.Reddit, External: "t3_1abc2", URL: "https://www.reddit.com/r/shop/comments/1abc2/it_is_slow/"},
		"":                    {Kind: feedback.Report, URL: "https://acme.sentry.io/issues/77/"},
	} {
		if got := f.Origin(); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
	if got := (&feedback.Feedback{Kind: feedback.Sentry, External: "77"}).Origin(); got != "" {
		t.Errorf("of a group without a link: %q", got)
	}
}

func FuzzOrigins(f *testing.F) {
	f.Add("https://acme.sentry.io/issues/77/ and https://reddit.com/r/a/comments/b/c/d")
	f.Add("https://x/issues/1https://y/issues/2")
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range feedback.Origins(text) {
			if host, of, _ := strings.Cut(string(o), "/"); host == "" || of == "" || len(o) > len(text) || strings.ContainsAny(string(o), " \n<>()\"") {
				t.Errorf("%q is an origin in %q", o, text)
			}
		}
	})
}
