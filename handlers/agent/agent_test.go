package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

func TestTheWayOfARound(t *testing.T) {
	h := newHouse(t, run.Budget{}, script.Turn{Text: "I am done."})
	r := h.begin(acme, "acme/web")
	got := h.claim(r, r.claim, taskName)
	var b brief.Brief
	if err := json.Unmarshal([]byte(got.body), &b); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if b.Run != r.id || b.Token != r.token || b.Repository.Token != readToken || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the brief is %+v, %v", b, got.header)
	}
	if again := h.claim(r, r.claim, taskName); again.status != http.StatusOK {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	if other := h.claim(r, r.claim, "task/two"); other.status != http.StatusConflict {
		t.Errorf("by another task: %d %s", other.status, other.body)
	}
	got = h.send(http.MethodPost, r.path("heartbeat"), b.Token, brief.Heartbeat{Attempt: 1, Phase: brief.Working})
	if got.status != http.StatusOK || strings.TrimSpace(got.body) != "{}" {
		t.Errorf("heartbeat: %d %s", got.status, got.body)
	}
	if again := h.claim(r, r.claim, taskName); again.status != http.StatusConflict {
		t.Errorf("after the heartbeat: %d %s", again.status, again.body)
	}
	got = h.send(http.MethodPost, r.path("v1/chat/completions"), b.Token, ask(hello))
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream") ||
		!strings.Contains(got.body, "I am done.") || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("the model: %d %v %s", got.status, got.header, got.body)
	}
	if got := h.send(http.MethodPost, r.path("log"), b.Token, brief.Log{Attempt: 1, Text: "a line\n"}); got.status != http.StatusNoContent {
		t.Errorf("log: %d %s", got.status, got.body)
	}
	large := strings.Repeat("0123456789", 200_000)
	result := brief.Result{Round: 1, Attempt: 1, Ending: brief.Finished, Base: strings.Repeat("1", 40),
		Files: []brief.File{{Path: "a.js", Mode: brief.ModeFile, Content: []byte(large)}}}
	for range 2 {
		if got := h.send(http.MethodPut, r.path("result"), b.Token, result); got.status != http.StatusNoContent {
			t.Errorf("result: %d %s", got.status, got.body)
		}
	}
	stored, err := run.ResultOf(t.Context(), r.space, r.id, 1)
	if err != nil || stored == nil || string(stored.Files[0].Content) != large {
		t.Errorf("stored: %v", err)
	}
	got = h.send(http.MethodPost, r.path("v1/chat/completions"), b.Token, ask(hello))
	if got.status != http.StatusGone || !strings.Contains(got.body, `"code":"over"`) {
		t.Errorf("the model after the result: %d %s", got.status, got.body)
	}
	got = h.send(http.MethodPost, r.path("heartbeat"), b.Token, brief.Heartbeat{Attempt: 1, Phase: brief.Working})
	if got.status != http.StatusOK || !strings.Contains(got.body, `"stop"`) {
		t.Errorf("heartbeat after the result: %d %s", got.status, got.body)
	}
	for _, secret := range []string{r.claim, r.token, readToken, providerKey, "hello", "I am done", "a line"} {
		if strings.Contains(h.logged(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, h.logged())
		}
	}
}

