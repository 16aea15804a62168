//go:build e2e

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// answer is what the door says to feedback.
type answer struct {
	reply
	Accepted, Duplicates, Rejected int
	Items                          []struct {
		Index         int
		ID            string
		Status, State string
		Error         *struct{ Field, Message string }
	}
	Error     string
	RequestID string `json:"request_id"`
}

// sentry sends a webhook of Sentry's integration platform, signed.
func (w *world) sentry(source, resource string, payload any) answer {
	w.t.Helper()
	body := encode(payload)
	return w.must(w.post("/ingest/sentry/"+source, map[string]string{
		"Content-Type": "application/json", "Sentry-Hook-Resource": resource,
		"Sentry-Hook-Signature": signature(key(source), body),
	}, body))
}

// legacy sends what Sentry's old plugin sends, unsigned.
func (w *world) legacy(source string, payload any) answer {
	w.t.Helper()
	return w.must(w.post("/ingest/sentry/"+source+"/"+key(source), map[string]string{"Content-Type": "application/json"}, encode(payload)))
}

// reddit sends a thing or a listing.
func (w *world) reddit(source string, payload any) answer {
	w.t.Helper()
	return w.must(w.post("/ingest/reddit/"+source, map[string]string{"Content-Type": "application/json", "X-API-Key": key(source)}, encode(payload)))
}

// report sends reports through the plain API.
func (w *world) report(source string, payload any) answer {
	w.t.Helper()
	return w.must(w.tryReport(source, payload))
}

// tryReport is report for when the app may be away.
func (w *world) tryReport(source string, payload any) (answer, error) {
	return w.post("/ingest/feedback/"+source, map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + key(source)}, encode(payload))
}

// must fails the test unless the door took the feedback in.
func (w *world) must(a answer, err error) answer {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if a.status != http.StatusAccepted || a.Rejected > 0 {
		w.t.Fatalf("the door answers %d %s", a.status, a.body)
	}
	return a
}

// post sends a body to the door.
func (w *world) post(path string, header map[string]string, body []byte) (answer, error) {
	r, err := w.send(http.MethodPost, path, header, body)
	if err != nil {
		return answer{}, err
	}
	a := answer{reply: r}
	if err := json.Unmarshal([]byte(r.body), &a); err != nil {
		return a, fmt.Errorf("the answer %d %q is no JSON: %w", r.status, r.body, err)
	}
	return a, nil
}

// signature is Sentry's, over the body.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// encode makes JSON of what a test made up, which cannot fail.
func encode(v any) []byte {
	if b, ok := v.([]byte); ok {
		return b
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
