package web

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
)

const (
	// receiveWithin bounds how long a file is on its way, and uploadWithin how long it takes
	// until it is understood as well.
	receiveWithin = 40 * time.Second
	uploadWithin  = 55 * time.Second
	// maxUpload is what a request with a file may hold: a little more than the file, so
	// that it is the file that is too large and not the request.
	maxUpload = backfill.MaxBytes + 256<<10
	// maxReceived is how many files are on their way at once, each kept in memory until it
	// is understood, and maxReceivedEach how many of one installation.
	maxReceived, maxReceivedEach = 8, 2
	// maxUnderstood is how many files are understood at once.
	maxUnderstood = 2
)

// file is form for what may carry a file, which takes a while to arrive.
func (in ways) file(path string, h http.Handler) {
	in.upload(path, uploadWithin, maxUpload, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What cannot be timed is bounded by what the server gives every request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(receiveWithin))
		h.ServeHTTP(w, r)
	}))
}

var (
	errBusy   = errors.New("too many files at once")
	errNoFile = errors.New("no file came with the form: choose one")
	errCut    = errors.New("the file did not arrive as a whole: send it again")
)

// understand begins an import of a file. It is received first: whoever sends slowly holds
// up nobody whose file is there.
func (p *Pages) understand(r *http.Request, at *place, name string, file io.Reader) (backfill.Import, error) {
	leave, ok := p.receiving.take(at.installation)
	if !ok {
		return backfill.Import{}, errBusy
	}
	defer leave()
	var body bytes.Buffer
	if _, err := body.ReadFrom(io.LimitReader(file, backfill.MaxBytes+1)); err != nil { // so that a file that is too large is seen to be
		return backfill.Import{}, cmp.Or(large(err), errCut)
	}
	select {
	case p.understanding <- struct{}{}:
		defer func() { <-p.understanding }()
	case <-r.Context().Done():
		return backfill.Import{}, errBusy
	}
	return p.cfg.Imports.FromFile(r.Context(), at.space, name, &body, importBy(r, at))
}

// uploadImport takes a file that a form sends.
func (p *Pages) uploadImport(w http.ResponseWriter, r *http.Request, at *place) {
	parts, err := r.MultipartReader()
	if err != nil {
		p.begun(w, r, at, backfill.Import{}, errNoFile)
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) || err == nil && part.FormName() == "file" && part.FileName() == "" {
			err = errNoFile
		}
		if err != nil {
			p.begun(w, r, at, backfill.Import{}, cmp.Or(large(err), error(errNoFile)))
			return
		}
		if part.FormName() != "file" {
			continue
		}
		i, err := p.understand(r, at, part.FileName(), part)
		p.begun(w, r, at, i, err)
		return
	}
}

// large is an error that says that a request is too large; nil if it is another.
func large(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return large
	}
	return nil
}
