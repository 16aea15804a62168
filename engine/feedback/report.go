package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is one element of the plain API. Fields that it does not name are
// ignored.
type report struct {
	Title       json.RawMessage `json:"title"`
	Body        json.RawMessage `json:"body"`
	ExternalID  json.RawMessage `json:"external_id"` // a string or a number: the same again is the same report
	URL         json.RawMessage `json:"url"`         // http or https
	Author      json.RawMessage `json:"author"`
	OccurredAt  json.RawMessage `json:"occurred_at"` // RFC 3339 or seconds since 1970
	Labels      json.RawMessage `json:"labels"`
	Release     json.RawMessage `json:"release"`
	Environment json.RawMessage `json:"environment"`
	Level       json.RawMessage `json:"level"`
}

const (
	maxExternal = 200 // bytes
	maxAuthor   = 320 // bytes: the longest e-mail address
	maxAhead    = 24 * time.Hour
)

// Reports reads what the plain API is sent: a JSON object, an array of them,
// or, if the content type says so (application/x-ndjson), one object on each
// line. Every element is answered for itself: one that is wrong is a reading
// with Err, and so is a line that is no JSON.
//
// Without an external_id, a report is known by what it says and who says it,
// so that a request that is sent again counts once.
func (r *Reader) Reports(contentType string, body []byte) ([]Reading, error) {
	body = trimBOM(body)
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, &BodyError{Message: "the body is empty"}
	}
	var readings []Reading
	var err error
	if isNDJSON(contentType) {
		readings, err = r.lines(body)
	} else {
		readings, err = r.elements(body)
	}
	if err != nil {
		return nil, err
	}
	if len(readings) == 0 {
		return nil, &BodyError{Message: "there are no elements in it"}
	}
	return readings, unread(readings)
}

func isNDJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch media {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines":
		return true
	}
	return false
}

// elements reads one object, or an array. What is no JSON is refused as a
// whole, for where an element would end is not known then.
func (r *Reader) elements(body []byte) ([]Reading, error) {
	var whole json.RawMessage
	if err := decode(body, &whole); err != nil {
		var where *BodyError
		if errors.As(err, &where) && strings.Contains(where.Message, "after top-level value") {
			where.Message += "; several objects are an array, or lines of application/x-ndjson"
		}
		return nil, err
	}
	switch kind := jsonKind(whole); kind {
	case "an object":
		return []Reading{r.report(whole)}, nil
	case "an array":
	default:
		return nil, &BodyError{Message: "want a JSON object or an array of them, got " + kind}
	}
	var readings []Reading
	d := json.NewDecoder(bytes.NewReader(whole))
	if _, err := d.Token(); err != nil {
		return nil, &BodyError{Message: err.Error()}
	}
	for d.More() {
		if len(readings) == MaxElements {
			return nil, tooMany()
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, &BodyError{Where: fmt.Sprintf("element %d", len(readings)), Message: err.Error()}
		}
		g := r.report(raw)
		g.Index = len(readings)
		readings = append(readings, g)
	}
	return readings, nil
}

func (r *Reader) lines(body []byte) ([]Reading, error) {
	var readings []Reading
	number := 0
	for l := range bytes.Lines(body) {
		number++
		if l = bytes.TrimSpace(l); len(l) == 0 {
			continue
		}
		if len(readings) == MaxElements {
			return nil, tooMany()
		}
		g := r.oneLine(l, number)
		g.Index = len(readings)
		readings = append(readings, g)
	}
	return readings, nil
}

func (r *Reader) oneLine(l []byte, number int) Reading {
	var raw json.RawMessage
	if err := json.Unmarshal(l, &raw); err != nil {
		return Reading{Err: &FieldError{Message: fmt.Sprintf("line %d: not JSON: %v", number, err)}}
	}
	return r.report(raw)
}

func (r *Reader) report(raw json.RawMessage) Reading {
	if kind := jsonKind(raw); kind != "an object" {
		return Reading{Err: &FieldError{Message: "want an object, got " + kind}}
	}
	var in report
	_ = json.Unmarshal(raw, &in) // its fields are raw, and it is JSON already
	f, err := r.fromReport(&in)
	if err != nil {
		return Reading{Err: err}
	}
	return Reading{Feedback: f}
}

