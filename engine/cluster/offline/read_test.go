package offline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

// show is a short form of what was read.
func show(docs []Doc) string {
	var all []string
	for _, d := range docs {
		s := fmt.Sprintf("%s:%s/%s", d.ID, d.Title, d.Body)
		for _, e := range d.Exceptions {
			s += fmt.Sprintf("[%s %s %d]", e.Type, e.Value, len(e.Frames))
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, file, in string
		want           string
		bad            string // number of a line and part of what is said of it
	}{
		{"JSON lines", "x.jsonl", `{"id":"a","title":"T","body":"B"}` + "\n" + `{"external_id":"b","text":"X"}`, "a:T/B b:/X", ""},
		{"exceptions before text", "x.jsonl", `{"id":"a","title":"T","text":"X","exceptions":[{"type":"E","value":"v","frames":[{"module":"m","function":"f","file":"m.go","line":3,"in_app":true},{}]}]}`, "a:/[E v 2]", ""},
		{"title before text", "x.jsonl", `{"id":"a","title":"T","text":"X"}`, "a:T/", ""},
		{"no exceptions in the list", "x.jsonl", `{"id":"a","exceptions":[],"text":"X"}`, "a:/X", ""},
		{"other fields", "x.jsonl", `{"id":"a","text":"X","label":7,"frames":"?","level":null}`, "a:/X", ""},
		{"ids that are numbers, missing, null, used twice", "x.jsonl", `{"id":17,"text":"X"}` + "\n" + `{"text":"Y"}` + "\n" + `{"id":null,"text":"Z"}` + "\n" + `{"id":"17","text":"W"}`, "17:/X 2:/Y 3:/Z 17:/W", ""},
		{"id before external_id", "x.jsonl", `{"external_id":"b","id":"a","text":"X"}`, "a:/X", ""},
		{"blank lines, carriage returns, a byte order mark", "x.jsonl", "\ufeff\r\n" + `{"id":"a","text":"X"}` + "\r\n\n" + `{"id":"b","text":"Y"}` + "\n\n", "a:/X b:/Y", ""},
		{"not JSON", "x.jsonl", `{"id":"a","text":"X"}` + "\n{oops\n" + `{"id":"b","text":"Y"}`, "a:/X b:/Y", "2 not JSON"},
		{"not an object", "x.jsonl", "[1]\n" + `{"id":"a","text":"X"}`, "a:/X", "1 not a JSON object: unexpected array"},
		{"a title that is a number", "x.jsonl", `{"id":"a","title":5}`, "", "1 title: unexpected number"},
		{"an id that is an object", "x.jsonl", `{"id":{},"title":"T"}`, "", "1 an id must be"},
		{"nothing to cluster", "x.jsonl", `{"id":"a","title":" ","body":""}`, "", "1 no exceptions, title, body or text"},
		{"a line too long", "x.jsonl", `{"id":"a","text":"` + strings.Repeat("x", maxLine) + `"}` + "\n" + `{"id":"b","text":"Y"}`, "b:/Y", "1 longer than"},
		{"JSON told by its first line", "-", "\n" + ` {"id":"a","text":"X"}`, "a:/X", ""},
		{"an empty file", "x.jsonl", "", "", ""},

		{"CSV", "x.csv", "id,title,body\na,T,B\nb,U,\n", "a:T/B b:U/", ""},
		{"columns in any order, some unknown", "X.CSV", "label, Text ,ID\n7,X,a\n", "a:/X", ""},
		{"a column twice", "x.csv", "id,text,text\na,X,Y\n", "a:/X", ""},
		{"quoted fields over lines", "x.csv", "id,title,body\na,\"T, \"\"U\"\"\",\"one\ntwo\"\nb,V,\n", "a:T, \"U\"/one\ntwo b:V/", ""},
		{"a line too short", "x.csv", "id,title\na,T\nb\nc,U\n", "a:T/ c:U/", "3 1 fields, the header has 2"},
		{"a quote inside", "x.csv", "id,title\na,T\nb,a 5\" disk\nc,U\n", "a:T/ c:U/", "3 "},
		{"a quote that does not end", "x.csv", "id,title\na,T\nb,\"U\nc,V\nd,W\n", "a:T/ c:V/ d:W/", "3 a quoted field does not end"},
		{"a quote that does not end, and a good one later", "x.csv", "id,title\nb,\"U\nc,\"V\"\nd,W\n", "c:V/ d:W/", "2 "},
		{"an empty row", "x.csv", "id,title\na,\nb,U\n", "b:U/", "2 no exceptions"},
		{"no ids", "x.csv", "title\nT\n\nU\n", "2:T/ 4:U/", ""},
		{"semicolons", "x.csv", "\ufeffid;title\na;T, U\n", "a:T, U/", ""},
		{"CSV told by its first line", "-", "id,text\na,X\n", "a:/X", ""},
		{"bytes that are no text", "x.csv", "id,text\na,\xff\x00X\n", "a:/\uFFFD\x00X", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, small := range []bool{false, true} {
				var bad []string
				var in = strings.NewReader(tt.in)
				named := func(line int, err error) { bad = append(bad, fmt.Sprintf("%d %v", line, err)) }
				var docs []Doc
				var err error
				if small {
					docs, err = Read(tt.file, iotest.HalfReader(in), named)
				} else {
					docs, err = Read(tt.file, in, named)
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := show(docs); got != tt.want {
					t.Errorf("read %q, want %q", got, tt.want)
				}
				if (tt.bad == "") != (len(bad) == 0) || len(bad) > 1 || tt.bad != "" && !strings.HasPrefix(bad[0], tt.bad) {
					t.Errorf("bad lines %q, want %q", bad, tt.bad)
				}
			}
		})
	}
}

func TestReadFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	tests := []struct {
		name, file, in, want string
		docs                 int
	}{
		{"a CSV without text", "x.csv", "id,label\na,b\n", "line 1: the header names no title", 0},
		{"UTF-16", "x.csv", "\xff\xfei\x00d\x00", "UTF-16", 0},
		{"a broken disk", "x.jsonl", `{"text":"X"}` + "\n", broken.Error(), 1},
		{"a broken disk within CSV", "x.csv", "text\nX\n", broken.Error(), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := iotest.TimeoutReader(strings.NewReader(tt.in)) // its second read fails
			docs, err := Read(tt.file, in, func(line int, err error) { t.Errorf("line %d is bad: %v", line, err) })
			if err == nil || !strings.Contains(err.Error(), strings.Replace(tt.want, broken.Error(), iotest.ErrTimeout.Error(), 1)) || !strings.Contains(err.Error(), tt.file) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if len(docs) != tt.docs {
				t.Errorf("%d reports were read before that, want %d", len(docs), tt.docs)
			}
		})
	}
}

