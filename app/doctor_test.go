package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
)

// list is GitHub's list of deliveries, newest first.
type list struct {
	all []github.Delivery
	err error
}

func (l list) Deliveries(context.Context, time.Time) ([]github.Delivery, error) { return l.all, l.err }
func (l list) Redeliver(context.Context, int64) error                           { return errors.New("nobody asked for it") }

func TestDoctorCountsDeliveries(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	taken := github.Delivery{ID: 1, GUID: "a", At: at, Status: 200}
	again := github.Delivery{ID: 4, GUID: "b", At: at.Add(3 * time.Minute), Again: true, Status: 202}
	missed := github.Delivery{ID: 2, GUID: "b", At: at, Status: 502}
	refused := github.Delivery{ID: 3, GUID: "c", At: at.Add(time.Minute), Status: 400}
	var none []github.Delivery
	for i := range manyLost {
		none = append(none, github.Delivery{ID: int64(10 + i), GUID: string(rune('k' + i)), At: at, Status: 502})
	}
	for name, tt := range map[string]struct {
		list
		fails bool
		says  string
	}{
		"none":                {list{}, false, "nothing in the last day"},
		"all taken":           {list{all: []github.Delivery{taken}}, false, "all of the last day were taken"},
		"taken at last":       {list{all: []github.Delivery{again, missed, taken}}, false, "all of the last day were taken"},
		"not taken":           {list{all: []github.Delivery{refused, missed, taken}}, false, "2 of the last day were not taken, the latest 2026-03-02T09:01:00Z with status 400"},
		"none taken":          {list{all: none}, true, "nothing that GitHub sent in the last day was taken"},
		"a few, none taken":   {list{all: none[1:]}, false, "4 of the last day were not taken"},
		"more than are read":  {list{[]github.Delivery{missed}, github.ErrTooMany}, false, "1 of the last day"},
		"a server without it": {list{nil, github.ErrNotFound}, false, "does not show them"},
		"away":                {list{nil, errors.New("away")}, true, "away"},
	} {
		f := checkDeliveries(t.Context(), tt.list, at.Add(time.Hour))
		said := f.note
		if f.err != nil {
			said = f.err.Error()
		}
		if (f.err != nil) != tt.fails || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %+v, want %q", name, f, tt.says)
		}
	}
}
