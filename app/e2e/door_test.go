//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestDoor: what is sent wrongly is refused with the status and the words that
// surface.md promises, and what is sent well comes in.
func TestDoor(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		for _, tt := range doorCases() {
			t.Run(tt.name, func(t *testing.T) { tt.check(t, w) })
		}
		t.Run("elements answered one by one", func(t *testing.T) { oneByOne(t, w) })
		t.Run("request ids", func(t *testing.T) { requestIDs(t, w) })
		t.Run("too many at once", func(t *testing.T) { tooMany(t, w) })
		if strings.Contains(w.written(), `"status":500`) {
			t.Error("something was answered 500")
		}
	})
}

// doorCase is a request and its answer.
type doorCase struct {
	name   string
	method string // POST if empty
	path   string
	header map[string]string
	body   []byte
	want   int
	says   string // is part of the answer
}

func (tt doorCase) check(t *testing.T, w *world) {
	method := tt.method
	if method == "" {
		method = http.MethodPost
	}
	r, err := w.send(method, tt.path, tt.header, tt.body)
	if err != nil {
		t.Fatal(err)
	}
	if r.status != tt.want || !strings.Contains(r.body, tt.says) {
		t.Errorf("%d %s, want %d and %q", r.status, tail(r.body, 500), tt.want, tt.says)
	}
	id := r.header.Get("X-Request-ID")
	if r.status >= 400 {
		form := regexp.MustCompile(`"error":"[^"]`)
		if !form.MatchString(r.body) || !strings.Contains(r.body, `"request_id":"`+id+`"`) || id == "" {
			t.Errorf("the error has not its form, with request id %q: %s", id, tail(r.body, 500))
		}
	}
	if r.status == http.StatusMethodNotAllowed && r.header.Get("Allow") != http.MethodPost {
		t.Errorf("Allow: %q", r.header.Get("Allow"))
	}
}

