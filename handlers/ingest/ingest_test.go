package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/traffic"
)

func TestReportAnswers(t *testing.T) {
	h := newHouse(t, openBolt(t))
	one := `{"title": "Export fails", "external_id": "t-1", "author": "mona"}`
	for _, c := range []struct {
		name, body, media string
		status            int
		accepted          int
		duplicates        int
		rejected          int
		items             string // the statuses
		problem           string
	}{
		{"an object", one, "application/json", 202, 1, 0, 0, "accepted", ""},
		{"the same again", one, "application/json; charset=utf-8", 202, 0, 1, 0, "duplicate", ""},
		{"no content type", one, "", 202, 0, 1, 0, "duplicate", ""},
		{"an array with a bad element, and one twice",
			`[{"title": "a", "external_id": "a"}, {"external_id": "b"}, {"title": "a", "external_id": "a"}, 7]`, "application/json",
			202, 1, 1, 2, "accepted rejected duplicate rejected", ""},
		{"lines, some of them bad", "{\"title\": \"l1\"}\n\nnonsense\n{\"title\": \"l3\"}\n[]\n", "application/x-ndjson",
			202, 2, 0, 2, "accepted rejected accepted rejected", ""},
		{"nothing readable in an array", `[{"body": ""}, {"title": 7}]`, "application/json",
			400, 0, 0, 2, "rejected rejected", "nothing of it could be read: element 0: title: a title or a body is needed"},
		{"one unreadable object", `{"title": "x", "url": "ftp://x"}`, "application/json",
			400, 0, 0, 1, "rejected", "nothing of it could be read: url: want an http or https URL"},
		{"no JSON", "{\n  \"title\": oops}", "application/json",
			400, 0, 0, 0, "", "nothing of it could be read: line 2, column 12: not JSON: invalid character 'o' looking for beginning of value"},
		{"nothing", "", "application/json", 400, 0, 0, 0, "", "nothing of it could be read: the body is empty"},
		{"an empty array", "[]", "application/json", 400, 0, 0, 0, "", "nothing of it could be read: there are no elements in it"},
		{"a form", "title=x", "application/x-www-form-urlencoded", 415, 0, 0, 0, "",
			`content type "application/x-www-form-urlencoded": send application/json or application/x-ndjson`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t = t
			got := h.report(c.body, "Content-Type", c.media)
			a := got.Answer
			var statuses []string
			for i, it := range a.Items {
				statuses = append(statuses, string(it.Status))
				if it.Index != i || (it.Status == "rejected") != (it.Error != nil) || (it.Status == "rejected") != (it.ID == nil) {
					t.Errorf("item %d: %+v", i, it)
				}
			}
			if got.Status != c.status || a.Accepted != c.accepted || a.Duplicates != c.duplicates || a.Rejected != c.rejected ||
				strings.Join(statuses, " ") != c.items || got.Problem != c.problem {
				t.Errorf("%d %s", got.Status, got.Body)
			}
			if a.RequestID == "" || a.RequestID != got.Header.Get("X-Request-ID") {
				t.Errorf("request id %q, header %q", a.RequestID, got.Header.Get("X-Request-ID"))
			}
			if ct := got.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
				t.Errorf("content type %q", ct)
			}
		})
	}
	h.t = t
	if n := h.stored(acme); n != 4 {
		t.Errorf("%d stored, want 4", n)
	}
}

// A sender is told the first one's id, and where it is.
func TestDuplicateHasTheFirstID(t *testing.T) {
	h := newHouse(t, openBolt(t))
	first := h.report(`{"title": "Export fails", "external_id": "t-1"}`).Answer.Items[0]
	again := h.report(`{"title": "Export still fails", "external_id": "t-1"}`).Answer.Items[0]
	if *first.ID != *again.ID || again.Status != "duplicate" || *first.State == "" || *again.State == "" {
		t.Errorf("first %+v, again %+v", first, again)
	}
}

