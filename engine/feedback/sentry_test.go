package feedback

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSentryEventAlert(t *testing.T) {
	body := payload(t, "sentry", "event_alert.triggered.docs.json")
	got, err := testReader().Sentry("event_alert", body)
	g := one(t, got, err)
	f := g.Feedback
	fields{
		"id":         {f.ID, ID("src", "1117540176")},
		"external":   {f.External, "1117540176"},
		"kind":       {f.Kind, Sentry},
		"event":      {g.Event, "e4874d664c3540c1a32eab185f12c5ab"},
		"state only": {g.StateOnly, false},
		"state":      {f.State.Value, ""},
		"title":      {f.Title, "ReferenceError: heck is not defined"},
		"body":       {f.Body, ""},
		"culprit":    {f.Culprit, "?(<anonymous>)"},
		"level":      {f.Level, "error"},
		"platform":   {f.Platform, "javascript"},
		"project":    {f.Project, "front-end"},
		"url":        {f.URL, "https://sentry.io/organizations/test-org/issues/1117540176/events/e4874d664c3540c1a32eab185f12c5ab/"},
		"author":     {f.Author, "<sentry:ip:162.218.85.90>"},
		"users":      {f.Users, 1},
		"count":      {f.Count, 1},
		"events":     {f.Events, "e4874d664c3540c1a32eab185f12c5ab"},
		"first":      {f.First, date("2019-08-19T21:06:17.677Z")},
		"last":       {f.Last, date("2019-08-19T21:06:17.677Z")},
		"stored":     {f.Stored, now},
		"releases":   {f.Releases, ""},
		"chain":      {len(f.Exceptions), 1},
	}.check(t)
	e := f.Exceptions[0]
	fields{
		"type":   {e.Type, "ReferenceError"},
		"value":  {e.Value, "heck is not defined"},
		"frames": {len(e.Frames), 3},
		"first":  {e.Frames[0], Frame{Module: "prod/runner-4.1.7", File: "/js/prod/runner-4.1.7.min.js", Line: 1}},
		"last":   {e.Frames[2], Frame{File: "<anonymous>", Line: 3}},
	}.check(t)
}

func TestSentryError(t *testing.T) {
	body := payload(t, "sentry", "error.created.docs.json")
	got, err := testReader().Sentry("error", body)
	g := one(t, got, err)
	fields{
		"external": {g.Feedback.External, "1170820242"},
		"event":    {g.Event, "bb78c1407cea4519aa397afc059c793d"},
		"title":    {g.Feedback.Title, "ReferenceError: blooopy is not defined"},
		"project":  {g.Feedback.Project, "front-end"},
		"last":     {g.Feedback.Last, date("2019-08-19T20:58:37.391Z")},
		"frame":    {g.Feedback.Exceptions[0].Frames[0], Frame{Module: "runner", File: "/runner", Line: 3}},
	}.check(t)
}

func TestSentryIssueCreated(t *testing.T) {
	body := payload(t, "sentry", "issue.created.docs.json")
	got, err := testReader().Sentry("issue", body)
	g := one(t, got, err)
	f := g.Feedback
	fields{
		"external":   {f.External, "1234567890"},
		"event":      {g.Event, ""},
		"state only": {g.StateOnly, false},
		"state":      {f.State, State{Value: "unresolved", At: now.Add(-time.Minute)}},
		"title":      {f.Title, "Error generated with event_id: 495d375a-1df6-45c0-9890-34dae8e1b6a4(Priority: HIGH)"},
		"culprit":    {f.Culprit, "test-transaction-0-41e49cd3-7252-441f-8d27-63a9ad697b0a"},
		"level":      {f.Level, "fatal"},
		"project":    {f.Project, "python"},
		"url":        {f.URL, "https://example-org.sentry.io/issues/1234567890/"},
		"count":      {f.Count, 3},
		"users":      {f.Users, 3},
		"first":      {f.First, date("2025-11-10T20:56:00.679Z")},
		"last":       {f.Last, date("2025-11-10T20:56:00.738Z")},
		"thin":       {f.Thin(), true},
	}.check(t)
}

func TestSentryIssueOf2020(t *testing.T) {
	body := payload(t, "sentry", "issue.created.zulip.json")
	got, err := testReader().Sentry("issue", body)
	f := one(t, got, err).Feedback
	fields{
		"external": {f.External, "1635244907"},
		"title":    {f.Title, "Exception: Custom exception!"},
		"body":     {f.Body, ""},
		"culprit":  {f.Culprit, "__main__ in <module>"},
		"project":  {f.Project, "zulip-integration-testing"},
		"url":      {f.URL, ""},
		"count":    {f.Count, 1},
		"users":    {f.Users, 0},
		"platform": {f.Platform, "python"},
		"last":     {f.Last, date("2020-04-28T13:56:05.903736Z")},
	}.check(t)
}

