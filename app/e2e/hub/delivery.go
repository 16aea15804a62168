package hub

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keptFor is how long a webhook can be sent again.
const keptFor = 3 * 24 * time.Hour

// Age makes the webhooks that were sent so far older, as if time had passed since.
func (h *Hub) Age(by time.Duration) {
	h.mail.mu.Lock()
	defer h.mail.mu.Unlock()
	for i := range h.mail.done {
		h.mail.done[i].At = h.mail.done[i].At.Add(-by)
	}
}

// getDeliveries is GET /app/hook/deliveries: newest first, from the cursor on. One
// that is under way is not among them.
func (c *call) getDeliveries() (any, error) {
	q := c.r.URL.Query()
	size, _ := strconv.Atoi(q.Get("per_page"))
	if size < 1 || size > 100 {
		size = 30
	}
	from := int64(0) // the newest
	if cursor := q.Get("cursor"); cursor != "" {
		var err error
		if from, err = strconv.ParseInt(strings.TrimPrefix(cursor, "v1_"), 10, 64); err != nil {
			return nil, refuse(422, "Invalid cursor")
		}
	}
	all := c.hub.Deliveries("")
	slices.SortFunc(all, func(a, b Delivery) int { return cmp.Compare(b.Number, a.Number) })
	shown := []any{}
	for _, d := range all {
		switch {
		case from > 0 && d.Number > from:
		case q.Get("redelivery") != "" && q.Get("redelivery") != strconv.FormatBool(d.Again):
		case len(shown) == size:
			q.Set("cursor", fmt.Sprintf("v1_%d", d.Number))
			c.header.Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, c.hub.URL, c.r.URL.EscapedPath(), q.Encode()))
			return shown, nil
		default:
			shown = append(shown, d.shown())
		}
	}
	return shown, nil
}

// shown is a delivery as the list has it.
func (d Delivery) shown() object {
	status, code := "OK", d.Status
	switch {
	case code == 0: // nobody was there
		status, code = "failed to connect to host", http.StatusBadGateway
	case code/100 != 2:
		status = "Invalid HTTP Response: " + strconv.Itoa(code)
	}
	about := any(nil)
	if d.repository > 0 {
		about = d.repository
	}
	return object{
		"id": d.Number, "guid": d.ID, "delivered_at": moment(d.At), "redelivery": d.Again, "duration": 0.03,
		"status": status, "status_code": code, "event": d.Event, "action": text(d.Action),
		"installation_id": d.installation, "repository_id": about, "throttled_at": nil,
	}
}

// postAttempt is POST /app/hook/deliveries/{id}/attempts: it is sent again, after the
// answer.
func (c *call) postAttempt() (any, error) {
	for _, d := range c.hub.Deliveries("") {
		if strconv.FormatInt(d.Number, 10) != c.param("id") {
			continue
		}
		if time.Since(d.At) > keptFor {
			return nil, refuse(422, "The delivery is too old")
		}
		c.hub.Redeliver(d)
		return object{}, nil
	}
	return nil, notFound
}
