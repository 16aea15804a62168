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
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// Sources finds the source that a path names.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, bool)
}

// Taker stores what was read. It returns one answer per reading, in order, and
// only when all of it is durable.
type Taker interface {
	Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]intake.Answer, error)
}

// Handler serves the ingest routes.
type Handler struct {
	sources Sources
	taker   Taker
	hash    func(installation int64, author string) string
	now     func() time.Time

	signed  chan struct{} // places for bodies of signedBytes
	reports chan struct{} // places for bodies of reportBytes
}

// How many requests are read at once: together they bound the memory that
// bodies can take to about 230 MB. Who finds no place is told to come again.
const (
	signedPlaces = 64
	reportPlaces = 16
)

// maxItems is how many elements an answer lists.
const maxItems = 1000

// New returns the handler. hash turns an author into a keyed hash that is his
// own within the installation.
func New(sources Sources, taker Taker, hash func(installation int64, author string) string, now func() time.Time) *Handler {
	return &Handler{
		sources: sources, taker: taker, hash: hash, now: now,
		signed:  make(chan struct{}, signedPlaces),
		reports: make(chan struct{}, reportPlaces),
	}
}

// Register adds the routes to the mux.
func (h *Handler) Register(mux *http.ServeMux) {
	for path, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/ingest/sentry/{source}":          h.sentry,
		"/ingest/sentry/{source}/{secret}": h.legacy,
		"/ingest/reddit/{source}":          h.reddit,
		"/ingest/feedback/{source}":        h.report,
		"/ingest/manual/{source}":          h.report,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				fail(w, r, err)
			}
		})
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", http.MethodPost)
			handlers.Error(w, r, http.StatusMethodNotAllowed, "send feedback with POST")
		})
	}
}

// sentry takes the signed webhooks of Sentry's integration platform.
func (h *Handler) sentry(w http.ResponseWriter, r *http.Request) error {
	src, err := h.source(r, source.Sentry)
	if err != nil {
		return err
	}
	data, done, err := h.read(w, r, h.signed, signedBytes)
	if err != nil {
		return err
	}
	defer done()
	if !signed(src.Secrets, data, r.Header.Get("Sentry-Hook-Signature")) {
		return &refusal{http.StatusUnauthorized, "Sentry-Hook-Signature is missing or does not match: check the source's client secret"}
	}
	resource := r.Header.Get("Sentry-Hook-Resource")
	if resource == "" {
		return &refusal{http.StatusBadRequest, "the header Sentry-Hook-Resource is missing"}
	}
	reader := h.reader(src)
	reader.Sent = hookTime(r)
	readings, err := reader.Sentry(resource, data)
	return h.take(w, r, src, readings, err)
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
	data, done, err := h.read(w, r, h.signed, signedBytes)
	if err != nil {
		return err
	}
	defer done()
	readings, err := h.reader(src).SentryLegacy(data)
	return h.take(w, r, src, readings, err)
}

// reddit takes a thing, a listing or a page of comments.
func (h *Handler) reddit(w http.ResponseWriter, r *http.Request) error {
	return h.keyed(w, r, source.Reddit, []string{"application/json"},
		func(reader *feedback.Reader, _ string, data []byte) ([]feedback.Reading, error) {
			return reader.Reddit(data)
		})
}

// report takes reports: an object, an array, or one object a line.
func (h *Handler) report(w http.ResponseWriter, r *http.Request) error {
	return h.keyed(w, r, source.Feedback, []string{"application/json", "application/x-ndjson"},
		func(reader *feedback.Reader, media string, data []byte) ([]feedback.Reading, error) {
			return reader.Reports(media, data)
		})
}

