package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Skew is how far this machine's clock is ahead of GitHub's, to the second and half of
// what the question took. Nothing is sent that says who asks.
func Skew(ctx context.Context, cfg Config) (time.Duration, error) {
	cfg = cfg.filled()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.API+"/meta", nil)
	if err != nil {
		return 0, errors.New("ask GitHub for the time: the API's address cannot be read")
	}
	client := http.Client{Timeout: cfg.Timeout, Transport: wire{next: cfg.Transport, agent: cfg.UserAgent},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	asked := cfg.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask GitHub for the time: %w", err)
	}
	resp.Body.Close()
	told := cfg.Now()
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, errors.New("ask GitHub for the time: the answer holds none")
	}
	// A date in whole seconds is half a second behind, on average.
	return asked.Add(told.Sub(asked) / 2).Sub(at.Add(time.Second / 2)), nil
}
