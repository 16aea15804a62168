package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/handlers"
)

// prove has a secret compared, unless who sends guessed too often: then only those
// that were right lately are. compare is told which secrets, by their SHA-256, it may
// look at, and returns the one that matched. wrong is what a wrong one is answered
// with.
func (h *Handler) prove(r *http.Request, src *source.Source, wrong *refusal,
	compare func(may func(secret [32]byte) bool) (matched [32]byte, ok bool)) error {
	if len(src.Secrets)+len(src.Digests) == 0 {
		return wrong.because("it has no secret yet that could be right") // there is nothing to guess
	}
	who := handlers.GuesserOf(r, src.ID)
	wait := h.guesses.Wait(who)
	may := func([32]byte) bool { return true }
	if wait > 0 {
		lately, any := h.guesses.Proofs(who)
		if !any {
			return guessedTooOften(wait)
		}
		may = lately
	}
	matched, ok := compare(may)
	switch {
	case ok:
		h.guesses.Proved(who, matched)
		return nil
	case wait > 0:
		return guessedTooOften(wait)
	}
	h.guesses.Failed(who)
	return wrong
}

func guessedTooOften(wait time.Duration) error {
	return &refusal{status: http.StatusTooManyRequests, after: wait,
		message: fmt.Sprintf("more than %d wrong keys or signatures for this source in a minute: this one was not looked at, and nothing of it was kept", handlers.MayGuess)}
}

// shut reports whether no secret that the sender could bring is looked at now, which
// needs no body to be known.
func (h *Handler) shut(r *http.Request, src *source.Source) error {
	who := handlers.GuesserOf(r, src.ID)
	if wait := h.guesses.Wait(who); wait > 0 {
		if _, any := h.guesses.Proofs(who); !any {
			return guessedTooOften(wait)
		}
	}
	return nil
}

// signed returns the secret, by its SHA-256, under which signature is the hex
// HMAC-SHA256 of the body. Every secret that it may look at is tried, so that the
// time taken does not say which one matched. (Sentry signs the body alone: neither
// the timestamp nor the resource is covered.)
func signed(secrets []string, body []byte, signature string, may func(secret [32]byte) bool) (matched [32]byte, ok bool) {
	got, err := hex.DecodeString(strings.TrimSpace(signature))
	if err != nil {
		return matched, false
	}
	for _, secret := range secrets {
		sum := sha256.Sum256([]byte(secret))
		if !may(sum) {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), got) {
			matched, ok = sum, true
		}
	}
	return matched, ok
}

// looksSigned reports whether a signature has the form of one, which needs no
// body to be seen.
func looksSigned(signature string) bool {
	sum, err := hex.DecodeString(strings.TrimSpace(signature))
	return err == nil && len(sum) == sha256.Size
}

// apiKey returns the key that a request carries, "" if it carries none.
func apiKey(r *http.Request) string {
	if scheme, key, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return strings.TrimSpace(r.Header.Get("X-API-Key"))
}

// oneOf reports whether the presented secret is one of the source's that it may look
// at, and returns its SHA-256. Digests are compared, so that neither content nor
// length shows in the time taken.
func oneOf(src *source.Source, presented string, may func(secret [32]byte) bool) (got [32]byte, ok bool) {
	got = sha256.Sum256([]byte(presented))
	if !may(got) {
		return got, false
	}
	matches := func(want [32]byte) {
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			ok = true
		}
	}
	for _, secret := range src.Secrets {
		matches(sha256.Sum256([]byte(secret)))
	}
	for _, digest := range src.Digests {
		matches(digest)
	}
	return got, ok
}
