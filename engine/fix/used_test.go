package fix_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
)

// What runs used of an installation's limits is said near the limit, and at it what then
// happens; below that only how much it is.
func TestUsedIsSaid(t *testing.T) {
	w := newWorld(t, "")
	for n := 1; n <= 4; n++ {
		w.line(n, n)
		w.spend(w.of(fmt.Sprintf("c%d", n)).ID, 1_000_000)
		w.done(n)
	}
	for _, c := range []struct {
		limits  fix.Limits
		amounts []string
		says    []string
	}{
		{fix.Limits{}, []string{"4, without a limit", "4, without a limit", "$4.00, without a limit"}, []string{"", "", ""}},
		{fix.Limits{PerDay: 6, PerMonth: 6, Micros: 6_000_000}, []string{"4 of 6", "4 of 6", "$4.00 of $6.00"}, []string{"", "", ""}},
		{fix.Limits{PerDay: 5, PerMonth: 5, Micros: 5_000_000}, []string{"4 of 5", "4 of 5", "$4.00 of $5.00"},
			[]string{"4 of 5 runs of today were begun", "4 of 5 runs of this month were begun", "$4.00 of $5.00 for runs of this month are spent"}},
		{fix.Limits{PerDay: 4, PerMonth: 4, Micros: 4_000_000}, []string{"4 of 4", "4 of 4", "$4.00 of $4.00"}, []string{
			"4 of 4 runs of today were begun: further ones wait until midnight UTC",
			"4 of 4 runs of this month were begun: further ones wait until the next month begins (UTC)",
			"$4.00 of $4.00 for runs of this month are spent: further ones wait until the next month begins (UTC)"}},
	} {
		uses, err := fix.Used(t.Context(), w.app(), enginetest.Installation, c.limits, w.Time)
		if err != nil {
			t.Fatal(err)
		}
		var amounts, says []string
		for _, u := range uses {
			amounts, says = append(amounts, u.Amounts()), append(says, u.Message)
		}
		if !slices.Equal(amounts, c.amounts) || !slices.Equal(says, c.says) {
			t.Errorf("%+v: %q %q, want %q %q", c.limits, amounts, says, c.amounts, c.says)
		}
		if other, err := fix.Used(t.Context(), w.app(), 202, c.limits, w.Time); err != nil || other[0].Used != 0 || other[2].Used != 0 {
			t.Errorf("another installation: %+v, %v", other, err)
		}
	}
}
