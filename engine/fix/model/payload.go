package model

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// payload is the body of a request, which may be long. An answer keeps its request
// alive, as net/http has it; the payload lets go of the bytes once they were sent
// and answered, so that an answer that streams for minutes holds none.
type payload struct {
	mu   sync.Mutex
	data []byte
}

// of makes the payload the body of a request, which may be sent more than once.
func (p *payload) of(r *http.Request) {
	r.ContentLength = int64(len(p.data))
	r.GetBody = func() (io.ReadCloser, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.data == nil {
			return nil, http.ErrBodyReadAfterClose
		}
		return &reading{in: bytes.NewReader(p.data)}, nil
	}
	r.Body, _ = r.GetBody() // there is one: nothing was let go yet
}

// drop says that the request was answered, or failed, and is not sent again.
func (p *payload) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data = nil
}

// reading goes through a payload once.
type reading struct {
	mu sync.Mutex
	in *bytes.Reader // nil at the end
}

func (r *reading) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in == nil {
		return 0, io.EOF
	}
	n, err := r.in.Read(b)
	if err != nil || r.in.Len() == 0 {
		r.in = nil
	}
	return n, err
}

// Close may be called while a Read is under way.
func (r *reading) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in = nil
	return nil
}