func (r *Reader) fromReport(in *report) (*Feedback, *FieldError) {
	p := fieldReader{}
	row := Row{
		Title:       p.text("title", in.Title),
		Body:        p.text("body", in.Body),
		External:    p.name("external_id", in.ExternalID),
		URL:         p.url("url", in.URL),
		Author:      p.text("author", in.Author),
		said:        string(in.OccurredAt),
		at:          p.moment("occurred_at", in.OccurredAt, r.Now),
		labels:      p.texts("labels", in.Labels),
		Release:     p.name("release", in.Release),
		Environment: p.text("environment", in.Environment),
		Level:       p.name("level", in.Level),
	}
	if p.err != nil {
		return nil, p.err
	}
	return r.fromRow(row)
}

// Row is one report of a file, as it was written there. What is empty is not said.
type Row struct {
	External    string // its id; without one, a report is known by what it says and who says it
	Title       string
	Body        string
	Exceptions  []Exception // root cause first, oldest frame first
	URL         string
	Author      string
	At          string // RFC 3339, or seconds since 1970
	Release     string
	Environment string
	Level       string

	said   string // when it happened, as it was written
	at     time.Time
	labels []string
	stacks string // the exceptions, as what tells reports apart that say the same
}

// Row reads one report of a file. It is a report like those of the plain API; but
// it may have exceptions, which then are what it is compared by.
func (r *Reader) Row(row Row) Reading {
	p := fieldReader{}
	quoted := func(s string) json.RawMessage {
		if s == "" {
			return nil
		}
		raw, _ := json.Marshal(s) // a string can be encoded
		return raw
	}
	row.URL = p.url("url", quoted(row.URL))
	row.said = row.At
	moment := quoted(row.At)
	if _, err := strconv.ParseFloat(row.At, 64); err == nil && jsonKind([]byte(row.At)) == "a number" {
		moment = json.RawMessage(row.At)
	}
	row.at = p.moment("occurred_at", moment, r.Now)
	if p.err != nil {
		return Reading{Err: p.err}
	}
	if len(row.Exceptions) > MaxExceptions {
		half := MaxExceptions / 2
		row.Exceptions = slices.Concat(row.Exceptions[:half], row.Exceptions[len(row.Exceptions)-half:])
	}
	chain := make([]Exception, 0, len(row.Exceptions))
	for _, e := range row.Exceptions {
		chain = append(chain, Exception{
			Type: line(e.Type, MaxName), Value: cutRunes(body(e.Value), MaxValue), Module: line(e.Module, MaxName), Frames: cleaned(e.Frames),
		})
	}
	if len(chain) > 0 && strings.TrimSpace(row.Title) == "" {
		outer := chain[len(chain)-1]
		row.Title = strings.TrimSuffix(outer.Type+": "+headline(outer.Value), ": ")
	}
	if len(chain) > 0 {
		stacks, _ := json.Marshal(chain) // text and numbers can be encoded
		row.stacks = string(stacks)
	}
	f, err := r.fromRow(row)
	if err != nil {
		return Reading{Err: err}
	}
	if len(chain) > 0 {
		f.Exceptions = chain
	}
	return Reading{Feedback: f}
}

// cleaned are the newest of the frames, redacted and within the limits.
func cleaned(frames []Frame) []Frame {
	var out []Frame
	for _, f := range frames[max(0, len(frames)-MaxFrames):] {
		f.Module, f.Function, f.File, f.Line = line(f.Module, MaxName), line(f.Function, MaxName), line(f.File, MaxName), max(0, f.Line)
		if f != (Frame{InApp: f.InApp}) {
			out = append(out, f)
		}
	}
	return out
}

