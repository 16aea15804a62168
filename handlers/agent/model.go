package agent

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// writeTime is how long the container may take to read the next piece of an answer.
const writeTime = time.Minute

// ask passes a request on to the model and its answer back, as it comes.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request) error {
	s, err := h.enter(r)
	if err != nil {
		return err
	}
	done, err := h.places.take(r, askForm().bytes)
	if err != nil {
		return err
	}
	defer done()
	if err := s.Live(r.Context()); err != nil {
		return err
	}
	if h.model == nil {
		return &refusal{status: http.StatusNotFound, code: "no_model", message: "no model is configured"}
	}
	data, err := body(w, r, askForm())
	if err != nil {
		return err
	}
	answer, err := h.model.Ask(r.Context(), s.Space(), r.PathValue("run"), data)
	done() // what was asked is held no more; the answer may take minutes
	if err != nil {
		return err
	}
	defer func() {
		if err := answer.Body.Close(); err != nil {
			zerolog.Ctx(r.Context()).Error().Err(err).Str("run", r.PathValue("run")).Msg("what the model cost could not be stored")
		}
	}()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(answer.Status)
	if err := relay(w, answer.Body); err != nil {
		zerolog.Ctx(r.Context()).Info().Err(err).Str("run", r.PathValue("run")).Msg("an answer of the model broke off")
		panic(http.ErrAbortHandler) // the container must not take a part for the whole
	}
	return nil
}

// relay copies what comes, at once. Each piece has its own time: the model may think
// for longer than the server's own patience.
func relay(w http.ResponseWriter, in io.Reader) error {
	conn := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			_ = conn.SetWriteDeadline(time.Now().Add(writeTime))
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if err := conn.Flush(); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
