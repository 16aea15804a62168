package feedback

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// apiGroup is a group as /organizations/{org}/issues/ lists it: what happened in
// the period that was asked about, and under lifetime what happened ever.
const apiGroup = `{"id":"4509","shortId":"API-7","title":"KeyError: 'plan'","culprit":"billing.charge in run",
"permalink":"https://acme.sentry.io/issues/4509/?referrer=api","level":"error","status":"unresolved","substatus":"ongoing","platform":"python",
"project":{"id":"11","name":"API","slug":"api","platform":"python"},"metadata":{"type":"KeyError","value":"'plan'","filename":"billing.py"},
"count":"12","userCount":3,"firstSeen":"2026-02-20T10:00:00Z","lastSeen":"2026-02-28T10:00:00Z",
"lifetime":{"count":"400","userCount":31,"firstSeen":"2025-12-01T10:00:00Z","lastSeen":"2026-02-28T10:00:00Z","stats":null},"stats":{"24h":[[1,2]]},"assignedTo":null}`

// apiLatest is its newest event as …/events/latest/ describes it.
const apiLatest = `{"id":"9f1c","eventID":"9f1c8a3f4f3e4d52a39f0a7d6b1c2d3e","groupID":"4509","projectID":"11","size":1000,"dist":null,
"message":"","title":"KeyError: 'plan'","culprit":"billing.charge in run","platform":"python","type":"error",
"metadata":{"type":"KeyError","value":"'plan'"},"dateCreated":"2026-02-28T10:00:00Z","dateReceived":"2026-02-28T10:00:02Z",
"user":{"id":"77","email":"ann@example.com","username":null,"ip_address":"203.0.113.9","name":null,"data":null},
"tags":[{"key":"environment","value":"production"},{"key":"level","value":"error"},{"key":"release","value":"api@1.4.2"}],
"release":{"id":1,"version":"api@1.4.2","shortVersion":"1.4.2","ref":null},
"entries":[{"type":"breadcrumbs","data":{"values":[{"message":"secret crumb"}]}},
 {"type":"exception","data":{"hasSystemFrames":true,"excOmitted":null,"values":[{"type":"KeyError","value":"'plan'","module":null,"mechanism":null,"threadId":null,"rawStacktrace":null,
  "stacktrace":{"framesOmitted":null,"frames":[
   {"filename":"celery/app.py","absPath":"/usr/lib/celery/app.py","module":"celery.app","function":"run","rawFunction":null,"lineNo":10,"colNo":null,"inApp":false,"vars":{"password":"hunter2"},"context":[[10,"x"]]},
   {"filename":"billing.py","absPath":"/srv/billing.py","module":"billing","function":"charge","rawFunction":null,"lineNo":42,"colNo":null,"inApp":true,"vars":{"plan":"gold"},"context":[]}]}}]}},
 {"type":"request","data":{"url":"https://acme.test/pay?token=abc","cookies":[["sid","1"]]}}],
"contexts":{},"errors":[],"nextEventID":null,"previousEventID":"8a"}`