func (r *Reader) fromRow(row Row) (*Feedback, *FieldError) {
	switch {
	case strings.TrimSpace(row.Title) == "" && strings.TrimSpace(row.Body) == "":
		return nil, &FieldError{Field: "title", Message: "a title or a body is needed"}
	case len(row.External) > maxExternal:
		return nil, &FieldError{Field: "external_id", Message: fmt.Sprintf("longer than %d bytes", maxExternal)}
	case len(row.Author) > maxAuthor:
		return nil, &FieldError{Field: "author", Message: fmt.Sprintf("longer than %d bytes", maxAuthor)}
	}
	external := row.External
	switch {
	case external == "":
		parts := []string{"report", row.Title, row.Body, row.Author, row.URL, row.said}
		if row.stacks != "" {
			parts = append(parts, row.stacks)
		}
		external = "content:" + r.opaque(parts...)
	case Redact(external) != external: // it says who somebody is
		external = "hash:" + r.opaque("external", external)
	}
	f := r.feedback(Report, external)
	f.Title = line(row.Title, MaxTitle)
	if f.Title == "" {
		f.Title = line(headline(bound(row.Body, redactLimit)), MaxTitle)
	}
	f.Body = body(row.Body)
	if f.Title == "" {
		return nil, &FieldError{Field: "title", Message: "a title or a body with words in it is needed"}
	}
	f.URL = row.URL
	f.Author = r.author("report", row.Author)
	f.First, f.Last = row.at, row.at
	for _, l := range row.labels {
		if len(f.Labels) < MaxLabels {
			f.Labels, _ = add(f.Labels, MaxLabels, line(l, MaxLabel))
		}
	}
	f.Releases, _ = add(nil, MaxReleases, line(row.Release, MaxLabel))
	f.Environments, _ = add(nil, MaxReleases, line(row.Environment, MaxLabel))
	f.Level = level(text(row.Level))
	return f, nil
}

// fieldReader reads fields and keeps the first that is wrong. A field that is
// null is one that is not there.
type fieldReader struct{ err *FieldError }

func (p *fieldReader) wrong(field, message string) {
	if p.err == nil {
		p.err = &FieldError{Field: field, Message: message}
	}
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || bytes.Equal(raw, []byte("null")) }

func (p *fieldReader) text(field string, raw json.RawMessage) string {
	var s string
	if !absent(raw) && json.Unmarshal(raw, &s) != nil {
		p.wrong(field, "want a string, got "+jsonKind(raw))
	}
	return s
}

// name is a string, or a number as it was written.
func (p *fieldReader) name(field string, raw json.RawMessage) string {
	if absent(raw) {
		return ""
	}
	var t text
	_ = t.UnmarshalJSON(raw)
	if kind := jsonKind(raw); kind != "a string" && kind != "a number" {
		p.wrong(field, "want a string, got "+kind)
	}
	return t.String()
}

func (p *fieldReader) texts(field string, raw json.RawMessage) []string {
	var list []string
	if absent(raw) {
		return nil
	}
	if json.Unmarshal(raw, &list) != nil {
		p.wrong(field, "want a list of strings")
	}
	return list
}

// url drops a link to a bare address, which says where somebody's machine is.
func (p *fieldReader) url(field string, raw json.RawMessage) string {
	s := strings.TrimSpace(p.text(field, raw))
	if s == "" || p.err != nil {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		p.wrong(field, "want an http or https URL")
		return ""
	}
	if len(s) > MaxURL {
		p.wrong(field, fmt.Sprintf("longer than %d bytes", MaxURL))
		return ""
	}
	if isAddress(u.Hostname()) {
		return ""
	}
	return link(s, "http", "https")
}

func (p *fieldReader) moment(field string, raw json.RawMessage, now time.Time) time.Time {
	if absent(raw) {
		return now.UTC()
	}
	const want = "want RFC 3339 (2026-01-31T09:30:00Z) or seconds since 1970"
	var at time.Time
	switch jsonKind(raw) {
	case "a number":
		seconds, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || seconds < 0 || math.IsInf(seconds, 0) {
			p.wrong(field, want)
			return now
		}
		if seconds > 1e11 {
			p.wrong(field, want+"; this looks like milliseconds")
			return now
		}
		at = unixSeconds(seconds)
	case "a string":
		var err error
		if at, err = time.Parse(time.RFC3339Nano, strings.TrimSpace(p.text(field, raw))); err != nil {
			p.wrong(field, want)
			return now
		}
	default:
		p.wrong(field, want)
		return now
	}
	switch {
	case at.After(now.Add(maxAhead)):
		p.wrong(field, "more than a day in the future")
	case at.Year() < 1970:
		p.wrong(field, "before 1970")
	}
	return at.UTC()
}