func TestItemsAreCut(t *testing.T) {
	h := newHouse(t, openBolt(t))
	var lines strings.Builder
	for i := range 1234 {
		fmt.Fprintf(&lines, "{\"title\": \"report %d\"}\n", i)
	}
	got := h.report(lines.String(), "Content-Type", "application/x-ndjson")
	if got.Status != 202 || got.Answer.Accepted != 1234 || len(got.Answer.Items) != maxItems || got.Answer.Items[999].Index != 999 {
		t.Errorf("%d, %d accepted, %d items", got.Status, got.Answer.Accepted, len(got.Answer.Items))
	}
	if n := h.stored(acme); n != 1234 {
		t.Errorf("%d stored", n)
	}
}

func TestWhoMaySend(t *testing.T) {
	h := newHouse(t, openBolt(t))
	hook := `{"action": "created", "data": {"issue": {"id": "1", "title": "T"}}}`
	legacy := `{"id": "2", "message": "m", "project_slug": "x"}`
	report := `{"title": "x"}`
	sentry := func(signature string) []string {
		return []string{"Sentry-Hook-Resource", "issue", "Sentry-Hook-Signature", signature}
	}
	for _, c := range []struct {
		name, path, body string
		headers          []string
		status           int
	}{
		{"the new secret", "/ingest/sentry/acme-sentry", hook, sentry(sign(secret, hook)), 202},
		{"the old secret, while rotating", "/ingest/sentry/acme-sentry", hook, sentry(sign(oldSecret, hook)), 202},
		{"no signature", "/ingest/sentry/acme-sentry", hook, sentry(""), 401},
		{"a signature of another body", "/ingest/sentry/acme-sentry", hook + " ", sentry(sign(secret, hook)), 401},
		{"a signature that is no hex", "/ingest/sentry/acme-sentry", hook, sentry("zz"), 401},
		{"half a signature", "/ingest/sentry/acme-sentry", hook, sentry(sign(secret, hook)[:32]), 401},
		{"another tenant's secret", "/ingest/sentry/globex-sentry", hook, sentry(sign(secret, hook)), 401},
		{"an empty secret", "/ingest/sentry/acme-sentry", hook, sentry(sign("", hook)), 401},
		{"no such source", "/ingest/sentry/nobody", hook, sentry(sign(secret, hook)), 404},
		{"a source of another kind", "/ingest/sentry/acme-api", hook, sentry(sign(secret, hook)), 404},

		{"legacy where allowed", "/ingest/sentry/acme-legacy/" + secret, legacy, nil, 202},
		{"legacy with a wrong secret", "/ingest/sentry/acme-legacy/wrong", legacy, nil, 401},
		{"legacy where it is not allowed", "/ingest/sentry/acme-sentry/" + secret, legacy, nil, 404},
		{"legacy unsigned, without the secret", "/ingest/sentry/acme-legacy", legacy, sentry(""), 401},

		{"a key as bearer", "/ingest/feedback/acme-api", report, []string{"Authorization", "Bearer " + key}, 202},
		{"a key as bearer, in small letters", "/ingest/feedback/acme-api", report, []string{"Authorization", "bearer " + key}, 202},
		{"a key as X-API-Key", "/ingest/manual/acme-api", report, []string{"X-API-Key", key}, 202},
		{"a key beside somebody's Basic", "/ingest/feedback/acme-api", report, []string{"Authorization", "Basic eDp5", "X-API-Key", key}, 202},
		{"no key", "/ingest/feedback/acme-api", report, nil, 401},
		{"an empty bearer", "/ingest/feedback/acme-api", report, []string{"Authorization", "Bearer "}, 401},
		{"another tenant's key", "/ingest/feedback/acme-api", report, []string{"X-API-Key", otherKey}, 401},
		{"a key of a Reddit source at the API", "/ingest/feedback/acme-reddit", report, []string{"X-API-Key", key}, 404},
		{"a key at a Sentry source", "/ingest/feedback/acme-sentry", report, []string{"X-API-Key", secret}, 404},
		{"a source whose installation is gone", "/ingest/feedback/nobody-api", report, []string{"X-API-Key", key}, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.send(c.path, strings.NewReader(c.body), c.headers...)
			if got.Status != c.status {
				t.Errorf("%d %s", got.Status, got.Body)
			}
			if c.status != 202 && (got.Problem == "" || got.Answer.RequestID == "") {
				t.Errorf("the error is no error: %s", got.Body)
			}
		})
	}
	// Whatever was sent, and wherever: no secret is in the log.
	for _, s := range []string{secret, oldSecret, key, otherKey, "wrong", "nobody\""} {
		if strings.Contains(h.logged(), s) {
			t.Errorf("the log holds %q", s)
		}
	}
}

