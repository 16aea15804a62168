package work_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/work"
)

func redisWorld(t *testing.T) world {
	server := storagetest.Redis(t)
	return world{connect: func(t *testing.T) store { return openRedis(t, server) }}
}

func openRedis(t *testing.T, server *storagetest.RedisServer) *redis.DB {
	db, err := redis.Open(t.Context(), server.URL, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestWorkersWaitForAStoreThatIsAway(t *testing.T) {
	server := storagetest.Redis(t)
	db := openRedis(t, server)
	q := work.New(db, db, quick(t))
	if err := q.Ready(); err == nil {
		t.Error("ready before it was started")
	}
	l := newLedger()
	begun, end := make(chan string), make(chan bool)
	q.Handle("issue", l.handle(func(ctx context.Context, it work.Item, call int) (time.Time, error) {
		if it.Key == "issue/slow" && call == 1 {
			begun <- it.Key
			<-end
		}
		return time.Time{}, nil
	}))
	s := create(t, db, space1)
	stop := start(t, q)
	eventually(t, "the queue is ready", func() bool { return q.Ready() == nil })
	for _, key := range []string{"issue/before", "issue/slow"} {
		if err := l.raise(t.Context(), s, key); err != nil {
			t.Fatal(err)
		}
		q.Wake(space1)
	}
	receive(t, begun, "the handler that the outage finds at work")

	server.Stop()
	eventually(t, "the queue notices", func() bool { return q.Ready() != nil })
	if err := q.Ready(); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("not ready because of %v", err)
	}
	if err := l.raise(t.Context(), s, "issue/during"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("work added to a store that is away: %v", err)
	}
	q.Wake(space1)
	end <- true

	server.Start()
	eventually(t, "the queue is ready again", func() bool { return q.Ready() == nil })
	if err := l.raise(t.Context(), s, "issue/after"); err != nil {
		t.Fatal(err)
	}
	q.Wake(space1)
	atRest(t, db, space1)
	l.check(t, s, "issue/before", "issue/slow", "issue/after")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := q.Ready(); err == nil {
		t.Error("ready after it was stopped")
	}
}

// polls counts the readings of the hints.
type polls struct {
	store
	n *atomic.Int64
}

func (p polls) Create(ctx context.Context, name string) (storage.Space, error) {
	s, err := p.store.Create(ctx, name)
	return polled{s, p.n}, err
}

type polled struct {
	storage.Space
	n *atomic.Int64
}

func (p polled) Scan(ctx context.Context, prefix, after string, limit int) ([]storage.Entry, error) {
	if p.Name() == project.AppSpace {
		p.n.Add(1)
	}
	return p.Space.Scan(ctx, prefix, after, limit)
}

// An idle replica polls four times a minute. The test lets it poll faster, and
// counts what Redis hears for each poll.
func TestAnIdleReplicaSendsFewCommands(t *testing.T) {
	server := storagetest.Redis(t)
	db := openRedis(t, server)
	for i := range 3 {
		create(t, db, project.Space(int64(i), "web"))
	}
	future := time.Now().Add(time.Hour)
	s := create(t, db, space1)
	var n atomic.Int64
	o := quick(t)
	o.Poll, o.Sweep = 50*time.Millisecond, 0
	q := work.New(polls{db, &n}, db, o)
	q.Handle("soak", func(context.Context, work.Item) (time.Time, error) { return future, nil })
	add(t, s, "soak/1") // an idle app has things that are due later
	start(t, q)
	eventually(t, "it waits for what is due later", func() bool { return status(t, s, "soak/1").At.Equal(future) })
	from := n.Load()
	eventually(t, "the queue is at rest", func() bool { return n.Load() >= from+5 })

	heard := monitor(t, server.Addr)
	from = n.Load()
	const rounds = 30
	eventually(t, "it has polled some more", func() bool { return n.Load() >= from+rounds })
	sent := heard()
	if len(sent) < rounds/2 {
		t.Fatalf("heard only %d commands in %d polls", len(sent), rounds)
	}
	perMinute := 4 * float64(len(sent)) / rounds
	if perMinute > 9 {
		t.Errorf("%.1f commands a minute: %q", perMinute, sent)
	}
	t.Logf("%.1f commands a minute", perMinute)
}

// monitor returns a function that ends the listening and returns the commands
// that clients sent meanwhile, without those within scripts.
func monitor(t *testing.T, addr string) func() []string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "MONITOR\r\n")
	lines := bufio.NewScanner(conn)
	if !lines.Scan() || lines.Text() != "+OK" {
		t.Fatalf("MONITOR: %q, %v", lines.Text(), lines.Err())
	}
	var sent []string
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for lines.Scan() {
			if !strings.Contains(lines.Text(), " lua] ") {
				sent = append(sent, lines.Text())
			}
		}
	}()
	return func() []string {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		return sent
	}
}