func TestSentryLegacyPlugin(t *testing.T) {
	body := payload(t, "sentry", "legacy_plugin.python.zulip.json")
	got, err := testReader().SentryLegacy(body)
	g := one(t, got, err)
	f := g.Feedback
	fields{
		"external": {f.External, "1972208801"},
		"event":    {g.Event, "c916dccfd58e41dcabaebef0091f0736"},
		"title":    {f.Title, "ValueError: new sentry error."},
		"project":  {f.Project, "foo-live"},
		"url":      {f.URL, "https://sentry.io/organizations/bar-foundation/issues/1972208801/"},
		"level":    {f.Level, "error"},
		"last":     {f.Last, date("2020-10-21T23:25:11.147672Z")},
		"value":    {f.Exceptions[0].Value, "new sentry error."},
		"frame":    {f.Exceptions[0].Frames[0], Frame{Module: "__main__", Function: "<module>", File: "trigger-exception.py", Line: 10}},
	}.check(t)
}

// Every other delivery that Sentry's example mocks, and what it means.
func TestSentryExamples(t *testing.T) {
	issue := func(state string, only bool) string { return fmt.Sprintf("123 %s %v", state, only) }
	for file, want := range map[string]string{
		"issue.created":         issue("unresolved", false),
		"issue.assigned":        issue("unresolved", true),
		"issue.resolved":        issue("resolved", true),
		"issue.ignored":         issue("archived", true),
		"event_alert.triggered": issue("", false),
		"event_alert.triggered__with_alert_rule_action": issue("", false),
		"comment.created":                               "",
		"comment.updated":                               "",
		"comment.deleted":                               "",
		"installation.created":                          "",
		"installation.deleted":                          "",
		"metric_alert.critical":                         "",
		"metric_alert.resolved":                         "",
		"metric_alert.warning":                          "",
		"metric_alert.critical__with_alert_rule_action": "",
		"metric_alert.warning__with_alert_rule_action":  "",
	} {
		body := payload(t, "sentry", "integration-platform-example", file+".json")
		resource, _, _ := strings.Cut(file, ".")
		readings, err := testReader().Sentry(resource, body)
		got := ""
		for _, g := range readings {
			got += fmt.Sprintf("%s %s %v", g.Feedback.External, g.Feedback.State.Value, g.StateOnly)
			if strings.Contains(fmt.Sprint(*g.Feedback), "person@") {
				t.Errorf("%s: the assignee's address is in it", file)
			}
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q (%v), want %q", file, got, err, want)
		}
	}
	for file, resource := range map[string]string{
		"comment.created.docs.json": "comment", "installation.created.docs.json": "installation", "metric_alert.resolved.docs.json": "metric_alert",
	} {
		if readings, err := testReader().Sentry(resource, payload(t, "sentry", file)); err != nil || len(readings) > 0 {
			t.Errorf("%s: got %v, %v, want nothing", file, readings, err)
		}
	}
	body := payload(t, "sentry", "integration-platform-example", "event_alert.triggered.json")
	got, err := testReader().Sentry("event_alert", body)
	f := one(t, got, err).Feedback
	fields{
		"title":       {f.Title, "Error #1: This is a test error!"},
		"environment": {f.Environments, "production"},
		"event":       {f.Events, "def456"},
		"url":         {f.URL, "https://sentry.io/organizations/lxyz/issues/123/events/def456/"},
		"thin":        {f.Thin(), true},
	}.check(t)
	got, err = testReader().Sentry("issue", payload(t, "sentry", "issue.resolved.derived.json"))
	g := one(t, got, err)
	if !g.StateOnly || g.Feedback.State.Value != "resolved" || g.Feedback.External != "1234567890" {
		t.Errorf("resolved: got %+v", g)
	}
}

