package agent

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/model"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/session"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// How large a body may be, how long it may take to arrive, and how long what it
// asks for may take.

// fewValues is room for all that a small body has.
const fewValues = 20

func claimForm() form {
	return form{bytes: 4 << 10, values: fewValues, arrive: 5 * time.Second, work: 25 * time.Second}
}

func heartbeatForm() form {
	return form{bytes: 4 << 10, values: fewValues, arrive: 5 * time.Second, work: 10 * time.Second}
}

// logForm lets JSON write a byte with six.
func logForm() form {
	return form{bytes: 6*session.MaxPiece + 1<<10, values: fewValues, arrive: 20 * time.Second, work: 15 * time.Second}
}

func resultForm() form {
	return form{bytes: run.MaxResult, values: maxValues, arrive: 2 * time.Minute, work: 30 * time.Second}
}

// maxValues is room for 1000 files and 16 tests: more is refused before a list is
// made of it.
const maxValues = 1000*3 + 16*5 + 20

// askForm has no time for the work: a model may think for long, and package model
// says for how long.
func askForm() form { return form{bytes: model.MaxRequest, arrive: time.Minute} }

// knockTime bounds finding out whose a token is.
const knockTime = 10 * time.Second

// Handler serves the routes.
type Handler struct {
	sessions *session.Sessions
	model    *model.Gateway
	guesses  *handlers.Guesses
	places   *places
}

// New returns the handler. gateway may be nil: then there is no model.
func New(sessions *session.Sessions, gateway *model.Gateway, now func() time.Time) *Handler {
	return &Handler{sessions: sessions, model: gateway, guesses: handlers.NewGuesses(now), places: newPlaces()}
}

// Register adds the routes to the mux.
func (h *Handler) Register(mux *handlers.Router) {
	route := func(method, path string, serve func(http.ResponseWriter, *http.Request) error, fail func(http.ResponseWriter, *http.Request, *refusal)) {
		mux.Handle(method, path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				// What took longer than the server's own patience is answered all the same.
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
				fail(w, r, h.refusal(r, err))
			}
		}))
	}
	route(http.MethodPost, "/agent/claim", h.claim, refuse)
	route(http.MethodPost, "/agent/runs/{run}/heartbeat", h.heartbeat, refuse)
	route(http.MethodPost, "/agent/runs/{run}/log", h.log, refuse)
	route(http.MethodPut, "/agent/runs/{run}/result", h.result, refuse)
	route(http.MethodPost, "/agent/runs/{run}/v1/chat/completions", h.ask, refuseAsOpenAI)
}

// claim gives out a brief.
func (h *Handler) claim(w http.ResponseWriter, r *http.Request) error {
	var c brief.Claim
	if err := h.read(w, r, claimForm(), &c); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), claimForm().work)
	defer cancel()
	b, err := h.sessions.Claim(ctx, c)
	if err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().Str("run", b.Run).Int("attempt", b.Attempt).Str("task", c.Task).Msg("the brief was claimed")
	w.Header().Set("Cache-Control", "no-store")
	handlers.JSON(w, http.StatusOK, b)
	return nil
}

// heartbeat keeps a sign of life and answers how to go on.
func (h *Handler) heartbeat(w http.ResponseWriter, r *http.Request) error {
	s, err := h.enter(r)
	if err != nil {
		return err
	}
	done, err := h.places.take(r, heartbeatForm().bytes)
	if err != nil {
		return err
	}
	defer done()
	var beat brief.Heartbeat
	if err := h.read(w, r, heartbeatForm(), &beat); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), heartbeatForm().work)
	defer cancel()
	order, err := s.Heartbeat(ctx, beat)
	if err != nil {
		return err
	}
	handlers.JSON(w, http.StatusOK, order)
	return nil
}

// log keeps a piece of the log.
func (h *Handler) log(w http.ResponseWriter, r *http.Request) error {
	s, err := h.enter(r)
	if err != nil {
		return err
	}
	done, err := h.places.take(r, logForm().bytes)
	if err != nil {
		return err
	}
	defer done()
	var piece brief.Log
	if err := h.read(w, r, logForm(), &piece); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), logForm().work)
	defer cancel()
	if err := s.Log(ctx, piece); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// result takes what the agent made. Whoever hangs up has not taken it back.
