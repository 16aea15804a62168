package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/soulcaster/soulcaster/engine/fix/model"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

const (
	key   = "the-providers-key"
	id    = "aaaabbbbccccdddd"
	price = 1_000_000 // a token costs a millionth of a dollar
)

// house is a gateway between a run and a provider.
type house struct {
	*testing.T
	space   storage.Space
	gateway *model.Gateway
}

func newHouse(t *testing.T, provider http.Handler, change func(c *model.Config)) *house {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	space, err := db.Create(t.Context(), "p/101/web")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(provider)
	t.Cleanup(server.Close)
	c := model.Config{
		URL: server.URL + "/v1beta/openai/", Key: key, Models: []string{"m"},
		Price: func(string, time.Time) (model.Price, bool) {
			return model.Price{Input: price, Cached: price / 10, Output: price}, true
		},
		Now: func() time.Time { return time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC) },
	}
	if change != nil {
		change(&c)
	}
	gateway, err := model.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &house{t, space, gateway}
}

// request is what is asked; with tools, so that it is part of the script.
func request(stream bool, messages ...string) []byte {
	if len(messages) == 0 {
		messages = []string{`{"role":"user","content":"hi"}`}
	}
	return []byte(fmt.Sprintf(`{"model":"m","messages":[%s],"tools":[{"type":"function","function":{"name":"bash"}}],"stream":%v}`,
		strings.Join(messages, ","), stream))
}

// ask asks and reads the answer to its end.
func (h *house) ask(body []byte) (status int, answer string, err error) {
	a, err := h.gateway.Ask(h.Context(), h.space, id, body)
	if err != nil {
		return 0, "", err
	}
	data, err := io.ReadAll(a.Body)
	return a.Status, string(data), errors.Join(err, a.Body.Close())
}

func (h *house) usage() run.Usage {
	h.Helper()
	u, _, err := run.UsageOf(h.Context(), h.space, id)
	if err != nil {
		h.Fatal(err)
	}
	return u
}

// refused fails the test unless the error is the gateway's own.
func (h *house) refused(err error, status int) *model.Refusal {
	h.Helper()
	var refusal *model.Refusal
	if !errors.As(err, &refusal) || refusal.Status != status {
		h.Fatalf("%v, want a refusal with %d", err, status)
	}
	if strings.Contains(err.Error(), key) {
		h.Errorf("the error holds the key: %v", err)
	}
	return refusal
}

func TestAnAnswerIsPassedOnAndCounted(t *testing.T) {
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprint(stream), func(t *testing.T) {
			m := &script.Model{Key: key, Turns: []script.Turn{{Text: "All done.", Calls: []script.Call{script.Bash("ls")},
				Usage: script.Usage{Input: 1000, Cached: 400, Output: 50, Thought: 30}}}}
			var sent bytes.Buffer
			h := newHouse(t, copying(&sent, m), nil)
			status, got, err := h.ask(request(stream))
			if err != nil || status != http.StatusOK || got != sent.String() {
				t.Fatalf("%d, %v\n%q, want\n%q", status, err, got, &sent)
			}
			want := run.Usage{Requests: 1, Input: 1000, Cached: 400, Output: 80, Micros: 600 + 40 + 80, Priced: true}
			if u := h.usage(); u != want {
				t.Errorf("the usage is %+v, want %+v", u, want)
			}
			got = string(m.Requests()[0].Body)
			if stream != strings.Contains(got, `"stream_options":{"include_usage":true}`) || (!stream && got != string(request(false))) {
				t.Errorf("the provider got %s", got)
			}
		})
	}
}

// copying keeps what a provider sends.
func copying(to io.Writer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&copied{ResponseWriter: w, to: to}, r)
	})
}

type copied struct {
	http.ResponseWriter
	to io.Writer
}

func (c *copied) Write(p []byte) (int, error) {
	c.to.Write(p)
	return c.ResponseWriter.Write(p)
}
func (c *copied) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// unsigned takes a signature out, with the comma before or after it.
var unsigned = regexp.MustCompile(`,"extra_content":\{"google":\{[^}]*\}\}|"extra_content":\{"google":\{[^}]*\}\},`)

