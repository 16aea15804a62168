package ecs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/ecs"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// listener runs Events and keeps what it hands over.
type listener struct {
	mu    sync.Mutex
	ids   []string
	waits []time.Duration
	log   strings.Builder
	end   context.CancelFunc
	ended chan error
}

func (li *listener) Write(p []byte) (int, error) {
	li.mu.Lock()
	defer li.mu.Unlock()
	return li.log.Write(p)
}

func (li *listener) logged() string {
	li.mu.Lock()
	defer li.mu.Unlock()
	return li.log.String()
}

// count is how often a task was handed over.
func (li *listener) count(id string) (n int) {
	li.mu.Lock()
	defer li.mu.Unlock()
	for _, got := range li.ids {
		if got == id {
			n++
		}
	}
	return n
}

func listen(t *testing.T, s *ecstest.Server) (*ecs.Launcher, *listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	li := &listener{end: cancel, ended: make(chan error, 1)}
	l := connect(t, s, func(c *ecs.Config) {
		c.EventsQueue = s.QueueURL
		c.Log = zerolog.New(li)
		c.Wait = func(ctx context.Context, d time.Duration) error {
			li.mu.Lock()
			defer li.mu.Unlock()
			li.waits = append(li.waits, d)
			return ctx.Err()
		}
	})
	go func() {
		li.ended <- l.Events(ctx, func(ids ...string) {
			li.mu.Lock()
			defer li.mu.Unlock()
			li.ids = append(li.ids, ids...)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-li.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Events ended with %v", err)
		}
	})
	return l, li
}

func queueServer(t *testing.T, o ecstest.Options) *ecstest.Server {
	t.Helper()
	s, err := ecstest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := queueServer(t, ecstest.Options{})
	l, li := listen(t, s)
	a, b := start(t, l, "run1"), start(t, l, "run2")
	until(t, l, a.ID, task.Running)
	until(t, l, b.ID, task.Running)
	eventually(t, "both tasks were told of, and all messages are deleted", func() bool {
		return li.count(a.ID) >= 1 && li.count(b.ID) >= 1 && s.Waiting() == 0
	})
	// What was told already comes again, the news comes once.
	before := li.count(a.ID)
	old := s.Event(a.ID)
	for range 5 {
		s.Send(old)
	}
	s.Exit(a.ID, 0) // two changes
	s.Send(old)
	eventually(t, "the queue is empty", func() bool { return s.Waiting() == 0 })
	if n := li.count(a.ID) - before; n < 1 || n > 2 {
		t.Errorf("the task was told of %d times, want once for each of its 2 changes at most", n)
	}
}

// What is about something else is deleted; what is no event is left for the dead
// letters, and logged once.
func TestOtherMessages(t *testing.T) {
	t.Parallel()
	s := queueServer(t, ecstest.Options{Visibility: 20 * time.Millisecond, Receives: 3})
	l, li := listen(t, s)
	s.Send(`{"source": "aws.ecs", "detail-type": "ECS Service Action", "detail": {"taskArn": 7}}`)
	bad := []string{"hello", `{"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {"taskArn": "x"}}`, `[]`, `{}`}
	for _, body := range bad {
		s.Send(body)
	}
	got := start(t, l, "run1")
	eventually(t, "what cannot be read is dead, and the rest is gone", func() bool {
		return s.Waiting() == 0 && len(s.Dead()) == len(bad) && li.count(got.ID) > 0
	})
	dead := s.Dead()
	slices.Sort(dead)
	slices.Sort(bad)
	if !slices.Equal(dead, bad) {
		t.Errorf("the dead letters are %q, want %q", dead, bad)
	}
	if n := strings.Count(li.logged(), "holds something else"); n != len(bad) {
		t.Errorf("logged %d times, want %d:\n%s", n, len(bad), li.logged())
	}
}

// While the queue is away, Events waits longer each time, says so once, and goes
// on when it is back.
func TestEventsQueueAway(t *testing.T) {
	t.Parallel()
	s := queueServer(t, ecstest.Options{})
	s.Fault("ReceiveMessage", 3, ecstest.Away())
	s.Fault("ReceiveMessage", 6, ecstest.Throttle())
	l, li := listen(t, s)
	got := start(t, l, "run1")
	eventually(t, "the task is told of", func() bool { return li.count(got.ID) > 0 })
	li.mu.Lock()
	waits := slices.Clone(li.waits)
	li.mu.Unlock()
	if len(waits) != 9 {
		t.Fatalf("waited %d times, want 9", len(waits))
	}
	for i, d := range waits {
		whole := min(time.Second<<i, time.Minute)
		if d < whole/2 || d > whole {
			t.Errorf("wait %d is %s, want %s to %s", i, d, whole/2, whole)
		}
	}
	if n := strings.Count(li.logged(), "does not answer"); n != 1 {
		t.Errorf("the outage was logged %d times:\n%s", n, li.logged())
	}
}

// A message whose deletion failed comes again and changes nothing.
func TestEventThatIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := queueServer(t, ecstest.Options{Visibility: 20 * time.Millisecond, Receives: 100})
	s.Fault("DeleteMessageBatch", 3, ecstest.Away())
	l, li := listen(t, s)
	s.Fault("RunTask", 1, ecstest.Never()) // it changes once
	got := start(t, l, "run1")
	eventually(t, "the message is deleted in the end", func() bool { return len(s.Calls("DeleteMessageBatch")) > 3 && s.Waiting() == 0 })
	if n := li.count(got.ID); n != 1 {
		t.Errorf("the task was told of %d times, want 1", n)
	}
}

func TestEventsWithoutQueue(t *testing.T) {
	t.Parallel()
	l, _ := open(t, ecstest.Options{}, nil)
	if err := l.Events(t.Context(), func(...string) { t.Error("something changed") }); err != nil {
		t.Errorf("Events: %v", err)
	}
}