func doorCases() []doorCase {
	const feed, hook, posts = "/ingest/feedback/acme-api", "/ingest/sentry/acme-sentry", "/ingest/reddit/acme-reddit"
	event := encode(failure{group: "1", project: "frontend", kind: "E", message: "m", module: "a", calls: []string{"f"}}.alert(eventID(1), nil))
	with := func(pairs ...string) map[string]string {
		h := map[string]string{"Content-Type": "application/json"}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	keyed := func(pairs ...string) map[string]string {
		return with(append([]string{"X-API-Key", key("acme-api")}, pairs...)...)
	}
	signed := func(secret string, body []byte, pairs ...string) map[string]string {
		return with(append([]string{"Sentry-Hook-Resource", "event_alert", "Sentry-Hook-Signature", signature(secret, body)}, pairs...)...)
	}
	good := encode(report("door-1", "a", "The search finds nothing", "It used to find things."))
	large := func(n int) []byte { return encode(object{"title": "t", "body": strings.Repeat("a", n)}) }
	delivery := func(event, secret string, body []byte, pairs ...string) map[string]string {
		return with(append([]string{"X-GitHub-Event", event, "X-GitHub-Delivery", guid(), "X-Hub-Signature-256", "sha256=" + signature(secret, body)}, pairs...)...)
	}
	ping := []byte(`{"zen":"Half measures are as bad as nothing at all.","hook_id":1}`)

	return []doorCase{
		{name: "report", path: feed, header: keyed(), body: good, want: 202, says: `"status":"accepted"`},
		{name: "report again", path: feed, header: keyed(), body: good, want: 202, says: `"status":"duplicate"`},
		{name: "report at its other address", path: "/ingest/manual/acme-api", header: keyed(), body: good, want: 202, says: `"status":"duplicate"`},
		{name: "key as a bearer", path: feed, header: with("Authorization", "Bearer "+key("acme-api")), body: good, want: 202},
		{name: "older key while rotating", path: feed, header: with("X-API-Key", "old-key-acme-api"), body: good, want: 202},
		{name: "no content type", path: feed, header: map[string]string{"X-API-Key": key("acme-api")}, body: good, want: 202},
		{name: "gzip", path: feed, header: keyed("Content-Encoding", "gzip"), body: zip(good), want: 202},
		{name: "lines", path: feed, header: keyed("Content-Type", "application/x-ndjson"), body: append(append(good, '\n'), good...), want: 202, says: `"duplicates":2`},
		{name: "signed event", path: hook, header: signed(key("acme-sentry"), event), body: event, want: 202, says: `"accepted":1`},
		{name: "other resource", path: hook, header: signed(key("acme-sentry"), []byte(`{"action":"created","data":{}}`), "Sentry-Hook-Resource", "metric_alert"),
			body: []byte(`{"action":"created","data":{}}`), want: 202, says: `"accepted":0`},

		{name: "no such source", path: "/ingest/feedback/nobody", header: keyed(), body: good, want: 404, says: "no such source"},
		{name: "source of another kind", path: "/ingest/feedback/acme-sentry", header: with("X-API-Key", key("acme-sentry")), body: good, want: 404, says: "no such source"},
		{name: "no such address", path: "/ingest/nothing/acme-api", header: keyed(), body: good, want: 404},
		{name: "no such page", method: "GET", path: "/nothing", want: 404},
		{name: "reading a door", method: "GET", path: feed, want: 405},
		{name: "putting at a door", method: "PUT", path: hook, body: good, want: 405},

		{name: "no key", path: feed, header: with(), body: good, want: 401, says: "X-API-Key"},
		{name: "wrong key", path: feed, header: with("X-API-Key", "wrong"), body: good, want: 401},
		{name: "another source's key", path: feed, header: with("X-API-Key", key("acme-reddit")), body: good, want: 401},
		{name: "another tenant's key", path: feed, header: with("Authorization", "Bearer "+key("globex-api")), body: good, want: 401},
		{name: "Reddit without key", path: posts, header: with(), body: good, want: 401},
		{name: "no signature", path: hook, header: with("Sentry-Hook-Resource", "event_alert"), body: event, want: 401, says: "Sentry-Hook-Signature"},
		{name: "wrong signature", path: hook, header: signed("wrong", event), body: event, want: 401},
		{name: "another tenant's signature", path: hook, header: signed(key("globex-sentry"), event), body: event, want: 401},
		{name: "signature of another body", path: hook, header: signed(key("acme-sentry"), event), body: append(event, ' '), want: 401},
		{name: "legacy with a wrong secret", path: "/ingest/sentry/acme-legacy/wrong", header: with(), body: event, want: 401},
		{name: "legacy where it is not allowed", path: "/ingest/sentry/acme-sentry/" + key("acme-sentry"), header: with(), body: event, want: 404},

		{name: "no resource", path: hook, header: signed(key("acme-sentry"), event, "Sentry-Hook-Resource", ""), body: event, want: 400, says: "Sentry-Hook-Resource"},
		{name: "no JSON", path: feed, header: keyed(), body: []byte(`{"title": "x`), want: 400},
		{name: "nothing", path: feed, header: keyed(), want: 400, says: "empty"},
		{name: "no elements", path: feed, header: keyed(), body: []byte(`[]`), want: 400},
		{name: "no object", path: feed, header: keyed(), body: []byte(`"a"`), want: 400},
		{name: "wrong type", path: feed, header: keyed(), body: []byte(`{"title": 5}`), want: 400, says: "title: want a string"},
		{name: "wrong time", path: feed, header: keyed(), body: []byte(`{"title": "a", "occurred_at": "yesterday"}`), want: 400, says: "occurred_at: want RFC 3339"},
		{name: "broken gzip", path: feed, header: keyed("Content-Encoding", "gzip"), body: good, want: 400, says: "gzip"},
		{name: "signed, no JSON", path: hook, header: signed(key("acme-sentry"), []byte(`{`)), body: []byte(`{`), want: 400},
		{name: "event of no issue", path: hook, header: signed(key("acme-sentry"), []byte(`{"action":"triggered","data":{"event":{}}}`)),
			body: []byte(`{"action":"triggered","data":{"event":{}}}`), want: 400, says: "data.event.issue_id"},
		{name: "Reddit, no JSON", path: posts, header: with("X-API-Key", key("acme-reddit")), body: []byte(`<html>`), want: 400},

		{name: "report too large", path: feed, header: keyed(), body: large(10 << 20), want: 413},
		{name: "report too large when unpacked", path: feed, header: keyed("Content-Encoding", "gzip"), body: zip(large(10 << 20)), want: 413},
		{name: "webhook too large", path: hook, header: signed(key("acme-sentry"), large(1<<20)), body: large(1 << 20), want: 413},
		{name: "wrong type of content", path: feed, header: keyed("Content-Type", "text/plain"), body: good, want: 415, says: "application/json"},
		{name: "wrong encoding", path: feed, header: keyed("Content-Encoding", "br"), body: good, want: 415, says: "gzip"},
		{name: "form at Sentry's door", path: hook, header: signed(key("acme-sentry"), event, "Content-Type", "application/x-www-form-urlencoded"), body: event, want: 415},

		{name: "GitHub's ping", path: "/api/github/hook", header: delivery("ping", webhookSecret, ping), body: ping, want: 200},
		{name: "GitHub with the next secret", path: "/api/github/hook", header: delivery("ping", "next-"+webhookSecret, ping), body: ping, want: 200},
		{name: "event that is not handled", path: "/api/github/hook", header: delivery("fork", webhookSecret, ping), body: ping, want: 202},
		{name: "GitHub's signature is wrong", path: "/api/github/hook", header: delivery("ping", "wrong", ping), body: ping, want: 400},
		{name: "GitHub's signature is missing", path: "/api/github/hook", header: delivery("ping", "", ping, "X-Hub-Signature-256", ""), body: ping, want: 400},
		{name: "GitHub's old signature alone", path: "/api/github/hook", header: delivery("ping", "", ping, "X-Hub-Signature-256", "", "X-Hub-Signature", "sha1=00"), body: ping, want: 400},
		{name: "reading GitHub's door", method: "GET", path: "/api/github/hook", want: 405},
	}
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// oneByOne: one element that cannot be read keeps no other out.
func oneByOne(t *testing.T, w *world) {
	var body []any
	for i := range 1200 {
		body = append(body, object{"external_id": fmt.Sprint("many-", i), "title": "The search finds nothing at all"})
	}
	body[3] = object{"body": 17}
	a, err := w.tryReport("globex-api", body)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != 202 || a.Accepted != 1199 || a.Rejected != 1 || len(a.Items) != 1000 {
		t.Fatalf("%d, %d accepted, %d rejected, %d items; want 202, 1199, 1, 1000", a.status, a.Accepted, a.Rejected, len(a.Items))
	}
	for i, item := range a.Items {
		if item.Index != i {
			t.Fatalf("item %d has the index %d", i, item.Index)
		}
		if bad := i == 3; bad != (item.Status == "rejected") || bad != (item.Error != nil) || bad != (item.ID == "") {
			t.Fatalf("item %d: %+v", i, item)
		}
	}
	if a.Items[3].Error.Field != "body" {
		t.Errorf("item 3: %+v", a.Items[3].Error)
	}
	again, err := w.tryReport("globex-api", body[:3])
	if err != nil || again.Duplicates != 3 || again.Items[2].ID != a.Items[2].ID {
		t.Errorf("again: %+v, %v; want the first one's ids", again.Items, err)
	}
}

// requestIDs: an id of the right form is taken over, another one is made.
func requestIDs(t *testing.T, w *world) {
	for sent, kept := range map[string]bool{
		"abc.DEF_123-4": true, strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false, "with space": false, "<script>": false, "": false,
	} {
		r, err := w.send("POST", "/ingest/feedback/acme-api", map[string]string{"X-Request-ID": sent}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := r.header.Get("X-Request-ID")
		if (got == sent) != kept || got == "" || !strings.Contains(r.body, got) {
			t.Errorf("sent %q, got %q in the header and %s", sent, got, r.body)
		}
		eventually(t, "the id is in the log", func() error {
			if !strings.Contains(w.written(), `"request_id":"`+got+`"`) {
				return fmt.Errorf("no %q", got)
			}
			return nil
		})
	}
}

// tooMany: who finds all places taken is told to come again.
func tooMany(t *testing.T, w *world) {
	address := strings.TrimPrefix(w.address(), "http://")
	hold := func() { // takes a place, if there is one, and sends no body
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST /ingest/feedback/acme-api HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 10\r\n\r\n{", key("acme-api"))
	}
	for range 16 {
		hold()
	}
	var r answer
	eventually(t, "all places are taken", func() (err error) {
		r, err = w.tryReport("acme-api", report("door-1", "a", "The search finds nothing", ""))
		if err == nil && r.status != http.StatusTooManyRequests {
			hold() // we may have been in the way of another
			err = fmt.Errorf("%d %s", r.status, r.body)
		}
		return err
	})
	if r.header.Get("Retry-After") == "" || r.Error == "" || r.RequestID == "" {
		t.Errorf("%v %s", r.header, r.body)
	}
	if r, err := w.send("GET", "/healthz", nil, nil); err != nil || r.status != 200 {
		t.Errorf("meanwhile /healthz: %d, %v", r.status, err)
	}
}
