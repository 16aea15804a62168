package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// readObject takes an object apart. A key that comes twice is an error: who reads
// it next may take the other value.
func readObject(text []byte) (object, error) {
	o := object{text: text}
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := expect(dec, '{'); err != nil {
		return o, err
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return o, errJSON
		}
		key, ok := token.(string)
		if !ok {
			return o, errJSON
		}
		if seen[key] {
			return o, fmt.Errorf("%.40q comes twice in an object", key)
		}
		seen[key] = true
		m := member{key: key}
		if err := dec.Decode(&m.value); err != nil {
			return o, errJSON
		}
		m.end = int(dec.InputOffset())
		m.start = m.end - len(m.value)
		o.members = append(o.members, m)
	}
	if err := expect(dec, '}'); err != nil {
		return o, err
	}
	o.close = int(dec.InputOffset()) - 1
	if _, err := dec.Token(); err != io.EOF {
		return o, errors.New("more than one JSON value")
	}
	return o, nil
}

// readArray takes an array apart.
func readArray(text []byte) (values []json.RawMessage, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := expect(dec, '['); err != nil {
		return nil, err
	}
	for dec.More() {
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, errJSON
		}
		values = append(values, v)
	}
	return values, expect(dec, ']')
}

// errJSON stands for what encoding/json says, which quotes what it read.
var errJSON = errors.New("not valid JSON")

func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return errJSON
	}
	if token != want {
		return fmt.Errorf("want %s where something else stands", want)
	}
	return nil
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
