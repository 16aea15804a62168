package offline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

// readJSON reads one JSON object a line. Blank lines are passed over.
func readJSON(in *lines, bad func(int, error), add func(Doc, int) error) error {
	for {
		l, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if l.long {
			bad(l.number, errLong)
			continue
		}
		if strings.TrimSpace(l.text) == "" {
			continue
		}
		doc, err := parseJSON([]byte(l.text))
		if err != nil {
			bad(l.number, err)
			continue
		}
		if err := add(doc, l.number); err != nil {
			return err
		}
	}
}

func parseJSON(data []byte) (Doc, error) {
	var row struct {
		ID         id                   `json:"id"`
		ExternalID id                   `json:"external_id"`
		Exceptions []feedback.Exception `json:"exceptions"`
		Title      string               `json:"title"`
		Body       string               `json:"body"`
		Text       string               `json:"text"`

		Author      detail `json:"author"`
		URL         detail `json:"url"`
		At          detail `json:"occurred_at"`
		Release     detail `json:"release"`
		Environment detail `json:"environment"`
		Level       detail `json:"level"`
	}
	if err := json.Unmarshal(data, &row); err != nil {
		return Doc{}, explain(err)
	}
	d, err := document(embed.Document{Title: row.Title, Body: row.Body, Exceptions: row.Exceptions}, row.Text)
	if err != nil {
		return Doc{}, err
	}
	if row.ID == "" {
		row.ID = row.ExternalID
	}
	return Doc{ID: string(row.ID), Document: d, Details: Details{Author: string(row.Author), URL: string(row.URL), At: string(row.At),
		Release: string(row.Release), Environment: string(row.Environment), Level: string(row.Level)}}, nil
}

// detail is a string, or a number as it is written; anything else is not said.
type detail string

func (d *detail) UnmarshalJSON(data []byte) error {
	var i id
	if i.UnmarshalJSON(data) == nil {
		*d = detail(i)
	}
	return nil
}

// explain says what is wrong with a line in the words of its writer, not of our
// types.
func explain(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("not a JSON object: unexpected %s", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: unexpected %s", kind.Field, kind.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: %w", err)
	}
	return err
}

// id is an identifier that may be written as a string or a number.
type id string

func (i *id) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil { // null too: no id
		*i = id(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(data, &n); err != nil {
		return errors.New("an id must be a string or a number")
	}
	*i = id(n)
	return nil
}
