// Package billing decides when a subscription is charged.
package billing

import "time"

// Plan is how often a subscription is charged.
type Plan struct {
	Months int // between two charges
}

// Renewal returns the day of the n-th charge after the first one, at the time of
// day of the first.
func (p Plan) Renewal(first time.Time, n int) time.Time {
	return first.AddDate(0, n*p.Months, 0)
}

// Schedule returns the days of the first n charges.
func (p Plan) Schedule(first time.Time, n int) []time.Time {
	days := make([]time.Time, 0, n)
	for i := range n {
		days = append(days, p.Renewal(first, i))
	}
	return days
}
