package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// What a request is charged with while nobody has said what it used. Four bytes to
// a token is what providers say of English; JSON and markup around the text only
// add. What a model thinks is not seen, and costs: where an answer was cut off, so
// many tokens a second passed as fast models make. So cutting answers off does not
// get around the budget.
const (
	bytesPerToken   = 4
	tokensPerSecond = 200
)

// storeTimeout bounds one change of a run's usage.
const storeTimeout = 10 * time.Second

// account is a run with requests under way in this process. Its lock makes them
// take turns at the run's usage.
type account struct {
	sync.Mutex
	requests int // guarded by the gateway's lock
}

// charge is what one request costs.
type charge struct {
	g     *Gateway
	space storage.Space
	id    string
	acc   *account

	price    Price
	known    bool
	began    time.Time
	estimate tokens // charged already
	meter    meter
	whole    bool // the answer came to its end
	unbilled bool
	once     sync.Once
	err      error
}

// reserve charges a run for a request before it is sent, with an estimate: of its
// input by its length, and of its answer by what it may have at most, or
// Config.Output where the request does not say. The request itself is passed on as it
// is. The error is a [*Refusal] if the run may not ask now, or ever.
//
// A request that is alone needs a budget that is not used up and holds its input: by
// its answer the budget may be passed, once. Others are let in beside it only where
// everything fits that they and those under way may still cost. So however many ask
// at once, by whatever gateway, no more than one answer goes beyond the budget, as
// far as the estimates hold.
func (g *Gateway) reserve(ctx context.Context, space storage.Space, id string, req request) (*charge, error) {
	acc := g.enter(space, id)
	if acc == nil {
		return nil, &Refusal{Status: http.StatusTooManyRequests, Code: "too_many_requests", After: 5 * time.Second,
			Message: fmt.Sprintf("a run has at most %d requests under way", g.c.AtOnce)}
	}
	now := g.c.Now()
	c := &charge{g: g, space: space, id: id, acc: acc, began: now,
		estimate: tokens{input: min(most, int64(len(req.body)+bytesPerToken-1)/bytesPerToken), output: cmp.Or(req.output, g.c.Output)}}
	c.price, c.known = g.c.Price(req.model, now)
	spent, wait := "", ""
	err := c.change(ctx, func(u *run.Usage) {
		if u.Spent == "" {
			u.Spent = g.spent(*u, 1)
		}
		if spent, wait = u.Spent, ""; spent != "" {
			return
		}
		must := c.estimate
		if u.Held == 0 {
			must.output = 0
		}
		next := *u
		next.Priced = c.known && (u.Priced || u.Requests == 0)
		next.Requests++
		next.Held++
		with := next
		c.add(&with, must)
		switch passed := g.passed(with); {
		case passed == "":
			c.add(&next, c.estimate)
			*u = next
		case g.others(acc):
			wait = passed // what they were charged with may come back
		default:
			// Also where another gateway has a request under way, or had one when it
			// crashed, which nobody can tell. Then the run ends a little early.
			u.Spent, spent = passed, passed
		}
	})
	if err == nil && spent == "" && wait == "" {
		return c, nil
	}
	g.leave(space, id)
	switch {
	case err != nil:
		return nil, err
	case wait != "":
		return nil, &Refusal{Status: http.StatusTooManyRequests, Code: "budget_held", After: 5 * time.Second,
			Message: "what is left of the model's budget of this run may be needed for requests that are under way: " + wait}
	}
	return nil, spentRefusal(spent)
}

func spentRefusal(of string) *Refusal {
	return &Refusal{Status: http.StatusPaymentRequired, Code: "budget_spent",
		Message: "the model's budget of this run is used up: " + of}
}

