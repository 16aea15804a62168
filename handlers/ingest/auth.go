package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
)

// signed reports whether signature is the hex HMAC-SHA256 of the body under one
// of the secrets. Every secret is tried, so that the time taken does not say
// which one matched. (Sentry signs the body alone: neither the timestamp nor
// the resource is covered.)
func signed(secrets []string, body []byte, signature string) bool {
	got, err := hex.DecodeString(strings.TrimSpace(signature))
	if err != nil {
		return false
	}
	ok := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), got) {
			ok = true
		}
	}
	return ok
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

// oneOf reports whether the presented secret is one of the source's. Digests
// are compared, so that neither content nor length shows in the time taken.
func oneOf(secrets []string, presented string) bool {
	if presented == "" {
		return false
	}
	got := sha256.Sum256([]byte(presented))
	ok := false
	for _, secret := range secrets {
		want := sha256.Sum256([]byte(secret))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			ok = true
		}
	}
	return ok
}
