package hub

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
)

// absent is a world whose App can go away.
func absent(t *testing.T) (*world, *atomic.Bool) {
	away := new(atomic.Bool)
	w := newWorld(t, func(o *Options) {
		o.Events = []string{"issues"}
		there := o.WebhookURL
		o.WebhookURL = func() string {
			if away.Load() {
				return ""
			}
			return there()
		}
	})
	w.Settle()
	return w, away
}

var nextPage = regexp.MustCompile(`^<([^>]+)>; rel="next"$`)

// listed reads the list of deliveries to its end.
func (w *world) listed(query string) (all []object, pages int) {
	w.t.Helper()
	for next := w.URL + "/app/hook/deliveries?" + query; next != ""; pages++ {
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, next, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.jwt(nil))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			w.t.Fatal(err)
		}
		var page []object
		err = json.NewDecoder(answer.Body).Decode(&page)
		answer.Body.Close()
		if err != nil || answer.StatusCode != 200 {
			w.t.Fatalf("%s: %d %v", next, answer.StatusCode, err)
		}
		all = append(all, page...)
		next = ""
		if m := nextPage.FindStringSubmatch(answer.Header.Get("Link")); m != nil {
			next = m[1]
		}
	}
	return all, pages
}

// What was delivered is listed newest first, page by page, for the App alone.
func TestDeliveriesAreListed(t *testing.T) {
	w, away := absent(t)
	before, _ := w.listed("")
	for range 4 {
		w.As("stranger").Open(web, "Broken", "")
	}
	w.Settle()
	away.Store(true)
	w.As("stranger").Open(web, "Broken", "")
	w.Settle()
	all, pages := w.listed("per_page=2")
	if len(all) != len(before)+5 || pages != (len(all)+1)/2 {
		t.Fatalf("%d deliveries on %d pages, want %d more than %d", len(all), pages, 5, len(before))
	}
	for i, d := range all[1:] {
		if d["id"].(float64) >= all[i]["id"].(float64) {
			t.Errorf("delivery %v comes after %v", d["id"], all[i]["id"])
		}
	}
	lost, taken := all[0], all[1]
	if lost["status_code"] != 502.0 || lost["status"] == "OK" || taken["status_code"] != 202.0 || taken["status"] != "OK" {
		t.Errorf("lost %v, taken %v", lost, taken)
	}
	if lost["event"] != "issues" || lost["action"] != "opened" || lost["installation_id"] != 101.0 || lost["repository_id"] != float64(w.id) ||
		lost["redelivery"] != false || len(lost["guid"].(string)) != 36 {
		t.Errorf("listed %v", lost)
	}
	if at, err := time.Parse(time.RFC3339, lost["delivered_at"].(string)); err != nil || time.Since(at) > time.Minute {
		t.Errorf("delivered at %v", lost["delivered_at"])
	}
	if again, _ := w.listed("redelivery=true"); len(again) != 0 {
		t.Errorf("%d were sent again", len(again))
	}
	for _, path := range []string{"/app/hook/deliveries", "/app/hook/deliveries/1/attempts"} {
		method := "GET"
		if strings.HasSuffix(path, "attempts") {
			method = "POST"
		}
		for _, token := range []string{"", w.mint(nil)} {
			if status, _ := w.ask(token, method, path, nil); status != 401 {
				t.Errorf("%s without the App's JWT: %d", path, status)
			}
		}
	}
	if status, _ := w.ask(w.jwt(nil), "GET", "/app/hook/deliveries?cursor=x", nil); status != 422 {
		t.Errorf("a cursor that is none: %d", status)
	}
}

// The product's own adapter finds what was lost, and has it sent again: under its GUID,
// as a new delivery.
func TestAdapterRedelivers(t *testing.T) {
	w, away := absent(t)
	a, _ := w.adapter()
	ctx := t.Context()
	away.Store(true)
	w.As("stranger").Open(web, "Broken", "")
	w.Settle()
	all, err := a.Deliveries(ctx, time.Now().Add(-time.Hour))
	if err != nil || all[0].Taken() || all[0].Event != "issues" || all[0].Installation != 101 {
		t.Fatalf("listed %+v, %v", all, err)
	}
	lost := all[0]
	away.Store(false)
	if err := a.Redeliver(ctx, lost.ID); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if got := w.next("issues", "opened"); at(got, "issue", "title") != "Broken" {
		t.Errorf("delivered %v", got)
	}
	all, err = a.Deliveries(ctx, time.Now().Add(-time.Hour))
	if err != nil || all[0].GUID != lost.GUID || all[0].ID == lost.ID || !all[0].Again || !all[0].Taken() || all[1] != lost {
		t.Errorf("listed %+v, %v", all[:2], err)
	}
	if err := a.Redeliver(ctx, 1<<40); !errors.Is(err, github.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	w.Age(4 * 24 * time.Hour)
	var invalid *github.ValidationError
	if err := a.Redeliver(ctx, lost.ID); !errors.As(err, &invalid) {
		t.Errorf("one that is too old: %v", err)
	}
	if all, err := a.Deliveries(ctx, time.Now().Add(-time.Hour)); len(all) != 0 || err != nil {
		t.Errorf("of the last hour: %+v, %v", all, err)
	}
	if writes := w.Writes(); len(writes) != 0 {
		t.Errorf("the App wrote %+v", writes)
	}
}
