//go:build e2e

package e2e

import (
	"fmt"
	"time"
)

// failure is an error group of Sentry's, of which events can be made.
type failure struct {
	group   string // Sentry's id of it
	project string // Sentry's slug
	kind    string // the exception's type
	message string // the exception's value
	module  string
	calls   []string // functions, oldest call first
}

// title is the title that Sentry gives the group.
func (f failure) title() string { return f.kind + ": " + f.message }

// event is one event of the group as event_alert and error carry it.
func (f failure) event(id string, more object) object {
	var frames []any
	for i, call := range f.calls {
		frames = append(frames, object{"module": f.module, "function": call, "filename": "src/" + f.module + ".js",
			"lineno": 10 + i, "in_app": true, "vars": object{"password": "hunter2-in-a-variable"}})
	}
	api := "https://sentry.io/api/0/projects/org/" + f.project + "/events/" + id + "/"
	e := object{
		"event_id": id, "title": f.title(), "level": "error", "platform": "javascript", "environment": "production",
		"culprit": f.module + " in " + f.calls[len(f.calls)-1], "project": 4501, "url": api,
		"issue_id": f.group, "issue_url": "https://sentry.io/api/0/issues/" + f.group + "/",
		"web_url":  "https://org.sentry.io/issues/" + f.group + "/events/" + id + "/",
		"datetime": time.Now().UTC().Add(-time.Minute).Format(time.RFC3339),
		"exception": object{"values": []any{object{"type": f.kind, "value": f.message,
			"stacktrace": object{"frames": frames}}}},
	}
	for k, v := range more {
		e[k] = v
	}
	return e
}

// alert is a delivery of the resource event_alert.
func (f failure) alert(id string, more object) object {
	return hooked("triggered", object{"event": f.event(id, more), "triggered_rule": "every error"})
}

// created is a delivery of the resource error.
func (f failure) created(id string, more object) object {
	return hooked("created", object{"error": f.event(id, more)})
}

// issue is a delivery of the resource issue, which carries no stack.
func (f failure) issue(action string, more object) object {
	i := object{
		"id": f.group, "title": f.title(), "culprit": f.module, "level": "error", "platform": "javascript",
		"status": "unresolved", "count": "1", "userCount": 1,
		"web_url": "https://org.sentry.io/issues/" + f.group + "/", "url": "https://sentry.io/api/0/organizations/org/issues/" + f.group + "/",
		"project":   object{"id": "4501", "slug": f.project, "name": f.project},
		"firstSeen": time.Now().UTC().Add(-time.Hour).Format(time.RFC3339),
		"lastSeen":  time.Now().UTC().Add(-time.Minute).Format(time.RFC3339),
		"metadata":  object{"type": f.kind, "value": f.message},
	}
	for k, v := range more {
		i[k] = v
	}
	return hooked(action, object{"issue": i})
}

// plugin is what the legacy plugin sends of an event.
func (f failure) plugin(id string) object {
	return object{
		"id": f.group, "project": f.project, "project_name": f.project, "project_slug": f.project,
		"culprit": f.module, "level": "error", "message": f.title(), "triggering_rules": []string{},
		"url": "https://org.sentry.io/issues/" + f.group + "/", "event": f.event(id, nil),
	}
}

func hooked(action string, data object) object {
	return object{"action": action, "data": data,
		"installation": object{"uuid": "5b0a0c1e-0000-4000-8000-000000000000"},
		"actor":        object{"type": "application", "id": "sentry", "name": "Sentry"}}
}

// listing is a Reddit listing of posts.
func listing(posts ...object) object {
	children := []any{}
	for _, p := range posts {
		children = append(children, object{"kind": "t3", "data": p})
	}
	return object{"kind": "Listing", "data": object{"after": nil, "children": children}}
}

// post is a post on Reddit.
func post(id, author, title, text string) object {
	return object{
		"id": id, "name": "t3_" + id, "author": author, "title": title, "selftext": text, "subreddit": "shop", "subreddit_type": "public",
		"permalink": "/r/shop/comments/" + id + "/x/", "created_utc": time.Now().Add(-time.Hour).Unix(), "edited": false,
	}
}

// report is an element of the plain API.
func report(id, author, title, text string) object {
	return object{"external_id": id, "author": author, "title": title, "body": text}
}

// eventID is the n-th id of an event.
func eventID(n int) string { return fmt.Sprintf("%032x", 0xabc000+n) }
