package feedback

import (
	"bytes"
	"encoding/json"
)

// SentryGroup reads a group as Sentry's API lists it, and its newest event as the
// API describes it, which may be nil. It is the same feedback that webhooks of the
// group make, and its event is counted once, whichever way it came.
//
// There is a reading of the group and, with an event, one of that.
func (r *Reader) SentryGroup(group, event []byte) ([]Reading, error) {
	var g struct {
		sentryIssue
		// Lifetime is of all time, where what is beside it is of the period that was
		// asked about.
		Lifetime *struct {
			Count     number `json:"count"`
			UserCount number `json:"userCount"`
			FirstSeen moment `json:"firstSeen"`
			LastSeen  moment `json:"lastSeen"`
		} `json:"lifetime"`
	}
	if err := object(group, &g); err != nil {
		return nil, err
	}
	issue := &g.sentryIssue
	if l := g.Lifetime; l != nil {
		issue.Count = max(issue.Count, l.Count)
		issue.UserCount = max(issue.UserCount, l.UserCount)
		if !l.FirstSeen.IsZero() {
			issue.FirstSeen = l.FirstSeen
		}
		if l.LastSeen.After(issue.LastSeen.Time) {
			issue.LastSeen = l.LastSeen
		}
	}
	action := issue.state()
	if action == "" {
		action = "unresolved"
	}
	readings, err := r.group(action, issue)
	if err != nil || event == nil {
		return readings, err
	}
	e, err := apiEvent(event)
	if err != nil {
		return nil, err
	}
	of := readings[0].Feedback
	one := r.occurrence(of.External, e, event)
	// The event knows its project by number alone.
	one.Feedback.Project, one.Feedback.URL = of.Project, of.URL
	one.StateOnly = readings[0].StateOnly
	return append(readings, one), nil
}

// apiEvent reads an event as the API describes it: what an event_alert has as
// fields, it has as a list of entries.
func apiEvent(raw []byte) (*sentryEvent, error) {
	var in struct {
		EventID  text        `json:"eventID"`
		Title    text        `json:"title"`
		Message  text        `json:"message"`
		Culprit  text        `json:"culprit"`
		Platform text        `json:"platform"`
		Created  moment      `json:"dateCreated"`
		Received moment      `json:"dateReceived"`
		Release  version     `json:"release"`
		Tags     tagList     `json:"tags"`
		User     user        `json:"user"`
		Metadata metadata    `json:"metadata"`
		Entries  list[entry] `json:"entries"`
	}
	if err := object(raw, &in); err != nil {
		return nil, err
	}
	e := &sentryEvent{
		EventID: in.EventID, Title: in.Title, Message: in.Message, Culprit: in.Culprit, Platform: in.Platform,
		Datetime: in.Created, Received: in.Received, Release: in.Release, Tags: in.Tags, User: in.User, Metadata: in.Metadata,
	}
	for _, part := range in.Entries {
		switch part.Type {
		case "exception":
			part.into(&e.Exception)
		case "stacktrace":
			part.into(&e.Stacktrace)
		case "threads":
			part.into(&e.Threads)
		case "message":
			part.into(&e.Logentry)
		}
	}
	return e, nil
}

// entry is a part of an event of the API.
type entry struct {
	Type text            `json:"type"`
	Data json.RawMessage `json:"data"`
}

// into reads what the entry holds; nothing if it is of another form.
func (e entry) into(v any) {
	if data := bytes.TrimSpace(e.Data); len(data) > 0 && data[0] != 'n' {
		_ = json.Unmarshal(data, v)
	}
}
