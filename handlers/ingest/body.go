package ingest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// What one request may carry, in bytes, after decompression.
const (
	signedBytes = 1 << 20  // signed webhooks
	reportBytes = 10 << 20 // reports and listings
)

// refusal is a request that is answered with an error.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

// contentType returns the media type of the request if it is one of those
// wanted; a missing one counts as the first.
func contentType(r *http.Request, wanted ...string) (string, error) {
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
	return "", &refusal{http.StatusUnsupportedMediaType,
		fmt.Sprintf("content type %q: send %s", header, strings.Join(wanted, " or "))}
}

// body reads the request's body, decompressed, up to limit bytes.
func body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, limit)
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return nil, unreadable(err, limit)
		}
		defer unzip.Close()
		in = unzip
	default:
		return nil, &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("content encoding %q: send gzip or none", encoding)}
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, unreadable(err, limit)
	}
	if int64(len(data)) > limit {
		return nil, tooLarge(limit)
	}
	return data, nil
}

func unreadable(err error, limit int64) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge(limit)
	}
	return &refusal{http.StatusBadRequest, "the body could not be read to its end: " + cause(err)}
}

// cause names why a body could not be read without repeating any of it.
func cause(err error) string {
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return "it is not valid gzip"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "it ended early"
	}
	return "the connection broke"
}

func tooLarge(limit int64) error {
	return &refusal{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the body is larger than %d MB (after decompression): send it in parts", limit>>20)}
}