func TestStrangersLearnNothing(t *testing.T) {
	h := newHouse(t, run.Budget{})
	r, other := h.begin(acme, "acme/web"), h.begin(globex, "globex/shop")
	none := begun{id: "aaaabbbbccccdddd"}
	routes := []struct{ method, of, body string }{
		{http.MethodPost, "heartbeat", `{"attempt":1,"phase":"working"}`},
		{http.MethodPost, "log", `{"attempt":1,"offset":0,"text":"x"}`},
		{http.MethodPut, "result", `{"round":1,"attempt":1,"ending":"finished","files":null}`},
		{http.MethodPost, "v1/chat/completions", ask(hello)},
	}
	for _, route := range routes {
		if got := h.send(route.method, r.path(route.of), "", route.body); got.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %s", route.of, got.status, got.body)
		}
		want := without(h.send(route.method, none.path(route.of), r.token, route.body))
		for _, token := range []string{other.token, r.claim, "wrong"} {
			got := without(h.send(route.method, r.path(route.of), token, route.body))
			if got != want || !strings.HasPrefix(got, "404 ") {
				t.Errorf("%s with another's token says %s, for no run %s", route.of, got, want)
			}
		}
	}
	want := without(h.claim(none, r.claim, taskName))
	for _, secret := range []string{other.claim, r.token, ""} {
		if got := without(h.claim(r, secret, taskName)); got != want || !strings.HasPrefix(got, "404 ") {
			t.Errorf("a claim with another's secret says %s, for no run %s", got, want)
		}
	}
	if u, _, err := run.UsageOf(t.Context(), r.space, r.id); err != nil || u != (run.Usage{}) || len(h.model.Requests()) != 0 {
		t.Errorf("a stranger reached the model: %+v, %v", u, err)
	}
}

// without is a reply but for its request's id.
func without(r reply) string {
	var body map[string]any
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		return err.Error()
	}
	delete(body, "request_id")
	data, err := json.Marshal(body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(r.status, " ", string(data))
}

func TestWhoKeepsTryingIsToldToWait(t *testing.T) {
	h := newHouse(t, run.Budget{})
	r := h.begin(acme, "acme/web")
	counts := map[int]int{}
	for range 30 {
		got := h.claim(r, "wrong", taskName)
		counts[got.status]++
		if got.status == http.StatusTooManyRequests && got.header.Get("Retry-After") == "" {
			t.Error("it does not say for how long")
		}
	}
	if counts[http.StatusNotFound] != 20 || counts[http.StatusTooManyRequests] != 10 {
		t.Errorf("the answers are %v", counts)
	}
	if n := strings.Count(h.logged(), "a wrong secret"); n != 20 {
		t.Errorf("%d of them are in the log", n)
	}
	if got := h.claim(r, r.claim, taskName); got.status != http.StatusOK {
		t.Errorf("the right one after that: %d %s", got.status, got.body)
	}
}

func TestBodies(t *testing.T) {
	h := newHouse(t, run.Budget{})
	r := h.begin(acme, "acme/web")
	h.claim(r, r.claim, taskName)
	spaces := func(n int64) io.Reader { return io.LimitReader(blank{}, n) }
	for name, tt := range map[string]struct {
		method, path string
		body         any
		want         int
	}{
		"a claim that is no JSON":      {http.MethodPost, "/agent/claim", `{"run":`, 400},
		"a claim with more keys":       {http.MethodPost, "/agent/claim", `{"run":"x","claim":"y","task":"z","more":1}`, 400},
		"two claims":                   {http.MethodPost, "/agent/claim", `{"run":"x"}{"run":"x"}`, 400},
		"a claim of the wrong kind":    {http.MethodPost, "/agent/claim", `{"run":1}`, 400},
		"a claim without a task":       {http.MethodPost, "/agent/claim", `{"run":"x","claim":"y"}`, 400},
		"a long claim":                 {http.MethodPost, "/agent/claim", spaces(5 << 10), 413},
		"a long heartbeat":             {http.MethodPost, r.path("heartbeat"), spaces(5 << 10), 413},
		"a heartbeat of no phase":      {http.MethodPost, r.path("heartbeat"), `{"attempt":1,"phase":"x"}`, 400},
		"a long log":                   {http.MethodPost, r.path("log"), spaces(1 << 20), 413},
		"a log before its start":       {http.MethodPost, r.path("log"), `{"attempt":1,"offset":-1,"text":"x"}`, 400},
		"a long result":                {http.MethodPut, r.path("result"), spaces(run.MaxResult + 1), 413},
		"a result with another path":   {http.MethodPut, r.path("result"), "{\"files\":[{\"path\":\"a\xff\"}]}", 400},
		"more files than any limit":    {http.MethodPut, r.path("result"), `{"attempt":1,"files":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`, 413},
		"more tests than any limit":    {http.MethodPut, r.path("result"), `{"attempt":1,"tests":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`, 413},
		"a result of another attempt":  {http.MethodPut, r.path("result"), brief.Result{Attempt: 2}, 400},
		"a long question":              {http.MethodPost, r.path("v1/chat/completions"), spaces(20<<20 + 1), 413},
		"a question for another model": {http.MethodPost, r.path("v1/chat/completions"), `{"model":"gpt","messages":[]}`, 400},
		"a question that is no JSON":   {http.MethodPost, r.path("v1/chat/completions"), `{`, 400},
		"the wrong method":             {http.MethodGet, r.path("result"), "", 405},
		"an unknown route":             {http.MethodPost, r.path("v1/embeddings"), "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := h.try(tt.method, tt.path, r.token, tt.body)
			if err != nil && tt.want == 413 && !errors.Is(err, io.ErrUnexpectedEOF) {
				return // the server hung up on the rest of the body
			}
			if err != nil || got.status != tt.want {
				t.Fatalf("%d %s, %v, want %d", got.status, got.body, err, tt.want)
			}
			if strings.HasSuffix(tt.path, "completions") && !strings.Contains(got.body, `"error":{"code":`) {
				t.Errorf("not as OpenAI says it: %s", got.body)
			}
		})
	}
}

