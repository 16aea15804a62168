package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
)

// workView is what the page of what is due shows.
type workView struct {
	frame
	workList
	Here     string // the address of the page
	MayRetry bool
}

// workList is that: what was given up, what is being worked on or due, in order of their
// keys.
type workList struct {
	Dead, Due []work.Status
	More      bool // there is more than is listed
}

// workPage is what the API tells of it: what was given up before what is due, each in
// order of keys.
type workPage struct {
	Work []work.Status `json:"work"`
	Next string        `json:"next,omitempty"` // the next cursor: the last one's state and key
}

// perWork is how much of each is listed.
const perWork = 200

func workOf(ctx context.Context, space storage.Space) (all workList, err error) {
	if all.Dead, err = work.ListDead(ctx, space, "", perWork+1); err != nil {
		return all, err
	}
	if all.Due, err = work.List(ctx, space, "", perWork+1); err != nil {
		return all, err
	}
	for _, list := range []*[]work.Status{&all.Dead, &all.Due} {
		if len(*list) > perWork {
			*list, all.More = (*list)[:perWork], true
		}
	}
	return all, nil
}

// The two parts of what the API tells, as a cursor names them.
const (
	deadPart = "dead"
	duePart  = "due"
)

// workFrom lists work from behind a cursor, "" for the first.
func workFrom(ctx context.Context, space storage.Space, cursor string, limit int) (page workPage, err error) {
	part, after, ok := strings.Cut(cursor, "/")
	switch {
	case cursor == "":
		part = deadPart
	case !ok || after == "" || part != deadPart && part != duePart:
		return page, errCursor
	}
	page.Work = []work.Status{}
	marks := make([]string, 0, limit+1)
	take := func(part string, list []work.Status, err error) error {
		for _, s := range list {
			page.Work, marks = append(page.Work, s), append(marks, part+"/"+s.Key)
		}
		return err
	}
	if part == deadPart {
		dead, err := work.ListDead(ctx, space, after, limit+1)
		if err := take(deadPart, dead, err); err != nil {
			return page, err
		}
		after = ""
	}
	if left := limit + 1 - len(marks); left > 0 {
		due, err := work.List(ctx, space, after, left)
		if err := take(duePart, due, err); err != nil {
			return page, err
		}
	}
	if len(marks) > limit {
		page.Work, page.Next = page.Work[:limit], marks[limit-1]
	}
	return page, nil
}

// errCursor says that a cursor is none.
var errCursor = errors.New("no such cursor")

// queue is the space whose work is meant, and the address of its page.
func (at *place) queue() (storage.Space, string) {
	if at.space != nil {
		return at.space, projectPath(at.project) + "/work"
	}
	return at.home, installationPath(at.installation) + "/work"
}

// work serves what is due, what is being worked on, and what was given up.
func (p *Pages) work(w http.ResponseWriter, r *http.Request, at *place) {
	space, here := at.queue()
	list, err := workOf(r.Context(), space)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, p.workPage, workView{frame: p.inside(r, at, "Work", link{Text: "Work"}), workList: list, Here: here, MayRetry: at.may(needs.command)})
}

// tellWork is the API's way to that.
func (p *Pages) tellWork(w http.ResponseWriter, r *http.Request, at *place) {
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	}
	space, _ := at.queue()
	page, err := workFrom(r.Context(), space, q.Get("cursor"), limit)
	if errors.Is(err, errCursor) || errors.Is(err, storage.ErrInvalid) && q.Get("cursor") != "" {
		p.badCursor(w, r)
		return
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, page)
}

// retry has a form's key tried again at once.
func (p *Pages) retry(w http.ResponseWriter, r *http.Request, at *place) {
	_, here := at.queue()
	if err := p.retryWork(r.Context(), at, r.PostFormValue("key")); err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, here+"?done=retry", http.StatusSeeOther)
}

// retryTold is the API's way to that.
func (p *Pages) retryTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Key string `json:"key"`
	}
	if !decode(w, r, &wanted) {
		return
	}
	if err := p.retryWork(r.Context(), at, wanted.Key); err != nil {
		p.fail(w, r, err)
		return
	}
	p.tellWork(w, r, at)
}

func (p *Pages) retryWork(ctx context.Context, at *place, key string) error {
	space, _ := at.queue()
	err := work.Retry(ctx, space, key, func(b *storage.Batch) error {
		return p.actions.Note(b, action.Action{
			Key: "work.retry", Kind: "work.retry", Subject: key, By: at.who.name(), Why: "asked for", RequestID: handlers.RequestID(ctx),
		})
	})
	if errors.Is(err, work.ErrNotFound) || errors.Is(err, storage.ErrInvalid) {
		return errNone
	}
	if err != nil {
		return err
	}
	p.wake(space.Name())
	return nil
}
