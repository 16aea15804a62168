package action_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
)

func TestTheAuditIsReadNewestFirst(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		did := 0
		do := func(subject string) {
			a := section("x")
			a.Subject = subject
			did++
			a.Why = fmt.Sprint(did)
			if _, err := l.Converge(t.Context(), s, a, true, action.Effect{Do: func(context.Context) (any, error) { return did, nil }}); err != nil {
				t.Fatal(err)
			}
		}
		for i, subject := range []string{"a", "a/0", "a", "a%2F0", "a"} {
			if i == 3 {
				c.Add(time.Hour) // the first three within one instant
			}
			do(subject)
		}
		for _, q := range []struct {
			subject string
			want    string
		}{
			{"a", "5done 5intended 3done 3intended 1done 1intended "},
			{"a/0", "2done 2intended "},
			{"a%2F0", "4done 4intended "},
			{"b", ""},
			{"", "5done 5intended 4done 4intended 3done 3intended 2done 2intended 1done 1intended "},
		} {
			got, before := "", ""
			for {
				page, err := l.List(t.Context(), s, q.subject, before, 4)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page {
					got += e.Why + e.What + " "
					before = e.ID
					if e.Hash == "" || e.Kind != "issue.section" || e.At.IsZero() || (e.What == "done") != (string(e.Result) == e.Why) {
						t.Errorf("entry %+v", e)
					}
				}
				if len(page) < 4 {
					break
				}
			}
			if got != q.want {
				t.Errorf("%q: %s, want %s", q.subject, got, q.want)
			}
		}
	})
}

func TestTrimKeepsTheNewest(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		for i := range 300 { // 600 entries: more than a batch takes
			a := section("x")
			a.Subject = fmt.Sprint(i % 2)
			if _, err := l.Converge(t.Context(), s, a, true, action.Effect{Do: func(context.Context) (any, error) { return nil, nil }}); err != nil {
				t.Fatal(err)
			}
			c.Add(time.Minute)
		}
		for _, step := range []struct {
			age           time.Duration
			keep          int
			removed, left int
		}{
			{0, 0, 0, 600},
			{290 * time.Minute, 0, 20, 580},
			{0, 100, 480, 100},
			{time.Hour, 50, 50, 50},
			{time.Hour, 50, 0, 50},
			{time.Nanosecond, 0, 50, 0},
		} {
			n, err := l.Trim(t.Context(), s, step.age, step.keep)
			if err != nil || n != step.removed {
				t.Errorf("trim %v, %d: removed %d, %v, want %d", step.age, step.keep, n, err, step.removed)
			}
			left, index := 0, 0
			for after := ""; ; {
				es, err := s.Scan(t.Context(), "audit", after, storage.MaxOps)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range es {
					if len(e.Value) > 2 {
						left++
					} else {
						index++
					}
					after = e.Key
				}
				if len(es) < storage.MaxOps {
					break
				}
			}
			if left != step.left || index != step.left {
				t.Errorf("trim %v, %d: %d entries and %d by subject are left, want %d", step.age, step.keep, left, index, step.left)
			}
		}
		if _, ok, err := l.Get(t.Context(), s, "issue.section/7"); err != nil || !ok {
			t.Errorf("the record of the action is gone: %v", err)
		}
	})
}

func TestUndoIsRemembered(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		world := &outside{clock: c}
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		if _, err := l.MarkUndone(t.Context(), s, "issue.create/7", "ada", "/soulcaster undo", "r-2"); !errors.Is(err, action.ErrInvalid) {
			t.Errorf("undo of nothing: %v", err)
		}
		if _, err := l.Once(t.Context(), s, create7(), true, world.effect("7")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			rec, err := l.MarkUndone(t.Context(), s, "issue.create/7", "ada", "/soulcaster undo", "r-2")
			if err != nil || !rec.Undone || rec.By != "clustering" {
				t.Errorf("%+v, %v", rec, err)
			}
		}
		rec, err := l.Once(t.Context(), s, create7(), true, world.effect("7"))
		if err != nil || rec.State != action.Done || !rec.Undone || world.count() != 1 {
			t.Errorf("asked again: %+v, %v, %d issues", rec, err, world.count())
		}
		if got, want := told(t, l, s, "7"), "intended by clustering; done by clustering; undone by ada; "; got != want {
			t.Errorf("the audit says %q, want %q", got, want)
		}
	})
}
