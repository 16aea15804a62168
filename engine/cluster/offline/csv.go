package offline

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/soulcaster/soulcaster/engine/embed"
)

// maxRecordLines is how many lines a quoted CSV field may run over before its
// quote counts as forgotten.
const maxRecordLines = 1000

// readCSV reads CSV with a header that names some of id, external_id, title, body
// and text in any order, and of the columns of [Details]; others are passed over. A header without a comma
// may be separated by semicolons or tabs, as spreadsheets of some countries do.
func readCSV(in *lines, bad func(int, error), add func(Doc, int) error) error {
	header, err := in.next()
	for err == nil && !header.long && strings.TrimSpace(header.text) == "" {
		header, err = in.next()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	comma := separator(header.text)
	names, err := parseCSV(header.text, comma)
	if err != nil || header.long {
		return fmt.Errorf("line %d: cannot read the header", header.number)
	}
	column := make(map[string]int)
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, ok := column[name]; !ok {
			column[name] = i
		}
	}
	if !has(column, "title") && !has(column, "body") && !has(column, "text") {
		return fmt.Errorf("line %d: the header names no title, body or text", header.number)
	}
	for {
		fields, number, err := record(in, comma, len(names))
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case number == 0:
			return err
		case err != nil:
			bad(number, err)
			continue
		}
		field := func(name string) string {
			if i, ok := column[name]; ok {
				return fields[i]
			}
			return ""
		}
		d, err := document(embed.Document{Title: field("title"), Body: field("body")}, field("text"))
		if err != nil {
			bad(number, err)
			continue
		}
		doc := Doc{ID: field("id"), Document: d, Details: Details{Author: field("author"), URL: field("url"), At: field("occurred_at"),
			Release: field("release"), Environment: field("environment"), Level: field("level")}}
		if doc.ID == "" {
			doc.ID = field("external_id")
		}
		if err := add(doc, number); err != nil {
			return err
		}
	}
}

// record reads the next record and says at which line it began. When lines make
// no record, the first one is the bad one and the others are read again: a quote
// that was forgotten costs one line, not the rest of the file.
func record(in *lines, comma rune, columns int) (fields []string, number int, err error) {
	var taken []line
	var text strings.Builder
	quotes := 0
	for {
		l, err := in.next()
		if err != nil && (!errors.Is(err, io.EOF) || len(taken) == 0) {
			return nil, 0, err
		}
		if err != nil || l.long || len(taken) == maxRecordLines || text.Len()+len(l.text) > maxLine {
			if err == nil {
				taken = append(taken, l)
			}
			if l.long && len(taken) == 1 {
				return nil, l.number, errLong
			}
			in.unread(taken[1:])
			return nil, taken[0].number, errors.New("a quoted field does not end")
		}
		if len(taken) == 0 && strings.TrimSpace(l.text) == "" {
			continue
		}
		if len(taken) > 0 {
			text.WriteByte('\n')
		}
		taken = append(taken, l)
		text.WriteString(l.text)
		if quotes += strings.Count(l.text, `"`); quotes%2 == 0 {
			break
		}
	}
	fields, err = parseCSV(text.String(), comma)
	if err == nil && len(fields) != columns {
		err = fmt.Errorf("%d fields, the header has %d", len(fields), columns)
	}
	if err != nil {
		in.unread(taken[1:])
		return nil, taken[0].number, err
	}
	return fields, taken[0].number, nil
}

func parseCSV(text string, comma rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	r.FieldsPerRecord = -1
	fields, err := r.Read()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return nil, parse.Err // its line numbers are of the record, not of the file
	}
	return fields, err
}

func separator(header string) rune {
	switch {
	case strings.Contains(header, ","):
		return ','
	case strings.Contains(header, ";"):
		return ';'
	case strings.Contains(header, "\t"):
		return '\t'
	}
	return ','
}

func has(m map[string]int, key string) bool { _, ok := m[key]; return ok }
