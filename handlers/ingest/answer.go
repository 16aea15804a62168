package ingest

import (
	"cmp"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/handlers"
)

// maxItems is how many elements an answer lists.
const maxItems = 1000

// answer is what the sender gets.
type answer struct {
	Accepted   int    `json:"accepted"`
	Duplicates int    `json:"duplicates"`
	Rejected   int    `json:"rejected"`
	Items      []item `json:"items"` // in input order, the first maxItems
	Error      string `json:"error,omitempty"`
	RequestID  string `json:"request_id"`
}

type item struct {
	Index  int                  `json:"index"`
	ID     *string              `json:"id"`
	Status intake.Status        `json:"status"`
	State  *string              `json:"state"`
	Error  *feedback.FieldError `json:"error"`
}

// tell answers 202: all that could be read is stored; or 429: some of it was
// refused, and why.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, src *source.Source, status int, readings []feedback.Reading, answers []intake.Answer, why string) {
	out := answer{Items: []item{}, Error: why, RequestID: handlers.RequestID(r.Context())}
	for i, a := range answers {
		switch a.Status {
		case intake.Accepted:
			out.Accepted++
		case intake.Duplicate:
			out.Duplicates++
		default:
			out.Rejected++
		}
		if len(out.Items) == maxItems {
			continue
		}
		it := item{Index: a.Index, Status: a.Status, Error: a.Error}
		if a.Status != intake.Rejected {
			if note := readings[i].Note; note != "" {
				a.State += "; " + note
			}
			it.ID, it.State = &a.ID, &a.State
		}
		out.Items = append(out.Items, it)
	}
	if why != "" {
		told(r, src, out).Int("status", status).Msg("a quota of the installation is used up: feedback was refused")
	} else {
		told(r, src, out).Msg("feedback taken in")
	}
	h.count(r, src, out.counts(), status, cmp.Or(why, firstError(readings)))
	handlers.JSON(w, status, out)
}

// refuse answers 400: nothing could be read. The readings, if there are any, say
// why of each element.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, src *source.Source, readings []feedback.Reading, why *feedback.BodyError) {
	out := answer{
		Rejected: len(readings), Items: []item{}, RequestID: handlers.RequestID(r.Context()),
		Error: "nothing of it could be read: " + why.Error(),
	}
	for _, reading := range readings[:min(len(readings), maxItems)] {
		out.Items = append(out.Items, item{Index: reading.Index, Status: intake.Rejected, Error: reading.Err})
	}
	told(r, src, out).Msg("feedback could not be read")
	h.count(r, src, traffic.Counts{Rejected: int64(max(1, len(readings)))}, http.StatusBadRequest, out.Error)
	handlers.JSON(w, http.StatusBadRequest, out)
}

func (a answer) counts() traffic.Counts {
	return traffic.Counts{Accepted: int64(a.Accepted), Duplicates: int64(a.Duplicates), Rejected: int64(a.Rejected)}
}

// firstError is why the first element that could not be read could not be.
func firstError(readings []feedback.Reading) string {
	for _, r := range readings {
		if r.Err != nil {
			return r.Err.Error()
		}
	}
	return ""
}

// told begins the log's line about a request. What was sent is not in it.
func told(r *http.Request, src *source.Source, out answer) *zerolog.Event {
	return zerolog.Ctx(r.Context()).Info().
		Int64("installation", src.Installation).Str("source", src.ID).
		Int("accepted", out.Accepted).Int("duplicates", out.Duplicates).Int("rejected", out.Rejected)
}
