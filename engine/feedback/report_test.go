package feedback

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	asJSON   = "application/json; charset=utf-8"
	asNDJSON = "application/x-ndjson"
)

func TestReport(t *testing.T) {
	got, err := testReader().Reports(asJSON, []byte("\ufeff"+`{
		"title": "Pay button\n does nothing", "body": "I am bob@example.com\r\nhelp", "external_id": "T-1",
		"url": "https://u:p@app.example/cart?token=abc&page=2", "author": " Bob@Example.com ", "occurred_at": "2026-02-28T23:00:00+01:00",
		"labels": ["cart", "cart", " ", "from bob@example.com"], "release": "1.4", "environment": "production", "level": "error", "mood": 7}`))
	f := one(t, got, err).Feedback
	fields{
		"id": {f.ID, ID("src", "T-1")}, "external": {f.External, "T-1"}, "kind": {f.Kind, Report},
		"title": {f.Title, "Pay button does nothing"}, "body": {f.Body, "I am [email]\nhelp"},
		"url": {f.URL, "https://app.example/cart?token=[secret]&page=2"}, "author": {f.Author, "<report:bob@example.com>"},
		"first": {f.First, date("2026-02-28T22:00:00Z")}, "last": {f.Last, date("2026-02-28T22:00:00Z")}, "stored": {f.Stored, now},
		"labels": {f.Labels, "cart,from [email]"}, "releases": {f.Releases, "1.4"}, "environments": {f.Environments, "production"},
		"level": {f.Level, "error"}, "count": {f.Count, 1}, "public": {f.Public, false},
	}.check(t)
}

func TestReportFields(t *testing.T) {
	long := strings.Repeat("x", 400)
	for body, want := range map[string]string{
		`{}`:                                                 "title: a title or a body is needed",
		`{"title":" ","body":null}`:                          "title: a title or a body is needed",
		`{"body":"\u0000"}`:                                  "title: a title or a body with words in it is needed",
		`{"title":7}`:                                        "title: want a string, got a number",
		`{"title":"x","body":["y"]}`:                         "body: want a string, got an array",
		`{"title":"x","labels":"bug"}`:                       "labels: want a list of strings",
		`{"title":"x","labels":["bug",7]}`:                   "labels: want a list of strings",
		`{"title":"x","external_id":{}}`:                     "external_id: want a string, got an object",
		`{"title":"x","external_id":"` + long + `"}`:         "external_id: longer than 200 bytes",
		`{"title":"x","author":"` + long + `"}`:              "author: longer than 320 bytes",
		`{"title":"x","author":true}`:                        "author: want a string, got a boolean",
		`{"title":"x","url":"javascript:alert(1)"}`:          "url: want an http or https URL",
		`{"title":"x","url":"/cart"}`:                        "url: want an http or https URL",
		`{"title":"x","release":[]}`:                         "release: want a string, got an array",
		`{"title":"x","occurred_at":"yesterday"}`:            "occurred_at: want RFC 3339 (2026-01-31T09:30:00Z) or seconds since 1970",
		`{"title":"x","occurred_at":1772366400000}`:          "occurred_at: want RFC 3339 (2026-01-31T09:30:00Z) or seconds since 1970; this looks like milliseconds",
		`{"title":"x","occurred_at":-1}`:                     "occurred_at: want RFC 3339 (2026-01-31T09:30:00Z) or seconds since 1970",
		`{"title":"x","occurred_at":"2026-03-02T12:00:01Z"}`: "occurred_at: more than a day in the future",
		`{"title":"x","occurred_at":"0001-01-01T00:00:00Z"}`: "occurred_at: before 1970",
		`[{"title":7}]`:                                      "title: want a string, got a number",
		`[7]`:                                                "want an object, got a number",
	} {
		readings, err := testReader().Reports(asJSON, []byte(body))
		var b *BodyError
		if len(readings) != 1 || readings[0].Err == nil || readings[0].Err.Error() != want || !errors.As(err, &b) || b.Message != want {
			t.Errorf("%.60s: got %v, %v, want %q", body, readings, err, want)
		}
	}
}

