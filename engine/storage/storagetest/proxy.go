package storagetest

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
)

// Proxy stands between a client and a server on TCP and can lose what the server
// says, as a broken network does.
type Proxy struct {
	Addr string // where clients connect

	server string
	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
	drops  int
	about  string
	lost   int
}

// NewProxy starts a proxy to the server at addr; it ends with the test.
func NewProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	p := &Proxy{Addr: l.Addr().String(), server: addr, conns: map[net.Conn]bool{}}
	p.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// DropReplies loses the replies to the next n requests that contain the text
// about, in any case: the server gets the request and acts on it, then the
// connection breaks.
func (p *Proxy) DropReplies(n int, about string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops, p.about, p.lost = n, strings.ToLower(about), 0
}

// Lost returns how many replies were lost since DropReplies.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// serve copies both ways. One goroutine reads requests and one replies; a doomed
// connection ends when the reply comes.
func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	if !p.keep(client, server) {
		return
	}
	defer p.forget(client, server)
	var doomed sync.Mutex // guards dooms
	dooms := false
	p.wg.Go(func() {
		defer server.Close()
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if err != nil {
				return
			}
			if p.dooms(buf[:n]) {
				doomed.Lock()
				dooms = true
				doomed.Unlock()
			}
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		doomed.Lock()
		lose := dooms
		doomed.Unlock()
		if lose {
			p.mu.Lock()
			p.lost++
			p.mu.Unlock()
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *Proxy) dooms(request []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drops == 0 || !bytes.Contains(bytes.ToLower(request), []byte(p.about)) {
		return false
	}
	p.drops--
	return true
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			c.Close()
		}
		p.conns[c] = true
	}
	return !p.closed
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}
