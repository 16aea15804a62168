package billing

import (
	"testing"
	"time"
)

func TestMonthEnds(t *testing.T) {
	for _, tt := range []struct {
		months, n   int
		first, want string
	}{
		{1, 1, "2025-01-31", "2025-02-28"},
		{1, 1, "2024-01-31", "2024-02-29"},
		{1, 2, "2025-01-31", "2025-03-31"}, // not the 28th: the first day counts
		{1, 3, "2025-01-31", "2025-04-30"},
		{1, 1, "2025-01-30", "2025-02-28"},
		{12, 1, "2024-02-29", "2025-02-28"},
		{12, 4, "2024-02-29", "2028-02-29"},
		{1, 1, "2025-12-31", "2026-01-31"},
		{3, 1, "2025-11-30", "2026-02-28"},
		{1, 13, "2024-01-31", "2025-02-28"},
		{1, 1, "2025-06-15", "2025-07-15"},
	} {
		if got := (Plan{tt.months}).Renewal(day(tt.first), tt.n); !got.Equal(day(tt.want)) {
			t.Errorf("%s + %d × %d months: %s, want %s", tt.first, tt.n, tt.months, got.Format(time.DateOnly), tt.want)
		}
	}
}

func TestTimeOfDayIsKept(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	got := Plan{1}.Renewal(time.Date(2025, time.January, 31, 23, 45, 10, 0, zone), 1)
	if want := time.Date(2025, time.February, 28, 23, 45, 10, 0, zone); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