func TestSentryHeaders(t *testing.T) {
	h := newHouse(t, openBolt(t))
	body := `{"action": "created", "data": {"issue": {"id": "1", "title": "T"}}}`
	got := h.send("/ingest/sentry/acme-sentry", strings.NewReader(body), "Sentry-Hook-Signature", sign(secret, body))
	if got.Status != 400 || got.Problem != "the header Sentry-Hook-Resource is missing" {
		t.Errorf("without a resource: %d %s", got.Status, got.Body)
	}
	got = h.send("/ingest/sentry/acme-sentry", strings.NewReader(body), "Content-Type", "text/plain", "Sentry-Hook-Signature", sign(secret, body))
	if got.Status != 415 {
		t.Errorf("as text: %d %s", got.Status, got.Body)
	}
	// What carries no feedback is accepted without effect.
	for _, resource := range []string{"installation", "metric_alert", "comment", "seer", "not-invented-yet"} {
		if got := h.sentry("acme-sentry", resource, `{"action": "created", "data": {}}`); got.Status != 202 || len(got.Answer.Items) != 0 {
			t.Errorf("%s: %d %s", resource, got.Status, got.Body)
		}
	}
	for _, body := range []string{"", "[]", "{", `{"action": "created", "data": {"issue": {}}}`, `{"action": "created", "data": null}`} {
		if got := h.sentry("acme-sentry", "issue", body); got.Status != 400 || got.Problem == "" {
			t.Errorf("%q: %d %s", body, got.Status, got.Body)
		}
	}
}

// A group is one feedback, whichever resource brings it.
func TestSentryGroupIsOneFeedback(t *testing.T) {
	h := newHouse(t, openBolt(t))
	event := func(id string) string {
		return `{"action": "triggered", "data": {"event": {"event_id": "` + id + `", "issue_id": "77", "title": "E: m",
			"exception": {"values": [{"type": "E", "value": "m", "stacktrace": {"frames": [{"function": "f", "filename": "f.go", "in_app": true}]}}]}}}}`
	}
	first := h.sentry("acme-sentry", "issue", `{"action": "created", "data": {"issue": {"id": "77", "title": "E: m", "count": "1"}}}`)
	second := h.sentry("acme-sentry", "event_alert", event("aa"))
	third := h.sentry("acme-sentry", "event_alert", event("aa"))
	fourth := h.sentry("acme-sentry", "issue", `{"action": "resolved", "data": {"issue": {"id": "77"}}}`)
	for i, got := range []reply{first, second, third, fourth} {
		want := "duplicate"
		if i == 0 {
			want = "accepted"
		}
		if got.Status != 202 || len(got.Answer.Items) != 1 || string(got.Answer.Items[0].Status) != want || *got.Answer.Items[0].ID != *first.Answer.Items[0].ID {
			t.Errorf("delivery %d: %d %s", i, got.Status, got.Body)
		}
	}
	if n := h.stored(acme); n != 1 {
		t.Errorf("%d stored, want 1", n)
	}
}

