package issue

import (
	"strings"
	"time"
)

// trendDays is how far a trend looks back from the last day that something was
// seen.
const trendDays = 14

// Trend is how often a problem was seen on each of the 14 days (UTC) up to the
// last that it was seen on, oldest first. Sources say when each feedback was
// first and last seen, and not when in between: a day counts a feedback once if
// it is known to have been seen on it, so a trend is a lower bound.
//
// It ends where the feedback ends, not today: an issue on which nothing happens
// stays as it is.
type Trend [trendDays]int

func trend(members []Member, last time.Time) Trend {
	var t Trend
	if last.IsZero() {
		return t
	}
	end := day(last)
	for _, m := range members {
		seen := map[int]bool{}
		for _, at := range []time.Time{m.Feedback.First, m.Feedback.Last} {
			if i := trendDays - 1 - int(end.Sub(day(at)).Hours()/24); i >= 0 && i < trendDays && !seen[i] {
				seen[i] = true
				t[i]++
			}
		}
	}
	return t
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Weeks returns how much was seen in the last seven of the days, and in the
// seven before.
func (t Trend) Weeks() (last, before int) {
	for i, n := range t {
		if i < trendDays/2 {
			before += n
		} else {
			last += n
		}
	}
	return last, before
}

// String draws the days as bars.
func (t Trend) String() string {
	most := 0
	for _, n := range t {
		most = max(most, n)
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, n := range t {
		i := 0
		if n > 0 {
			i = 1 + (n*(len(bars)-1)-1)/most
		}
		b.WriteRune(bars[min(i, len(bars)-1)])
	}
	return b.String()
}
