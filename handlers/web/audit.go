package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// auditView is what the page of what was done shows.
type auditView struct {
	frame
	auditList
	Subject string // of which alone, "" for everything
	Here    string // the address of the page
	Older   string // the address of what was before, "" if there is nothing
}

// auditList is what the API tells of it, newest first.
type auditList struct {
	Entries []auditEntry `json:"entries"`
	Next    string       `json:"next,omitempty"` // where the next page begins
}

type auditEntry struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Subject   string    `json:"subject"`
	By        string    `json:"by"`
	Why       string    `json:"why"`
	RequestID string    `json:"request_id,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// perAudit is how many entries a page has.
const perAudit = 100

// auditOf lists what was done in a space. What the address names is checked by the store:
// a key that is none is an error.
func (p *Pages) auditOf(ctx context.Context, space storage.Space, subject, before string, limit int) (auditList, error) {
	entries, err := p.actions.List(ctx, space, subject, before, limit+1)
	if err != nil {
		return auditList{}, err
	}
	all := auditList{Entries: []auditEntry{}}
	if len(entries) > limit {
		entries = entries[:limit]
		all.Next = entries[limit-1].ID
	}
	for _, e := range entries {
		all.Entries = append(all.Entries, auditEntry{e.At, e.Kind, e.What, e.Subject, e.By, e.Why, e.RequestID, e.Attempt, e.Error})
	}
	return all, nil
}

// log is the space whose audit is meant, and the address of its page.
func (at *place) log() (storage.Space, string) {
	if at.space != nil {
		return at.space, projectPath(at.project) + "/audit"
	}
	return at.home, installationPath(at.installation) + "/audit"
}

// audit serves what was done, by whom, why, and in which request.
func (p *Pages) audit(w http.ResponseWriter, r *http.Request, at *place) {
	space, here := at.log()
	q := r.URL.Query()
	list, err := p.auditOf(r.Context(), space, q.Get("subject"), q.Get("before"), perAudit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := auditView{frame: p.inside(r, at, "Audit", link{Text: "Audit"}), auditList: list, Subject: q.Get("subject"), Here: here}
	if list.Next != "" {
		older := url.Values{"before": {list.Next}}
		if v.Subject != "" {
			older.Set("subject", v.Subject)
		}
		v.Older = here + "?" + older.Encode()
	}
	p.write(w, r, http.StatusOK, p.auditPage, v)
}

// tellAudit is the API's way to that.
func (p *Pages) tellAudit(w http.ResponseWriter, r *http.Request, at *place) {
	space, _ := at.log()
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if cursor := q.Get("cursor"); cursor != "" && !markForm.MatchString(cursor) {
		p.badCursor(w, r)
		return
	}
	list, err := p.auditOf(r.Context(), space, q.Get("subject"), q.Get("cursor"), limit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, list)
}
