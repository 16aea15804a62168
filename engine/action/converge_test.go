package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

func section(body string) action.Action {
	request, _ := json.Marshal(map[string]string{"body": body})
	return action.Action{Key: "issue.section/7", Kind: "issue.section", Subject: "7", By: "clustering", Why: "new release", Request: request}
}

func TestConvergeIsDoneEachTime(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		var world []string
		set := func(body string) action.Effect {
			return action.Effect{Do: func(context.Context) (any, error) {
				world = append(world, body)
				return map[string]int{"edit": len(world)}, nil
			}}
		}
		for _, body := range []string{"A", "B", "A"} {
			if rec, err := l.Converge(t.Context(), s, section(body), true, set(body)); err != nil || rec.State != action.Done {
				t.Fatalf("%+v, %v", rec, err)
			}
		}
		if got := strings.Join(world, ""); got != "ABA" {
			t.Errorf("the world saw %s, want ABA", got)
		}
		if got, want := told(t, l, s, "7"), strings.Repeat("intended by clustering; done by clustering; ", 3); got != want {
			t.Errorf("the audit says %q, want %q", got, want)
		}
		rec, _, err := l.Get(t.Context(), s, "issue.section/7")
		if err != nil || rec.Attempt != 3 || string(rec.Result) != `{"edit":3}` || string(rec.Request) != `{"body":"A"}` {
			t.Errorf("kept %+v, %v", rec, err)
		}

		for range 2 { // back in preview
			if rec, err := l.Converge(t.Context(), s, section("C"), false, set("C")); err != nil || rec.State != action.Previewed {
				t.Errorf("previewed %+v, %v", rec, err)
			}
		}
		if len(world) != 3 {
			t.Error("a preview had an effect")
		}
	})
}

func TestConvergeGoesOnAfterAnUnknownEnd(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		edits := 0
		rec, err := l.Converge(t.Context(), s, section("A"), true, action.Effect{Do: func(context.Context) (any, error) {
			edits++
			return nil, action.Unknown(errors.New("time-out"))
		}})
		var later *work.Later
		if !errors.As(err, &later) || rec.State != action.Undecided {
			t.Errorf("%+v, %v", rec, err)
		}
		// The caller compares again, finds that it differs, and asks again.
		rec, err = l.Converge(t.Context(), s, section("A"), true, action.Effect{Do: func(context.Context) (any, error) {
			edits++
			return nil, nil
		}})
		if err != nil || rec.State != action.Done || edits != 2 {
			t.Errorf("%+v, %v, %d edits", rec, err, edits)
		}
	})
}

func TestOneCallerConvergesAtATime(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		rec, err := l.Converge(t.Context(), s, section("old"), true, action.Effect{Do: func(ctx context.Context) (any, error) {
			// While this one is held up, another one, who has its lease now, edits.
			if _, err := l.Converge(ctx, s, section("new"), true, action.Effect{Do: func(context.Context) (any, error) { return "new", nil }}); err != nil {
				t.Error(err)
			}
			return "old", nil
		}})
		var later *work.Later
		if !errors.As(err, &later) {
			t.Errorf("the one that was overtaken: %+v, %v, want to come again", rec, err)
		}
		if rec, _, err := l.Get(t.Context(), s, "issue.section/7"); err != nil || string(rec.Result) != `"new"` {
			t.Errorf("kept %+v, %v", rec, err)
		}
	})
}