func TestHeldIsSaid(t *testing.T) {
	h := newHouse(t, openBolt(t))
	body := `{"action": "triggered", "data": {"event": {"event_id": "aa", "issue_id": "77", "title": "E: m", "project_slug": "frontend"}}}`
	for _, want := range []string{"accepted", "duplicate"} {
		got := h.sentry("acme-routes", "event_alert", body)
		it := got.Answer.Items[0]
		if got.Status != 202 || string(it.Status) != want || *it.State != `held: no route of its source names the Sentry project "frontend"` {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	if n := h.stored(acme); n != 0 {
		t.Errorf("%d in projects", n)
	}
}

// Two tenants whose repositories and external ids are the same never meet.
func TestTenantsNeverMeet(t *testing.T) {
	h := newHouse(t, openBolt(t))
	body := `{"title": "Only at %s", "external_id": "same", "author": "mona"}`
	ours := h.report(fmt.Sprintf(body, "acme"))
	theirs := h.send("/ingest/feedback/globex-api", strings.NewReader(fmt.Sprintf(body, "globex")), "X-API-Key", otherKey)
	if ours.Answer.Accepted != 1 || theirs.Answer.Accepted != 1 || *ours.Answer.Items[0].ID == *theirs.Answer.Items[0].ID {
		t.Errorf("ours %s, theirs %s", ours.Body, theirs.Body)
	}
	var authors []string
	for space, entries := range h.everything() {
		for key, value := range entries {
			if strings.Contains(space, "/101") && strings.Contains(value, "globex") || strings.Contains(space, "/202") && strings.Contains(value, "Only at acme") {
				t.Errorf("%s of %s holds %s", key, space, value)
			}
			if strings.HasPrefix(key, "fb/") {
				var f struct{ Author string }
				if err := json.Unmarshal([]byte(value), &f); err != nil {
					t.Fatal(err)
				}
				authors = append(authors, f.Author)
			}
		}
	}
	if len(authors) != 2 || authors[0] == "" || authors[0] == authors[1] {
		t.Errorf("the same author has the hashes %q", authors)
	}
}

// What is personal or secret never reaches the store, nor the log.
func TestRedactedBeforeItIsStored(t *testing.T) {
	h := newHouse(t, openBolt(t))
	canaries := []string{
		"canary@example.com", "+49 151 23456789", "4111 1111 1111 1111", "203.0.113.77",
		"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "AKIAIOSFODNN7EXAMPLE", "hunter2canary",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeS1jYW5hcnk",
	}
	text := strings.Join(canaries[:6], " and ") + " and postgres://admin:hunter2canary@db.example.com/x and Authorization: Bearer " + canaries[7]
	quoted, _ := json.Marshal(text)
	q := string(quoted)
	h.report(`{"title": ` + q + `, "body": ` + q + `, "author": "canary@example.com", "external_id": "canary@example.com", "labels": [` + q + `],
		"url": "https://canary:hunter2canary@example.com/?token=ghp_abcdefghijklmnopqrstuvwxyz0123456789", "release": ` + q + `, "environment": ` + q + `}`)
	h.sentry("acme-sentry", "event_alert", `{"action": "triggered", "data": {"event": {"event_id": "aa", "issue_id": "77", "title": `+q+`, "message": `+q+`,
		"culprit": `+q+`, "user": {"email": "canary@example.com", "ip_address": "203.0.113.77"}, "request": {"cookies": `+q+`},
		"exception": {"values": [{"type": "E", "value": `+q+`, "stacktrace": {"frames": [{"function": `+q+`, "filename": `+q+`, "vars": {"a": `+q+`}}]}}]}}}}`)
	h.sentry("acme-routes", "event_alert", `{"action": "triggered", "data": {"event": {"event_id": "aa", "issue_id": "78", "title": `+q+`, "project_slug": "unrouted"}}}`)
	h.send("/ingest/reddit/acme-reddit", strings.NewReader(`{"kind": "t3", "data": {"name": "t3_abc", "title": `+q+`, "selftext": `+q+`, "author": "canary@example.com"}}`), "X-API-Key", key)
	if n := h.stored(acme); n != 3 {
		t.Fatalf("%d stored, want 3:\n%s", n, h.logged())
	}
	texts := map[string]string{"the log": h.logged()}
	for space, entries := range h.everything() {
		for key, value := range entries {
			texts[key+" of "+space] = key + value
		}
	}
	for where, text := range texts {
		for _, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds %q:\n%s", where, canary, text)
			}
		}
	}
}

