package work

import (
	"testing"
	"time"
)

func TestBackoffGrowsToItsLimit(t *testing.T) {
	for _, c := range []struct {
		n    int
		want time.Duration
	}{
		{-7, time.Second}, {0, time.Second}, {1, time.Second}, {2, 2 * time.Second}, {3, 4 * time.Second}, {10, 512 * time.Second},
		{11, 15 * time.Minute}, {40, 15 * time.Minute}, {64, 15 * time.Minute}, {1 << 30, 15 * time.Minute},
	} {
		if got := backoff(c.n, time.Second, 15*time.Minute, 1); got != c.want {
			t.Errorf("backoff %d: at most %v, want %v", c.n, got, c.want)
		}
		if got := backoff(c.n, time.Second, 15*time.Minute, 0); got != 0 {
			t.Errorf("backoff %d: at least %v, want 0: the jitter is full", c.n, got)
		}
	}
}

func TestDueTimesFromWrongClocksAreNotBelieved(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		name          string
		at, notBefore time.Time
		want          time.Time
	}{
		{"nothing said", time.Time{}, time.Time{}, time.Time{}},
		{"the later of the two", now.Add(time.Hour), now.Add(2 * time.Hour), now.Add(2 * time.Hour)},
		{"the later of the two, the other way", now.Add(3 * time.Hour), now.Add(2 * time.Hour), now.Add(3 * time.Hour)},
		{"as far as handlers may ask", now.Add(7 * day), time.Time{}, now.Add(7 * day)},
		{"years away", now.Add(1000 * day), time.Time{}, time.Time{}},
		{"only one is years away", now.Add(1000 * day), now.Add(time.Hour), now.Add(time.Hour)},
	} {
		if got := dueTime(now, due{At: c.at}, run{NotBefore: c.notBefore}); !got.Equal(c.want) {
			t.Errorf("%s: due at %v, want %v", c.name, got, c.want)
		}
	}
	if got := cut(now, now.Add(1000*day)); dueTime(now.Add(-20*time.Hour), due{At: got}, run{}).IsZero() {
		t.Errorf("what is written, %v, is not believed by a clock that is 20 hours behind", got)
	}
}
