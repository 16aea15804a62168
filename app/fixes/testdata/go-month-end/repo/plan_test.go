package billing

import (
	"testing"
	"time"
)

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestRenewal(t *testing.T) {
	for _, tt := range []struct {
		months, n   int
		first, want string
	}{
		{1, 0, "2025-01-15", "2025-01-15"},
		{1, 1, "2025-01-15", "2025-02-15"},
		{1, 12, "2025-01-15", "2026-01-15"},
		{3, 2, "2025-11-30", "2026-05-30"},
	} {
		if got := (Plan{tt.months}).Renewal(day(tt.first), tt.n); !got.Equal(day(tt.want)) {
			t.Errorf("%s + %d × %d months: %s, want %s", tt.first, tt.n, tt.months, got.Format(time.DateOnly), tt.want)
		}
	}
}
