package model

import (
	"encoding/json"
	"errors"
	"fmt"
)

// member is one key of a JSON object with the place of its value.
type member struct {
	key        string
	value      json.RawMessage
	start, end int // of the value in the object's text
}

// object is the text of a JSON object, taken apart one level deep.
type object struct {
	text    []byte
	members []member
	close   int // of the closing brace
}

// maxMembers is how many members an object may have that is taken apart.
const maxMembers = 64

var (
	errJSON = errors.New("not valid JSON")
	errMany = errors.New("too many entries")
)

// readObject takes an object apart, of text that is valid JSON. A key that comes
// twice is an error: who reads it next may take the other value.
func readObject(text []byte) (object, error) {
	o := object{text: text}
	var err error
	o.close, err = walk(text, '{', maxMembers, func(key []byte, start, end int) error {
		m := member{value: text[start:end:end], start: start, end: end}
		if err := json.Unmarshal(key, &m.key); err != nil {
			return errJSON
		}
		for _, other := range o.members {
			if other.key == m.key {
				return fmt.Errorf("%.40q comes twice in an object", m.key)
			}
		}
		o.members = append(o.members, m)
		return nil
	})
	return o, err
}

// walk calls visit for each entry of an object or an array, of text that is valid
// JSON; more than most are an error before they are looked at. It copies nothing. It
// returns where the closing bracket is.
func walk(text []byte, open byte, most int, visit func(key []byte, start, end int) error) (int, error) {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != open {
		return 0, fmt.Errorf("want %c where something else stands", open)
	}
	for n := 0; ; n++ {
		i = skipSpace(text, i+1) // the bracket, or a comma
		if i < len(text) && (text[i] == '}' || text[i] == ']') {
			return i, nil
		}
		if n == most {
			return 0, fmt.Errorf("%w: the most is %d", errMany, most)
		}
		var key []byte
		if open == '{' {
			end := skipValue(text, i)
			key, i = text[i:end], skipSpace(text, skipSpace(text, end)+1)
		}
		end := skipValue(text, i)
		if end == i {
			return 0, errJSON
		}
		if err := visit(key, i, end); err != nil {
			return 0, err
		}
		i = skipSpace(text, end)
		switch {
		case i == len(text):
			return 0, errJSON
		case text[i] != ',':
			return i, nil
		}
	}
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return min(i, len(text))
}

// skipValue returns where the value ends that begins at i.
func skipValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return min(i+1, len(text))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			} else if depth < 0 {
				return i
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return len(text)
}

// get returns the value of a key; nil if it is not there.
func (o object) get(key string) json.RawMessage {
	for _, m := range o.members {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// with returns the object's text with one value put in the place of another, or
// added at the end. All else stays, byte for byte.
func (o object) with(key, value string) []byte {
	for _, m := range o.members {
		if m.key == key {
			return splice(o.text, m.start, m.end, value)
		}
	}
	entry := `"` + key + `":` + value
	if len(o.members) > 0 {
		entry = "," + entry
	}
	return splice(o.text, o.close, o.close, entry)
}

func splice(text []byte, start, end int, with string) []byte {
	out := make([]byte, 0, len(text)+len(with))
	out = append(out, text[:start]...)
	out = append(out, with...)
	return append(out, text[end:]...)
}

func isNull(v json.RawMessage) bool { return v == nil || string(v) == "null" }

// text returns the string that a value is, if it is one.
func text(v json.RawMessage) (s string, ok bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(v, &s) == nil
}
