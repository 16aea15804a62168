package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/handlers"
)

// Sources finds the source that a path names; source.ErrNone if there is none.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, error)
}

// Taker stores what was read. It returns one answer per reading, in order, and
// only when all of it is durable. With a [*quota.OverError] come answers too, which say
// what was refused.
type Taker interface {
	Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]intake.Answer, error)
}

// Traffic counts what became of requests for sources that are there.
type Traffic interface {
	Source(installation int64, id string, e traffic.Event)
}

// Handler serves the ingest routes.
type Handler struct {
	sources Sources
	taker   Taker
	traffic Traffic
	hash    func(installation int64, author string) string
	now     func() time.Time

	guesses      *handlers.Guesses
	small, large *places
	strangers    *places // for large bodies of whom nobody knows yet who sent them
}

// New returns the handler. hash turns an author into a keyed hash that is his
// own within the installation.
func New(sources Sources, taker Taker, counts Traffic, hash func(installation int64, author string) string, now func() time.Time) *Handler {
	return &Handler{
		sources: sources, taker: taker, traffic: counts, hash: hash, now: now, guesses: handlers.NewGuesses(now),
		small: newPlaces(smallPlaces), large: newPlaces(largePlaces), strangers: newPlaces(strangerPlaces),
	}
}

// Register adds the routes.
func (h *Handler) Register(to *handlers.Router) {
	for path, route := range map[string]struct {
		kind  source.Kind
		serve func(http.ResponseWriter, *http.Request, *source.Source) error
	}{
		"/ingest/sentry/{source}":          {source.Sentry, h.sentry},
		"/ingest/sentry/{source}/{secret}": {source.Sentry, h.legacy},
		"/ingest/reddit/{source}":          {source.Reddit, h.reddit},
		"/ingest/feedback/{source}":        {source.Feedback, h.report},
		"/ingest/manual/{source}":          {source.Feedback, h.report},
	} {
		to.Handle(http.MethodPost, path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			src, err := h.sources.Source(r.Context(), r.PathValue("source"))
			switch {
			case errors.Is(err, source.ErrNone):
				err = noSource()
			case err != nil:
				err = fmt.Errorf("look for a source: %w", err)
			case src.Kind != route.kind:
				err = noSource().because("it was sent to the address of another kind of source")
			default:
				err = route.serve(w, r, src)
			}
			if err != nil {
				h.fail(w, r, src, err)
			}
		}))
	}
}

// sentry takes the signed webhooks of Sentry's integration platform.
func (h *Handler) sentry(w http.ResponseWriter, r *http.Request, src *source.Source) error {
	form := signedForm()
	if _, err := contentType(r, form.media); err != nil {
		return err
	}
	signature := r.Header.Get("Sentry-Hook-Signature")
	unsigned := &refusal{status: http.StatusUnauthorized, message: "Sentry-Hook-Signature is missing or does not match: check the source's client secret"}
	if !looksSigned(signature) {
		return unsigned
	}
	if err := h.shut(r, src); err != nil {
		return err
	}
	form.verify = func(data []byte) error {
		return h.prove(r, src, unsigned, func(may func([32]byte) bool) ([32]byte, bool) {
			return signed(src.Secrets, data, signature, may)
		})
	}
	return h.read(w, r, src, form, func(data []byte) ([]feedback.Reading, error) {
		resource := r.Header.Get("Sentry-Hook-Resource")
		if resource == "" {
			return nil, &refusal{status: http.StatusBadRequest, message: "the header Sentry-Hook-Resource is missing"}
		}
		reader := h.reader(src)
		reader.Sent = hookTime(r)
		return reader.Sentry(resource, data)
	})
}

