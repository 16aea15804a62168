package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

func TestValuesAreCountedBeforeTheyAreMade(t *testing.T) {
	read := func(body string) (brief.Result, error) {
		var got brief.Result
		r := httptest.NewRequest(http.MethodPut, "/", strings.NewReader(body))
		return got, new(Handler).read(httptest.NewRecorder(), r, resultForm(), &got)
	}
	for _, key := range []string{"files", "tests"} {
		got, err := read(`{"` + key + `":[{}` + strings.Repeat(`,{}`, maxValues+1) + `]}`)
		var refused *refusal
		if !errors.As(err, &refused) || refused.status != http.StatusRequestEntityTooLarge || got.Files != nil || got.Tests != nil {
			t.Errorf("%s: %v, %d and %d entries are made", key, err, len(got.Files), len(got.Tests))
		}
	}
	// All that may be said fits, and what strings hold does not count.
	full := brief.Result{Failure: brief.FailedClone, Base: "b", TooMuch: "x", Said: strings.Repeat(`,"\`, 10_000)}
	for i := range 1000 {
		full.Files = append(full.Files, brief.File{Path: fmt.Sprint(i), Mode: brief.ModeFile, Content: []byte("x")})
	}
	for range 16 {
		full.Tests = append(full.Tests, brief.Test{When: "after", Command: ",", TimedOut: true})
	}
	data, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(string(bytes.TrimSpace(data))); err != nil {
		t.Errorf("a full result: %v", err)
	}
}
