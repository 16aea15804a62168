package feedback

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Reading is what one element of a request says: a group's event, a post, a
// report, or that it could not be read.
type Reading struct {
	Index int // of the element in the request, from 0

	// Feedback is what the element would be if nothing was known of it:
	// redacted, within the limits, with its ID. Nil exactly if Err is set.
	Feedback *Feedback

	// Event is the id of the event that the reading is about, by which it is
	// counted once; empty if it is about no single event.
	Event string

	// StateOnly says that the element tells of a state and nothing else: where
	// its feedback is not known, none is made.
	StateOnly bool

	// Removed says that the text was deleted at its source. What is stored of
	// it must go; where nothing is stored, there is nothing to make.
	Removed bool

	// Note tells the sender something about the request that is no error.
	Note string

	// Err says why the element could not be read.
	Err *FieldError

	AuthorGone bool // its author deleted the account, the text stands
}

// FieldError says which field of an element is wrong, and how. Its text holds
// nothing of the element's values.
type FieldError struct {
	Field   string `json:"field"` // empty if it is the element as a whole
	Message string `json:"message"`
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// BodyError says that nothing of a request could be read, and where the first
// trouble is: a line and column, an element, or the path of a field.
type BodyError struct {
	Where   string
	Message string
}

func (e *BodyError) Error() string {
	if e.Where == "" {
		return e.Message
	}
	return e.Where + ": " + e.Message
}

// Reader turns what one source sends into readings.
//
// Its methods return a reading for every element that they found, in input
// order, those with an Err included. The error is a [*BodyError] if nothing at
// all could be read; the readings that say why may still come with it.
type Reader struct {
	SourceID string

	// Hash is the keyed hash under which people are told apart. Without it
	// nobody is named.
	Hash func(author string) string

	// Now is the moment of arrival.
	Now time.Time

	// Sent is when the source says that it sent the request
	// (Sentry-Hook-Timestamp), zero if it does not say. It is not signed, so a
	// moment that is still to come counts as Now.
	Sent time.Time

	// Public says that the source's text may be quoted in public.
	Public bool
}

// ID returns the identifier of the feedback that a source knows under an
// external id: 16 characters of a–z and 2–7 (80 bits of a SHA-256), the same
// for ever.
func ID(sourceID, external string) string {
	sum := digest(sourceID, external)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// digest hashes parts so that no two lists of parts run together.
func digest(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// opaque stands for text that must not be stored as it is: keyed where the
// reader has a key.
func (r *Reader) opaque(parts ...string) string {
	sum := digest(parts...)
	if r.Hash != nil {
		return r.Hash(hex.EncodeToString(sum[:]))
	}
	return hex.EncodeToString(sum[:16])
}

// author hashes who said it. The realm keeps a Reddit name and a Sentry user
// id of the same letters apart.
func (r *Reader) author(realm, name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || r.Hash == nil {
		return ""
	}
	return r.Hash(realm + ":" + name)
}

// AuthorsNamed are the hashes under which somebody may have been told apart, whatever
// kind of source they spoke through: name is what the source calls them, such as a login,
// an address or a number. hash is that of a [Reader].
func AuthorsNamed(hash func(author string) string, name string) []string {
	r := Reader{Hash: hash}
	var all []string
	for _, as := range [][2]string{
		{"report", name}, {"reddit", strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(name), "/"), "u/")}, {"sentry", name},
		{"sentry", "id:" + name}, {"sentry", "username:" + name}, {"sentry", "email:" + name}, {"sentry", "ip:" + name},
	} {
		if h := r.author(as[0], as[1]); h != "" && strings.TrimSpace(name) != "" {
			all, _ = add(all, 10, h)
		}
	}
	return all
}

// sent is the moment that a state in this request holds from.
func (r *Reader) sent() time.Time {
	if r.Sent.IsZero() || r.Sent.After(r.Now) {
		return r.Now.UTC()
	}
	return r.Sent.UTC()
}

// past returns the first of the moments that can be true of something that
// happened: known and not to come. Otherwise, it is Now.
func (r *Reader) past(moments ...time.Time) time.Time {
	for _, m := range moments {
		if !m.IsZero() && !m.After(r.Now) {
			return m.UTC()
		}
	}
	return r.Now.UTC()
}

// feedback starts the feedback of an external id.
func (r *Reader) feedback(kind Kind, external string) *Feedback {
	return &Feedback{
		ID:       ID(r.SourceID, external),
		Source:   r.SourceID,
		Kind:     kind,
		External: external,
		Public:   r.Public,
		Count:    1,
		Stored:   r.Now.UTC(),
	}
}

// unread returns the error of a request of which no element could be read.
func unread(readings []Reading) error {
	for _, g := range readings {
		if g.Err == nil {
			return nil
		}
	}
	if len(readings) == 0 {
		return nil
	}
	where := ""
	if len(readings) > 1 {
		where = "element 0"
	}
	return &BodyError{Where: where, Message: readings[0].Err.Error()}
}

func tooMany() error {
	return &BodyError{
		Where:   fmt.Sprintf("element %d", MaxElements),
		Message: fmt.Sprintf("a request holds at most %d elements; send the rest in another", MaxElements),
	}
}