// A group is the same feedback whichever resource spoke of it, and an event
// the same event.
func TestSentryIdentity(t *testing.T) {
	r := testReader()
	for name, read := range map[string]func() ([]Reading, error){
		"event with id": func() ([]Reading, error) {
			return r.Sentry("error", []byte(`{"action":"created","data":{"error":{"issue_id":"77","event_id":"AB-CD"}}}`))
		},
		"id as a number": func() ([]Reading, error) {
			return r.Sentry("event_alert", []byte(`{"action":"triggered","data":{"event":{"issue_id":77,"event_id":"abcd"}}}`))
		},
		"only issue_url": func() ([]Reading, error) {
			return r.Sentry("event_alert", []byte(`{"action":"triggered","data":{"event":{"issue_url":"https://sentry.io/api/0/issues/77/","event_id":"abcd"}}}`))
		},
		"only web_url": func() ([]Reading, error) {
			return r.Sentry("error", []byte(`{"action":"created","data":{"error":{"web_url":"https://o.sentry.io/issues/77/?referrer=x","event_id":"ABCD"}}}`))
		},
		"legacy": func() ([]Reading, error) { return r.SentryLegacy([]byte(`{"id":"77","event":{"event_id":"abcd"}}`)) },
		"legacy, only url": func() ([]Reading, error) {
			return r.SentryLegacy([]byte(`{"url":"https://sentry.io/organizations/o/issues/77/","event":{"id":"abcd"}}`))
		},
	} {
		got, err := read()
		g := one(t, got, err)
		if g.Feedback.ID != ID("src", "77") || g.Event != "abcd" {
			t.Errorf("%s: group %s, event %q", name, g.Feedback.External, g.Event)
		}
	}
	got, err := r.Sentry("issue", []byte(`{"action":"created","data":{"issue":{"issue_url":"https://sentry.io/api/0/issues/77/"}}}`))
	if g := one(t, got, err); g.Feedback.ID != ID("src", "77") || g.Feedback.Title != "Sentry issue 77" {
		t.Errorf("an issue known by its URL alone: %+v", g.Feedback)
	}
	if ID("src", "77") == ID("other", "77") || len(ID("src", "77")) != 16 {
		t.Error("an ID must depend on its source and have 16 characters")
	}
}

// The shapes that SDKs and old versions send.
func TestSentryShapes(t *testing.T) {
	event := func(s string) *Feedback {
		t.Helper()
		got, err := testReader().Sentry("error", []byte(`{"action":"created","data":{"error":{"issue_id":"1",`+s+`}}}`))
		return one(t, got, err).Feedback
	}
	f := event(`"exception":[{"type":"A","value":"a","stacktrace":null},{"type":"B","stacktrace":{"frames":[
		{"function":"f","module":null,"filename":null,"abs_path":"/home/alice/x.py","lineno":3,"in_app":true},
		null,{"function":null},{"raw_function":"g","in_app":null}]}}]`)
	if want := []Exception{{Type: "A", Value: "a"}, {Type: "B", Frames: []Frame{
		{Function: "f", File: "/home/[user]/x.py", Line: 3, InApp: true}, {Function: "g"}}}}; !reflect.DeepEqual(f.Exceptions, want) {
		t.Errorf("exception as a list: %+v", f.Exceptions)
	}
	if f.Title != "B" {
		t.Errorf("the title is that of the outermost exception: %q", f.Title)
	}
	f = event(`"exception":{"type":"E","value":"v"},"threads":{"values":[{"stacktrace":{"frames":[{"function":"idle"}]}},{"crashed":true,"stacktrace":{"frames":[{"function":"boom"}]}}]}`)
	if len(f.Exceptions) != 1 || len(f.Exceptions[0].Frames) != 1 || f.Exceptions[0].Frames[0].Function != "boom" {
		t.Errorf("the crashed thread's stack belongs to the exception: %+v", f.Exceptions)
	}
	f = event(`"exception":{"values":null},"logentry":{"formatted":"cannot pay bob@example.com","message":"cannot pay %s"},"title":"cannot pay","level":40,
		"release":{"version":"1.2.0"},"tags":[["environment","staging"],["user","id:7"]],"project":4509,"datetime":null,"timestamp":"2025-01-02T03:04:05"`)
	fields{
		"body": {f.Body, "cannot pay [email]"}, "level": {f.Level, "error"}, "releases": {f.Releases, "1.2.0"},
		"environments": {f.Environments, "staging"}, "author": {f.Author, "<sentry:id:7>"}, "project": {f.Project, "4509"},
		"last": {f.Last, date("2025-01-02T03:04:05Z")}, "exceptions": {len(f.Exceptions), 0},
	}.check(t)
	f = event(`"tags":{"sentry:release":"web@2.0"},"user":{"id":5,"email":"x@y.example"},"message":"first\nsecond","timestamp":99999999999,"web_url":"https://u:p@s.example/issues/1/#x"`)
	fields{
		"releases": {f.Releases, "web@2.0"}, "author": {f.Author, "<sentry:id:5>"}, "title": {f.Title, "first"}, "body": {f.Body, "first\nsecond"},
		"last": {f.Last, now}, "url": {f.URL, "https://s.example/issues/1/"},
	}.check(t)
	if f = event(`"web_url":"http://s.example/issues/1/"`); f.URL != "" {
		t.Errorf("a link that is no https: %q", f.URL)
	}
	f = event(`"stacktrace":{"frames":[{"function":"log"}]},"message":"hello","title":7,"culprit":{},"tags":"x","user":[],"level":{},"exception":"oops"`)
	if f.Title != "7" || f.Culprit != "" || len(f.Exceptions) != 1 || f.Exceptions[0].Frames[0].Function != "log" {
		t.Errorf("fields of another type: %+v", f)
	}
}

