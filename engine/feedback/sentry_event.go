package feedback

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// sentryEvent is one event of a group, as event_alert, error and the legacy
// plugin carry it. Nearly every field may be null or missing.
type sentryEvent struct {
	EventID     text     `json:"event_id"`
	ID          text     `json:"id"`
	IssueID     text     `json:"issue_id"`
	GroupID     text     `json:"group_id"`
	IssueURL    text     `json:"issue_url"`
	WebURL      text     `json:"web_url"`
	URL         text     `json:"url"`
	Title       text     `json:"title"`
	Message     text     `json:"message"`
	Logentry    logentry `json:"logentry"`
	Metadata    metadata `json:"metadata"`
	Culprit     text     `json:"culprit"`
	Level       text     `json:"level"`
	Platform    text     `json:"platform"`
	Environment text     `json:"environment"`
	Release     version  `json:"release"`
	Tags        tagList  `json:"tags"`
	User        user     `json:"user"`
	Datetime    moment   `json:"datetime"`
	Timestamp   moment   `json:"timestamp"`
	Received    moment   `json:"received"`
	Project     project  `json:"project"`
	ProjectSlug text     `json:"project_slug"`
	ProjectName text     `json:"project_name"`

	Exception  chain  `json:"exception"`
	OldChain   chain  `json:"sentry.interfaces.Exception"`
	Stacktrace stack  `json:"stacktrace"`
	Threads    thread `json:"threads"`
}

type logentry struct {
	Formatted text `json:"formatted"`
	Message   text `json:"message"`
}

type user struct {
	ID       text `json:"id"`
	Email    text `json:"email"`
	Username text `json:"username"`
	IP       text `json:"ip_address"`
}

// project is a project as an object, or its number or slug alone.
type project struct{ ID, Slug, Name text }

func (p *project) UnmarshalJSON(raw []byte) error {
	*p = project{}
	if raw[0] == '{' {
		var o struct{ ID, Slug, Name text }
		_ = json.Unmarshal(raw, &o)
		*p = project(o)
		return nil
	}
	return p.ID.UnmarshalJSON(raw)
}

// tagList is [["key", "value"], …], [{"key": …, "value": …}, …] or an object.
type tagList map[string]string

func (t *tagList) UnmarshalJSON(raw []byte) error {
	*t = tagList{}
	if raw[0] == '{' {
		var o map[string]text
		_ = json.Unmarshal(raw, &o)
		for k, v := range o {
			(*t)[k] = v.String()
		}
		return nil
	}
	var items list[tag]
	_ = items.UnmarshalJSON(raw)
	for _, i := range items {
		(*t)[i.key] = i.value
	}
	return nil
}

type tag struct{ key, value string }

func (t *tag) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '[':
		var pair list[text]
		_ = pair.UnmarshalJSON(raw)
		if len(pair) == 2 {
			t.key, t.value = pair[0].String(), pair[1].String()
		}
	case '{':
		var o struct{ Key, Value text }
		_ = json.Unmarshal(raw, &o)
		t.key, t.value = o.Key.String(), o.Value.String()
	}
	return nil
}

func (r *Reader) event(where string, e *sentryEvent, raw []byte) ([]Reading, error) {
	if e == nil {
		return nil, &BodyError{Where: where, Message: "want an object"}
	}
	id := groupID(text(first(e.IssueID, e.GroupID)), e.IssueURL, e.WebURL, e.URL)
	if id == "" {
		return nil, &BodyError{Where: where + ".issue_id", Message: "no issue id is here, nor in a URL"}
	}
	return []Reading{r.occurrence(id, e, raw)}, nil
}

// SentryLegacy reads a request of Sentry's WebHooks plugin: a flat object
// around one event.
func (r *Reader) SentryLegacy(body []byte) ([]Reading, error) {
	var flat struct {
		ID          text         `json:"id"`
		URL         text         `json:"url"`
		Project     project      `json:"project"`
		ProjectSlug text         `json:"project_slug"`
		ProjectName text         `json:"project_name"`
		Culprit     text         `json:"culprit"`
		Level       text         `json:"level"`
		Message     text         `json:"message"`
		Event       *sentryEvent `json:"event"`
	}
	if err := object(body, &flat); err != nil {
		return nil, err
	}
	id := groupID(flat.ID, flat.URL)
	if id == "" {
		return nil, &BodyError{Where: "id", Message: "no issue id is here, nor in url"}
	}
	e := cmp.Or(flat.Event, &sentryEvent{})
	e.WebURL = cmp.Or(flat.URL, e.WebURL)
	e.ProjectSlug = text(first(flat.ProjectSlug, flat.Project.Slug, flat.Project.ID, e.ProjectSlug, flat.ProjectName))
	e.Culprit = cmp.Or(e.Culprit, flat.Culprit)
	e.Level = cmp.Or(e.Level, flat.Level)
	e.Message = cmp.Or(e.Message, flat.Message)
	return []Reading{r.occurrence(id, e, body)}, nil
}

// occurrence is the reading of one event of a group.
func (r *Reader) occurrence(group string, e *sentryEvent, raw []byte) Reading {
	f := r.feedback(Sentry, group)
	f.Exceptions = e.stacks()
	message := first(e.Logentry.Formatted, e.Message, e.Logentry.Message, e.Metadata.Message)
	f.Title = line(first(e.Title, e.Metadata.Title, text(e.outermost()), text(headline(message)), e.Metadata.Value, e.Culprit, text("Sentry issue "+group)), MaxTitle)
	if !says(f.Title, message) {
		f.Body = body(message)
	}
	f.URL = groupLink(e.WebURL, e.URL)
	f.Culprit = line(e.Culprit.String(), MaxName)
	f.Level = level(text(first(e.Level, text(e.Tags["level"]))))
	f.Platform = line(e.Platform.String(), MaxLabel)
	f.Project = slug(first(e.ProjectSlug, text(projectOf(e.URL, e.IssueURL, e.WebURL)), e.Project.Slug, e.ProjectName, e.Project.Name, e.Project.ID))
	f.Releases, _ = add(nil, MaxReleases, line(first(text(e.Release), text(e.Tags["release"]), text(e.Tags["sentry:release"])), MaxLabel))
	f.Environments, _ = add(nil, MaxReleases, line(first(e.Environment, text(e.Tags["environment"])), MaxLabel))
	f.Last = r.past(e.Datetime.Time, e.Timestamp.Time, e.Received.Time)
	f.First = f.Last
	if f.Author = r.author("sentry", e.person()); f.Author != "" {
		f.People = []string{f.Author}
		f.Users = 1
	}
	event := eventID(first(e.EventID, e.ID), raw)
	f.Events = []string{event}
	f.Delivered = 1
	return Reading{Feedback: f, Event: event}
}

// eventID is the id of an event in one spelling. An event without one is known
// by all that was sent, so that the same delivery counts once.
func eventID(id string, raw []byte) string {
	id = strings.ToLower(strings.ReplaceAll(id, "-", ""))
	if identifier.MatchString(id) {
		return id
	}
	sum := digest(string(raw))
	return hex.EncodeToString(sum[:16])
}

// person is the user whom an event happened to, as Sentry's own tag says it.
func (e *sentryEvent) person() string {
	for _, p := range []struct {
		kind string
		name text
	}{{"id", e.User.ID}, {"username", e.User.Username}, {"email", e.User.Email}, {"ip", e.User.IP}} {
		if s := p.name.String(); s != "" {
			return p.kind + ":" + s
		}
	}
	return e.Tags["user"]
}
