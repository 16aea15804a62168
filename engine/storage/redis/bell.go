package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	bellChannel = "soulcaster:bell"
	// quiet is how long the channel may say nothing before the connection is
	// checked with a ping. Half as many commands as minutes is cheap, and what a
	// dead connection loses meanwhile is found by polling.
	quiet = 2 * time.Minute
	// relisten is the pause before a lost connection is made again.
	relisten = time.Second
)

// Ring implements [storage.Bell]. Names hold no zero byte, so that can part them.
func (d *DB) Ring(ctx context.Context, spaces ...string) error {
	if len(spaces) == 0 {
		return nil
	}
	message := strings.Join(spaces, "\x00")
	err := d.try(ctx, func(ctx context.Context) error { return d.client.Publish(ctx, bellChannel, message).Err() })
	if err != nil {
		return fmt.Errorf("ring: %w", err)
	}
	return nil
}

// Listen implements [storage.Bell].
func (d *DB) Listen(ctx context.Context, heard func(space string)) error {
	for {
		err := d.listen(ctx, heard)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, redis.ErrClosed):
			return fmt.Errorf("listen: %w: store is closed", storage.ErrUnavailable)
		}
		// Whatever else it was, the store's other users see and report it; a
		// listener only comes back.
		if !sleep(ctx, relisten) {
			return nil
		}
	}
}

// listen listens on one connection until that fails or ctx is done.
func (d *DB) listen(ctx context.Context, heard func(space string)) error {
	sub := d.client.Subscribe(ctx, bellChannel)
	// A receive that waits does not look at its context; closing ends it.
	stop := context.AfterFunc(ctx, func() { sub.Close() })
	defer func() {
		stop()
		sub.Close()
	}()
	checking := false
	for {
		message, err := sub.ReceiveTimeout(ctx, quiet)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() && !checking {
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			checking = true
			continue
		}
		if err != nil {
			return err
		}
		checking = false
		if m, ok := message.(*redis.Message); ok {
			for space := range strings.SplitSeq(m.Payload, "\x00") {
				heard(space)
			}
		}
	}
}