func TestReportDefaults(t *testing.T) {
	for body, want := range map[string]string{
		`{"body":"# It is slow\nsince May"}`:                 "It is slow",
		`{"body":"` + strings.Repeat("é", 5000) + `"}`:       strings.Repeat("é", MaxTitle-1) + "…",
		`{"title":"x","labels":null,"url":"","author":null}`: "x",
	} {
		got, err := testReader().Reports("", []byte(body))
		if f := one(t, got, err).Feedback; f.Title != want || !f.Last.Equal(now) || f.Author != "" || f.URL != "" {
			t.Errorf("%.60s: %+v", body, f)
		}
	}
	for at, want := range map[string]time.Time{
		`1767225600`: date("2026-01-01T00:00:00Z"), `1767225600.25`: date("2026-01-01T00:00:00.25Z"), `"2026-03-02T11:00:00Z"`: date("2026-03-02T11:00:00Z"), `0`: date("1970-01-01T00:00:00Z"),
	} {
		got, err := testReader().Reports(asJSON, []byte(`{"title":"x","occurred_at":`+at+`}`))
		if f := one(t, got, err).Feedback; !f.Last.Equal(want) {
			t.Errorf("%s: %v, want %v", at, f.Last, want)
		}
	}
	got, err := testReader().Reports(asJSON, []byte(`{"title":"x","url":"http://192.168.1.20/cart"}`))
	if f := one(t, got, err).Feedback; f.URL != "" {
		t.Errorf("a link to somebody's machine: %q", f.URL)
	}
}

// Without an external id, the same report by the same person is the same.
func TestReportIdentity(t *testing.T) {
	id := func(r *Reader, body string) string {
		t.Helper()
		got, err := r.Reports(asJSON, []byte(body))
		return one(t, got, err).Feedback.ID
	}
	base := id(testReader(), `{"title":"x","body":"y","author":"ann"}`)
	later := testReader()
	later.Now = now.Add(time.Hour)
	if id(later, `{"author":"ann","body":"y","title":"x","other":1}`) != base {
		t.Error("a request that is sent again must have the same id")
	}
	for _, other := range []string{`{"title":"x","body":"y","author":"bob"}`, `{"title":"xy","author":"ann"}`, `{"title":"x","body":"z","author":"ann"}`, `{"title":"x","body":"y"}`} {
		if id(testReader(), other) == base {
			t.Errorf("%s is another report", other)
		}
	}
	if id(testReader(), `{"title":"x","external_id":7}`) != id(testReader(), `{"title":"other","external_id":"7"}`) {
		t.Error("the external id alone says which report it is")
	}
	got, err := testReader().Reports(asJSON, []byte(`{"title":"x","external_id":"bob@example.com"}`))
	f := one(t, got, err).Feedback
	if strings.Contains(f.External, "bob") || f.ID != ID("src", f.External) {
		t.Errorf("an external id that names somebody: %q", f.External)
	}
}

func TestReportsArray(t *testing.T) {
	readings, err := testReader().Reports(asJSON, []byte(`[{"title":"a"},{"labels":7,"title":"b"},null,{"title":"c"}]`))
	if err != nil || len(readings) != 4 {
		t.Fatal(readings, err)
	}
	for i, want := range []string{"", "labels: want a list of strings", "want an object, got null", ""} {
		got := ""
		if e := readings[i].Err; e != nil {
			got = e.Error()
		}
		if got != want || readings[i].Index != i {
			t.Errorf("element %d: %q, want %q", i, got, want)
		}
	}
}

