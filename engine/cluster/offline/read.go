package offline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/soulcaster/soulcaster/engine/embed"
)

// Doc is one report of a file.
type Doc struct {
	ID       string // as the file says, else the number of its line; need not be unique
	Numbered bool   // its ID is the number of its line
	Line     int    // that it begins at, from 1
	embed.Document
	Details
}

// Details are what a row says besides its text, as it is written there; what is
// empty is not said. For grouping they mean nothing.
type Details struct {
	Author      string
	URL         string
	At          string // when it happened: a column occurred_at
	Release     string
	Environment string
	Level       string
}

// Limits of what is read of one file.
const (
	maxLine = 1 << 20 // bytes of a line, and of a CSV record
	maxDocs = 200_000
)

// Read reads the reports of a file whose name ends in .csv or in .jsonl, .ndjson
// or .json; with any other name it is JSON lines if it begins with a brace. A line
// that says nothing readable is given to bad with its number, from 1, and left
// out. An error means that the file as a whole cannot be read, or no further; what
// was read so far comes with it.
func Read(name string, r io.Reader, bad func(line int, err error)) ([]Doc, error) {
	in := newLines(r)
	first, err := in.peek()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	format := readCSV
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
	case ".jsonl", ".ndjson", ".json":
		format = readJSON
	default:
		if strings.HasPrefix(strings.TrimSpace(first.text), "{") {
			format = readJSON
		}
	}
	var docs []Doc
	err = format(in, bad, func(d Doc, line int) error {
		if len(docs) == maxDocs {
			return fmt.Errorf("more than %d reports", maxDocs)
		}
		if d.Line = line; d.ID == "" {
			d.ID, d.Numbered = strconv.Itoa(line), true
		}
		docs = append(docs, d)
		return nil
	})
	if err != nil {
		return docs, fmt.Errorf("read %s: %w", name, err)
	}
	return docs, nil
}

var (
	errEmpty = errors.New("no exceptions, title, body or text")
	errLong  = fmt.Errorf("longer than %d bytes", maxLine)
	errUTF16 = errors.New("UTF-16: save it as UTF-8")
)

// document is the report that a row makes: exceptions, else title and body, else
// text. Without any of them it is an error.
func document(d embed.Document, text string) (embed.Document, error) {
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	switch {
	case len(d.Exceptions) > 0:
		return embed.Document{Exceptions: d.Exceptions}, nil
	case !blank(d.Title) || !blank(d.Body):
		return embed.Document{Title: d.Title, Body: d.Body}, nil
	case !blank(text):
		return embed.Document{Body: text}, nil
	}
	return embed.Document{}, errEmpty
}

// byteOrder says what a file's first bytes say of its encoding.
func byteOrder(head []byte) (skip int, err error) {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return 3, nil
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return 0, errUTF16
	}
	return 0, nil
}
