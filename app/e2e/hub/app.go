package hub

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// getApp is GET /app.
func (c *call) getApp() (any, error) { return c.hub.app(), nil }

// getHookConfig is GET /app/hook/config.
func (c *call) getHookConfig() (any, error) {
	config := object{"content_type": "json", "insecure_ssl": "0", "secret": "********"}
	if at := c.hub.hookURL(); at != "" {
		config["url"] = at
	}
	return config, nil
}

// hookURL is the webhook's, as whoever made the App said.
func (h *Hub) hookURL() string { return cmp.Or(h.hook, h.o.WebhookURL()) }

// app is the App as GitHub shows it, also beside what it wrote.
func (h *Hub) app() object {
	return object{
		"id": h.o.AppID, "slug": h.o.Slug, "node_id": fmt.Sprintf("A_%d", h.o.AppID), "name": "Soulcaster", "description": "",
		"external_url": h.URL, "html_url": h.URL + "/apps/" + h.o.Slug, "owner": object{"login": h.o.Slug},
		"created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
		"permissions": h.o.Permissions, "events": h.o.Events,
	}
}

// installation returns the one that a path names.
func (c *call) installation() (*installation, error) {
	id, err := strconv.ParseInt(c.param("id"), 10, 64)
	if in := c.hub.installations[id]; err == nil && in != nil {
		return in, nil
	}
	return nil, notFound
}

// getInstallations is GET /app/installations.
func (c *call) getInstallations() (any, error) {
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(c.hub.installations)) {
		list = append(list, c.hub.installationOf(c.hub.installations[id]))
	}
	return append([]any{}, paged(c, list)...), nil
}

// getInstallation is GET /app/installations/{id}.
func (c *call) getInstallation() (any, error) {
	in, err := c.installation()
	if err != nil {
		return nil, err
	}
	return c.hub.installationOf(in), nil
}

func (h *Hub) installationOf(in *installation) object {
	return object{
		"id": in.id, "account": h.user(in.account), "repository_selection": "selected", "app_id": h.o.AppID,
		"access_tokens_url": fmt.Sprintf("%s/app/installations/%d/access_tokens", h.URL, in.id),
		"repositories_url":  h.URL + "/installation/repositories",
		"html_url":          fmt.Sprintf("%s/settings/installations/%d", h.URL, in.id),
		"target_id":         in.account.id, "target_type": in.account.kind, "permissions": in.permissions, "events": in.events,
		"created_at": moment(in.created), "updated_at": moment(in.created), "single_file_name": nil,
		"suspended_at": moment(in.suspended), "suspended_by": nil,
	}
}

// getRateLimit is GET /rate_limit.
func (c *call) getRateLimit() (any, error) {
	core := object{"limit": 5000, "used": 1, "remaining": 4999, "reset": now().Unix() + 3600}
	return object{"resources": object{"core": core}, "rate": core}, nil
}
