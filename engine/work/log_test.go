package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/work"
)

// lines hands on each line that is logged.
type lines chan map[string]any

func (l lines) Write(p []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	l <- line
	return len(p), nil
}

// What a handler logs through its context says what it is about, in the words
// that people search for; and so does what is logged of its end.
func TestLinesSayWhatTheyAreAbout(t *testing.T) {
	db := boltWorld(t).connect(t)
	log := make(lines, 100)
	o := quick(t)
	o.Log = zerolog.New(log)
	q := work.New(db, db, o)
	say := func(ctx context.Context, it work.Item) (time.Time, error) {
		zerolog.Ctx(ctx).Info().Msg("said")
		return time.Time{}, work.Dead(errors.New("on purpose"))
	}
	for _, kind := range []string{"issue", "look", "assign", "account"} {
		q.Handle(kind, say)
	}
	const web = "acme.web-86f279ce"
	want := map[string]map[string]any{
		"issue/000007": {"installation": 101.0, "project": web, "cluster": "000007"},
		"look/000009":  {"installation": 101.0, "project": web, "cluster": "000009"},
		"assign":       {"installation": 101.0, "project": web},
		"account":      {"installation": 202.0},
	}
	project, home := create(t, db, "p/101/"+web), create(t, db, "i/202")
	add(t, project, "issue/000007", "look/000009", "assign")
	add(t, home, "account")
	start(t, q)
	for range 2 * len(want) {
		line := receive(t, log, "a line")
		key, _ := line["work"].(string)
		w := want[key]
		if w == nil {
			t.Fatalf("%v is about nothing that was due", line)
		}
		for _, field := range []string{"installation", "project", "cluster"} {
			if line[field] != w[field] {
				t.Errorf("%s: %v has the %s %v, want %v", key, line, field, line[field], w[field])
			}
		}
		if line["attempt"] != 1.0 {
			t.Errorf("%v has no attempt", line)
		}
	}
}