func TestSentryLimits(t *testing.T) {
	frame := `{"function":"f%d"}`
	var frames, values []string
	for i := range 120 {
		frames = append(frames, fmt.Sprintf(frame, i))
	}
	for i := range 20 {
		values = append(values, fmt.Sprintf(`{"type":"T%d","value":%q,"stacktrace":{"frames":[%s]}}`, i, strings.Repeat("ü", 3000), strings.Join(frames, ",")))
	}
	body := fmt.Sprintf(`{"action":"created","data":{"error":{"issue_id":"1","title":%q,"message":%q,"exception":{"values":[%s]}}}}`,
		strings.Repeat("é", 900), strings.Repeat("語 ", 60_000), strings.Join(values, ","))
	got, err := testReader().Sentry("error", []byte(body))
	f := one(t, got, err).Feedback
	if n := len([]rune(f.Title)); n != MaxTitle {
		t.Errorf("title of %d runes", n)
	}
	if len(f.Body) > MaxBody || len(f.Body) < MaxBody-16 {
		t.Errorf("body of %d bytes", len(f.Body))
	}
	var types []string
	for _, e := range f.Exceptions {
		types = append(types, e.Type)
		if len(e.Frames) != MaxFrames || e.Frames[MaxFrames-1].Function != "f119" || len([]rune(e.Value)) != MaxValue {
			t.Fatalf("%s: %d frames to %v", e.Type, len(e.Frames), e.Frames[len(e.Frames)-1])
		}
	}
	if s := strings.Join(types, " "); s != "T0 T1 T2 T3 T16 T17 T18 T19" {
		t.Errorf("the root cause and the outermost must stay: %s", s)
	}
}

func TestSentryUnreadable(t *testing.T) {
	for _, c := range []struct{ resource, body, where string }{
		{"issue", ``, ""},
		{"issue", `[]`, ""},
		{"issue", "{\n\"action\": oops}", "line 2, column 11"},
		{"issue", `{"action":"created"}`, "data.issue"},
		{"issue", `{"action":"created","data":{"issue":{}}}`, "data.issue.id"},
		{"error", `{"action":"created","data":{"error":null}}`, "data.error"},
		{"error", `{"action":"created","data":{"error":[]}}`, "data.error.issue_id"},
		{"event_alert", `{"action":"triggered","data":{"event":{"issue_id":"../x"}}}`, "data.event.issue_id"},
		{"installation", `{`, "line 1, column 1"},
	} {
		readings, err := testReader().Sentry(c.resource, []byte(c.body))
		var b *BodyError
		if !errors.As(err, &b) || b.Where != c.where || len(readings) > 0 {
			t.Errorf("%s %s: got %v, %#v, want where %q", c.resource, c.body, readings, err, c.where)
		}
	}
	for _, c := range []struct{ resource, body string }{
		{"seer", `{"action":"x"}`}, {"", `{}`}, {"issue", `{"action":"deleted","data":{}}`}, {"preprod_artifact", `{"data":7}`}, {"error", `{"action":7}`},
	} {
		if readings, err := testReader().Sentry(c.resource, []byte(c.body)); err != nil || len(readings) > 0 {
			t.Errorf("%s %s: got %v, %v, want nothing", c.resource, c.body, readings, err)
		}
	}
}

// A clock that is ahead must not make a state that nothing can follow.
func TestSentrySentIsBounded(t *testing.T) {
	r := testReader()
	for _, c := range []struct{ sent, want time.Time }{{now.Add(time.Hour), now}, {time.Time{}, now}, {now.Add(-time.Hour), now.Add(-time.Hour)}} {
		r.Sent = c.sent
		got, err := r.Sentry("issue", []byte(`{"action":"archived","data":{"issue":{"id":"1"}}}`))
		if s := one(t, got, err).Feedback.State; !s.At.Equal(c.want) || s.Value != "archived" {
			t.Errorf("sent %v: state %v", c.sent, s)
		}
	}
}

