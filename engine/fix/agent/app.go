package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what the app's answers may be: a brief with all its evidence.
const maxAnswer = 4 << 20

// app is the app as the container reaches it.
type app struct {
	base   string // URL without a slash at the end
	run    string
	token  string // of the brief; empty before the claim
	client *http.Client
	answer time.Duration // for one answer
	back   time.Duration
}

func newApp(cfg *Config) *app {
	return &app{
		base: strings.TrimRight(cfg.URL, "/"),
		run:  cfg.Run,
		client: &http.Client{
			Transport: transport(),
			// The token belongs to this one app.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		answer: cfg.times.answer,
		back:   cfg.times.back,
	}
}

// transport is one that passes on what it gets as it is.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = 4
	return t
}

// refusal is an answer of the app that is none of the 2xx.
type refusal struct {
	status int
	after  time.Duration // Retry-After, 0 if the app does not say
}

func (r *refusal) Error() string { return fmt.Sprintf("the app answered %d", r.status) }

// passing reports whether the same request may be answered otherwise later: the
// app was not reached, is drained, or is in trouble.
func passing(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return true
	}
	switch r.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return r.status >= 500
}

// unknown reports whether the app says that it does not know this attempt, or does
// not any more.
func unknown(err error) bool {
	var r *refusal
	return errors.As(err, &r) && !passing(err)
}

// path is where one of the run's routes is.
func (a *app) path(route string) string { return a.base + "/agent/runs/" + a.run + "/" + route }

// send sends in as JSON and decodes the answer into out, if it has one. It tries
// once.
func (a *app) send(ctx context.Context, method, url string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.answer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("reach the app: %w", err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if res.StatusCode/100 != 2 {
		r := &refusal{status: res.StatusCode}
		if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 && n <= 3600 {
			r.after = time.Duration(n) * time.Second
		}
		return r
	}
	switch {
	case err != nil:
		return fmt.Errorf("read the app's answer: %w", err)
	case len(data) > maxAnswer:
		return fmt.Errorf("read the app's answer: more than %d bytes", maxAnswer)
	case out == nil || len(bytes.TrimSpace(data)) == 0:
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decode the app's answer: %w", err)
	}
	return nil
}

// insist calls try until it succeeds, fails for good, or the time is up. It
// returns the last error.
func (a *app) insist(ctx context.Context, limit time.Duration, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for wait := a.back; ; wait = min(2*wait, 30*a.back) {
		err := try(ctx)
		if err == nil || !passing(err) {
			return err
		}
		pause := wait
		if r := (*refusal)(nil); errors.As(err, &r) {
			pause = max(wait, r.after)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}