func (h *Handler) result(w http.ResponseWriter, r *http.Request) error {
	s, err := h.enter(r)
	if err != nil {
		return err
	}
	done, err := h.places.take(r, resultForm().bytes)
	if err != nil {
		return err
	}
	defer done()
	var result brief.Result
	if err := h.read(w, r, resultForm(), &result); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), resultForm().work)
	defer cancel()
	if err := s.Result(ctx, &result); err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().Str("run", r.PathValue("run")).Int("attempt", s.Attempt()).
		Str("ending", string(result.Ending)).Int("files", len(result.Files)).Msg("the result was handed over")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// enter lets in who brings a token of the run.
func (h *Handler) enter(r *http.Request) (*session.Session, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, &refusal{status: http.StatusUnauthorized, code: "no_token", message: "send the run's token as Authorization: Bearer …"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), knockTime)
	defer cancel()
	return h.sessions.Open(ctx, r.PathValue("run"), token)
}

// refusal is a request that is answered with an error.
type refusal struct {
	status  int
	code    string
	message string
	after   time.Duration
}

func (e *refusal) Error() string { return e.message }

// refusal says what an error means to whoever asked. What is not for them goes to
// the log.
func (h *Handler) refusal(r *http.Request, err error) *refusal {
	log := zerolog.Ctx(r.Context())
	id := r.PathValue("run")
	var ours *refusal
	var gateway *model.Refusal
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, session.ErrNoRun), errors.Is(err, session.ErrToken):
		return h.stranger(r)
	case errors.Is(err, session.ErrClaimed):
		log.Warn().Err(err).Msg("a brief was claimed again and not given")
		return &refusal{status: http.StatusConflict, code: "claimed", message: "the brief was given to a task already"}
	case errors.Is(err, session.ErrOver):
		log.Info().Err(err).Str("run", id).Msg("a request for an attempt that is over")
		return &refusal{status: http.StatusGone, code: "over", message: err.Error()}
	case errors.Is(err, session.ErrTooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, code: "too_large", message: err.Error()}
	case errors.Is(err, session.ErrInvalid):
		return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: err.Error()}
	case errors.Is(err, session.ErrNotYet):
		log.Info().Err(err).Str("run", id).Msg("a request came too early")
		return &refusal{status: http.StatusServiceUnavailable, code: "not_yet", message: "not yet: ask again", after: 5 * time.Second}
	case errors.As(err, &gateway):
		if gateway.Err != nil {
			log.Warn().Err(gateway.Err).Str("run", id).Msg(gateway.Message)
		}
		return &refusal{status: gateway.Status, code: gateway.Code, message: gateway.Message, after: gateway.After}
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrConflict), errors.Is(err, storage.ErrNoSpace),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		log.Error().Err(err).Str("run", id).Msg("a request of the agent could not be stored")
		return &refusal{status: http.StatusServiceUnavailable, code: "unavailable", message: "the store is not reachable: ask again", after: 5 * time.Second}
	}
	log.Error().Err(err).Str("run", id).Msg("a request of the agent failed")
	return &refusal{status: http.StatusInternalServerError, code: "internal",
		message: "something went wrong here; the log has it under this request id"}
}

// stranger is the answer to whoever brings a wrong secret: the same whether there is
// such a run or not. Those who keep trying are told to wait, and not logged; a right
// secret is taken all the same, so that nobody can be kept out by others' tries.
func (h *Handler) stranger(r *http.Request) *refusal {
	who := handlers.GuesserOf(r, "runs")
	if wait := h.guesses.Wait(who); wait > 0 {
		return &refusal{status: http.StatusTooManyRequests, code: "too_many_tries", message: "too many wrong secrets", after: wait}
	}
	h.guesses.Failed(who)
	zerolog.Ctx(r.Context()).Warn().Stringer("address", who).Msg("a wrong secret for a run, or for none")
	return &refusal{status: http.StatusNotFound, code: "no_run", message: "there is no such run, or the secret is not its"}
}

// refuse answers as all routes do.
func refuse(w http.ResponseWriter, r *http.Request, e *refusal) {
	if e.after > 0 {
		handlers.RetryAfter(w, e.after)
	}
	handlers.Error(w, r, e.status, e.message)
}

// refuseAsOpenAI answers in the form that clients of OpenAI's API read.
func refuseAsOpenAI(w http.ResponseWriter, r *http.Request, e *refusal) {
	if e.after > 0 {
		handlers.RetryAfter(w, e.after)
	}
	handlers.JSON(w, e.status, map[string]any{
		"error":      map[string]any{"message": e.message, "type": "soulcaster", "code": e.code},
		"request_id": handlers.RequestID(r.Context()),
	})
}
