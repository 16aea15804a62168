package ingest

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// form is what a route's bodies may be.
type form struct {
	bytes  int64         // after decompression
	arrive time.Duration // how long the body may take to arrive
	store  time.Duration // how long it may take to be stored
	media  []string      // content types; a request that names none means the first

	// verify says who sent the body, where only the body can tell; nil if the
	// sender is known before.
	verify func(data []byte) error
}

// Sentry gives up after a second: what takes longer is a store in trouble, and
// is stored all the same if it can be, because Sentry does not send it again.
func signedForm() form {
	return form{bytes: 1 << 20, arrive: 5 * time.Second, store: 8 * time.Second, media: []string{"application/json"}}
}

func keyedForm(media ...string) form {
	return form{bytes: 10 << 20, arrive: 20 * time.Second, store: 15 * time.Second, media: media}
}

// refusal is a request that is answered with an error.
type refusal struct {
	status  int
	message string
	why     string        // what is told of it to the source's own people; message unless it says
	after   time.Duration // of a 429: when to come again, a second unless it says
}

func (e *refusal) Error() string { return e.message }

// because returns the refusal with what the source's own people are told.
func (e *refusal) because(why string) *refusal {
	e.why = why
	return e
}

// contentType returns the media type of the request if it is one of those
// wanted; a missing one counts as the first.
func contentType(r *http.Request, wanted []string) (string, error) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return wanted[0], nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err == nil {
		for _, w := range wanted {
			if media == w {
				return w, nil
			}
		}
	}
	return "", &refusal{status: http.StatusUnsupportedMediaType, message: fmt.Sprintf("content type %.100q: send %s", header, strings.Join(wanted, " or "))}
}

// body reads the request's body, decompressed, in the time and up to the size
// that the form allows.
func body(w http.ResponseWriter, r *http.Request, f form) ([]byte, error) {
	// Connections that cannot have a deadline exist in tests alone. It stays when
	// the reading fails, because net/http waits for the rest of a body then; once
	// all is read it would end the request's context while that is stored.
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(f.arrive))
	data, err := f.read(w, r)
	if err == nil {
		_ = conn.SetReadDeadline(time.Time{})
	}
	return data, err
}

func (f form) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, f.bytes)
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return nil, f.unreadable(err)
		}
		defer unzip.Close()
		in = unzip
	default:
		return nil, &refusal{status: http.StatusUnsupportedMediaType, message: fmt.Sprintf("content encoding %.100q: send gzip or none", encoding)}
	}
	data, err := io.ReadAll(io.LimitReader(in, f.bytes+1))
	if err != nil {
		return nil, f.unreadable(err)
	}
	if int64(len(data)) > f.bytes {
		return nil, f.tooLarge()
	}
	return data, nil
}

func (f form) unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return f.tooLarge()
	}
	return &refusal{status: http.StatusBadRequest, message: "the body could not be read to its end: " + f.cause(err)}
}

// cause names why a body could not be read without repeating any of it.
func (f form) cause(err error) string {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return "it is not valid gzip"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("it did not arrive within %d seconds", int(f.arrive.Seconds()))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "it ended early"
	}
	return "the connection broke"
}

func (f form) tooLarge() error {
	return &refusal{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("the body is larger than %d MB (after decompression): send it in parts", f.bytes>>20)}
}
