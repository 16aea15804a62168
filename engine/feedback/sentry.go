package feedback

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Sentry reads a webhook of Sentry's integration platform. The resource is the
// header Sentry-Hook-Resource.
//
// An event_alert or an error is one event of a group, with its stack. An issue
// is the group itself: what Sentry counts of it and its state, without a stack.
// Every other resource and action carries no feedback: no readings, no error.
func (r *Reader) Sentry(resource string, body []byte) ([]Reading, error) {
	var hook struct {
		Action text `json:"action"`
		Data   struct {
			Issue *sentryIssue `json:"issue"`
			Event *sentryEvent `json:"event"`
			Error *sentryEvent `json:"error"`
		} `json:"data"`
	}
	if err := object(body, &hook); err != nil {
		return nil, err
	}
	resource, action := strings.ToLower(resource), strings.ToLower(hook.Action.String())
	switch {
	case action == "" && (resource == "issue" || resource == "event_alert" || resource == "error"):
		return nil, &BodyError{Where: "action", Message: "it says what happened, and is missing"}
	case resource == "issue" && issueStates[action] != nil:
		return r.group(action, hook.Data.Issue)
	case resource == "event_alert" && action == "triggered":
		return r.event("data.event", hook.Data.Event, body)
	case resource == "error" && action == "created":
		return r.event("data.error", hook.Data.Error, body)
	}
	return nil, nil
}

// issueStates says which state each action of an issue tells of. Only the
// first two are reports of a problem.
var issueStates = map[string]func(*sentryIssue) string{
	"created":    func(*sentryIssue) string { return "unresolved" },
	"unresolved": func(*sentryIssue) string { return "unresolved" },
	"resolved":   func(*sentryIssue) string { return "resolved" },
	"archived":   func(*sentryIssue) string { return "archived" },
	"ignored":    func(*sentryIssue) string { return "archived" }, // its name until 2023
	"assigned":   (*sentryIssue).state,                            // says who, and what the state is anyway
}

// sentryIssue is a group as the issue webhook shows it. Deliveries of 2020
// lack the URLs, and count is a string.
type sentryIssue struct {
	ID        text     `json:"id"`
	URL       text     `json:"url"`
	WebURL    text     `json:"web_url"`
	IssueURL  text     `json:"issue_url"`
	Permalink text     `json:"permalink"`
	Title     text     `json:"title"`
	Culprit   text     `json:"culprit"`
	Level     text     `json:"level"`
	Status    text     `json:"status"`
	Platform  text     `json:"platform"`
	Project   project  `json:"project"`
	Metadata  metadata `json:"metadata"`
	Count     number   `json:"count"`
	UserCount number   `json:"userCount"`
	FirstSeen moment   `json:"firstSeen"`
	LastSeen  moment   `json:"lastSeen"`
	Oldest    version  `json:"firstRelease"`
	Newest    version  `json:"lastRelease"`
}

// metadata is what Sentry made a title of.
type metadata struct {
	Title   text `json:"title"`
	Type    text `json:"type"`
	Value   text `json:"value"`
	Message text `json:"message"`
}

func (i *sentryIssue) state() string {
	switch s := strings.ToLower(i.Status.String()); s {
	case "resolved", "unresolved":
		return s
	case "ignored", "muted", "archived":
		return "archived"
	}
	return ""
}

func (r *Reader) group(action string, issue *sentryIssue) ([]Reading, error) {
	if issue == nil {
		return nil, &BodyError{Where: "data.issue", Message: "want an object"}
	}
	id := groupID(issue.ID, issue.IssueURL, issue.URL, issue.WebURL, issue.Permalink)
	if id == "" {
		return nil, &BodyError{Where: "data.issue.id", Message: "no issue id is here, nor in a URL"}
	}
	f := r.feedback(Sentry, id)
	f.Title = line(first(issue.Title, issue.Metadata.Title, issue.Metadata.Value, issue.Culprit, text("Sentry issue "+id)), MaxTitle)
	if value := first(issue.Metadata.Message, issue.Metadata.Value); !says(f.Title, value) {
		f.Body = body(value)
	}
	f.URL = groupLink(issue.Permalink, issue.WebURL, issue.URL)
	f.Culprit = line(issue.Culprit.String(), MaxName)
	f.Level = level(issue.Level)
	f.Platform = line(issue.Platform.String(), MaxLabel)
	f.Project = slug(first(issue.Project.Slug, text(projectOf(issue.URL, issue.WebURL)), issue.Project.Name, issue.Project.ID))
	f.Releases, _ = add(nil, MaxReleases, line(string(issue.Oldest), MaxLabel), line(string(issue.Newest), MaxLabel))
	f.Count = max(1, int(issue.Count))
	f.Users = int(issue.UserCount)
	f.Last = r.past(issue.LastSeen.Time, issue.FirstSeen.Time, r.sent())
	f.First = earlier(r.past(issue.FirstSeen.Time, f.Last), f.Last)
	f.CountedTo = f.Last
	if state := issueStates[action](issue); state != "" {
		f.State = State{Value: state, At: r.sent()}
	}
	return []Reading{{Feedback: f, StateOnly: action != "created" && action != "unresolved"}}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// says reports whether a title holds all that a text says. Sentry cuts titles.
func says(title, s string) bool {
	return strings.Contains(title, line(s, MaxTitle))
}

var (
	groupPath   = regexp.MustCompile(`/(?:issues|groups?)/([0-9]{1,32})(?:[/?#]|$)`)
	projectPath = regexp.MustCompile(`/projects/[^/?#\s]+/([^/?#\s]+)/`)
	projectArg  = regexp.MustCompile(`[?&]project=([0-9]{1,32})(?:&|$)`)
	identifier  = regexp.MustCompile(`^[0-9A-Za-z_-]{1,100}$`)
)

// groupID is the id of the group, the same whichever resource brought it: as
// it is given, or from one of the URLs.
func groupID(id text, urls ...text) string {
	if s := id.String(); identifier.MatchString(s) {
		return s
	}
	for _, u := range urls {
		if m := groupPath.FindStringSubmatch(u.String()); m != nil {
			return m[1]
		}
	}
	return ""
}

// projectOf finds the project's slug in API URLs, or its number in others.
func projectOf(urls ...text) string {
	for _, re := range []*regexp.Regexp{projectPath, projectArg} {
		for _, u := range urls {
			if m := re.FindStringSubmatch(u.String()); m != nil {
				return m[1]
			}
		}
	}
	return ""
}

// slug is a name to route by. What is none is text like any other.
func slug(s string) string {
	if identifier.MatchString(s) {
		return s
	}
	return line(s, MaxLabel)
}

// groupLink is the first of the URLs that shows the group to a person: the
// API's do not. Its query only says where the click came from.
func groupLink(urls ...text) string {
	for _, raw := range urls {
		u, _, _ := strings.Cut(raw.String(), "?")
		u, _, _ = strings.Cut(u, "#")
		if u = link(u, "https"); u != "" && !strings.Contains(u, "/api/0/") {
			return u
		}
	}
	return ""
}

// level is one of Sentry's levels, which old clients send as the numbers of
// Python's logging; empty for anything else.
func level(t text) string {
	s := strings.ToLower(t.String())
	switch s {
	case "10":
		return "debug"
	case "20":
		return "info"
	case "30", "warn":
		return "warning"
	case "40":
		return "error"
	case "50", "critical":
		return "fatal"
	}
	if slices.Contains([]string{"debug", "info", "warning", "error", "fatal", "sample"}, s) {
		return s
	}
	return ""
}
