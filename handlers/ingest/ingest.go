package ingest

import (
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
	"github.com/soulcaster/soulcaster/handlers"
)

// Sources finds the source that a path names.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, bool)
}

// Taker stores what was read. It returns one answer per reading, in order, and
// only when all of it is durable. With a [*quota.OverError] come answers too, which say
// what was refused.
type Taker interface {
	Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]intake.Answer, error)
}

// Handler serves the ingest routes.
type Handler struct {
	sources Sources
	taker   Taker
	hash    func(installation int64, author string) string
	now     func() time.Time

	small, large *places
	strangers    *places // for large bodies of whom nobody knows yet who sent them
}

// New returns the handler. hash turns an author into a keyed hash that is his
// own within the installation.
func New(sources Sources, taker Taker, hash func(installation int64, author string) string, now func() time.Time) *Handler {
	return &Handler{
		sources: sources, taker: taker, hash: hash, now: now,
		small: newPlaces(smallPlaces), large: newPlaces(largePlaces), strangers: newPlaces(strangerPlaces),
	}
}

// Register adds the routes to the mux.
func (h *Handler) Register(mux *handlers.Router) {
	for path, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/ingest/sentry/{source}":          h.sentry,
		"/ingest/sentry/{source}/{secret}": h.legacy,
		"/ingest/reddit/{source}":          h.reddit,
		"/ingest/feedback/{source}":        h.report,
		"/ingest/manual/{source}":          h.report,
	} {
		mux.Handle(http.MethodPost, path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				h.fail(w, r, err)
			}
		}))
	}
}

// sentry takes the signed webhooks of Sentry's integration platform.
func (h *Handler) sentry(w http.ResponseWriter, r *http.Request) error {
	src, err := h.source(r, source.Sentry)
	if err != nil {
		return err
	}
	form := signedForm()
	if _, err := contentType(r, form.media); err != nil {
		return err
	}
	signature := r.Header.Get("Sentry-Hook-Signature")
	unsigned := &refusal{http.StatusUnauthorized, "Sentry-Hook-Signature is missing or does not match: check the source's client secret"}
	if !looksSigned(signature) {
		return unsigned
	}
	form.verify = func(data []byte) error {
		if !signed(src.Secrets, data, signature) {
			return unsigned
		}
		return nil
	}
	return h.read(w, r, src, form, func(data []byte) ([]feedback.Reading, error) {
		resource := r.Header.Get("Sentry-Hook-Resource")
		if resource == "" {
			return nil, &refusal{http.StatusBadRequest, "the header Sentry-Hook-Resource is missing"}
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
func (h *Handler) legacy(w http.ResponseWriter, r *http.Request) error {
	src, err := h.source(r, source.Sentry)
	if err != nil {
		return err
	}
	// A source that does not allow the plugin has no such address.
	if !src.Legacy {
		return noSource()
	}
	if !oneOf(src.Secrets, r.PathValue("secret")) {
		return &refusal{http.StatusUnauthorized, "the secret in the path is not one of the source's"}
	}
	form := signedForm()
	if _, err := contentType(r, form.media); err != nil {
		return err
	}
	return h.read(w, r, src, form, h.reader(src).SentryLegacy)
}

// reddit takes a thing, a listing or a page of comments.
func (h *Handler) reddit(w http.ResponseWriter, r *http.Request) error {
	src, err := h.keyed(r, source.Reddit)
	if err != nil {
		return err
	}
	form := keyedForm("application/json")
	if _, err := contentType(r, form.media); err != nil {
		return err
	}
	return h.read(w, r, src, form, h.reader(src).Reddit)
}

// report takes reports: an object, an array, or one object a line.
func (h *Handler) report(w http.ResponseWriter, r *http.Request) error {
	src, err := h.keyed(r, source.Feedback)
	if err != nil {
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

// keyed finds the source of a route whose senders show an API key.
func (h *Handler) keyed(r *http.Request, kind source.Kind) (*source.Source, error) {
	src, err := h.source(r, kind)
	if err != nil {
		return nil, err
	}
	if !oneOf(src.Secrets, apiKey(r)) {
		return nil, &refusal{http.StatusUnauthorized, "the API key is missing or wrong: send it as Authorization: Bearer … or X-API-Key: …"}
	}
	return src, nil
}

func (h *Handler) source(r *http.Request, kind source.Kind) (*source.Source, error) {
	src, ok := h.sources.Source(r.Context(), r.PathValue("source"))
	if !ok || src.Kind != kind {
		return nil, noSource()
	}
	return src, nil
}

func noSource() error {
	return &refusal{http.StatusNotFound, "there is no such source: check the address"}
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
		refuse(w, r, src, readings, nothing)
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
		tellAnswers(w, r, src, http.StatusTooManyRequests, readings, answers, over.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("take %d readings for source %s: %w", len(readings), src.ID, err)
	}
	tellAnswers(w, r, src, http.StatusAccepted, readings, answers, "")
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

// fail answers an error.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		// A name that is no source's is not logged: it may be a secret in the wrong place.
		if src, ok := h.sources.Source(r.Context(), r.PathValue("source")); ok {
			zerolog.Ctx(r.Context()).Info().Int64("installation", src.Installation).Str("source", src.ID).
				Int("status", refused.status).Msg("a request was refused")
		}
		if refused.status == http.StatusTooManyRequests {
			handlers.RetryAfter(w, time.Second)
		}
		handlers.Error(w, r, refused.status, refused.message)
	case errors.Is(err, storage.ErrNoSpace):
		handlers.Error(w, r, http.StatusNotFound, noSource().Error())
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrConflict),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("feedback could not be stored")
		handlers.Unavailable(w, r)
	default:
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("feedback could not be taken in")
		handlers.Error(w, r, http.StatusInternalServerError, "something went wrong here; the log has it under this request id. Nothing of it is known to be kept: send it again")
	}
}