// spent says which budget is used up if so many more requests are asked for. While
// requests are under way, what they were charged with may come back.
func (g *Gateway) spent(u run.Usage, more int64) string {
	switch b := g.c.Budget; {
	case b.Requests > 0 && u.Requests+more > b.Requests:
		return "requests"
	case u.Held > 0:
	case b.Tokens > 0 && u.Input+u.Output >= b.Tokens:
		return "tokens"
	case b.Micros > 0 && u.Priced && u.Micros >= b.Micros:
		return "money"
	}
	return ""
}

// passed says beyond which budget a usage is.
func (g *Gateway) passed(u run.Usage) string {
	switch b := g.c.Budget; {
	case b.Tokens > 0 && u.Input+u.Output > b.Tokens:
		return "tokens"
	case b.Micros > 0 && u.Priced && u.Micros > b.Micros:
		return "money"
	}
	return ""
}

// add charges tokens.
func (c *charge) add(u *run.Usage, t tokens) {
	u.Input += t.input
	u.Cached += t.cached
	u.Output += t.output
	if c.known {
		u.Micros += c.price.cost(t)
	}
}

// takeBack takes a charge back.
func (c *charge) takeBack(u *run.Usage, t tokens) {
	u.Input -= t.input
	u.Cached -= t.cached
	u.Output -= t.output
	if c.known {
		u.Micros -= c.price.cost(t)
	}
}

// free says that the provider did nothing, and bills nothing.
func (c *charge) free() { c.unbilled = true }

// used is what the request used, as far as is known.
func (c *charge) used() tokens {
	if c.unbilled {
		return tokens{}
	}
	t := c.meter.used
	if c.meter.said && c.whole {
		return t
	}
	t.input = max(t.input, c.estimate.input)
	t.output = max(t.output, min(most, c.meter.bytes/bytesPerToken))
	if !c.whole {
		t.output = max(t.output, int64(c.g.c.Now().Sub(c.began).Seconds()*tokensPerSecond))
	}
	return t
}

// settle charges what the request used in place of the estimate. It does so once,
// also when whoever asked has gone. Where it fails, the estimate stands.
func (c *charge) settle() error {
	c.once.Do(func() {
		defer c.g.leave(c.space, c.id)
		used := c.used()
		c.err = c.change(context.Background(), func(u *run.Usage) {
			u.Held = max(0, u.Held-1)
			c.takeBack(u, c.estimate)
			c.add(u, used)
			if u.Spent == "" {
				u.Spent = c.g.spent(*u, 0)
			}
		})
	})
	return c.err
}

// tries bounds how often a change is made anew because another replica made one.
const tries = 10

// change reads the run's usage, changes it and stores it.
func (c *charge) change(ctx context.Context, change func(u *run.Usage)) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	c.acc.Lock()
	defer c.acc.Unlock()
	for range tries {
		u, was, err := run.UsageOf(ctx, c.space, c.id)
		if err != nil {
			return err
		}
		before := u
		change(&u)
		if u == before {
			return nil
		}
		var b storage.Batch
		run.SaveUsage(&b, was, u)
		err = c.space.Apply(ctx, &b)
		if err == nil {
			return nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return fmt.Errorf("store usage of run %s: %w", c.id, err)
		}
	}
	return fmt.Errorf("store usage of run %s: %w, %d times", c.id, storage.ErrConflict, tries)
}

// enter counts a request of a run in; nil if it has too many.
func (g *Gateway) enter(space storage.Space, id string) *account {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := space.Name() + "\x00" + id
	acc := g.runs[key]
	if acc == nil {
		acc = new(account)
		g.runs[key] = acc
	}
	if acc.requests >= g.c.AtOnce {
		return nil
	}
	acc.requests++
	return acc
}

// others reports whether more than one request of a run is under way here.
func (g *Gateway) others(acc *account) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return acc.requests > 1
}

func (g *Gateway) leave(space storage.Space, id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := space.Name() + "\x00" + id
	if acc := g.runs[key]; acc != nil {
		if acc.requests--; acc.requests <= 0 {
			delete(g.runs, key)
		}
	}
}
