//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// relay carries GitHub's webhooks to the app. The emulator's ids are the
// milliseconds of the day, which two deliveries can share and the app rightly
// takes for one; the relay gives them ids as GitHub's.
type relay struct {
	t      testing.TB
	url    string
	target func() string // the app's hook, "" while there is no app

	mu         sync.Mutex
	deliveries []delivery
}

// delivery is one webhook that was carried.
type delivery struct {
	id, event, signature string
	body                 []byte
	status               int // the app's answer; 0: there was none
}

func newRelay(t testing.TB, target func() string) *relay {
	r := &relay{t: t, target: target}
	server := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *relay) serve(w http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return
	}
	d := delivery{id: guid(), event: in.Header.Get("X-GitHub-Event"), signature: in.Header.Get("X-Hub-Signature-256"), body: body}
	d.status = r.carry(d)
	r.mu.Lock()
	r.deliveries = append(r.deliveries, d)
	r.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

// carry delivers, also what was delivered before, and returns the app's answer.
func (r *relay) carry(d delivery) int {
	to := r.target()
	if to == "" {
		return 0
	}
	out, err := http.NewRequest(http.MethodPost, to, bytes.NewReader(d.body))
	if err != nil {
		r.t.Error(err)
		return 0
	}
	out.Header.Set("Content-Type", "application/json")
	out.Header.Set("X-GitHub-Delivery", d.id)
	out.Header.Set("X-GitHub-Event", d.event)
	out.Header.Set("X-Hub-Signature-256", d.signature)
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Do(out)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// carried returns the deliveries of an event so far.
func (r *relay) carried(event string) (found []delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.deliveries {
		if d.event == event {
			found = append(found, d)
		}
	}
	return found
}

// guid is an id as GitHub gives one to each delivery.
func guid() string {
	b := make([]byte, 16)
	rand.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
