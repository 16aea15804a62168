package ingest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzDoor sends anything, rightly signed, to every route: it is stored or refused
// with a reason, and never the app's fault.
func FuzzDoor(f *testing.F) {
	for _, seed := range []string{
		`{"title": "x", "external_id": "1", "labels": ["a"], "occurred_at": 1700000000}`, `[{"title": "x"}, 7, null]`, "{\"title\": \"x\"}\nx\n",
		`{"action": "created", "data": {"issue": {"id": "1", "title": "T", "project": {"slug": "api"}}}}`,
		`{"action": "triggered", "data": {"event": {"event_id": "a", "issue_id": "1", "exception": {"values": [{"type": "E"}]}}}}`,
		`{"id": "2", "message": "m", "project_slug": "x", "event": {}}`, `{"kind": "t3", "data": {"name": "t3_a", "title": "[deleted]"}}`,
		`{"kind": "Listing", "data": {"children": [{"kind": "more", "data": {}}]}}`, "", "\x00", `"`, `{"data":`, "\xff\xfe",
	} {
		for route := range byte(6) {
			f.Add(route, seed)
		}
	}
	h := newHouse(f, openBolt(f))
	f.Fuzz(func(t *testing.T, route byte, body string) {
		h.t = t
		var got reply
		switch in := strings.NewReader(body); route % 6 {
		case 0:
			got = h.send("/ingest/feedback/acme-api", in, "X-API-Key", key)
		case 1:
			got = h.send("/ingest/feedback/acme-api", in, "X-API-Key", key, "Content-Type", "application/x-ndjson")
		case 2:
			got = h.send("/ingest/reddit/acme-reddit", in, "X-API-Key", key)
		case 3:
			got = h.sentry("acme-routes", "issue", body)
		case 4:
			got = h.sentry("acme-sentry", "event_alert", body)
		case 5:
			got = h.send("/ingest/sentry/acme-legacy/"+secret, in)
		}
		switch got.Status {
		case http.StatusAccepted:
		case http.StatusBadRequest:
			if got.Problem == "" {
				t.Errorf("refused without a reason: %s", got.Body)
			}
		default:
			t.Errorf("%d %s", got.Status, got.Body)
		}
		if !json.Valid([]byte(got.Body)) || got.Answer.RequestID == "" {
			t.Errorf("answered %q", got.Body)
		}
	})
}