func TestBodies(t *testing.T) {
	h := newHouse(t, openBolt(t))
	zipped := func(size int) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		fmt.Fprintf(z, `{"title": "x", "body": "%s"}`, strings.Repeat("a", size))
		z.Close()
		return b.String()
	}
	big := func(size int) string { return `{"title": "x", "body": "` + strings.Repeat("a", size) + `"}` }
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		problem    string
	}{
		{"compressed", zipped(100), []string{"Content-Encoding", "gzip"}, 202, ""},
		{"a bomb", zipped(64 << 20), []string{"Content-Encoding", "gzip"}, 413, "the body is larger than 10 MB (after decompression): send it in parts"},
		{"not compressed at all", big(100), []string{"Content-Encoding", "gzip"}, 400, "the body could not be read to its end: it is not valid gzip"},
		{"compressed and cut", zipped(5000)[:40], []string{"Content-Encoding", "gzip"}, 400, "the body could not be read to its end: it ended early"},
		{"compressed and damaged", zipped(100)[:10] + strings.Repeat("\xff", 30), []string{"Content-Encoding", "gzip"}, 400, "the body could not be read to its end: it is not valid gzip"},
		{"another encoding", big(100), []string{"Content-Encoding", "br"}, 415, `content encoding "br": send gzip or none`},
		{"just small enough", big(10<<20 - 30), nil, 202, ""},
		{"too large", big(10 << 20), nil, 413, "the body is larger than 10 MB (after decompression): send it in parts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t = t
			got := h.report(c.body, c.headers...)
			if got.Status != c.status || got.Problem != c.problem {
				t.Errorf("%d %.300s", got.Status, got.Body)
			}
		})
	}
	h.t = t
	hook := `{"action": "created", "data": {"issue": {"id": "1", "title": "` + strings.Repeat("a", 1<<20) + `"}}}`
	if got := h.sentry("acme-sentry", "issue", hook); got.Status != 413 {
		t.Errorf("a webhook of more than 1 MB: %d %.300s", got.Status, got.Body)
	}
}

// A listing as long as one may be, of posts as long as they may be.
func TestLongListing(t *testing.T) {
	h := newHouse(t, openBolt(t))
	var b strings.Builder
	b.WriteString(`{"kind": "Listing", "data": {"children": [`)
	n := 0
	for ; b.Len() < 10<<20-20_000; n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"kind": "t3", "data": {"name": "t3_%d", "title": "post %d", "selftext": "%s"}}`, n, n, strings.Repeat("<", 15_000))
	}
	b.WriteString(`]}}`)
	got := h.send("/ingest/reddit/acme-reddit", strings.NewReader(b.String()), "X-API-Key", key)
	if got.Status != http.StatusAccepted || got.Answer.Accepted != n {
		t.Fatalf("%d %.300s, want %d accepted", got.Status, got.Body, n)
	}
	if stored := h.stored(acme); stored != n {
		t.Errorf("%d stored of %d", stored, n)
	}
}

// What takes up more than it seems to does not make a batch that the store refuses.
func TestManyLongLabels(t *testing.T) {
	h := newHouse(t, openBolt(t))
	const n = 300
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"title": "%d %s", "url": "https://example.com/%s", "labels": [`, i, strings.Repeat("😀", 280), strings.Repeat("x", 1900))
		for l := range 20 {
			fmt.Fprintf(&b, `%q,`, fmt.Sprint(i, l, strings.Repeat("😀", 94)))
		}
		b.WriteString("\"last\"]}\n")
	}
	got := h.report(b.String(), "Content-Type", "application/x-ndjson")
	if got.Status != http.StatusAccepted || got.Answer.Accepted != n {
		t.Fatalf("%d %.300s, want %d accepted", got.Status, got.Body, n)
	}
	for i, it := range got.Answer.Items {
		if it.Index != i || it.Status != "accepted" {
			t.Errorf("item %d: %+v", i, it)
		}
	}
	if stored := h.stored(acme); stored != n {
		t.Errorf("%d stored of %d", stored, n)
	}
}

