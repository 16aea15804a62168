package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// A call is asked again when no answer came or the answer is "not now". Each
// call can be: reads and scripts that compare a generation or an id first do the
// same twice as once. All attempts together end well before the memory of a
// batch's outcome does.
const (
	attempts  = 4
	firstWait = 50 * time.Millisecond // doubled each time
	allWithin = 30 * time.Second
	remember  = 2 * time.Minute
)

// notNow are the replies of a server that starts, fails over or is busy.
var notNow = []string{"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "MOVED", "ASK"}

// newID returns a random id: of a generation, a batch, a registration.
func newID() string { return rand.Text() }

// run runs a script and returns its reply, nil for a reply of nil.
func (d *DB) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (reply any, err error) {
	err = d.try(ctx, func(ctx context.Context) error {
		reply, err = script.Run(ctx, d.client, keys, args...).Result()
		if errors.Is(err, redis.Nil) {
			reply, err = nil, nil
		}
		return err
	})
	return reply, err
}

// try calls ask until it is answered. Its error is ErrUnavailable, and ctx's too
// if that is why.
func (d *DB) try(ctx context.Context, ask func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	bounded, cancel := context.WithTimeout(ctx, allWithin)
	defer cancel()
	err := ask(bounded)
	for wait := firstWait; err != nil && wait < firstWait<<(attempts-1); wait *= 2 {
		if !again(err) || !sleep(bounded, wait) {
			break
		}
		err = ask(bounded)
	}
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%w: %w: %s", storage.ErrUnavailable, ended, d.clean(err))
	}
	return fmt.Errorf("%w: %s", storage.ErrUnavailable, d.clean(err))
}

// again reports whether the same call may be answered if it is asked once more.
func again(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return !errors.Is(err, redis.ErrClosed)
	}
	for _, prefix := range notNow {
		if strings.HasPrefix(reply.Error(), prefix) {
			return true
		}
	}
	return false
}

// sleep waits, and reports whether ctx lived on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// clean returns the text of a driver's or server's error without the secrets. An
// old server repeats a command that it does not know, arguments and all.
func (d *DB) clean(err error) string {
	text := err.Error()
	for _, secret := range d.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}
