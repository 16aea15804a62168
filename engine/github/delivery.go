package github

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/project"
)

// Delivery is one try of GitHub's to tell the App of an event. All tries to tell of
// the same event have one GUID.
type Delivery struct {
	ID           int64
	GUID         string // X-GitHub-Delivery
	Event        string
	Action       string // "" if the event has none
	Installation int64  // 0 if it is about none
	At           time.Time
	Again        bool // somebody asked for it, after the first try
	Status       int  // of the answer; 0 if there is none yet, 502 or 504 also if there was none
}

// Taken reports whether the App took it. GitHub goes by the status alone.
func (d Delivery) Taken() bool { return d.Status/100 == 2 }

// deliveryPages bounds a listing of deliveries. After an outage of days the list is
// longer than any other that is read.
const deliveryPages = 50

// Deliveries lists the deliveries since a moment, of all installations, newest first.
// ErrTooMany, beside the newest 5,000, if there are more.
func (a *App) Deliveries(ctx context.Context, since time.Time) ([]Delivery, error) {
	const what = "list deliveries"
	options := &github.ListCursorOptions{PerPage: perPage}
	var all []Delivery
	for range deliveryPages {
		var page []*github.HookDelivery
		var next string
		err := a.ask(ctx, At{}, what, func(c *github.Client) (resp *github.Response, err error) {
			page, resp, err = c.Apps.ListHookDeliveries(ctx, options)
			if resp != nil {
				next = resp.Cursor
			}
			return resp, err
		})
		if err != nil {
			return nil, err
		}
		older := false
		for _, h := range page {
			d := aDelivery(h)
			if older = d.At.Before(since); !older {
				all = append(all, d)
			}
		}
		if older || next == "" {
			return all, nil
		}
		options.Cursor = next
	}
	return all, fmt.Errorf("%s: %w", what, ErrTooMany)
}

func aDelivery(h *github.HookDelivery) Delivery {
	return Delivery{
		ID:           h.GetID(),
		GUID:         h.GetGUID(),
		Event:        h.GetEvent(),
		Action:       h.GetAction(),
		Installation: h.GetInstallationID(),
		At:           h.GetDeliveredAt().Time,
		Again:        h.GetRedelivery(),
		Status:       h.GetStatusCode(),
	}
}

// Redeliver has GitHub try a delivery once more, in the background: what comes of it
// is a new one in the list. GitHub does so for three days. It is unknown whether it
// will if the answer got lost; to ask twice is to be told twice.
func (a *App) Redeliver(ctx context.Context, id int64) error {
	return a.writeOnce(ctx, At{}, write, fmt.Sprintf("redeliver %d", id), func(c *github.Client, _ project.Repo) (*github.Response, error) {
		_, resp, err := c.Apps.RedeliverHookDelivery(ctx, id)
		return resp, err
	})
}
