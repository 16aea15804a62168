package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Posted is what is remembered of a comment; in preview it has no id.
type Posted struct {
	ID  int64  `json:"id"`
	URL string `json:"url"`
}

// Comment writes a comment on an issue, once under the action's key. A
// conversation that is locked, and an issue that is gone, get none.
func Comment(ctx context.Context, log *action.Log, host Comments, space storage.Space, at github.At, number int, live bool,
	a action.Action, text, mac string) error {
	_, err := Post(ctx, log, host, space, at, number, live, a, text, mac)
	for _, refusal := range []error{github.ErrLocked, github.ErrGone, github.ErrNotFound, github.ErrMoved} {
		if errors.Is(err, refusal) {
			return nil
		}
	}
	return err
}

// Post writes a comment on an issue or a pull request, once under the action's
// key, and says which it is. A hidden marker with mac, a keyed hash of the key, is
// how it is found again after a crash. What GitHub refuses is an error.
func Post(ctx context.Context, log *action.Log, host Comments, space storage.Space, at github.At, number int, live bool,
	a action.Action, text, mac string) (Posted, error) {
	body := Marked(text, mac)
	request, err := encode(struct {
		Number int    `json:"number"`
		Body   string `json:"body"`
	}{number, body})
	if err != nil {
		return Posted{}, err
	}
	a.Request = request
	rec, err := log.Once(ctx, space, a, live, action.Effect{
		Do: func(ctx context.Context) (any, error) {
			c, err := host.CreateComment(ctx, at, number, body)
			return Posted{c.ID, c.URL}, err
		},
		Find: func(ctx context.Context, since time.Time) (any, bool, error) {
			own, err := host.OwnCommentsSince(ctx, at, number, since)
			if err != nil {
				return nil, false, err
			}
			for _, c := range own {
				if hasMarker(c.Body, mac) {
					return Posted{c.ID, c.URL}, true, nil
				}
			}
			return nil, false, nil
		},
	})
	var posted Posted
	if err != nil || len(rec.Result) == 0 {
		return posted, err
	}
	if err := json.Unmarshal(rec.Result, &posted); err != nil {
		return posted, fmt.Errorf("read record of %s: %w", a.Key, err)
	}
	return posted, nil
}

// Marked is the body of a comment that says text and carries the marker with mac.
func Marked(text, mac string) string {
	return text + "\n\n<!-- soulcaster:comment mac=" + mac + " -->"
}
