package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// MaxRequest is the longest request, in bytes.
const MaxRequest = 20 << 20

// request is what is asked of a model, as it goes to the provider.
type request struct {
	body   []byte
	model  string
	stream bool
	output int64 // tokens that the answer may have as the request says; 0 if it does not
}

// readRequest checks a request and makes what goes on: the same bytes, but for
// stream_options.include_usage, which is added where it is missing. The error's
// text is for whoever asks.
func readRequest(body []byte, models []string) (request, error) {
	if !json.Valid(body) {
		return request{}, fmt.Errorf("the request: %w", errJSON)
	}
	o, err := readObject(body)
	if err != nil {
		return request{}, fmt.Errorf("the request: %w", err)
	}
	if err := requests(models).members(o); err != nil {
		return request{}, err
	}
	if o.get("model") == nil || o.get("messages") == nil {
		return request{}, errors.New("model, messages: both must be there")
	}
	r := request{body: body, stream: string(o.get("stream")) == "true"}
	r.model, _ = text(o.get("model"))
	// One of the two holds, by the model. What is no such number is the provider's to
	// refuse.
	r.output = max(limit(o.get("max_tokens")), limit(o.get("max_completion_tokens")))
	if r.stream {
		r.body, err = withUsage(o)
	}
	return r, err
}

// limit is a number of tokens, 0 if v is none.
func limit(v json.RawMessage) int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return min(n, most)
}

// withUsage has the stream say at its end what it cost.
func withUsage(o object) ([]byte, error) {
	v := o.get("stream_options")
	if isNull(v) {
		return o.with("stream_options", `{"include_usage":true}`), nil
	}
	options, err := readObject(v)
	if err != nil {
		return nil, fmt.Errorf("stream_options: %w", err)
	}
	if string(options.get("include_usage")) == "true" {
		return o.text, nil
	}
	return o.with("stream_options", string(options.with("include_usage", "true"))), nil
}
