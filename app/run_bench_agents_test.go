package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
)

// benchAgents say what the agents of tasks say to the app, without the processes: each
// claims its brief, and then sends a heartbeat every ten seconds, on a connection of
// its own.
type benchAgents struct {
	address string
	ended   sync.WaitGroup
	claimed atomic.Int64
	beats   atomic.Int64 // that were answered
	refused atomic.Int64 // that were not taken, and sent again with the next
	fault   atomic.Pointer[error]
}

// work has the agents of all tasks work until ctx ends. They begin over ten seconds,
// so that their heartbeats are spread.
func (a *benchAgents) work(ctx context.Context, tasks []ecstest.Task) {
	for i, task := range tasks {
		a.ended.Go(func() {
			one := &benchAgent{of: a, client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: 30 * time.Second}}
			defer one.client.CloseIdleConnections()
			after := heartbeat * time.Duration(i) / time.Duration(len(tasks))
			if err := one.work(ctx, task, after); err != nil && ctx.Err() == nil {
				a.fault.CompareAndSwap(nil, &err)
			}
		})
	}
}

// check fails the benchmark if an agent cannot go on.
func (a *benchAgents) check(b *testing.B) {
	b.Helper()
	if err := a.fault.Load(); err != nil {
		b.Fatal(*err)
	}
}

type benchAgent struct {
	of     *benchAgents
	client *http.Client
	token  string
}

func (a *benchAgent) work(ctx context.Context, task ecstest.Task, after time.Duration) error {
	given := map[string]string{}
	for _, entry := range task.Env {
		name, value, _ := strings.Cut(entry, "=")
		given[name] = value
	}
	sleep := func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	var b brief.Brief
	for sleep(after); ctx.Err() == nil; sleep(time.Second) {
		err := a.post(ctx, "/agent/claim", brief.Claim{Run: given["SOULCASTER_RUN"], Claim: given["SOULCASTER_CLAIM"], Task: task.ARN}, &b)
		if err == nil {
			break
		}
		if !errors.Is(err, errBusy) {
			return err
		}
	}
	a.token = b.Token
	a.of.claimed.Add(1)
	for steps := 1; ctx.Err() == nil; steps++ {
		var order brief.Order
		err := a.post(ctx, "/agent/runs/"+b.Run+"/heartbeat", brief.Heartbeat{Attempt: b.Attempt, Phase: brief.Working, Note: "bash", Steps: steps}, &order)
		switch {
		case errors.Is(err, errBusy):
			a.of.refused.Add(1)
		case err != nil:
			return err
		case order != brief.Order{}:
			return fmt.Errorf("run %s is told %+v", b.Run, order)
		default:
			a.of.beats.Add(1)
		}
		sleep(heartbeat)
	}
	return nil
}

// errBusy is an answer after which an agent tries again.
var errBusy = errors.New("the app is busy")

func (a *benchAgent) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.of.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+a.token)
	answer, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500:
		return fmt.Errorf("%s: %w: %s %s", path, errBusy, answer.Status, text)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s %s", path, answer.Status, text)
	}
	return json.Unmarshal(text, out)
}
