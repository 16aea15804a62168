package model_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/model"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

func TestCheck(t *testing.T) {
	call := []script.Call{{Name: "report", Arguments: map[string]string{"state": "ready"}}}
	for name, tt := range map[string]struct {
		turn script.Turn
		key  string
		want string // in the error; "" for none
	}{
		"in order":    {script.Turn{Calls: call}, "good-key", ""},
		"a wrong key": {script.Turn{Calls: call}, "wrong-key", "refuses the key"},
		"no tools":    {script.Turn{Text: "ready"}, "good-key", "uses tools"},
		"in trouble":  {script.Turn{Status: 500, Text: "good-key"}, "good-key", "500"},
	} {
		provider := httptest.NewServer(&script.Model{Key: "good-key", Turns: []script.Turn{tt.turn}})
		g, err := model.New(model.Config{
			URL: provider.URL + "/v1", Key: tt.key, Models: []string{"m"},
			Price: func(string, time.Time) (model.Price, bool) { return model.Price{}, false },
		})
		if err != nil {
			t.Fatal(err)
		}
		err = g.Check(t.Context())
		if err != nil && (tt.want == "" || !strings.Contains(err.Error(), tt.want)) || err == nil && tt.want != "" {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), tt.key) {
			t.Errorf("%s: the error holds the key: %v", name, err)
		}
		provider.Close()
	}
}