func apiReadings(t *testing.T, group, event string) []Reading {
	t.Helper()
	var e []byte
	if event != "" {
		e = []byte(event)
	}
	got, err := testReader().SentryGroup([]byte(group), e)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSentryGroup(t *testing.T) {
	got := apiReadings(t, apiGroup, apiLatest)
	if len(got) != 2 || got[0].StateOnly || got[1].StateOnly {
		t.Fatalf("got %+v", got)
	}
	f := *got[0].Feedback
	f.Merge(got[0])
	change := f.Merge(got[1])
	fields{
		"id":          {f.ID, ID("src", "4509")},
		"title":       {f.Title, "KeyError: 'plan'"},
		"culprit":     {f.Culprit, "billing.charge in run"},
		"project":     {f.Project, "api"},
		"url":         {f.URL, "https://acme.sentry.io/issues/4509/"},
		"level":       {f.Level, "error"},
		"state":       {f.State, State{Value: "unresolved", At: now.Add(-time.Minute)}},
		"count":       {f.Count, 400},
		"users":       {f.Users, 31},
		"first":       {f.First, date("2025-12-01T10:00:00Z")},
		"last":        {f.Last, date("2026-02-28T10:00:00Z")},
		"release":     {f.Releases, "api@1.4.2"},
		"environment": {f.Environments, "production"},
		"people":      {f.People, "<sentry:id:77>"},
		"enriched":    {change.Enriched, true},
		"frames":      {len(f.Exceptions[0].Frames), 2},
		"last frame":  {f.Exceptions[0].Frames[1], Frame{Module: "billing", Function: "charge", File: "billing.py", Line: 42, InApp: true}},
		"first frame": {f.Exceptions[0].Frames[0], Frame{Module: "celery.app", Function: "run", File: "celery/app.py", Line: 10}},
	}.check(t)
	if all := fmt.Sprintf("%+v", f); strings.Contains(all, "hunter2") || strings.Contains(all, "crumb") || strings.Contains(all, "ann@") || strings.Contains(all, "token=abc") {
		t.Errorf("too much is kept: %s", all)
	}
}

// A group that was received and is fetched, or the other way round, is one
// feedback, and its event counts once.
func TestSentryGroupIsTheWebhooks(t *testing.T) {
	hook := `{"action":"triggered","data":{"event":{"event_id":"9f1c8a3f4f3e4d52a39f0a7d6b1c2d3e","issue_id":"4509","title":"KeyError: 'plan'","culprit":"billing.charge in run",
"platform":"python","level":"error","environment":"production","release":"api@1.4.2","datetime":"2026-02-28T10:00:00Z","user":{"id":"77"},"project":11,
"url":"https://sentry.io/api/0/projects/acme/api/events/9f1c/","exception":{"values":[{"type":"KeyError","value":"'plan'","stacktrace":{"frames":[
{"filename":"celery/app.py","module":"celery.app","function":"run","lineno":10,"in_app":false},{"filename":"billing.py","module":"billing","function":"charge","lineno":42,"in_app":true}]}}]}}}}`
	received, err := testReader().Sentry("event_alert", []byte(hook))
	if err != nil {
		t.Fatal(err)
	}
	fetched := apiReadings(t, apiGroup, apiLatest)
	for name, order := range map[string][]Reading{
		"received, then fetched": {received[0], fetched[0], fetched[1]},
		"fetched, then received": {fetched[0], fetched[1], received[0]},
	} {
		f := *order[0].Feedback
		f.Merge(order[0])
		f.Merge(order[1])
		f.Merge(order[2])
		if f.ID != ID("src", "4509") || f.Count != 400 || f.Delivered != 1 || len(f.People) != 1 || len(f.Exceptions) != 1 || len(f.Exceptions[0].Frames) != 2 {
			t.Errorf("%s: %+v", name, f)
		}
		if c := f.Merge(fetched[1]); c.Any() {
			t.Errorf("%s: fetched again it changes %+v", name, c)
		}
	}
}

func TestSentryGroupWithout(t *testing.T) {
	if got := apiReadings(t, apiGroup, ""); len(got) != 1 || !got[0].Feedback.Thin() {
		t.Errorf("without an event: %+v", got)
	}
	got := apiReadings(t, `{"id":"1","title":"T","status":"resolved"}`, "")
	if !got[0].StateOnly || got[0].Feedback.State.Value != "resolved" {
		t.Errorf("resolved: %+v", got[0])
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"id":"../1"}`} {
		if got, err := testReader().SentryGroup([]byte(bad), nil); err == nil {
			t.Errorf("%q is read: %+v", bad, got)
		}
	}
}

func FuzzSentryGroup(f *testing.F) {
	f.Add([]byte(apiGroup), []byte(apiLatest))
	f.Add([]byte(`{"id":1,"status":"ignored","lifetime":{"count":-1,"firstSeen":"0001"}}`), []byte(`{"entries":[{"type":"threads","data":{"values":[{"crashed":true,"stacktrace":{"frames":[{"inApp":true}]}}]}},{"type":"exception","data":null},7]}`))
	f.Add([]byte(`{"id":"1"}`), []byte(`{"entries":{"type":"exception"},"tags":{"a":1},"user":7}`))
	f.Fuzz(func(t *testing.T, group, event []byte) {
		readings, err := testReader().SentryGroup(group, event)
		for i := range readings {
			readings[i].Index = i // both are of one element
		}
		sound(t, readings, err)
	})
}
