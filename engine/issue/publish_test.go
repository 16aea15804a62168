package issue

import (
	"fmt"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// everywhere is a cluster in which every field that may be private holds a word
// of its own that begins with "secret".
func everywhere() Cluster {
	sentry := one("f1", feedback.Sentry, func(f *feedback.Feedback) {
		f.Source = "secret-source"
		f.Title = "KeyError: secret-title"
		f.Body = "secret-body"
		f.Culprit = "https://app.example/secret-culprit"
		f.Author = "secret-author"
		f.Public = true // also then: values in messages are nobody's to quote
		f.Labels = []string{"secret-label"}
		f.URL = "https://acme.sentry.io/issues/1/"
		f.Exceptions = []feedback.Exception{
			{Type: "KeyError", Value: "secret-value", Module: "secret-module", Frames: []feedback.Frame{
				{Function: "library_call", File: "secret-library.py"},
				{Function: "charge", File: "https://secret-user:secret-pw@secret-host.example/app/charge.py?token=secret-token#secret-fragment", Line: 7, InApp: true},
				{Function: "run", File: "/home/secret-home/app/run.py", Line: 9, InApp: true},
			}},
			{Type: "secret words in a type", Value: "secret-outer"},
		}
	})
	thin := one("f2", feedback.Sentry, func(f *feedback.Feedback) {
		f.Title, f.Culprit, f.Count, f.Users = "ValueError: secret-thin", "/orders/secret-route", 5, 5
	})
	report := one("f3", feedback.Report, by("secret-person"), func(f *feedback.Feedback) {
		f.Title = "Export of \"secret-quoted\" breaks for secret@mail.example, see https://secret-host.example/x and secret/path and secret=value and secret123"
		f.Body, f.URL = "secret-report", "https://desk.example/secret-ticket"
	})
	post := one("f4", feedback.Reddit, by("secret-poster"), func(f *feedback.Feedback) {
		f.Title, f.Body, f.URL, f.Public = "public title", "public words", "https://www.reddit.com/r/acme/comments/1/public/", true
	})
	private := one("f5", feedback.Reddit, func(f *feedback.Feedback) {
		f.Title, f.Body, f.URL = "secret-subreddit", "secret-words", "https://www.reddit.com/r/secret/"
	})
	open := one("f6", feedback.Report, func(f *feedback.Feedback) {
		f.Title, f.Body, f.URL, f.Public = "open title", "open words", "https://forum.example/open-link", true
	})
	gone := one("f7", feedback.Report, func(f *feedback.Feedback) { f.Removed, f.Title = true, "secret-removed" })
	return gathered(report, private, post, open, thin, sentry, gone)
}

// On a public repository nothing private is shown, wherever it stood.
func TestSafeShowsNothingPrivate(t *testing.T) {
	pol := livePolicy(policy.Safe)
	all := everywhere()
	clusters := []Cluster{all}
	for _, m := range all.Members { // each alone, so that it makes the title
		clusters = append(clusters, gathered(m))
	}
	for _, c := range clusters {
		pub := Publish(Summarise(c, pol), pol)
		shown := Title(pub) + "\n" + Section(pub, mac, MaxBody)
		if i := strings.Index(shown, "secret"); i >= 0 {
			t.Errorf("%s is shown in\n%s", strings.Fields(shown[i:])[0], shown)
		}
	}
}

// And what says nothing private is.
func TestSafeShows(t *testing.T) {
	pol := livePolicy(policy.Safe)
	pub := Publish(Summarise(everywhere(), pol), pol)
	if got, want := Title(pub), "KeyError in run (app/run.py)"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
	shown := Section(pub, mac, MaxBody)
	for _, want := range []string{"`KeyError`", "run (app/run.py:9)\ncharge (/app/charge.py:7)", "https://acme.sentry.io/issues/1/",
		"public words", "https://www.reddit.com/r/acme/comments/1/public/", "open words", "https://forum.example/open-link", "`ValueError`"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	if strings.Contains(shown, "library_call") {
		t.Errorf("a frame of a library is in\n%s", shown)
	}
}

// With publish: full a maintainer sees what there is.
func TestFullShows(t *testing.T) {
	pol := livePolicy(policy.Full)
	pub := Publish(Summarise(everywhere(), pol), pol)
	if got, want := Title(pub), "KeyError: secret-title"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
	shown := Section(pub, mac, MaxBody)
	for _, want := range []string{"secret-value", "secret-report", "secret-words", "secret-source", "https://desk.example/secret-ticket", "/home/secret-home/app/run.py:9", "/orders/secret-route"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	for _, never := range []string{"secret-author", "secret-person", "secret-poster", "secret-removed"} {
		if strings.Contains(shown, never) {
			t.Errorf("%q is in\n%s", never, shown)
		}
	}
}

func TestSafeTitles(t *testing.T) {
	for name, c := range map[string]struct {
		m    Member
		want string
	}{
		"report":                {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title = "Can't log in after I reset my password" }), "Can't log in after I reset my password"},
		"numbers":               {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title = "Order 5512 and A77-1 fail" }), "Order … and … fail"},
		"quotes":                {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title = "User 'Jane Doe' can't see “Plan B” or `x y`" }), "User … can't see … or …"},
		"nothing left":          {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title = "\"Jane\" 12" }), "A problem that people report"},
		"no title":              {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title = "" }), "A problem that people report"},
		"thin":                  {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title, f.Culprit = "KeyError: 'jane'", "billing.charge in run" }), "KeyError in billing.charge in run"},
		"thin, JavaScript":      {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title, f.Culprit = "TypeError: jane", "charge(app/billing)" }), "TypeError in charge(app/billing)"},
		"thin, a view":          {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title, f.Culprit = "KeyError: jane", "billing.views.charge" }), "KeyError in billing.views.charge"},
		"thin, a task":          {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title, f.Culprit = "KeyError: jane", "mail-to-jane" }), "KeyError"},
		"thin, a word":          {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title, f.Culprit = "KeyError: jane", "jane" }), "KeyError"},
		"thin, a page":          {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title, f.Culprit = "KeyError: jane", "/users/jane" }), "KeyError"},
		"thin, prose":           {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title = "Payment of Jane failed: 12" }), "Error"},
		"thin, one word":        {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title = "Jane" }), "Error"},
		"words for a type":      {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Exceptions = []feedback.Exception{{Type: "Error of Jane"}} }), "Error"},
		"Go's type":             {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title = "*url.Error: Get secret" }), "*url.Error"},
		"an address for a type": {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Title = "https://jane.example/x: not found" }), "Error"},
		"caused in a library": {one("1", feedback.Sentry, func(f *feedback.Feedback) {
			f.Exceptions = []feedback.Exception{{Type: "KeyError", Frames: []feedback.Frame{{Function: "lib"}}}, {Type: "AppError", Frames: []feedback.Frame{{Function: "own", File: "own.py", InApp: true}}}}
		}), "KeyError in own (own.py)"},
		"no exception type":    {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Exceptions = []feedback.Exception{{Value: "jane"}} }), "Error"},
		"dangerous":            {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title = "@octocat fixes #12\n/close" }), "… fixes …"},
		"dangerous and public": {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title, f.Public = "/close @octocat fixes #12", true }), "∕close @\u200boctocat fixes #\u200b12"},
		"only the app's frames": {one("1", feedback.Sentry, func(f *feedback.Feedback) {
			f.Exceptions = []feedback.Exception{{Type: "KeyError", Frames: []feedback.Frame{{Function: "lib"}}}}
		}), "KeyError"},
		"function without files": {one("1", feedback.Sentry, func(f *feedback.Feedback) {
			f.Exceptions = []feedback.Exception{{Type: "KeyError", Frames: []feedback.Frame{{Function: "own", InApp: true}}}}
		}), "KeyError in own"},
	} {
		t.Run(name, func(t *testing.T) {
			pol := livePolicy(policy.Safe)
			if got := Title(Publish(Summarise(gathered(c.m), pol), pol)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Nobody is quoted twice and no text is; the longest come first.
func TestQuotes(t *testing.T) {
	say := func(id, author, text string) Member {
		return one(id, feedback.Report, by(author), func(f *feedback.Feedback) { f.Title, f.Body = text, "" })
	}
	pol := livePolicy(policy.Full)
	pub := Publish(Summarise(gathered(
		say("1", "ann", "short"), say("2", "ann", "a longer one of Ann's"), say("3", "bob", "a longer one of Ann's"),
		say("4", "cid", "the longest of all that people wrote"), say("5", "", "from nobody"), say("6", "dan", "tiny"),
	), pol), pol)
	var got []string
	for _, q := range pub.quotes {
		got = append(got, q.text)
	}
	if want := "the longest of all that people wrote|a longer one of Ann's|from nobody"; strings.Join(got, "|") != want {
		t.Errorf("got %q", got)
	}
}

// A stack is as long as one looks at.
func TestStackIsShort(t *testing.T) {
	frames := make([]feedback.Frame, 50)
	for i := range frames {
		frames[i] = feedback.Frame{Function: fmt.Sprint("call", i), InApp: true}
	}
	pol := livePolicy(policy.Safe)
	pub := Publish(Summarise(gathered(one("1", feedback.Sentry, func(f *feedback.Feedback) {
		f.Exceptions = []feedback.Exception{{Type: "KeyError", Frames: frames}}
	})), pol), pol)
	if len(pub.stack) != maxFrames || pub.stack[0] != "call49" {
		t.Errorf("got %q", pub.stack)
	}
}
