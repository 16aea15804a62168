package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

// row is one labelled report.
type row struct {
	doc   embed.Document
	label string
}

func read(name, prefix string) ([]row, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	var rows []row
	group, same := 0, strings.HasPrefix(filepath.Base(name), "same")
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasSuffix(name, ".jsonl"):
			r, err := parse([]byte(line))
			if err != nil {
				return nil, fmt.Errorf("read %s:%d: %w", name, n, err)
			}
			rows = append(rows, r)
		case line == "":
			group++
		case !strings.HasPrefix(line, "#"):
			label := fmt.Sprint(prefix, n)
			if same {
				label = fmt.Sprint(prefix, "group ", group)
			}
			rows = append(rows, row{embed.Document{Title: line}, label})
		}
	}
	return rows, lines.Err()
}

func parse(line []byte) (row, error) {
	var in struct {
		Label, Title, Body, Text string
		Exceptions               []feedback.Exception
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return row{}, err
	}
	doc := embed.Document{Exceptions: in.Exceptions}
	switch {
	case len(in.Exceptions) > 0:
	case in.Title != "":
		doc.Title, doc.Body = in.Title, in.Body
	default:
		doc.Body = in.Text
	}
	return row{doc, in.Label}, nil
}

// unite gives rows with the same title one label, where it is prose: trackers are
// full of duplicates that nobody marked.
func unite(rows []row) []row {
	labels := map[string]string{}
	for i, r := range rows {
		title := strings.ToLower(r.doc.Title)
		if title == "" {
			continue
		}
		if label, ok := labels[title]; ok {
			rows[i].label = label
		} else {
			labels[title] = r.label
		}
	}
	return rows
}