// blank is JSON's white space without end.
type blank struct{}

func (blank) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// A body is not asked for before it is known who sends it.
func TestNoBodyIsReadForStrangers(t *testing.T) {
	h := newHouse(t, run.Budget{})
	r := h.begin(acme, "acme/web")
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "PUT "+r.path("result")+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 8000000\r\n\r\n")
	line := make([]byte, 12)
	if _, err := io.ReadFull(conn, line); err != nil || string(line) != "HTTP/1.1 404" {
		t.Errorf("%q, %v, before a byte of the body", line, err)
	}
}

// A run's requests have places before their bodies are read, small ones too.
func TestARunHasFewRequestsUnderWay(t *testing.T) {
	const perRun = 8
	h := newHouse(t, run.Budget{})
	r, other := h.begin(acme, "acme/web"), h.begin(acme, "acme/api")
	for i := range perRun + 1 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		path := []string{r.path("log"), r.path("heartbeat"), r.path("v1/chat/completions"), r.path("log")}[i%4]
		io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+r.token+
			"\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
		line, want := make([]byte, 12), "HTTP/1.1 100" // said when the body is about to be read
		if i == perRun {
			want = "HTTP/1.1 503"
		}
		if _, err := io.ReadFull(conn, line); err != nil || string(line) != want {
			t.Fatalf("request %d: %q, %v, want %q", i, line, err, want)
		}
	}
	if got := h.send(http.MethodPost, other.path("log"), other.token, brief.Log{Attempt: 1, Text: "x\n"}); got.status != http.StatusNoContent {
		t.Errorf("another run: %d %s", got.status, got.body)
	}
}

// impatient is how long a server waits that has answers outlast its patience.
const impatient = 500 * time.Millisecond

func TestAStreamOutlastsTheServersPatience(t *testing.T) {
	h := newHouseBehind(t, impatient, run.Budget{}, script.Turn{Text: strings.Repeat("0123456789", 40), Wait: impatient / 5})
	r := h.begin(acme, "acme/web")
	got, err := h.try(http.MethodPost, r.path("v1/chat/completions"), r.token, ask(hello))
	if err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("%d %q, %v", got.status, got.body, err)
	}
}

func TestAnUploadOutlastsTheServersPatience(t *testing.T) {
	h := newHouseBehind(t, impatient, run.Budget{})
	r := h.begin(acme, "acme/web")
	in, out := io.Pipe()
	go func() {
		io.WriteString(out, `{"round":1,"attempt":1,"ending":"finished",`)
		time.Sleep(2 * impatient) // what is tested is that a slow sender is waited for
		io.WriteString(out, `"base":"","files":null,"said":"","steps":0,"seconds":0}`)
		out.Close()
	}()
	if got, err := h.try(http.MethodPut, r.path("result"), r.token, in); err != nil || got.status != http.StatusNoContent {
		t.Errorf("%d %s, %v", got.status, got.body, err)
	}
}

