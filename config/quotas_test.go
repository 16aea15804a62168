package config_test

import (
	"testing"

	"github.com/soulcaster/soulcaster/config"
)

func TestQuotas(t *testing.T) {
	c, err := load(t, "installations: [{id: 1, quotas: {clusters: 5}, runs: {per_day: 1}}, {id: 2}]\nquotas: {clusters: 7, dollars_per_month: 3}\n")
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int64]config.Quotas{
		1: {ReportsPerDay: 100_000, Clusters: 5, Megabytes: 5000, Dollars: 3},
		2: {ReportsPerDay: 100_000, Clusters: 7, Megabytes: 5000, Dollars: 3},
		3: {ReportsPerDay: 100_000, Clusters: 7, Megabytes: 5000, Dollars: 3},
	} {
		if got := c.QuotasOf(id); got != want {
			t.Errorf("installation %d: %+v, want %+v", id, got, want)
		}
	}
	if c.RunLimits(1).PerDay != 1 {
		t.Error("what stands beside the quotas was lost")
	}
	for _, bad := range []string{"quotas: {clusters: 0}", "quotas: {reports: 1}", "quotas: 3", "installations: [{id: 1, quotas: {stored_megabytes: much}}]"} {
		if _, err := load(t, bad+"\n"); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
