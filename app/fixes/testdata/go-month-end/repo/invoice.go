package billing

import (
	"fmt"
	"time"
)

// Invoice is one charge.
type Invoice struct {
	Number int
	Due    time.Time
	Cents  int64
}

// Invoices returns the first n invoices of a subscription.
func Invoices(p Plan, first time.Time, n int, cents int64) []Invoice {
	var all []Invoice
	for i, due := range p.Schedule(first, n) {
		all = append(all, Invoice{Number: i + 1, Due: due, Cents: cents})
	}
	return all
}

// String is the line that customers see.
func (i Invoice) String() string {
	return fmt.Sprintf("#%d, due %s: %d.%02d", i.Number, i.Due.Format(time.DateOnly), i.Cents/100, i.Cents%100)
}