// The signature of a tool call goes to the agent and comes back through the gateway
// as it was; without it the model refuses.
func TestSignaturesComeBack(t *testing.T) {
	m := &script.Model{Key: key, Turns: script.Steps(
		script.Turn{Calls: []script.Call{script.Bash("ls")}}, script.Turn{Text: "done"})}
	h := newHouse(t, m, nil)
	_, got, err := h.ask(request(false))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Choices []struct {
			Message json.RawMessage `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil {
		t.Fatal(err)
	}
	message := string(answer.Choices[0].Message)
	if !strings.Contains(message, "thought_signature") {
		t.Fatalf("no signature: %s", message)
	}
	if status, got, err := h.ask(request(true, message)); err != nil || status != 200 {
		t.Errorf("as it was: %d %s, %v", status, got, err)
	}
	if status, got, err := h.ask(request(true, unsigned.ReplaceAllString(message, ""))); err != nil ||
		status != 400 || !strings.Contains(got, "missing a thought_signature") {
		t.Errorf("without it: %d %s, %v", status, got, err)
	}
	if u := h.usage(); u.Requests != 3 || u.Held != 0 {
		t.Errorf("the usage is %+v", u)
	}
}

func TestErrorsOfTheProvider(t *testing.T) {
	for status, want := range map[int]string{400: "bad [key]", 404: "bad [key]", 429: "bad [key]", 500: "bad [key]", 503: "bad [key]"} {
		h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "x=y")
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, "bad "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		}), nil)
		a, err := h.gateway.Ask(t.Context(), h.space, id, request(true))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(a.Body)
		if err := a.Body.Close(); err != nil || a.Status != status || string(body) != want ||
			len(a.Header) != 2 || a.Header.Get("Retry-After") != "7" || a.Header.Get("Content-Type") == "" {
			t.Errorf("%d: %d %v %q %v", status, a.Status, a.Header, body, err)
		}
		if u := h.usage(); u.Requests != 1 || u.Input != 0 || u.Micros != 0 || u.Held != 0 {
			t.Errorf("%d is charged: %+v", status, u)
		}
	}
}

func TestTheKeyStaysHere(t *testing.T) {
	for _, status := range []int{401, 402, 403} {
		h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "bad key th...ey", status)
		}), nil)
		_, _, err := h.ask(request(true))
		if r := h.refused(err, http.StatusForbidden); strings.Contains(r.Message, "th...ey") {
			t.Errorf("the answer quotes the provider: %s", r.Message)
		}
	}
	reached := make(chan string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Header.Get("Authorization") }))
	defer other.Close()
	h := newHouse(t, http.RedirectHandler(other.URL, http.StatusTemporaryRedirect), nil)
	_, _, err := h.ask(request(true))
	h.refused(err, http.StatusBadGateway)
	select {
	case got := <-reached:
		t.Errorf("a redirect was followed with %q", got)
	default:
	}
}

func TestAProviderThatIsAway(t *testing.T) {
	h := newHouse(t, http.NotFoundHandler(), func(c *model.Config) { c.URL = "http://127.0.0.1:1/" })
	_, _, err := h.ask(request(true))
	h.refused(err, http.StatusBadGateway)
	if u := h.usage(); u.Requests != 1 || u.Input != 0 || u.Held != 0 {
		t.Errorf("charged for nothing: %+v", u)
	}
}

// budgets are used up, and stay so.
func TestBudgets(t *testing.T) {
	for name, tt := range map[string]struct {
		budget run.Budget
		price  bool
		good   int
		spent  string
	}{
		"requests":                {run.Budget{Requests: 3}, true, 3, "requests"},
		"tokens":                  {run.Budget{Tokens: 2500}, true, 3, "tokens"},
		"money":                   {run.Budget{Micros: 3000}, true, 3, "money"},
		"money, no price":         {run.Budget{Micros: 3000, Requests: 5}, false, 5, "requests"},
		"whatever comes first":    {run.Budget{Micros: 9000, Tokens: 1000, Requests: 9}, true, 1, "tokens"},
		"no budget does not bind": {run.Budget{}, true, 6, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := &script.Model{Turns: []script.Turn{{Text: "x", Usage: script.Usage{Input: 900, Output: 100}}}}
			h := newHouse(t, m, func(c *model.Config) {
				c.Budget = tt.budget
				if !tt.price {
					c.Price = func(string, time.Time) (model.Price, bool) { return model.Price{}, false }
				}
			})
			for i := range 6 {
				_, _, err := h.ask(request(true))
				if i < tt.good && err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				if i >= tt.good {
					h.refused(err, http.StatusPaymentRequired)
				}
			}
			if tt.spent != "" { // which is seen before the request is
				_, _, err := h.ask([]byte("{"))
				h.refused(err, http.StatusPaymentRequired)
			}
			if u := h.usage(); u.Spent != tt.spent || u.Requests != int64(tt.good) || u.Priced != tt.price || len(m.Requests()) != tt.good {
				t.Errorf("%+v, the provider had %d", u, len(m.Requests()))
			}
		})
	}
}

func TestTheBudgetHoldsWhenManyAskAtOnce(t *testing.T) {
	m := &script.Model{Turns: []script.Turn{{Text: "x", Usage: script.Usage{Input: 10, Output: 1}}}}
	h := newHouse(t, m, func(c *model.Config) { c.Budget, c.AtOnce = run.Budget{Requests: 10}, 100 })
	var good, spent atomic.Int32
	var wait sync.WaitGroup
	for range 40 {
		wait.Go(func() {
			_, _, err := h.ask(request(true))
			var refusal *model.Refusal
			switch {
			case err == nil:
				good.Add(1)
			case errors.As(err, &refusal) && refusal.Status == http.StatusPaymentRequired:
				spent.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	want := run.Usage{Requests: 10, Input: 100, Output: 10, Micros: 110, Priced: true, Spent: "requests"}
	if u := h.usage(); good.Load() != 10 || spent.Load() != 30 || len(m.Requests()) != 10 || u != want {
		t.Errorf("%d good, %d refused, %+v, the provider had %d", good.Load(), spent.Load(), u, len(m.Requests()))
	}
}

// Two replicas of the app share what a run has.
func TestTheBudgetHoldsBetweenReplicas(t *testing.T) {
	m := &script.Model{Turns: []script.Turn{{Text: "x", Usage: script.Usage{Input: 10, Output: 1}}}}
	change := func(c *model.Config) { c.Budget, c.AtOnce = run.Budget{Requests: 20}, 100 }
	h := newHouse(t, m, change)
	other := newHouse(t, m, change)
	other.space = h.space
	var good atomic.Int32
	var wait sync.WaitGroup
	for _, replica := range []*house{h, other} {
		for range 20 {
			wait.Go(func() {
				_, _, err := replica.ask(request(true))
				var refusal *model.Refusal
				switch {
				case err == nil:
					good.Add(1)
				case !errors.As(err, &refusal) || refusal.Status != http.StatusPaymentRequired:
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	if u := h.usage(); good.Load() != 20 || u.Requests != 20 || u.Input != 200 || u.Held != 0 {
		t.Errorf("%d good, %+v", good.Load(), u)
	}
}

// limited is a request that says how long its answer may be, and uses all of it.
func limited(key string, tokens int64) []byte {
	return []byte(fmt.Sprintf(`{"model":"m","%s":%d,"messages":[],"tools":[{"type":"function","function":{"name":"bash"}}]}`, key, tokens))
}

// slow is a provider whose answers of 1000 tokens wait to be let go.
type slow struct {
	arrived chan struct{}
	leave   chan struct{}
}

func (s slow) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.arrived <- struct{}{}
	<-s.leave
	io.WriteString(w, `{"usage":{"prompt_tokens":10,"completion_tokens":1000}}`)
}

// Many ask at once when little is left, of two replicas. Two of their answers fit;
// one may go beyond.
func TestTheBudgetHoldsForWhatIsUnderWay(t *testing.T) {
	for name, budget := range map[string]run.Budget{"tokens": {Tokens: 10_000}, "money": {Micros: 10_000}} {
		t.Run(name, func(t *testing.T) {
			provider := slow{make(chan struct{}, 40), make(chan struct{})}
			change := func(c *model.Config) { c.Budget, c.AtOnce = budget, 100 }
			h, other := newHouse(t, provider, change), newHouse(t, provider, change)
			other.space = h.space
			_, was, err := run.UsageOf(t.Context(), h.space, id)
			if err != nil {
				t.Fatal(err)
			}
			var b storage.Batch
			run.SaveUsage(&b, was, run.Usage{Requests: 1, Input: 7500, Micros: 7500, Priced: true})
			if err := h.space.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			refused := make(chan struct{}, 40)
			var wait sync.WaitGroup
			for _, replica := range []*house{h, other} {
				for range 20 {
					wait.Go(func() {
						_, _, err := replica.ask(limited("max_tokens", 1000))
						var refusal *model.Refusal
						if err == nil {
							return
						}
						if !errors.As(err, &refusal) || refusal.Status != http.StatusPaymentRequired && refusal.Status != http.StatusTooManyRequests {
							t.Error(err)
						}
						refused <- struct{}{}
					})
				}
			}
			under := 0
			for range 40 {
				select {
				case <-provider.arrived:
					under++
				case <-refused:
				}
			}
			close(provider.leave)
			wait.Wait()
			u := h.usage()
			if under != 2 || u.Input+u.Output > 10_000+1000 || u.Output != 2000 || u.Held != 0 {
				t.Errorf("%d were under way, %+v", under, u)
			}
		})
	}
}

func TestWhatMayBeAskedBesideAnother(t *testing.T) {
	for name, tt := range map[string]struct {
		first int64 // tokens that the other may have
		body  []byte
		want  int // status of the refusal, 0 if there is none
	}{
		"fits":                      {1000, limited("max_tokens", 1500), 0},
		"does not":                  {1000, limited("max_tokens", 2500), http.StatusTooManyRequests},
		"does not, by new name":     {1000, limited("max_completion_tokens", 2500), http.StatusTooManyRequests},
		"does not, says nothing":    {1000, request(false), http.StatusTooManyRequests},
		"says nonsense":             {1000, limited("max_tokens", -1), http.StatusTooManyRequests},
		"the first may use all":     {9000, limited("max_tokens", 1), http.StatusTooManyRequests},
		"says it in another manner": {1000, limited("Max_Tokens", 1), http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			provider := slow{make(chan struct{}, 2), make(chan struct{})}
			h := newHouse(t, provider, func(c *model.Config) { c.Budget, c.Output = run.Budget{Tokens: 3000}, 2500 })
			letGo := sync.OnceFunc(func() { close(provider.leave) })
			t.Cleanup(letGo)
			var wait sync.WaitGroup
			wait.Go(func() {
				if _, _, err := h.ask(limited("max_tokens", tt.first)); err != nil {
					t.Error(err)
				}
			})
			<-provider.arrived
			answered := make(chan error, 1)
			wait.Go(func() {
				_, _, err := h.ask(tt.body)
				answered <- err
			})
			select {
			case <-provider.arrived:
				if tt.want != 0 {
					t.Fatal("it was let in")
				}
			case err := <-answered:
				if r := h.refused(err, tt.want); tt.want == http.StatusTooManyRequests && (r.After <= 0 || r.Code != "budget_held") {
					t.Errorf("%+v", r)
				}
			}
			if u := h.usage(); u.Spent != "" {
				t.Errorf("it is used up while it may come back: %+v", u)
			}
			letGo()
			wait.Wait()
			if tt.want == 0 {
				if err := <-answered; err != nil {
					t.Error(err)
				}
			}
			if tt.want == http.StatusTooManyRequests {
				if _, _, err := h.ask(tt.body); err != nil {
					t.Errorf("once it is alone: %v", err)
				}
			}
		})
	}
}

func TestAnInputThatDoesNotFitEndsTheRun(t *testing.T) {
	m := &script.Model{Turns: []script.Turn{{Text: "x", Usage: script.Usage{Input: 10, Output: 10}}}}
	h := newHouse(t, m, func(c *model.Config) { c.Budget = run.Budget{Tokens: 1000} })
	if _, _, err := h.ask(request(true)); err != nil {
		t.Fatal(err)
	}
	_, _, err := h.ask(request(true, `{"role":"user","content":"`+strings.Repeat("x", 4000)+`"}`))
	h.refused(err, http.StatusPaymentRequired)
	if u := h.usage(); u.Spent != "tokens" || u.Requests != 1 || u.Input != 10 || u.Held != 0 {
		t.Errorf("the usage is %+v", u)
	}
}

// An answer may stream for minutes. Whoever counts the memory of requests counts none
// for it.
func TestARequestIsNotHeldWhileItsAnswerStreams(t *testing.T) {
	hold := make(chan struct{})
	h := newHouse(t, &script.Model{Turns: []script.Turn{{Text: strings.Repeat("0123456789", 20), Hold: hold}}}, nil)
	ask := func() (*model.Answer, weak.Pointer[byte]) {
		body := []byte(`{"stream_options":{"include_usage":true},` + string(request(true, `{"role":"user","content":"`+strings.Repeat("x", 1<<20)+`"}`)[1:]))
		a, err := h.gateway.Ask(t.Context(), h.space, id, body)
		if err != nil {
			t.Fatal(err)
		}
		return a, weak.Make(&body[0])
	}
	a, body := ask()
	if _, err := io.ReadFull(a.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	if body.Value() != nil {
		t.Error("it is held")
	}
	close(hold)
	if _, err := io.Copy(io.Discard, a.Body); err != nil {
		t.Error(err)
	}
	if err := a.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestFewAtOnce(t *testing.T) {
	arrived := make(chan struct{}, 8)
	leave := make(chan struct{})
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-leave
		io.WriteString(w, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	}), nil)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, _, err := h.ask(request(false)); err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		<-arrived
	}
	if u := h.usage(); u.Held != 4 || u.Requests != 4 || u.Input == 0 {
		t.Errorf("while four are under way the usage is %+v", u)
	}
	_, _, err := h.ask(request(false))
	if r := h.refused(err, http.StatusTooManyRequests); r.After <= 0 {
		t.Error("it does not say when to come again")
	}
	close(leave)
	wait.Wait()
	if _, _, err := h.ask(request(false)); err != nil {
		t.Errorf("after they are done: %v", err)
	}
	if u := h.usage(); u.Held != 0 || u.Requests != 5 || u.Input != 5 {
		t.Errorf("the usage is %+v", u)
	}
}

// Whoever cuts an answer off before it says what it cost pays by an estimate.
func TestAStreamThatIsCutIsCharged(t *testing.T) {
	const text = "0123456789012345678901234567890123456789"
	long := strings.Repeat("x", 4000)
	for name, tt := range map[string]struct {
		turn    script.Turn
		hangUp  bool
		seconds time.Duration
		least   int64 // of output
	}{
		"by the agent":             {script.Turn{Text: strings.Repeat(text, 50), Wait: time.Millisecond}, true, 0, 20},
		"by the provider":          {script.Turn{Text: strings.Repeat(text, 50), Cut: true}, false, 0, 500},
		"after long thought":       {script.Turn{Text: strings.Repeat(text, 50), Wait: time.Millisecond}, true, 10 * time.Second, 2000},
		"before the first of them": {script.Turn{Hang: true}, true, 5 * time.Second, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			m := &script.Model{Turns: []script.Turn{tt.turn}}
			var past atomic.Int64
			h := newHouse(t, m, func(c *model.Config) {
				c.Now = func() time.Time { return time.Unix(0, past.Load()) }
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.turn.Hang {
				go func() {
					for len(m.Requests()) == 0 {
						time.Sleep(time.Millisecond)
					}
					past.Store(int64(tt.seconds))
					cancel()
				}()
			}
			a, err := h.gateway.Ask(ctx, h.space, id, request(true, `{"role":"user","content":"`+long+`"}`))
			if err != nil {
				if !tt.turn.Hang {
					t.Fatal(err)
				}
				h.refused(err, http.StatusGatewayTimeout)
			} else {
				if tt.hangUp {
					if _, err := a.Body.Read(make([]byte, 100)); err != nil {
						t.Fatal(err)
					}
				} else if _, err := io.Copy(io.Discard, a.Body); err == nil {
					t.Fatal("the cut was not seen")
				}
				past.Store(int64(tt.seconds))
				cancel()
				if err := a.Body.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if u := h.usage(); u.Input < 1000 || u.Output < tt.least || u.Micros != u.Input+u.Output || u.Held != 0 || u.Requests != 1 {
				t.Errorf("charged %+v, want at least 1000 in and %d out", u, tt.least)
			}
		})
	}
}

func TestAProviderThatIsSilent(t *testing.T) {
	for name, turn := range map[string]script.Turn{
		"from the start": {Hang: true},
		"in the middle":  {Text: strings.Repeat("x", 100), Wait: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			provider := http.Handler(&script.Model{Turns: []script.Turn{turn}})
			if name == "in the middle" {
				provider = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					io.WriteString(w, "data: {}\n\n")
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
				})
			}
			h := newHouse(t, provider, func(c *model.Config) { c.Idle = 50 * time.Millisecond })
			_, _, err := h.ask(request(true))
			if err == nil {
				t.Fatal("it was waited for")
			}
			if name == "from the start" {
				h.refused(err, http.StatusGatewayTimeout)
			}
			if u := h.usage(); u.Held != 0 || u.Input == 0 {
				t.Errorf("the usage is %+v", u)
			}
		})
	}
}

// A provider that always has a little more to say is cut off at the deadline.
func TestAnAnswerThatNeverEnds(t *testing.T) {
	h := newHouse(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			io.WriteString(w, ": more\n\n")
			http.NewResponseController(w).Flush()
		}
	}), func(c *model.Config) { c.Deadline = 100 * time.Millisecond })
	if _, _, err := h.ask(request(true)); err == nil {
		t.Fatal("it ended well")
	}
}

func TestARequestThatIsTooLong(t *testing.T) {
	m := &script.Model{}
	h := newHouse(t, m, nil)
	_, _, err := h.ask(append(request(true), bytes.Repeat([]byte(" "), model.MaxRequest)...))
	h.refused(err, http.StatusRequestEntityTooLarge)
	_, _, err = h.ask([]byte(`{"model":"another","messages":[]}`))
	h.refused(err, http.StatusBadRequest)
	if u := h.usage(); u != (run.Usage{}) || len(m.Requests()) != 0 {
		t.Errorf("it was counted: %+v", u)
	}
}

func TestAStoreThatIsGone(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	space, err := db.Create(t.Context(), "p/101/web")
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, &script.Model{}, nil)
	h.space = space
	if err := db.Drop(t.Context(), "p/101/web"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.ask(request(true)); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("%v, want %v", err, storage.ErrNoSpace)
	}
}

func TestNewChecksItsAddress(t *testing.T) {
	for _, url := range []string{"", "ftp://x", "https://user:secret@x", "https://x/?key=secret", "https:///v1", "%"} {
		if _, err := model.New(model.Config{URL: url, Models: []string{"m"}}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := model.New(model.Config{URL: "https://x"}); err == nil {
		t.Error("no model is a model")
	}
}
