package web

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/handlers"
)

// What an installation used is on its page and told by the API: how much it is, from four
// fifths of a limit on that it is near, and at it what then happens.
func TestUseAndLimits(t *testing.T) {
	l, _, _ := shop(t)
	w := l.world
	meter := quota.New(quota.Config{
		Projects: w.Projects, Limits: func(int64) quota.Limits { return quota.Limits{Reports: 5, Clusters: 1} },
		Runs: func(context.Context, int64) ([]quota.Use, error) {
			return []quota.Use{quota.Use{Name: "runs_day", Title: "runs today", Used: 4, Limit: 5}.Say("runs of <today> were begun", "")}, nil
		},
		Wake: func(...string) {}, Log: zerolog.Nop(), Now: w.Now,
	})
	door := meter.Door(w.Intake)
	l.pages.cfg.Quotas = meter.Of
	mux := handlers.NewRouter()
	l.pages.Register(mux)
	l.handler = handlers.Observe(zerolog.New(io.Discard), func(string, int, time.Duration) {}, mux)
	src, err := w.Store.Source(t.Context(), "reports")
	if err != nil {
		t.Fatal(err)
	}
	take := func(titles ...string) {
		t.Helper()
		for _, title := range titles {
			if _, err := door.Take(t.Context(), src, w.Report("reports", `{"title": "`+title+`"}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ann, cid := l.signed("ann"), l.signed("cid")
	shown := func() (page string, told map[string]quota.Use) {
		t.Helper()
		page = ann.ask("GET", "/installations/101", nil).Body.String()
		_, block, _ := strings.Cut(page, `<section id="quotas">`)
		block, _, _ = strings.Cut(block, "</section>")
		var answer struct{ Quotas []quota.Use }
		answered(t, ann.ask("GET", "/api/v1/installations/101/quotas", nil), &answer)
		told = make(map[string]quota.Use)
		for _, u := range answer.Quotas {
			told[u.Name] = u
		}
		return block, told
	}

	take("one", "two", "three")
	page, told := shown()
	contains(t, page, "<h2>Use and limits</h2>", "<dt>reports today</dt><dd>3 of 5</dd>", "<dt>clusters</dt><dd>1 of 1</dd>", "1 of 1 clusters are there: feedback that belongs to none of them is kept and waits",
		"<dt>runs today</dt><dd>4 of 5</dd>", "4 of 5 runs of &lt;today&gt; were begun", "without a limit")
	if u := told[quota.Reports]; u.Used != 3 || u.Limit != 5 || u.Message != "" || strings.Contains(page, "3 of 5 reports") {
		t.Errorf("far from the limit: %+v", u)
	}
	if u := told["runs_day"]; u.Message != "4 of 5 runs of <today> were begun" {
		t.Errorf("runs: %+v", u)
	}
	take("four")
	page, told = shown()
	contains(t, page, `<p class="notice bad">4 of 5 reports of today were taken in</p>`)
	if u := told[quota.Reports]; u.Message != "4 of 5 reports of today were taken in" {
		t.Errorf("near the limit: %+v", u)
	}
	take("five")
	page, told = shown()
	contains(t, page, `<p class="notice bad">5 of 5 reports of today were taken in: further ones are refused until midnight UTC`)
	if u := told[quota.Reports]; !strings.HasPrefix(u.Message, "5 of 5 reports of today were taken in: further ones are refused until midnight UTC") {
		t.Errorf("at the limit: %+v", u)
	}

	// It is for who administers the installation.
	if page := cid.ask("GET", "/installations/101", nil).Body.String(); strings.Contains(page, "Use and limits") {
		t.Error("who may read sees what is used")
	}
	if out := cid.ask("GET", "/api/v1/installations/101/quotas", nil); out.Code != http.StatusNotFound && out.Code != http.StatusForbidden {
		t.Errorf("who may read is told: %d", out.Code)
	}
}