func TestTheStreamArrivesAsItComes(t *testing.T) {
	hold := make(chan struct{})
	h := newHouse(t, run.Budget{}, script.Turn{Text: strings.Repeat("0123456789", 20), Hold: hold})
	r := h.begin(acme, "acme/web")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+r.path("v1/chat/completions"), strings.NewReader(ask(hello)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	got, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := io.ReadFull(got.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	close(hold) // the rest is not sent before the first of it is here
	if _, err := io.Copy(io.Discard, got.Body); err != nil {
		t.Fatal(err)
	}
}

// Places bound what is held of long requests, not how many answers stream.
func TestMoreLongAnswersThanPlacesStream(t *testing.T) {
	const answers, perRun = 17, 4 // one more than there are places; the gateway's limit of a run
	hold := make(chan struct{})
	h := newHouse(t, run.Budget{}, script.Turn{Text: strings.Repeat("0123456789", 20), Hold: hold})
	long := ask(`{"role":"user","content":"` + strings.Repeat("x", 1<<20) + `"}`)
	var bodies []io.ReadCloser
	var r begun
	for i := range answers {
		if i%perRun == 0 {
			r = h.begin(acme, fmt.Sprintf("acme/web%d", i))
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+r.path("v1/chat/completions"), strings.NewReader(long))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.token)
		got, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		if _, err := io.ReadFull(got.Body, make([]byte, 10)); err != nil || got.StatusCode != http.StatusOK {
			t.Fatalf("answer %d: %d, %v", i, got.StatusCode, err)
		}
		bodies = append(bodies, got.Body)
	}
	close(hold)
	for i, body := range bodies {
		if rest, err := io.ReadAll(body); err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
			t.Errorf("answer %d: %v", i, err)
		}
	}
}

func TestABrokenAnswerIsNotTakenForAWholeOne(t *testing.T) {
	h := newHouse(t, run.Budget{}, script.Turn{Text: strings.Repeat("0123456789", 40), Cut: true})
	r := h.begin(acme, "acme/web")
	if got, err := h.try(http.MethodPost, r.path("v1/chat/completions"), r.token, ask(hello)); err == nil {
		t.Errorf("it ended well: %d %s", got.status, got.body)
	}
	if u, _, err := run.UsageOf(t.Context(), r.space, r.id); err != nil || u.Output == 0 {
		t.Errorf("it is not charged: %+v, %v", u, err)
	}
}

func TestABudgetThatIsSpentEndsTheRun(t *testing.T) {
	h := newHouse(t, run.Budget{Tokens: 100}, script.Turn{Text: "x", Usage: script.Usage{Input: 90, Output: 20}})
	r := h.begin(acme, "acme/web")
	if got := h.send(http.MethodPost, r.path("v1/chat/completions"), r.token, ask(hello)); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	got := h.send(http.MethodPost, r.path("v1/chat/completions"), r.token, ask(hello))
	if got.status != http.StatusPaymentRequired || !strings.Contains(got.body, `"code":"budget_spent"`) || !strings.Contains(got.body, "tokens") {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = h.send(http.MethodPost, r.path("heartbeat"), r.token, brief.Heartbeat{Attempt: 1, Phase: brief.Working})
	if !strings.Contains(got.body, `"finish":`) {
		t.Errorf("it is told %s", got.body)
	}
}

func TestTheStoreIsAway(t *testing.T) {
	h := newHouse(t, run.Budget{})
	r := h.begin(acme, "acme/web")
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	for path, got := range map[string]reply{
		"claim":     h.claim(r, r.claim, taskName),
		"heartbeat": h.send(http.MethodPost, r.path("heartbeat"), r.token, brief.Heartbeat{Attempt: 1, Phase: brief.Working}),
		"model":     h.send(http.MethodPost, r.path("v1/chat/completions"), r.token, ask(hello)),
	} {
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