// hookTime is the moment that Sentry says it sent the webhook, zero if it does
// not say. It is not signed.
func hookTime(r *http.Request) time.Time {
	seconds, err := strconv.ParseInt(r.Header.Get("Sentry-Hook-Timestamp"), 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// legacy takes what Sentry's unsigned plugin sends, for a source that allows it.
func (h *Handler) legacy(w http.ResponseWriter, r *http.Request, src *source.Source) error {
	// A source that does not allow the plugin has no such address.
	if !src.Legacy {
		return noSource().because("it was sent as by Sentry's unsigned plugin, which this source does not allow")
	}
	wrong := &refusal{status: http.StatusUnauthorized, message: "the secret in the path is not one of the source's"}
	if err := h.shows(r, src, r.PathValue("secret"), wrong); err != nil {
		return err
	}
	form := signedForm()
	if _, err := contentType(r, form.media); err != nil {
		return err
	}
	return h.read(w, r, src, form, h.reader(src).SentryLegacy)
}

// reddit takes a thing, a listing or a page of comments.
func (h *Handler) reddit(w http.ResponseWriter, r *http.Request, src *source.Source) error {
	if err := h.keyed(r, src); err != nil {
		return err
	}
	form := keyedForm("application/json")
	if _, err := contentType(r, form.media); err != nil {
		return err
	}
	return h.read(w, r, src, form, h.reader(src).Reddit)
}

// report takes reports: an object, an array, or one object a line.
func (h *Handler) report(w http.ResponseWriter, r *http.Request, src *source.Source) error {
	if err := h.keyed(r, src); err != nil {
		return err
	}
	form := keyedForm("application/json", "application/x-ndjson")
	media, err := contentType(r, form.media)
	if err != nil {
		return err
	}
	return h.read(w, r, src, form, func(data []byte) ([]feedback.Reading, error) {
		return h.reader(src).Reports(media, data)
	})
}

// keyed lets in senders who show an API key of the source.
func (h *Handler) keyed(r *http.Request, src *source.Source) error {
	return h.shows(r, src, apiKey(r), &refusal{status: http.StatusUnauthorized,
		message: "the API key is missing or wrong: send it as Authorization: Bearer … or X-API-Key: …"})
}

// shows lets in who shows a secret of the source. To show none is no guess.
func (h *Handler) shows(r *http.Request, src *source.Source, presented string, wrong *refusal) error {
	if presented == "" {
		return wrong
	}
	return h.prove(r, src, wrong, func(may func([32]byte) bool) ([32]byte, bool) { return oneOf(src, presented, may) })
}

func noSource() *refusal {
	return &refusal{status: http.StatusNotFound, message: "there is no such source: check the address"}
}

func (h *Handler) reader(src *source.Source) *feedback.Reader {
	return &feedback.Reader{
		SourceID: src.ID,
		Hash:     func(author string) string { return h.hash(src.Installation, author) },
		Now:      h.now(),
		Public:   src.Public,
	}
}

// read reads the body, has it understood, stores what is in it and answers. It
// holds one of the places all the while; but a body that says only at its end who
// sent it is read before that, so that strangers who send slowly keep nobody out.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, src *source.Source, f form,
	understand func([]byte) ([]feedback.Reading, error)) error {
	var data []byte
	if f.verify != nil {
		var err error
		if data, err = h.unverified(w, r, src, f); err != nil {
			return err
		}
	}
	done, err := h.placesFor(r).take(r.Context(), src.ID)
	if err != nil {
		return err
	}
	defer done()
	if f.verify == nil {
		if data, err = body(w, r, f); err != nil {
			return err
		}
	}
	readings, err := understand(data)
	var nothing *feedback.BodyError
	switch {
	case errors.As(err, &nothing):
		h.refuse(w, r, src, readings, nothing)
		return nil
	case err != nil:
		return err
	}
	// A sender that has hung up has not taken back what it said.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), f.store)
	defer cancel()
	answers, err := h.taker.Take(ctx, src, readings)
	var over *quota.OverError
	if errors.As(err, &over) {
		handlers.RetryAfter(w, over.Until.Sub(h.now()))
		h.tell(w, r, src, http.StatusTooManyRequests, readings, answers, over.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("take %d readings for source %s: %w", len(readings), src.ID, err)
	}
	h.tell(w, r, src, http.StatusAccepted, readings, answers, "")
	return nil
}

// unverified reads a body and finds out who sent it. Small ones are bounded by
// their size and their time alone; others wait for places of their own.
func (h *Handler) unverified(w http.ResponseWriter, r *http.Request, src *source.Source, f form) ([]byte, error) {
	if h.placesFor(r) != h.small {
		done, err := h.strangers.take(r.Context(), src.ID)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	data, err := body(w, r, f)
	if err != nil {
		return nil, err
	}
	return data, f.verify(data)
}

// fail answers an error. src is nil where the path names no source.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, src *source.Source, err error) {
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		// A name that is no source's is not logged: it may be a secret in the wrong place.
		if src != nil {
			zerolog.Ctx(r.Context()).Info().Int64("installation", src.Installation).Str("source", src.ID).
				Int("status", refused.status).Msg("a request was refused")
			h.count(r, src, traffic.Counts{Rejected: 1}, refused.status, cmp.Or(refused.why, refused.message))
		}
		if refused.status == http.StatusTooManyRequests {
			handlers.RetryAfter(w, max(refused.after, time.Second))
		}
		handlers.Error(w, r, refused.status, refused.message)
	case errors.Is(err, storage.ErrNoSpace):
		handlers.Error(w, r, http.StatusNotFound, noSource().Error())
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrConflict),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("feedback could not be stored")
		h.count(r, src, traffic.Counts{Rejected: 1}, http.StatusServiceUnavailable, "the store was not reachable; what is not sent again is lost")
		handlers.Unavailable(w, r)
	default:
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("feedback could not be taken in")
		h.count(r, src, traffic.Counts{Rejected: 1}, http.StatusInternalServerError, "something went wrong here; the log has it under the request id")
		handlers.Error(w, r, http.StatusInternalServerError, "something went wrong here; the log has it under this request id. Nothing of it is known to be kept: send it again")
	}
}

// count counts what became of a request, if it was for a source that is there: what
// strangers send to other names is not remembered by name.
func (h *Handler) count(r *http.Request, src *source.Source, c traffic.Counts, status int, reason string) {
	if src == nil {
		return
	}
	h.traffic.Source(src.Installation, src.ID, traffic.Event{Counts: c, Reason: reason, Status: status, RequestID: handlers.RequestID(r.Context())})
}
