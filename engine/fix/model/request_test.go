package model

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const usual = `{"model":"m","max_tokens":8192,"messages":[{"role":"user","content":"hi"},` +
	`{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"bash","arguments":"{\"command\": \"ls\"}"},` +
	`"extra_content":{"google":{"thought_signature":"+/8=<>&"}}}]}],"tools":[{"type":"function","function":{"name":"bash"}}]`

func TestWhatGoesOnIsWhatCame(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"no stream":          {usual + `}`, usual + `}`},
		"as Kilo sends it":   {usual + `,"stream":true,"stream_options":{"include_usage":true}}`, usual + `,"stream":true,"stream_options":{"include_usage":true}}`},
		"no options":         {usual + `,"stream":true}`, usual + `,"stream":true,"stream_options":{"include_usage":true}}`},
		"null options":       {usual + `, "stream_options" : null ,"stream": true }`, usual + `, "stream_options" : {"include_usage":true} ,"stream": true }`},
		"other options":      {usual + `,"stream":true,"stream_options":{"x":[1, 2]}}`, usual + `,"stream":true,"stream_options":{"x":[1, 2],"include_usage":true}}`},
		"empty options":      {usual + `,"stream":true,"stream_options":{ }}`, usual + `,"stream":true,"stream_options":{ "include_usage":true}}`},
		"told not to":        {usual + `,"stream":true,"stream_options":{"include_usage": false,"x":1}}`, usual + `,"stream":true,"stream_options":{"include_usage": true,"x":1}}`},
		"space around":       {" \n" + usual + "\n,\t\"stream\":true\n}\n ", " \n" + usual + "\n,\t\"stream\":true\n" + `,"stream_options":{"include_usage":true}` + "}\n "},
		"odd but its own":    {`{"model":"m","messages":[],"seed":1.50e+3,"x":"\u003c\ud800"}`, `{"model":"m","messages":[],"seed":1.50e+3,"x":"\u003c\ud800"}`},
		"one answer":         {`{"model":"m","messages":[],"n":1}`, `{"model":"m","messages":[],"n":1}`},
		"an inline picture":  {`{"model":"m","messages":[{"content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:x"}}]}]}`, ``},
		"a thinking config":  {`{"model":"m","messages":[],"extra_body":{"google":{"thinking_config":{"x":1}}}}`, ``},
		"an escaped name":    {`{"mod\u0065l":"\u006d","messages":[]}`, ``},
		"a cheap tier":       {`{"model":"m","messages":[],"service_tier":"flex"}`, ``},
		"stream, turned off": {usual + `,"stream":false}`, ``},
	} {
		want := tt.want
		if want == "" {
			want = tt.in
		}
		got, err := readRequest([]byte(tt.in), []string{"x", "m"})
		if err != nil || string(got.body) != want || got.model != "m" {
			t.Errorf("%s: %v, %q\n%s, want\n%s", name, err, got.model, got.body, want)
		}
	}
}

func TestWhatDoesNotGoOn(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":               ``,
		"no JSON":               `{"model":"m",`,
		"an array":              `[]`,
		"two values":            `{"model":"m","messages":[]}{}`,
		"no model":              `{"messages":[]}`,
		"another model":         `{"model":"gpt","messages":[]}`,
		"two models":            `{"model":"m","messages":[],"model":"gpt"}`,
		"two models, escaped":   `{"model":"m","messages":[],"mode\u006c":"gpt"}`,
		"a model in capitals":   `{"model":"m","messages":[],"MODEL":"gpt"}`,
		"a model that is none":  `{"model":["m"],"messages":[]}`,
		"more answers":          `{"model":"m","messages":[],"n":2}`,
		"more answers, a float": `{"model":"m","messages":[],"n":1.5}`,
		"an odd stream":         `{"model":"m","messages":[],"stream":"true"}`,
		"odd options":           `{"model":"m","messages":[],"stream":true,"stream_options":1}`,
		"options twice":         `{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}`,
		"no messages":           `{"model":"m"}`,
		"a web search":          `{"model":"m","messages":[],"web_search_options":{}}`,
		"a tool that searches":  `{"model":"m","messages":[],"tools":[{"type":"function"},{"type":"web_search"}]}`,
		"Google's own tool":     `{"model":"m","messages":[],"tools":[{"google_search":{}}]}`,
		"a dear tier":           `{"model":"m","messages":[],"service_tier":"priority"}`,
		"Google's own body":     `{"model":"m","messages":[],"extra_body":{"google":{"tools":[]}}}`,
		"another own body":      `{"model":"m","messages":[],"extra_body":{"x":1}}`,
		"a picture to fetch":    `{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"https://evil.test/?leak"}}]}]}`,
		"a picture, twice":      `{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"https://evil.test/"},"image_url":{"url":"data:"}}]}]}`,
		"a picture as string":   `{"model":"m","messages":[{"content":[{"type":"image_url","image_url":"https://evil.test/"}]}]}`,
		"a file to fetch":       `{"model":"m","messages":[{"content":[{"type":"file","file":{"file_id":"x"}}]}]}`,
	} {
		if got, err := readRequest([]byte(in), []string{"m"}); err == nil {
			t.Errorf("%s went on: %s", name, got.body)
		} else if strings.Contains(err.Error(), "evil") {
			t.Errorf("%s: the error quotes the request: %v", name, err)
		}
	}
}

// FuzzRequest holds what may be done to a request against encoding/json's reading
// of it: nothing but what a stream says at its end.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(usual + `,"stream":true}`))
	f.Add([]byte(usual + `,"stream":true,"stream_options":{"include_usage":false}}`))
	f.Add([]byte(`{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"data:"}}]}], "stream" : true , "stream_options":null}`))
	f.Add([]byte("{\"model\":\"m\",\"messages\":[],\"\xff\":1e5}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readRequest(in, []string{"m"})
		if err != nil {
			return
		}
		if !got.stream && !bytes.Equal(got.body, in) {
			t.Fatalf("%q became %q", in, got.body)
		}
		var was, is map[string]json.RawMessage
		if json.Unmarshal(in, &was) != nil || json.Unmarshal(got.body, &is) != nil {
			t.Fatalf("%q became %q, which is not JSON", in, got.body)
		}
		for key, value := range was {
			if key != "stream_options" && !bytes.Equal(value, is[key]) {
				t.Fatalf("%q: %s became %s", key, value, is[key])
			}
		}
		if got.stream {
			var options map[string]json.RawMessage
			if json.Unmarshal(is["stream_options"], &options) != nil || string(options["include_usage"]) != "true" {
				t.Fatalf("%q became %q: the usage is not asked for", in, got.body)
			}
			delete(is, "stream_options")
			delete(was, "stream_options")
		}
		if len(is) != len(was) || string(is["model"]) == "" {
			t.Fatalf("%q became %q", in, got.body)
		}
	})
}