// keyed serves a route whose senders show an API key.
func (h *Handler) keyed(w http.ResponseWriter, r *http.Request, kind source.Kind, media []string,
	read func(*feedback.Reader, string, []byte) ([]feedback.Reading, error)) error {
	src, err := h.source(r, kind)
	if err != nil {
		return err
	}
	if !oneOf(src.Secrets, apiKey(r)) {
		return &refusal{http.StatusUnauthorized, "the API key is missing or wrong: send it as Authorization: Bearer … or X-API-Key: …"}
	}
	sent, err := contentType(r, media...)
	if err != nil {
		return err
	}
	data, done, err := h.read(w, r, h.reports, reportBytes)
	if err != nil {
		return err
	}
	defer done()
	readings, err := read(h.reader(src), sent, data)
	return h.take(w, r, src, readings, err)
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

// read reads the body in one of the places, which done gives back.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, places chan struct{}, limit int64) (data []byte, done func(), err error) {
	select {
	case places <- struct{}{}:
	default:
		return nil, nil, &refusal{http.StatusTooManyRequests, "too many requests at once: nothing was kept, send it again"}
	}
	done = func() { <-places }
	if limit == signedBytes {
		if _, err := contentType(r, "application/json"); err != nil {
			done()
			return nil, nil, err
		}
	}
	data, err = body(w, r, limit)
	if err != nil {
		done()
		return nil, nil, err
	}
	return data, done, nil
}

func (h *Handler) reader(src *source.Source) *feedback.Reader {
	return &feedback.Reader{
		SourceID: src.ID,
		Hash:     func(author string) string { return h.hash(src.Installation, author) },
		Now:      h.now(),
		Public:   src.Public,
	}
}

// answer is what the sender gets.
type answer struct {
	Accepted   int    `json:"accepted"`
	Duplicates int    `json:"duplicates"`
	Rejected   int    `json:"rejected"`
	Items      []item `json:"items"`
	Error      string `json:"error,omitempty"`
	RequestID  string `json:"request_id"`
}

type item struct {
	Index  int                  `json:"index"`
	ID     *string              `json:"id"`
	Status string               `json:"status"`
	State  *string              `json:"state"`
	Error  *feedback.FieldError `json:"error"`
}

// take stores what was read and answers.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, src *source.Source, readings []feedback.Reading, err error) error {
	if err != nil {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	answers, err := h.taker.Take(r.Context(), src, readings)
	if err != nil {
		return fmt.Errorf("take %d readings for source %s: %w", len(readings), src.ID, err)
	}
	out := answer{Items: []item{}, RequestID: handlers.RequestID(r.Context())}
	for _, a := range answers {
		switch a.Status {
		case intake.Accepted:
			out.Accepted++
		case intake.Duplicate:
			out.Duplicates++
		default:
			out.Rejected++
		}
		if len(out.Items) < maxItems {
			i := item{Index: a.Index, Status: string(a.Status), Error: a.Error}
			if a.Status != intake.Rejected {
				i.ID, i.State = &a.ID, &a.State
			}
			out.Items = append(out.Items, i)
		}
	}
	zerolog.Ctx(r.Context()).Info().
		Int64("installation", src.Installation).Str("source", src.ID).
		Int("accepted", out.Accepted).Int("duplicates", out.Duplicates).Int("rejected", out.Rejected).
		Msg("feedback taken in")
	status := http.StatusAccepted
	if out.Rejected > 0 && out.Rejected == len(answers) {
		first := answers[0].Error
		status = http.StatusBadRequest
		out.Error = fmt.Sprintf("nothing of it could be read: element %d: %s: %s", answers[0].Index, first.Field, first.Message)
	}
	handlers.JSON(w, status, out)
	return nil
}

// fail answers an error.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		if refused.status == http.StatusTooManyRequests {
			handlers.RetryAfter(w, time.Second)
		}
		zerolog.Ctx(r.Context()).Info().Str("source", r.PathValue("source")).Int("status", refused.status).Msg("feedback refused: " + http.StatusText(refused.status))
		handlers.Error(w, r, refused.status, refused.message)
	case errors.Is(err, storage.ErrNoSpace):
		handlers.Error(w, r, http.StatusNotFound, noSource().Error())
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrConflict), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("feedback could not be stored")
		handlers.Unavailable(w, r)
	default:
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("feedback could not be taken in")
		handlers.Error(w, r, http.StatusInternalServerError, "something went wrong here; the log has it under this request id. Nothing of it is known to be kept: send it again")
	}
}
