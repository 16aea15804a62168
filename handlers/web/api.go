package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"

	"github.com/soulcaster/soulcaster/handlers"
)

// api is where the API begins. What a page shows or does, it tells or does below the same
// path, with the same permissions.
const api = "/api/v1"

// What is not known, or does not apply, is left out of an answer; a list is always there.

// markForm is the form of a cursor that is an instant and an id.
var markForm = regexp.MustCompile(`^[0-9a-f]{16}-[0-9a-z]{1,40}$`)

// badCursor says that a list cannot go on where it is asked to.
func (p *Pages) badCursor(w http.ResponseWriter, r *http.Request) {
	handlers.Error(w, r, http.StatusBadRequest, "cursor: take the one that the answer before named as next")
}

// decode reads what a program sends. If it cannot be read, that is answered.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		handlers.Error(w, r, http.StatusUnsupportedMediaType, "send application/json; nothing was changed")
		return false
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more than one value")
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		handlers.Error(w, r, http.StatusRequestEntityTooLarge, "the body is too large; nothing was changed")
	case err != nil:
		handlers.Error(w, r, http.StatusBadRequest, "the body cannot be read: "+err.Error()+"; nothing was changed")
	}
	return err == nil
}
