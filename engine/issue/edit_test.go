package issue

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/policy"
)

func TestEditDue(t *testing.T) {
	told := at(t, "20 10:00")
	p := Summarise(problems(t)["checkout"], livePolicy(policy.Full))
	p.Events, p.Users, p.Reports, p.People = 60, 12, 6, 4
	for name, c := range map[string]struct {
		change func(p *Problem, r *Record)
		why    string // at once
		later  bool   // or a day after people were told
	}{
		"nothing":         {func(p *Problem, r *Record) {}, "", false},
		"never told":      {func(p *Problem, r *Record) { r.Told = Told{} }, "not written yet", false},
		"new release":     {func(p *Problem, r *Record) { p.Releases = append(p.Releases, "web@3") }, "new release", false},
		"new environment": {func(p *Problem, r *Record) { p.Environments = append(p.Environments, "eu") }, "new environment", false},
		"new source":      {func(p *Problem, r *Record) { p.Sources = append(p.Sources, "forum") }, "new source", false},
		"release gone":    {func(p *Problem, r *Record) { p.Releases = p.Releases[1:] }, "", false},
		"regression":      {func(p *Problem, r *Record) { r.RegressedAt = told.Add(time.Hour) }, "regression", false},
		"told regression": {func(p *Problem, r *Record) { r.RegressedAt = told }, "", false},
		"split":           {func(p *Problem, r *Record) { p.Reports = 5 }, "feedback left it", false},
		"10 reports":      {func(p *Problem, r *Record) { p.Reports = 10 }, "more reports", false},
		"7 reports":       {func(p *Problem, r *Record) { p.Reports = 7 }, "", true},
		"5 people":        {func(p *Problem, r *Record) { p.People = 5 }, "more people", false},
		"20 users":        {func(p *Problem, r *Record) { p.Users = 21 }, "more users", false},
		"19 users":        {func(p *Problem, r *Record) { p.Users = 19 }, "", true},
		"100 events":      {func(p *Problem, r *Record) { p.Events = 100 }, "more events", false},
		"99 events":       {func(p *Problem, r *Record) { p.Events = 99 }, "", true},
		"seen again":      {func(p *Problem, r *Record) { p.Last = p.Last.Add(time.Second) }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			now, rec := p, Record{Told: Tell(p, livePolicy(policy.Full), told)}
			c.change(&now, &rec)
			due, why, again := EditDue(now, rec, told.Add(time.Minute))
			if due != (c.why != "") || why != c.why {
				t.Errorf("due %v: %q, want %q", due, why, c.why)
			}
			if c.later != again.Equal(told.Add(EditInterval)) || !c.later && !again.IsZero() {
				t.Errorf("it is to be looked at again at %v", again)
			}
			due, why, again = EditDue(now, rec, told.Add(EditInterval))
			if c.later && (!due || why != "daily" || !again.IsZero()) {
				t.Errorf("a day later it is due %v, %q, %v", due, why, again)
			}
			if !c.later && due != (c.why != "") {
				t.Errorf("a day later it is due: %v", due)
			}
			rec.Told = Tell(now, livePolicy(policy.Full), told.Add(EditInterval))
			if due, why, again := EditDue(now, rec, told.Add(10*EditInterval)); due || !again.IsZero() {
				t.Errorf("when it was told it is due again: %q, %v", why, again)
			}
		})
	}
}

func TestPasses(t *testing.T) {
	var steps []int
	for n := 1; n <= 1100; n++ {
		if passes(n-1, n) {
			steps = append(steps, n)
		}
	}
	if want := []int{2, 3, 5, 10, 20, 50, 100, 200, 500, 1000}; !reflect.DeepEqual(steps, want) {
		t.Errorf("got %v, want %v", steps, want)
	}
	for _, c := range []struct {
		told, now int
		want      bool
	}{{0, 0, false}, {0, 1, false}, {1, 4, true}, {3, 4, false}, {5, 9, false}, {9, 25, true}, {20, 49, false}, {50, 3, false}, {1, math.MaxInt, true}} {
		if got := passes(c.told, c.now); got != c.want {
			t.Errorf("passes(%d, %d) = %v", c.told, c.now, got)
		}
	}
}

func TestRecordAsJSON(t *testing.T) {
	rec := Record{
		Cluster: "c7", Number: 12, NodeID: "I_1", URL: "https://github.com/acme/web/issues/12", FiledAt: at(t, "1 10:00"),
		SectionHash: "ab", Told: Tell(Summarise(problems(t)["checkout"], livePolicy(policy.Full)), livePolicy(policy.Full), at(t, "2 10:00")),
		State: "closed", StateReason: "completed", ClosedAt: at(t, "3 10:00"), ClosedReleases: []string{"a"}, Muted: true, RegressedAt: at(t, "4 10:00"),
	}
	data, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var back Record
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, rec) {
		t.Errorf("came back as %+v", back)
	}
	if data, _ := json.Marshal(Record{Cluster: "c7"}); string(data) != `{"cluster":"c7"}` && string(data) != `{"cluster":"c7","told":{}}` {
		t.Errorf("an empty record is %s", data)
	}
}