func TestReportsNDJSON(t *testing.T) {
	readings, err := testReader().Reports(asNDJSON, []byte("\ufeff{\"title\":\"a\"}\r\n\r\n{\"title\":\n  \n[{\"title\":\"x\"}]\n{\"title\":\"b\"}"))
	if err != nil || len(readings) != 4 {
		t.Fatal(readings, err)
	}
	fields{
		"first":  {readings[0].Feedback.Title, "a"},
		"broken": {readings[1].Err.Error(), "line 3: not JSON: unexpected end of JSON input"},
		"array":  {readings[2].Err.Error(), "want an object, got an array"},
		"last":   {readings[3].Feedback.Title, "b"},
		"index":  {readings[3].Index, 3},
	}.check(t)
}

func TestReportsUnreadable(t *testing.T) {
	for _, c := range []struct{ contentType, body, want string }{
		{asJSON, "", "the body is empty"},
		{asNDJSON, " \n\n", "the body is empty"},
		{asJSON, "[]", "there are no elements in it"},
		{asJSON, `"x"`, "want a JSON object or an array of them, got a string"},
		{asJSON, "[{\"title\":\"a\"},\n{\"title\" \"b\"}]", "line 2, column 10: not JSON: invalid character '\"' after object key"},
		{asJSON, "{\"title\":\"a\"}\n{\"title\":\"b\"}", "line 2, column 1: not JSON: invalid character '{' after top-level value; several objects are an array, or lines of application/x-ndjson"},
		{asNDJSON, "a\nb", "element 0: line 1: not JSON: invalid character 'a' looking for beginning of value"},
		{asJSON, "[" + strings.Repeat(`0,`, MaxElements) + "0]", "element 10000: a request holds at most 10000 elements; send the rest in another"},
		{asNDJSON, strings.Repeat("0\n", MaxElements+1), "element 10000: a request holds at most 10000 elements; send the rest in another"},
		{asJSON, strings.Repeat("[", 100_000), "line 1, column 10001: not JSON: invalid character '[' exceeded max depth"},
	} {
		_, err := testReader().Reports(c.contentType, []byte(c.body))
		if b := new(BodyError); !errors.As(err, &b) || err.Error() != c.want {
			t.Errorf("%.40q: got %v, want %s", c.body, err, c.want)
		}
	}
}

// A cut must not hide half a secret from redaction.
func TestReportCutsAfterRedaction(t *testing.T) {
	secret := "gh" + "p_" + strings.Repeat("Zq9", 12)
	for _, limit := range []int{MaxBody, redactLimit} {
		for shift := 0; shift < 60; shift += 5 {
			fill := strings.Repeat("word ", limit/5+1)
			body := fill[:limit-shift] + " " + secret + " end"
			got, err := testReader().Reports(asJSON, []byte(fmt.Sprintf(`{"title":"x","body":%q}`, body)))
			if f := one(t, got, err).Feedback; strings.Contains(f.Body, "Zq9") || len(f.Body) > MaxBody {
				t.Fatalf("limit %d, shift %d: %q", limit, shift, f.Body[len(f.Body)-60:])
			}
		}
	}
	if got := bound(strings.Repeat("x", redactLimit+1), redactLimit); len(got) != redactLimit-wordLimit {
		t.Errorf("a word without an end is left out, got %d bytes", len(got))
	}
}

func FuzzReports(f *testing.F) {
	for _, s := range []string{
		`{"title":"a","body":"b","external_id":"1","url":"https://x.example/?token=a","author":"bob","occurred_at":1700000000,"labels":["x"],"release":"1"}`,
		`[{"title":"a"},{"body":"c"},7]`, "{\"title\":\"a\"}\n\n{\"title\":\"b\"}\r\n", "\ufeff{}", "", "[", "null", `{"title":"\ud800"}`,
	} {
		f.Add(asJSON, []byte(s))
		f.Add(asNDJSON, []byte(s))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		readings, err := testReader().Reports(contentType, body)
		sound(t, readings, err)
	})
}
