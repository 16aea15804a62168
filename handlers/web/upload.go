package web

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
)

const (
	// uploadWithin bounds how long a file is read and understood.
	uploadWithin = 45 * time.Second
	// maxUpload is what a request with a file may hold: a little more than the file, so
	// that it is the file that is too large and not the request.
	maxUpload = backfill.MaxBytes + 256<<10
	// maxUploads is how many files are understood at once.
	maxUploads = 2
)

// file is form for what may carry a file, which takes a while to arrive.
func (in ways) file(path string, h http.Handler) {
	in.upload(path, uploadWithin, maxUpload, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What cannot be timed is bounded by what the server gives every request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadWithin))
		h.ServeHTTP(w, r)
	}))
}

var (
	errBusy   = errors.New("too many files at once")
	errNoFile = errors.New("no file came with the form: choose one")
	errCut    = errors.New("the file did not arrive as a whole: send it again")
)

// understand begins an import of a file. Few are read at a time: each takes some memory.
func (p *Pages) understand(r *http.Request, at *place, name string, file io.Reader) (backfill.Import, error) {
	select {
	case p.uploading <- struct{}{}:
		defer func() { <-p.uploading }()
	default:
		return backfill.Import{}, errBusy
	}
	body := &watchedBody{Reader: file}
	i, err := p.cfg.Imports.FromFile(r.Context(), at.space, name, body, importBy(r, at))
	if err != nil && body.err != nil { // it is the request that failed, not what is in it
		return i, cmp.Or(large(body.err), errCut)
	}
	return i, err
}

// watchedBody remembers why it could not be read.
type watchedBody struct {
	io.Reader
	err error
}

func (b *watchedBody) Read(data []byte) (int, error) {
	n, err := b.Reader.Read(data)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
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