// A report is read or named, whatever the bytes; and every line is named once.
func FuzzRead(f *testing.F) {
	f.Add("x.jsonl", `{"id":"a","exceptions":[{"type":"E","frames":[{"line":1}]}]}`+"\n{\n")
	f.Add("x.csv", "id,title\na,\"T\nb,U\n")
	f.Add("x.csv", "id;text;text\n\"\"\"\n;;\n")
	f.Add("-", "\xef\xbb\xbf\n{}")
	f.Fuzz(func(t *testing.T, name, in string) {
		lines := strings.Count(in, "\n") + 1
		last := 0
		docs, err := Read(name, strings.NewReader(in), func(line int, err error) {
			if line <= last || line > lines || err == nil {
				t.Errorf("line %d of %d is bad after line %d: %v", line, lines, last, err)
			}
			last = line
		})
		if err != nil && len(docs) > 0 {
			t.Errorf("reading from memory failed half-way: %v", err)
		}
		if len(docs) > lines {
			t.Errorf("%d reports from %d lines", len(docs), lines)
		}
		for _, d := range docs {
			if d.ID == "" || len(d.Exceptions) == 0 && strings.TrimSpace(d.Title+d.Body) == "" {
				t.Errorf("an empty report: %+v", d)
			}
		}
	})
}
