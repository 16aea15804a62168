package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in the space that a delivery is about, a project's or an installation's:
//
//	delivery/<X-GitHub-Delivery>      Delivery: it was taken
//	delivery/comment-<comment id>     Delivery: the comment was taken, whichever
//	                                  delivery brought it
//	delivery/review-<review id>       Delivery: the same of a review; package fix
//	                                  writes it of those that it found by itself
//
// In the same batch comes what it means: the comment that package command
// answers, the review that package fix takes to the agent, and the work that it
// makes due, "look/<cluster>", "run/<id>" and "repository" in a project's space and
// "installation" in an installation's.
const (
	deliveryPrefix   = "delivery/"
	installationWork = "installation"
	repositoryWork   = "repository"
)

// Delivery remembers that a delivery was taken. GitHub keeps its id when it
// delivers again, which it does for three days, also because upkeep asks for it.
type Delivery struct {
	Event  string    `json:"event"`
	Action string    `json:"action"`
	At     time.Time `json:"at"`
}

// door is what the handlers of all events share.
type door struct {
	projects Projects
	wake     func(spaces ...string)
	now      func() time.Time
	access   func(ctx context.Context) error
	issue    func(installation, repository int64, number int)
}

// take stores a delivery with all that fill adds, at once, unless that was done
// before.
func (d door) take(ctx context.Context, space storage.Space, event, action, id string, fill func(b *storage.Batch)) error {
	var b storage.Batch
	d.remember(&b, event, action, id)
	fill(&b)
	err := space.Apply(ctx, &b)
	switch {
	case errors.Is(err, storage.ErrConflict):
		zerolog.Ctx(ctx).Debug().Str("action", action).Msg("a delivery came again")
		return nil
	case errors.Is(err, storage.ErrNoSpace):
		return nothing(ctx, "the tenant has gone")
	case err != nil:
		return fmt.Errorf("store %s delivery: %w", event, err)
	}
	if d.wake != nil {
		d.wake(space.Name())
	}
	return nil
}

// remember makes the batch a conflict if the same was taken before.
func (d door) remember(b *storage.Batch, event, action, id string) {
	b.Require(deliveryPrefix+id, 0)
	b.SetJSON(deliveryPrefix+id, Delivery{Event: event, Action: action, At: d.now().UTC()})
}

// nothing answers 202: a good delivery that has no effect here.
func nothing(ctx context.Context, why string) error {
	zerolog.Ctx(ctx).Debug().Msg("delivery without effect: " + why)
	githubapp.SetResponder(ctx, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return nil
}

// malformedError says that a signed delivery is not what its event promises.
type malformedError struct {
	event string
	err   error
}

func (e *malformedError) Error() string { return fmt.Sprintf("%s delivery: %v", e.event, e.err) }
func (e *malformedError) Unwrap() error { return e.err }

// decode reads the few fields of a payload that we use. go-github's types are
// not used: they lack some, and hold on to all the rest.
func decode[T any](event string, payload []byte) (T, error) {
	var v T
	err := json.Unmarshal(payload, &v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return v, &malformedError{event, fmt.Errorf("%s: a %s does not belong there", strings.TrimPrefix(wrong.Field, "about."), wrong.Value)}
	case errors.As(err, &wrong):
		return v, &malformedError{event, fmt.Errorf("want an object, not a %s", wrong.Value)}
	case err != nil:
		return v, &malformedError{event, errors.New("it is not JSON")}
	}
	return v, nil
}

// about is what payloads say of whom they are about.
type about struct {
	Action       string `json:"action"`
	Installation struct {
		ID int64 `json:"id"`
	} `json:"installation"`
	Repository repository `json:"repository"`
}

type repository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
}

// maxFullName is the length of GitHub's longest names: 39 for the owner, 100 for
// the repository.
const maxFullName = 140

// good reports whether a repository is named in a form that can be looked up.
func (r repository) good() bool {
	_, err := project.ParseRepo(r.FullName)
	return r.ID > 0 && err == nil && len(r.FullName) <= maxFullName && storage.CheckKey(r.FullName) == nil
}

// user is a person or a bot.
type user struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

// inProject does something with the project that a delivery is about, if it is
// about one of ours.
func (d door) inProject(ctx context.Context, event string, a about, do func(ctx context.Context, space storage.Space) error) error {
	if a.Installation.ID <= 0 {
		return nothing(ctx, "it names no installation")
	}
	if !a.Repository.good() {
		return &malformedError{event, errors.New("repository: want an id and a full_name")}
	}
	space, err := d.projects.Find(ctx, a.Installation.ID, a.Repository.ID, a.Repository.FullName)
	if errors.Is(err, storage.ErrNoSpace) {
		return nothing(ctx, "the repository is none of ours")
	}
	if err != nil {
		return fmt.Errorf("look up the project of a delivery: %w", err)
	}
	log := zerolog.Ctx(ctx).With().Int64("installation", a.Installation.ID).Str("project", a.Repository.FullName).Logger()
	err = do(log.WithContext(ctx), space)
	if errors.Is(err, storage.ErrNoSpace) {
		return nothing(ctx, "the project has gone")
	}
	return err
}
