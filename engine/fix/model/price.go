package model

import "time"

// Price is what a million tokens cost, in millionths of a US dollar.
type Price struct{ Input, Cached, Output int64 }

// Of is what tokens cost, in millionths of a US dollar, rounded up.
func (p Price) Of(input, output int64) int64 { return p.cost(tokens{input: input, output: output}) }

// cost is rounded up, so that nothing is for nothing.
func (p Price) cost(t tokens) int64 {
	sum := (t.input-t.cached)*p.Input + t.cached*p.Cached + t.output*p.Output
	return (sum + 999_999) / 1_000_000
}

// listed is a list price from a day on.
type listed struct {
	model string
	from  time.Time
	price Price
}

// list is Google's list prices for text below 200,000 tokens of input, paid tier,
// standard, of models that have one price for all lengths, as they stood at
// ai.google.dev/gemini-api/docs/pricing in October 2026, the later entry of a model
// first. Where the price of cached tokens was not found they count as others, which
// errs on the side that ends a run sooner.
func list() []listed {
	return []listed{
		{"gemini-3.8-flash", time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC), Price{1_500_000, 1_500_000, 7_500_000}},
		{"gemini-3.8-flash", time.Time{}, Price{750_000, 75_000, 3_750_000}},
		{"gemini-3.5-flash", time.Time{}, Price{1_500_000, 150_000, 9_000_000}},
		{"gemini-3.5-flash-lite", time.Time{}, Price{300_000, 300_000, 2_500_000}},
		{"gemini-embedding-001", time.Time{}, Price{150_000, 150_000, 150_000}}, // its output is not billed
		{"gemini-3-flash-preview", time.Time{}, Price{500_000, 50_000, 3_000_000}},
	}
}

// ListPrice returns the list price of a model of Google's, if it is known here. It
// does not hold for other providers' models of the same name.
func ListPrice(model string, at time.Time) (Price, bool) {
	for _, l := range list() {
		if l.model == model && !at.Before(l.from) {
			return l.price, true
		}
	}
	return Price{}, false
}