// The largest stack that fits into a webhook fits into the store.
func TestLongStack(t *testing.T) {
	h := newHouse(t, openBolt(t))
	name := strings.Repeat("<", 250)
	frame := fmt.Sprintf(`{"function": %q, "module": %q, "filename": %q, "in_app": true}`, name, name, name)
	link := `{"type": "E", "value": "m", "stacktrace": {"frames": [` + strings.TrimSuffix(strings.Repeat(frame+",", 50), ",") + `]}}`
	body := `{"action": "triggered", "data": {"event": {"event_id": "aa", "issue_id": "77", "title": "E: m", "exception": {"values": [` +
		strings.TrimSuffix(strings.Repeat(link+",", 8), ",") + `]}}}}`
	if got := h.sentry("acme-sentry", "event_alert", body); got.Status != 202 || got.Answer.Accepted != 1 {
		t.Errorf("%d bytes: %d %s", len(body), got.Status, got.Body)
	}
}

func TestRedditTree(t *testing.T) {
	h := newHouse(t, openBolt(t))
	got := h.send("/ingest/reddit/acme-reddit", strings.NewReader(`[
		{"kind": "Listing", "data": {"children": [{"kind": "t3", "data": {"name": "t3_p", "title": "It crashes"}}]}},
		{"kind": "Listing", "data": {"children": [
			{"kind": "t1", "data": {"name": "t1_c", "body": "Here too", "replies": {"kind": "Listing", "data": {"children": [
				{"kind": "more", "data": {"count": 12, "children": ["x"]}}]}}}}]}}]`), "X-API-Key", key)
	if got.Status != 202 || got.Answer.Accepted != 2 || !strings.HasSuffix(*got.Answer.Items[0].State, `; 12 replies were not in the request (1 "more" stubs)`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// The files that Sentry and Reddit really send, signed as the list beside them says.
func TestRealPayloads(t *testing.T) {
	h := newHouse(t, openBolt(t))
	lines := strings.Split(strings.TrimSpace(payload(t, "sentry/SIGNATURES.tsv")), "\n")
	for _, line := range lines[1:] {
		f := strings.Split(line, "\t")
		body := payload(t, "sentry/"+f[0])
		path := "/ingest/sentry/acme-sentry"
		if strings.HasPrefix(f[0], "legacy") {
			path = "/ingest/sentry/acme-legacy/" + secret
		}
		got := h.send(path, strings.NewReader(body), "Sentry-Hook-Resource", f[2], "Sentry-Hook-Signature", strings.TrimSpace(f[3]))
		if got.Status != 202 {
			t.Errorf("%s: %d %s", f[0], got.Status, got.Body)
		}
	}
	if h.stored(acme) == 0 {
		t.Error("nothing of it was stored")
	}
}

// Where a quota is used up it says so: what was refused, when to come again, and what
// was taken in all the same.
func TestQuotaIsSaid(t *testing.T) {
	db := openBolt(t)
	h := newHouse(t, db)
	meter := quota.New(quota.Config{
		Projects: h.projects, Limits: func(int64) quota.Limits { return quota.Limits{Reports: 2} },
		Wake: func(...string) {}, Log: zerolog.Nop(), Now: time.Now,
	})
	h.serve(meter.Door(intake.New(h.projects, issue.Standings{}, traffic.New(db, time.Now), func(...string) {}, time.Now)))
	if got := h.report(`[{"title": "a"}, {"title": "b"}, {"title": "c"}]`); got.Status != 202 || got.Answer.Accepted != 3 {
		t.Fatalf("a request is taken whole: %d %s", got.Status, got.Body)
	}
	got := h.report(`[{"title": "d"}, {"title": 7}]`)
	wait, err := strconv.Atoi(got.Header.Get("Retry-After"))
	if got.Status != 429 || err != nil || wait < 1 || wait > 24*3600 || !strings.Contains(got.Problem, "2 reports of today") {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
	if a := got.Answer; a.Rejected != 2 || len(a.Items) != 2 || a.RequestID == "" ||
		!strings.Contains(a.Items[0].Error.Message, "midnight") || a.Items[1].Error.Field != "title" {
		t.Errorf("%s", got.Body)
	}
	if n := h.stored(acme); n != 3 {
		t.Errorf("%d stored, want 3", n)
	}
}
