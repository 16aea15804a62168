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

const everything = `{"model":"m","temperature":0.5,"top_p":1,"max_tokens":10,"max_completion_tokens":10,"stop":["a","b"],"seed":-1,"n":1,` +
	`"presence_penalty":0,"frequency_penalty":null,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"any":[{}]},"strict":true}},` +
	`"reasoning_effort":"low","user":"u","parallel_tool_calls":true,"tool_choice":{"type":"function","function":{"name":"bash"}},"stream":false,` +
	`"tools":[{"type":"function","function":{"name":"bash","description":"d","parameters":{"type":"object","models":[]},"strict":true}}],` +
	`"messages":[{"role":"system","content":[{"type":"text","text":"] , \" }","cache_control":{"type":"ephemeral"}}]},` +
	`{"role":"system","content":"x","cache_control":{"type":"ephemeral","ttl":"1h"}},` +
	`{"role":"assistant","content":null,"name":"x","reasoning_content":"r","refusal":null,"extra_content":{"google":{"thought":true}},` +
	`"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"bash","arguments":"{}"},"extra_content":{"google":{"thought_signature":"+/="}},"cache_control":{"type":"ephemeral"}}]},` +
	`{"role":"tool","tool_call_id":"c","content":"x","cache_control":null}]}`

func TestWhatGoesOnIsWhatCame(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"no stream":          {usual + `}`, usual + `}`},
		"as Kilo sends it":   {usual + `,"stream":true,"stream_options":{"include_usage":true}}`, usual + `,"stream":true,"stream_options":{"include_usage":true}}`},
		"no options":         {usual + `,"stream":true}`, usual + `,"stream":true,"stream_options":{"include_usage":true}}`},
		"null options":       {usual + `, "stream_options" : null ,"stream": true }`, usual + `, "stream_options" : {"include_usage":true} ,"stream": true }`},
		"other options":      {usual + `,"stream":true,"stream_options":{"include_usage": null }}`, usual + `,"stream":true,"stream_options":{"include_usage": true }}`},
		"empty options":      {usual + `,"stream":true,"stream_options":{ }}`, usual + `,"stream":true,"stream_options":{ "include_usage":true}}`},
		"told not to":        {usual + `,"stream":true,"stream_options":{"include_usage": false }}`, usual + `,"stream":true,"stream_options":{"include_usage": true }}`},
		"space around":       {" \n" + usual + "\n,\t\"stream\":true\n}\n ", " \n" + usual + "\n,\t\"stream\":true\n" + `,"stream_options":{"include_usage":true}` + "}\n "},
		"odd but its own":    {`{"model":"m","messages":[],"seed":1.50e+3,"user":"\u003c\ud800"}`, `{"model":"m","messages":[],"seed":1.50e+3,"user":"\u003c\ud800"}`},
		"one answer":         {`{"model":"m","messages":[],"n":1}`, `{"model":"m","messages":[],"n":1}`},
		"an inline picture":  {`{"model":"m","messages":[{"content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:x"}}]}]}`, ``},
		"a thinking config":  {`{"model":"m","messages":[],"extra_body":{"google":{"thinking_config":{"x":1}}}}`, ``},
		"an escaped name":    {`{"mod\u0065l":"\u006d","messages":[]}`, ``},
		"every key":          {everything, ``},
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
		"no object":             `{"model":"m","messages":[1]}`,
		"a cut string":          `{"model":"m","messages":["`,
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

// Providers do what keys say that nobody here has heard of.
func TestWhatIsNotKnownDoesNotGoOn(t *testing.T) {
	in := func(message string) string { return `{"model":"m","messages":[` + message + `]}` }
	part := func(members string) string { return in(`{"role":"user","content":[{` + members + `}]}`) }
	tool := func(tool string) string { return `{"model":"m","messages":[],"tools":[` + tool + `]}` }
	bodies := map[string]string{
		"Type":             part(`"type":"text","text":"x","Type":"image_url"`),
		"Content":          in(`{"role":"user","content":"x","Content":[]}`),
		"URL":              part(`"type":"image_url","image_url":{"url":"data:x","URL":"https://evil.test/"}`),
		"images":           in(`{"role":"user","content":"x","images":["https://evil.test/"]}`),
		"file":             in(`{"role":"user","content":"x","file":{}}`),
		"audio":            in(`{"role":"assistant","audio":{"id":"x"}}`),
		"image_url":        part(`"type":"text","text":"x","image_url":{"url":"https://evil.test/"}`),
		"google_search":    tool(`{"type":"function","function":{"name":"x"},"google_search":{}}`),
		"url":              tool(`{"type":"function","function":{"name":"x","url":"https://evil.test/"}}`),
		"cached_content":   `{"model":"m","messages":[],"extra_body":{"google":{"cached_content":"x"}}}`,
		"include_obscure":  `{"model":"m","messages":[],"stream":true,"stream_options":{"include_obscure":true}}`,
		"thinking":         in(`{"role":"assistant","content":"x","extra_content":{"thinking":1}}`),
		"server":           in(`{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"x","arguments":"","server":"x"}}]}`),
		"allowed_tools":    `{"model":"m","messages":[],"tool_choice":{"type":"function","allowed_tools":{}}}`,
		"grammar":          `{"model":"m","messages":[],"response_format":{"type":"text","grammar":"x"}}`,
		"content: ":        in(`{"role":"user","content":{"type":"image_url","image_url":{"url":"https://evil.test/"}}}`),
		"role: ":           in(`{"role":"retrieve","content":"x"}`),
		"type: ":           tool(`{"function":{"name":"x"}}`),
		"cache_control":    in(`{"role":"user","content":"x","cache_control":{"type":"ephemeral","name":"cachedContents/x"}}`),
		"cache_control: ":  part(`"type":"text","text":"x","cache_control":"x"`),
		"thinking_config":  `{"model":"m","messages":[],"extra_body":{"google":{"thinking_config":"x"}}}`,
		"Extra":            `{"model":"m","messages":[],"Extra":1}`,
		"too many entries": in(strings.Repeat(`{},`, maxMessages) + `{}`),
		"tools: too many":  tool(strings.Repeat(`{"type":"function"},`, maxTools) + `{"type":"function"}`),
	}
	for _, key := range []string{"plugins", "models", "provider", "search_parameters", "enable_search", "data_sources", "documents", "store",
		"google", "google_search", "modalities", "audio", "best_of", "candidate_count", "service_tier", "functions", "web_search_options", "Messages"} {
		bodies[key+`"`] = `{"model":"m","messages":[],"` + key + `":[]}`
	}
	for want, body := range bodies {
		got, err := readRequest([]byte(body), []string{"m"})
		if err == nil {
			t.Errorf("%s went on: %.200s", want, got.body)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "evil") {
			t.Errorf("%s: %v", want, err)
		}
	}
	long := strings.Repeat("x", 10_000)
	if _, err := readRequest([]byte(`{"model":"m","messages":[],"`+long+`":1}`), []string{"m"}); err == nil || len(err.Error()) > 100 {
		t.Errorf("a long key: %v", err)
	}
}

// What is refused is not taken apart first, and what is taken apart is not copied.
func TestCheckingTakesLittleMemory(t *testing.T) {
	for name, body := range map[string]string{
		"many messages": `{"model":"m","messages":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`,
		"many tools":    `{"model":"m","messages":[],"tools":[` + strings.Repeat(`{"type":"function"},`, 1<<18) + `{}]}`,
		"many keys":     `{"model":"m","messages":[{` + strings.Repeat(`"":1,`, 1<<20) + `"":1}]}`,
		"a long text":   `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 4<<20) + `"}]}`,
	} {
		in := []byte(body)
		got := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				_, _ = readRequest(in, []string{"m"})
			}
		})
		if got.AllocedBytesPerOp() > 8<<20 || got.AllocsPerOp() > 10*maxMessages {
			t.Errorf("%s: %d bytes in %d pieces", name, got.AllocedBytesPerOp(), got.AllocsPerOp())
		}
	}
}

// FuzzRequest holds what may be done to a request against encoding/json's reading
// of it: nothing but what a stream says at its end.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(usual + `,"stream":true}`))
	f.Add([]byte(usual + `,"stream":true,"stream_options":{"include_usage":false}}`))
	f.Add([]byte(`{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"data:"}}]}], "stream" : true , "stream_options":null}`))
	f.Add([]byte(everything))
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
