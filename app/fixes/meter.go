package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/model"
	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// meter stands between both ways and the model's provider and counts what each
// attempt uses, with the product's own gateway: so both are counted alike, have the
// same budget, and no attempt has the key.
type meter struct {
	model   configured
	db      storage.DB
	space   storage.Space
	server  *http.Server
	served  chan struct{}
	address string

	mu       sync.Mutex
	accounts map[string]*account
	all      fixrun.Usage
}

// perAttempt is what one attempt may use: what a run of Soulcaster may, unless its
// operator says something else.
func perAttempt() fixrun.Budget {
	return fixrun.Budget{Requests: 300, Tokens: 5_000_000, Micros: 4_000_000}
}

func newMeter(ctx context.Context, file string, m configured) (*meter, error) {
	db, err := bolt.Open(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("open the meter: %w", err)
	}
	space, err := db.Create(ctx, "meter")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the meter: %w", err), db.Close())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the meter: %w", err), db.Close())
	}
	made := &meter{model: m, db: db, space: space, address: "http://" + listener.Addr().String(), accounts: map[string]*account{}, served: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /model/{account}/chat/completions", made.ask)
	mux.HandleFunc("POST /script/{account}/chat/completions", made.play)
	made.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(made.served)
		_ = made.server.Serve(listener) // until close
	}()
	return made, nil
}

func (m *meter) close() {
	_ = m.server.Close()
	<-m.served
	_ = m.db.Close() // nothing in it is wanted any more
}

// account is what one attempt uses. Its id is the only key to it.
type account struct {
	m       *meter
	id      string
	gateway *model.Gateway
	script  *script.Model
}

// open begins an account.
func (m *meter) open(s *script.Model) *account {
	a := &account{m: m, id: strings.ToLower(rand.Text()[:16]), script: s}
	provider := m.model.url
	if m.model.scripted {
		provider = m.address + "/script/" + a.id
	}
	var err error
	a.gateway, err = model.New(model.Config{URL: provider, Key: m.model.key, Models: []string{m.model.name}, Budget: perAttempt(),
		Price: func(string, time.Time) (model.Price, bool) { return m.model.price, m.model.priced }})
	if err != nil {
		panic(err) // the settings were checked
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts[a.id] = a
	return a
}

// url is where the model is for who has the account.
func (a *account) url() string { return a.m.address + "/model/" + a.id }

// close ends the account: nothing can be asked any more.
func (a *account) close() {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	delete(a.m.accounts, a.id)
}

// usage is what was used, and adds it to the sum of all.
func (a *account) usage(ctx context.Context) (fixrun.Usage, error) {
	u, _, err := fixrun.UsageOf(ctx, a.m.space, a.id)
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	a.m.all.Input += u.Input
	a.m.all.Output += u.Output
	a.m.all.Micros += u.Micros
	return u, err
}

// sum is what all attempts used so far.
func (m *meter) sum() fixrun.Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all
}

func (m *meter) account(r *http.Request) *account {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accounts[r.PathValue("account")]
}

// play is the scripted model.
func (m *meter) play(w http.ResponseWriter, r *http.Request) {
	a := m.account(r)
	if a == nil || !m.model.scripted {
		http.NotFound(w, r)
		return
	}
	a.script.ServeHTTP(w, r)
}

// ask passes a request on and the answer back.
func (m *meter) ask(w http.ResponseWriter, r *http.Request) {
	a := m.account(r)
	if a == nil {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, model.MaxRequest))
	if err != nil {
		http.Error(w, "the request is too long or ended early", http.StatusRequestEntityTooLarge)
		return
	}
	answer, err := a.gateway.Ask(r.Context(), m.space, a.id, body)
	var refused *model.Refusal
	switch {
	case errors.As(err, &refused):
		http.Error(w, refused.Message, refused.Status)
		return
	case err != nil:
		http.Error(w, "the meter is broken", http.StatusInternalServerError)
		return
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Status)
	flush := http.NewResponseController(w)
	for buf := make([]byte, 32<<10); ; {
		n, err := answer.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			_ = flush.Flush()
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // a part must not be taken for the whole
		}
	}
}

// budget is what all attempts together may use.
type budget struct{ micros, tokens int64 }

// spent says that the budget is used up, "" if it is not.
func (b budget) spent(u fixrun.Usage) string {
	switch {
	case u.Micros >= b.micros:
		return "the budget of --dollars is spent"
	case u.Input+u.Output >= b.tokens:
		return "the budget of --tokens is spent"
	}
	return ""
}
