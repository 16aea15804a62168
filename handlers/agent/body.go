package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"
)

// form is what a route's bodies may be.
type form struct {
	bytes  int64
	values int           // how many values JSON may have; [Handler.read] alone looks at it
	arrive time.Duration // how long the body may take to arrive
	work   time.Duration // how long what it asks for may take
}

// read reads one JSON value, strictly.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, f form, v any) error {
	data, err := body(w, r, f)
	if err != nil {
		return err
	}
	// encoding/json would put another character in the place of what is not UTF-8:
	// a path would be another one.
	if !utf8.Valid(data) {
		return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: "the body is not UTF-8"}
	}
	if values(data) > f.values {
		return &refusal{status: http.StatusRequestEntityTooLarge, code: "too_large",
			message: fmt.Sprintf("the body has at most %d values", f.values)}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: "the body is not the JSON that is wanted here: " + told(err)}
	}
	if _, err := dec.Token(); err != io.EOF {
		return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: "the body has more than one JSON value"}
	}
	return nil
}

// values counts the commas of JSON that are not within strings, and so the values
// but for the first of each object and array. An entry of two bytes may become a
// hundred once it is decoded.
func values(data []byte) (n int) {
	within := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case within && c == '\\':
			i++
		case c == '"':
			within = !within
		case c == ',' && !within:
			n++
		}
	}
	return n
}

// told is what may be said of an error of encoding/json: not what it quotes.
func told(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return fmt.Sprintf("%s is of the wrong kind", kind.Field)
	case errors.As(err, &syntax):
		return fmt.Sprintf("byte %d", syntax.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends early"
	}
	return "a key is unknown"
}

// body reads the request's body in the time and up to the size that the form allows.
func body(w http.ResponseWriter, r *http.Request, f form) ([]byte, error) {
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, code: "too_large",
		message: fmt.Sprintf("the body has at most %d bytes", f.bytes)}
	if r.ContentLength > f.bytes {
		return nil, tooLarge
	}
	// Connections that cannot have a deadline exist in tests alone. What may take
	// longer than the server's own patience gets the time for an answer too. Once all
	// is read, net/http takes the deadline for reading away.
	conn := http.NewResponseController(w)
	now := time.Now()
	_ = conn.SetReadDeadline(now.Add(f.arrive))
	if f.work > 0 {
		_ = conn.SetWriteDeadline(now.Add(f.arrive + f.work + writeTime))
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, f.bytes))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, code: "invalid_request", message: "the body could not be read to its end"}
	}
	return data, nil
}