func FuzzSentry(f *testing.F) {
	for _, s := range []string{
		`{"action":"created","data":{"error":{"issue_id":"1","exception":{"values":[{"type":"T","stacktrace":{"frames":[{"function":"f","lineno":1}]}}]},"tags":[["a","b"]],"user":{"id":1},"release":{"version":"1"}}}}`,
		`{"action":"triggered","data":{"event":{"issue_url":"https://s.io/api/0/issues/1/","threads":{"values":[{"crashed":true,"stacktrace":{"frames":[]}}]},"timestamp":1e9}}}`,
		`{"action":"resolved","data":{"issue":{"id":1,"count":"12","userCount":-1,"project":"x","firstSeen":"2020-01-01T00:00:00Z"}}}`,
		`{"id":"1","event":{"event_id":"a-b"},"url":"https://x/issues/1"}`, `{}`, `[]`, ``, `{"data":{"issue":7}}`,
	} {
		f.Add("issue", []byte(s))
		f.Add("error", []byte(s))
		f.Add("event_alert", []byte(s))
		f.Add("legacy", []byte(s))
	}
	f.Fuzz(func(t *testing.T, resource string, body []byte) {
		r := testReader()
		r.Hash = nil
		var readings []Reading
		var err error
		if resource == "legacy" {
			readings, err = r.SentryLegacy(body)
		} else {
			readings, err = r.Sentry(resource, body)
		}
		sound(t, readings, err)
	})
}

// sound checks what must hold of every reading, whatever was sent.
func sound(t *testing.T, readings []Reading, err error) {
	t.Helper()
	var b *BodyError
	if err != nil && !errors.As(err, &b) {
		t.Fatalf("an error that is no *BodyError: %v", err)
	}
	for i, g := range readings {
		if g.Index != i || (g.Feedback == nil) != (g.Err != nil) {
			t.Fatalf("reading %d: %+v", i, g)
		}
		f := g.Feedback
		if f == nil {
			continue
		}
		if f.ID != ID("src", f.External) || f.Count < 1 || f.Title == "" && !g.Removed {
			t.Fatalf("feedback: %+v", f)
		}
		if len([]rune(f.Title)) > MaxTitle || len(f.Body) > MaxBody || len(f.Labels) > MaxLabels || len(f.Exceptions) > MaxExceptions {
			t.Fatalf("over a limit: %+v", f)
		}
		if f.First.After(f.Last) {
			t.Fatalf("first %v after last %v", f.First, f.Last)
		}
		if _, err := json.Marshal(f); err != nil {
			t.Fatal(err)
		}
		stored := *f
		again := stored.Merge(g)
		if !g.Removed && again.Any() {
			t.Fatalf("the same reading again changed %+v", again)
		}
	}
}

// Nothing that names a person in the captured requests reaches what is stored.
func TestSentryStoresNobody(t *testing.T) {
	r := testReader()
	r.Hash = func(string) string { return "hash" }
	for file, resource := range map[string]string{
		"event_alert.triggered.docs.json": "event_alert", "error.created.docs.json": "error", "issue.created.docs.json": "issue",
		"issue.resolved.derived.json": "issue", "integration-platform-example/issue.assigned.json": "issue", "legacy_plugin.python.zulip.json": "",
	} {
		body := payload(t, "sentry", file)
		readings, err := r.Sentry(resource, body)
		if resource == "" {
			readings, err = r.SentryLegacy(body)
		}
		raw, _ := json.Marshal(one(t, readings, err).Feedback)
		for _, private := range []string{"162.21", "person@", "Person", "/home/user", "DSN_SECRET", "CPython"} {
			if strings.Contains(string(raw), private) {
				t.Errorf("%s: %q is in %s", file, private, raw)
			}
		}
	}
}

// What could be feedback but does not say what happened is no silent success.
func TestSentryWithoutAnAction(t *testing.T) {
	r := &Reader{SourceID: "s", Now: time.Now()}
	for _, resource := range []string{"issue", "error", "event_alert", "ERROR"} {
		for _, body := range []string{`{}`, `{"data": []}`, `{"data": {"error": {"event_id": "1"}}}`} {
			if readings, err := r.Sentry(resource, []byte(body)); err == nil || len(readings) > 0 {
				t.Errorf("%s %s: %d readings, %v; want an error", resource, body, len(readings), err)
			}
		}
	}
	if _, err := r.Sentry("metric_alert", []byte(`{}`)); err != nil {
		t.Errorf("what never is feedback: %v", err)
	}
}
