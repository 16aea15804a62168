package storagetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// RedisServer is a real redis-server of the test's own, that keeps its data over
// stops and kills and is gone after the test.
type RedisServer struct {
	URL  string // redis://127.0.0.1:PORT
	Addr string // 127.0.0.1:PORT

	t     testing.TB
	dir   string // where it keeps its data
	args  []string
	ready string // is in the line of the log that says that it answers
	mu    sync.Mutex
	cmd   *exec.Cmd
	done  chan struct{} // closed when cmd has ended
}

// Redis starts a redis-server on a free port in a folder of its own, with every
// write synced to an append-only file. Further settings, such as "--requirepass",
// "secret", override these. Without the program the test fails and says how to
// install it.
func Redis(t testing.TB, settings ...string) *RedisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatalf("this test needs a real Redis: sudo apt-get install -y redis-server (%v)", err)
	}
	s := &RedisServer{t: t, dir: t.TempDir(), ready: "Ready to accept connections"}
	s.listen()
	s.args = append(s.args, "--dir", s.dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no")
	s.args = append(s.args, settings...)
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// Sentinel starts a Sentinel that watches s under the name.
func (s *RedisServer) Sentinel(name string) *RedisServer {
	s.t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		s.t.Fatalf("split %s: %v", s.Addr, err)
	}
	config := filepath.Join(s.t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor %s %s %s 1\n", name, host, port), 0o600); err != nil {
		s.t.Fatalf("write configuration of Sentinel: %v", err)
	}
	sentinel := &RedisServer{t: s.t, ready: "+monitor master", args: []string{config, "--sentinel"}}
	sentinel.listen()
	s.t.Cleanup(sentinel.Kill)
	sentinel.Start()
	return sentinel
}

// listen gives s a free port of this machine alone.
func (s *RedisServer) listen() {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	s.Addr = l.Addr().String()
	s.URL = "redis://" + s.Addr
	s.args = append(s.args, "--bind", "127.0.0.1", "--port", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// Start starts the server again after Stop or Kill, and returns when it has read
// its data and answers.
func (s *RedisServer) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		s.t.Fatal("the server runs already")
	}
	cmd := exec.Command("redis-server", s.args...)
	noOrphan(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	ready, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		ready <- s.untilReady(out)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // how it ended is what the test did to it
	}()
	s.cmd, s.done = cmd, done
	select {
	case err = <-ready:
	case <-time.After(patience):
		err = errors.New("not ready in time")
	}
	if err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
}

// untilReady reads the server's log up to the line that says that it answers.
func (s *RedisServer) untilReady(log io.Reader) error {
	var seen []string
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), s.ready) {
			return nil
		}
		seen = append(seen, lines.Text())
	}
	return fmt.Errorf("it ended:\n%s", strings.Join(seen, "\n"))
}

// Stop lets the server end in good order.
func (s *RedisServer) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server at once, as a crash would.
func (s *RedisServer) Kill() { s.end(syscall.SIGKILL) }

// Tear takes the end off what a server that is killed has written, as if it had been
// killed while it wrote that.
func (s *RedisServer) Tear(bytes int64) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("find what redis-server wrote: %v, %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err == nil {
		err = os.Truncate(files[0], info.Size()-bytes)
	}
	if err != nil {
		s.t.Fatalf("tear what redis-server wrote: %v", err)
	}
}

func (s *RedisServer) end(signal os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("end redis-server: %v", err)
	}
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Errorf("redis-server does not end at %v", signal)
	}
	s.cmd = nil
}
