package work

import "time"

// No time further away than horizon is ever written: what handlers ask for is
// cut to longest, and the day between the two is for clocks that differ. A time
// beyond it was written by a clock that was wrong.
const (
	longest = 7 * 24 * time.Hour
	horizon = longest + 24*time.Hour
)

// dueTime is when an entry with these two times is due, as seen at now; the zero
// time is always due.
func dueTime(now time.Time, d due, r run) time.Time {
	at, notBefore := believable(now, d.At), believable(now, r.NotBefore)
	if notBefore.After(at) {
		return notBefore
	}
	return at
}

// believable returns t, or the zero time if t is further away than anything that
// a right clock writes.
func believable(now, t time.Time) time.Time {
	if t.Sub(now) > horizon {
		return time.Time{}
	}
	return t
}

// cut returns t, brought into what may be written. What is written loses the
// monotonic part of the clock, which means nothing to others.
func cut(now, t time.Time) time.Time {
	if end := now.Add(longest); t.After(end) {
		t = end
	}
	return t.UTC().Round(0)
}

// backoff is how long to wait after the n-th try that came to nothing:
// exponential with full jitter, a random part of least·2^(n-1) that is never
// more than most (the "full jitter" of M. Brooker, "Exponential Backoff And
// Jitter", AWS Architecture Blog, 2015). random is in [0, 1).
func backoff(n int, least, most time.Duration, random float64) time.Duration {
	d := most
	if shift := max(n-1, 0); shift < 32 && least<<shift < most && least<<shift > 0 {
		d = least << shift
	}
	return time.Duration(random * float64(d))
}
