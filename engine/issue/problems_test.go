package issue

import (
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// at is a moment in November 2026.
func at(tb testing.TB, s string) time.Time {
	tb.Helper()
	t, err := time.Parse("2 15:04", s)
	if err != nil {
		tb.Fatal(err)
	}
	return time.Date(2026, time.November, t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

func share(x float64) *float64 { return &x }

func livePolicy(publish policy.Publish) policy.Policy {
	p := policy.Resolve(publish == policy.Full)
	p.Mode = policy.Live
	return p
}

func mac(cluster string) string { return "mac-of-" + cluster }

// problems are the realistic clusters of the golden tests.
func problems(tb testing.TB) map[string]Cluster {
	checkout := &feedback.Feedback{
		ID: "f1", Source: "acme-sentry", Kind: feedback.Sentry, External: "4507",
		Title: "TypeError: Cannot read properties of undefined (reading 'total') for cart 88213", URL: "https://acme.sentry.io/issues/4507/",
		Culprit: "app/checkout in applyCoupon", Level: "error", Platform: "javascript", Project: "frontend",
		Exceptions: []feedback.Exception{{
			Type: "TypeError", Value: "Cannot read properties of undefined (reading 'total') for cart 88213",
			Frames: []feedback.Frame{
				{Function: "dispatchEvent", File: "node_modules/react-dom/index.js", Line: 3945},
				{Function: "onSubmit", File: "https://shop.example/static/app/checkout/form.tsx?v=9", Line: 52, InApp: true},
				{Function: "applyCoupon", File: "/home/dana/shop/app/checkout/coupon.ts", Line: 88, InApp: true},
			},
		}},
		Releases: []string{"web@2.3.1", "web@2.4.0"}, Environments: []string{"production"},
		Count: 1204, Users: 310, First: at(tb, "3 08:15"), Last: at(tb, "23 14:02"), Stored: at(tb, "3 08:15"),
	}
	thin := &feedback.Feedback{
		ID: "f2", Source: "acme-sentry", Kind: feedback.Sentry, External: "4511",
		Title: "CouponError: code WELCOME10 is not valid for dana", URL: "https://acme.sentry.io/issues/4511/",
		Culprit: "/checkout/:cart", Level: "error", Environments: []string{"staging"},
		Count: 7, Users: 2, First: at(tb, "21 09:00"), Last: at(tb, "22 10:30"), Stored: at(tb, "21 09:00"),
	}
	report := &feedback.Feedback{
		ID: "f3", Source: "acme-support", Kind: feedback.Report, External: "T-1",
		Title: "Coupon \"WELCOME10\" breaks checkout for order 5512",
		Body:  "Coupon \"WELCOME10\" breaks checkout for order 5512\n\nWhen I enter the code the page goes blank. @support please fix, see #12.",
		URL:   "https://desk.acme.example/tickets/1", Author: "h-1", Count: 1,
		First: at(tb, "20 11:00"), Last: at(tb, "20 11:00"), Stored: at(tb, "20 11:01"),
	}
	post := &feedback.Feedback{
		ID: "f4", Source: "acme-reddit", Kind: feedback.Reddit, External: "t3_abc", Public: true,
		Title: "Checkout goes blank when I use a coupon?", Body: "Anyone else? It worked last week.\n\nI'm on Firefox.",
		URL: "https://www.reddit.com/r/acme/comments/abc/checkout_goes_blank/", Author: "h-2", Count: 1,
		First: at(tb, "22 19:30"), Last: at(tb, "22 19:30"), Stored: at(tb, "22 19:31"),
	}
	export := &feedback.Feedback{
		ID: "f5", Source: "acme-support", Kind: feedback.Report, External: "T-2",
		Title: "CSV export times out", Body: "Exporting more than a few thousand rows never finishes.",
		Author: "h-3", Count: 1, First: at(tb, "10 10:00"), Last: at(tb, "10 10:00"), Stored: at(tb, "10 10:00"), Releases: []string{"web@2.3.1"},
	}
	export2 := &feedback.Feedback{
		ID: "f6", Source: "acme-support", Kind: feedback.Report, External: "T-3",
		Title: "Export to CSV hangs", Body: "Waited ten minutes for the report of acme-corp, then gave up.",
		Author: "h-4", Count: 1, First: at(tb, "12 16:45"), Last: at(tb, "12 16:45"), Stored: at(tb, "12 16:46"),
	}
	return map[string]Cluster{
		"checkout": {ID: "c7", Cohesion: share(0.814), Members: []Member{
			{Feedback: report, Reason: "reads 81 % like the others on average (needs 62 %)", Similarity: share(0.81), Joined: at(tb, "20 11:01")},
			{Feedback: checkout, Joined: at(tb, "3 08:15")},
			{Feedback: post, Reason: "reads 78 % like the others on average (needs 62 %)", Similarity: share(0.78), Joined: at(tb, "22 19:31")},
			{Feedback: thin, Similarity: share(0.7), Joined: at(tb, "21 09:00")},
		}},
		"export": {ID: "c8", Cohesion: share(0.9), Members: []Member{
			{Feedback: export, Joined: at(tb, "10 10:00")},
			{Feedback: export2, Reason: "reads 90 % like the others on average (needs 62 %)", Similarity: share(0.9), Joined: at(tb, "12 16:46")},
		}},
		"single": {ID: "c9", Members: []Member{{Feedback: checkout, Joined: at(tb, "3 08:15")}}},
	}
}
