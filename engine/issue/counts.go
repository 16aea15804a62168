package issue

import "time"

// Counts is what a project's feedback became.
type Counts struct {
	Problems int
	Reports  int // that count, in all of them
	Groups   map[Group]int
	Opened   Trend // problems that were opened, by day (UTC), oldest first, the last is today
}

// Count counts the lines. What is back is counted as such and as open.
func (c *Catalogue) Count(now time.Time) Counts {
	n := Counts{Groups: make(map[Group]int)}
	for _, l := range c.lines {
		n.Problems++
		n.Reports += l.Reports
		g := l.Group()
		n.Groups[g]++
		if g == Back {
			n.Groups[Open]++
		}
		n.Opened.add(0, l.Made, now, 1)
	}
	return n
}

// add counts what was on the day so many days before at.
func (t *Trend) add(before int, at, now time.Time, n int) {
	if at.IsZero() || n == 0 {
		return
	}
	if i := trendDays - 1 - before - int(day(now).Sub(day(at)).Hours()/24); i >= 0 && i < trendDays {
		t[i] += n
	}
}

// Until is the trend of what was last seen at last, up to today: days on which nothing
// is known of come in, and as many go.
func (t Trend) Until(last, now time.Time) (moved Trend) {
	for i, n := range t {
		moved.add(trendDays-1-i, last, now, n)
	}
	return moved
}

// Days returns the counts by day, oldest first.
func (t Trend) Days() []int { return t[:] }
