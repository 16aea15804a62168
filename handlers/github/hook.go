package github

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// Route is where GitHub delivers to.
const Route = githubapp.DefaultWebhookRoute

// MaxBody is the longest delivery, in bytes. GitHub caps payloads at 25 MB and
// does not deliver longer ones.
const MaxBody = 25 << 20

// answerWithin is how long a delivery may take. GitHub waits for ten seconds.
const answerWithin = 8 * time.Second

// Bodies of more than largeBody bytes are read by largePlaces requests at once,
// which bounds what strangers can make us hold before their signature is found
// to be missing. What GitHub tells us of issues and comments is smaller.
const (
	largeBody   = 1 << 20
	largePlaces = 4
)

// Config is what the handler needs beside the store.
type Config struct {
	// Secrets are the live webhook secrets: one, or several while rotating. A
	// delivery that is signed with any of them is good.
	Secrets []string
	// Wake is told the spaces in which work became due.
	Wake func(spaces ...string)
	Now  func() time.Time // time.Now if nil

	// Review adds to the batch that a person asks for changes in the pull request of
	// a run, and Checks that checks failed on a commit of its branch. Without runs
	// they are nil, and such deliveries have no effect.
	Review func(b *storage.Batch, r fix.Review)
	Checks func(b *storage.Batch, runID, sha string)

	// Access is told that people may see something else than a moment ago, and SignOut
	// that a person is to be signed out. They are nil where nobody can sign in.
	Access  func(ctx context.Context) error
	SignOut func(ctx context.Context, person int64) error

	// Issue is told that an issue of a repository may have changed, whoever's it is; nil
	// if nobody wants to know.
	Issue func(installation, repository int64, number int)
}

// Projects finds the spaces that deliveries are about; [*project.Registry] does.
type Projects interface {
	// Install makes the space of an installation, if there is none yet.
	Install(ctx context.Context, installation int64) (storage.Space, error)
	// Space opens it; storage.ErrNoSpace if there is none.
	Space(ctx context.Context, installation int64) (storage.Space, error)
	// Find returns the space of a repository's project, by GitHub's id first;
	// storage.ErrNoSpace if it is none of ours.
	Find(ctx context.Context, installation, repository int64, fullName string) (storage.Space, error)
}

// hook is what stands in front of go-githubapp's dispatcher, which alone would
// take unsigned deliveries when it has no secret, deliveries that are signed with
// SHA-1 only, forms, and bodies of any length.
type hook struct {
	keys  []key
	large chan struct{}
}

// key is a live secret with the dispatcher that checks with it once more.
type key struct {
	secret []byte
	next   http.Handler
}

// New returns the handler of [Route].
func New(cfg Config, projects Projects) (http.Handler, error) {
	if len(cfg.Secrets) == 0 {
		return nil, errors.New("github hook: no webhook secret")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Access == nil {
		cfg.Access = func(context.Context) error { return nil }
	}
	if cfg.Issue == nil {
		cfg.Issue = func(int64, int64, int) {}
	}
	d := door{projects: projects, wake: cfg.Wake, now: cfg.Now, access: cfg.Access, issue: cfg.Issue}
	events := []githubapp.EventHandler{
		&installation{d},
		&installationRepositories{d},
		&repositoryEvent{d},
		&authorization{cfg.SignOut, cfg.Access},
		&issues{d},
		&issueComment{d},
		&pullRequest{d},
		&pullRequestReview{d, cfg.Review},
		&checkSuite{d, cfg.Checks},
	}
	h := &hook{large: make(chan struct{}, largePlaces)}
	for _, secret := range cfg.Secrets {
		if secret == "" {
			return nil, errors.New("github hook: an empty webhook secret")
		}
		h.keys = append(h.keys, key{[]byte(secret), githubapp.NewEventDispatcher(events, secret,
			githubapp.WithScheduler(githubapp.DefaultScheduler()), // inline: durable before the answer
			githubapp.WithErrorCallback(refuse),
		)})
	}
	return h, nil
}

// deliveryForm is what X-GitHub-Delivery must look like. GitHub sends a GUID,
// other servers send numbers; it becomes a part of a key.
var deliveryForm = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		handlers.Error(w, r, http.StatusMethodNotAllowed, "deliveries are POSTed")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		handlers.Error(w, r, http.StatusUnsupportedMediaType, "deliveries are application/json: set the webhook's content type to that")
		return
	}
	if !deliveryForm.MatchString(r.Header.Get("X-GitHub-Delivery")) {
		handlers.Error(w, r, http.StatusBadRequest, "X-GitHub-Delivery is missing or malformed")
		return
	}
	signature, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256="))
	if err != nil || len(signature) != sha256.Size || !strings.HasPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=") {
		handlers.Error(w, r, http.StatusBadRequest, "X-Hub-Signature-256 is missing or malformed")
		return
	}

	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	r = r.WithContext(ctx)
	body, err := h.read(w, r)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		handlers.Error(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("a delivery has at most %d bytes", MaxBody))
		return
	case errors.Is(err, errFull):
		handlers.RetryAfter(w, answerWithin)
		handlers.Error(w, r, http.StatusServiceUnavailable, err.Error())
		return
	case err != nil:
		handlers.Error(w, r, http.StatusBadRequest, "the body could not be read to its end")
		return
	}
	next := h.signer(body, signature)
	if next == nil {
		zerolog.Ctx(ctx).Warn().Msg("a delivery with a wrong signature was refused")
		handlers.Error(w, r, http.StatusBadRequest, "X-Hub-Signature-256 does not fit the body: check the webhook's secret")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
}

var errFull = errors.New("too many large deliveries at once")

// read reads the body. It ends with the request's deadline, so that nobody can
// hold a place by sending slowly.
func (h *hook) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return nil, &http.MaxBytesError{Limit: MaxBody}
	}
	if r.ContentLength < 0 || r.ContentLength > largeBody {
		select {
		case h.large <- struct{}{}:
			defer func() { <-h.large }()
		case <-r.Context().Done():
			return nil, errFull
		}
	}
	control := http.NewResponseController(w)
	if by, ok := r.Context().Deadline(); ok && control.SetReadDeadline(by) == nil {
		defer control.SetReadDeadline(time.Time{})
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
}

// signer returns the dispatcher of the secret that the body is signed with, nil
// if there is none. All secrets are tried, so that the time it takes says nothing
// about which one fits.
func (h *hook) signer(body, signature []byte) (next http.Handler) {
	for _, k := range h.keys {
		mac := hmac.New(sha256.New, k.secret)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), signature) {
			next = k.next
		}
	}
	return next
}

// refuse answers an error of the dispatcher or of a handler.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	log := zerolog.Ctx(r.Context())
	var invalid githubapp.ValidationError
	var malformed *malformedError
	switch {
	case errors.As(err, &invalid):
		log.Warn().Err(invalid.Cause).Msg("a delivery was refused")
		handlers.Error(w, r, http.StatusBadRequest, "X-GitHub-Event is missing, or the signature does not fit")
	case errors.As(err, &malformed):
		log.Warn().Err(err).Msg("a delivery could not be read")
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		log.Warn().Err(err).Msg("a delivery could not be stored now")
		handlers.Unavailable(w, r)
	default:
		log.Error().Err(err).Msg("a delivery could not be stored")
		handlers.Error(w, r, http.StatusInternalServerError, "the delivery could not be stored; the log has why under this request id")
	}
}
