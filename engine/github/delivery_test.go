package github

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/work"
)

const deliveries = "GET /app/hook/deliveries"

// The list is read newest first, with its cursor, and only as far as needed.
func TestDeliveries(t *testing.T) {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	entry := func(id int, at time.Duration, status int) map[string]any {
		return map[string]any{"id": id, "guid": fmt.Sprintf("guid-%d", id%10), "delivered_at": start.Add(at), "redelivery": id > 20, "duration": 0.1,
			"status": "whatever", "status_code": status, "event": "issues", "action": nil, "installation_id": 101, "repository_id": nil}
	}
	pages := map[string][]any{
		"":   {entry(31, 3*time.Hour, 200), entry(21, 2*time.Hour, 502)},
		"v1": {entry(12, time.Hour, 0), entry(11, 0, 503), entry(10, -time.Second, 503)},
	}
	var f *fake
	f = newFake(t, map[string]http.HandlerFunc{deliveries: func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page := pages[q.Get("cursor")]
		if page == nil || q.Get("per_page") != "100" {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}
		w.Header().Set("Link", fmt.Sprintf(`<%s/app/hook/deliveries?per_page=100&cursor=v%d>; rel="next"`, f.URL, len(q.Get("cursor"))/2+1))
		answer(w, 200, page)
	}})
	a, _ := f.app(Pace{})
	all, err := a.Deliveries(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	want := []Delivery{
		{ID: 31, GUID: "guid-1", Event: "issues", Installation: 101, At: start.Add(3 * time.Hour), Again: true, Status: 200},
		{ID: 21, GUID: "guid-1", Event: "issues", Installation: 101, At: start.Add(2 * time.Hour), Again: true, Status: 502},
		{ID: 12, GUID: "guid-2", Event: "issues", Installation: 101, At: start.Add(time.Hour)},
		{ID: 11, GUID: "guid-1", Event: "issues", Installation: 101, At: start, Status: 503},
	}
	if !slices.Equal(all, want) {
		t.Errorf("listed %+v, want %+v", all, want)
	}
	if !all[0].Taken() || all[1].Taken() || all[2].Taken() {
		t.Error("what was taken is not told from what was not")
	}
	if n := len(f.seen()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	f.routes[deliveries] = says(200, []any{})
	if all, err := a.Deliveries(t.Context(), start); len(all) != 0 || err != nil {
		t.Errorf("of none: %v, %v", all, err)
	}
}

// A list without end is read up to a bound, and what was read is not thrown away.
func TestDeliveriesAreBounded(t *testing.T) {
	now := time.Now()
	var f *fake
	f = newFake(t, map[string]http.HandlerFunc{deliveries: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<%s/app/hook/deliveries?cursor=v1>; rel="next"`, f.URL))
		answer(w, 200, []any{map[string]any{"id": 1, "guid": "x", "delivered_at": now}})
	}})
	a, _ := f.app(Pace{})
	all, err := a.Deliveries(t.Context(), now.Add(-time.Hour))
	if !errors.Is(err, ErrTooMany) || len(all) != deliveryPages || len(f.seen()) != deliveryPages {
		t.Errorf("%d deliveries in %d calls, %v", len(all), len(f.seen()), err)
	}
}

// A redelivery is asked for once, and GitHub's 202 is a success.
func TestRedeliver(t *testing.T) {
	const route = "POST /app/hook/deliveries/7/attempts"
	for _, tt := range []struct {
		name    string
		do      http.HandlerFunc
		want    error
		later   bool
		unknown bool
	}{
		{"accepted", says(202, map[string]any{}), nil, false, false},
		{"accepted without a word", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, nil, false, false},
		{"gone", says(404, map[string]any{"message": "Not Found"}), ErrNotFound, false, false},
		{"not allowed", says(403, map[string]any{"message": "Resource not accessible"}), ErrForbidden, false, false},
		{"limited", says(403, map[string]any{"message": "slow down"}, "Retry-After", "60"), nil, true, false},
		{"away", says(502, nil), nil, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string]http.HandlerFunc{route: tt.do})
			a, _ := f.app(Pace{})
			err := a.Redeliver(t.Context(), 7)
			var later *work.Later
			if (err == nil) != (tt.want == nil && !tt.later && !tt.unknown) || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if errors.As(err, &later) != tt.later || action.IsUnknown(err) != tt.unknown {
				t.Errorf("%v: want later %v, unknown %v", err, tt.later, tt.unknown)
			}
			if calls := f.seen(); !slices.Equal(calls, []string{route}) {
				t.Errorf("calls %v", calls)
			}
		})
	}
}

// Redeliveries in a row keep GitHub's pace, in place.
func TestRedeliverPaces(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{"POST /app/hook/deliveries/7/attempts": says(202, nil)})
	pace := DefaultPace()
	a, c := f.app(pace)
	began := c.Now()
	for range 10 {
		if err := a.Redeliver(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
	}
	if took := c.Now().Sub(began); took != 7*time.Second {
		t.Errorf("ten took %v, want 7 s: three at once, then one a second", took)
	}
}
