//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// door is the address at which the agents' containers reach the app, whichever
// process it is at the moment; like a load balancer it answers 503 while there is none.
// It remembers the claims that went through it.
type door struct {
	url         string
	certificate string // a file, "" without TLS

	mu     sync.Mutex
	claims []claimed
}

// claimed is one claim, and what it was answered.
type claimed struct {
	body               []byte
	status             int
	Run, Claim, Task   string // that were brought
	Token, cloneToken  string // that were given
	Seconds, Heartbeat int
}

// newDoor opens a door to the address that app tells; "" while it is away. In front of
// it may be TLS, whose certificate is written down for those who have to trust it.
func newDoor(t testing.TB, app func() string, tls bool) *door {
	d := new(door)
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,                         // a model's answer comes in pieces
		ErrorLog:      log.New(io.Discard, "", 0), // an app that is killed breaks what it answers
		Rewrite: func(r *httputil.ProxyRequest) {
			if to, err := url.Parse(app()); err == nil {
				r.SetURL(to)
			}
		},
		Transport:    &http.Transport{DisableKeepAlives: true},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusServiceUnavailable) },
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case app() == "":
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/agent/claim":
			d.claim(proxy, w, r)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	if server.Config.ErrorLog = log.New(io.Discard, "", 0); tls { // browsers open connections that they never use
		server.StartTLS()
		d.certificate = filepath.Join(place(t), "door.pem")
		if err := os.WriteFile(d.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o644); err != nil {
			t.Fatal(err)
		}
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	d.url = server.URL
	return d
}

func (d *door) claim(to http.Handler, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	to.ServeHTTP(answer, r)
	var brief struct {
		Token      string
		Repository struct{ Token string }
		Seconds    int
		Heartbeat  int
	}
	c := claimed{body: body, status: answer.Code}
	if json.Unmarshal(body, &c) == nil && json.Unmarshal(answer.Body.Bytes(), &brief) == nil {
		c.Token, c.cloneToken, c.Seconds, c.Heartbeat = brief.Token, brief.Repository.Token, brief.Seconds, brief.Heartbeat
	}
	d.mu.Lock()
	d.claims = append(d.claims, c)
	d.mu.Unlock()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// redeemed are the claims that were answered with a brief.
func (d *door) redeemed() (good []claimed) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.claims {
		if c.status == http.StatusOK {
			good = append(good, c)
		}
	}
	return good
}
