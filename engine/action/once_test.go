package action_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

func TestOnceIsDoneOnceAndRemembered(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		world := &outside{clock: c}
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		e := world.effect("7")
		do := e.Do
		e.Do = func(ctx context.Context) (any, error) {
			rec, ok, err := l.Get(ctx, s, "issue.create/7")
			if err != nil || !ok || rec.State != action.Intended || rec.Attempt != 1 || !bytes.Equal(rec.Request, create7().Request) {
				t.Errorf("while it is done the record is %+v, %v, %v", rec, ok, err)
			}
			if at, ok := ctx.Deadline(); !ok || time.Until(at) > 10*time.Second {
				t.Errorf("it may take until %v, %v", at, ok)
			}
			c.Add(time.Second)
			return do(ctx)
		}
		begun := c.Now()
		rec, err := l.Once(t.Context(), s, create7(), true, e)
		if err != nil {
			t.Fatal(err)
		}
		kept, _, err := l.Get(t.Context(), s, "issue.create/7")
		if err != nil {
			t.Fatal(err)
		}
		again, err := l.Once(t.Context(), s, create7(), true, e)
		if err != nil {
			t.Fatal(err)
		}
		preview, err := l.Once(t.Context(), s, create7(), false, e)
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]action.Record{"returned": rec, "kept": kept, "again": again, "in preview": preview} {
			var made issue
			if err := json.Unmarshal(r.Result, &made); err != nil || made.Number != 1 {
				t.Errorf("%s: result %s, %v", name, r.Result, err)
			}
			if r.State != action.Done || !r.Intended.Equal(begun) || !r.Ended.Equal(begun.Add(time.Second)) ||
				!bytes.Equal(r.Request, create7().Request) || r.Why != "2 of 2 people" || r.RequestID != "r-1" {
				t.Errorf("%s: %+v", name, r)
			}
		}
		// The same meaning in another space is another action.
		if _, err := l.Once(t.Context(), create(t, db, "p/2/web"), create7(), true, world.effect("other 7")); err != nil {
			t.Fatal(err)
		}
		if n := world.count(); n != 2 {
			t.Errorf("%d issues were made, want 2", n)
		}
		if got, want := told(t, l, s, "7"), "intended by clustering; done by clustering; "; got != want {
			t.Errorf("the audit says %q, want %q", got, want)
		}
	})
}

func TestPreviewRecordsAndGoingLiveDoes(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		world := &outside{clock: c}
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		once := func(live bool, request string) action.Record {
			a := create7()
			a.Request = json.RawMessage(request)
			rec, err := l.Once(t.Context(), s, a, live, world.effect("7"))
			if err != nil {
				t.Fatal(err)
			}
			return rec
		}
		for range 3 {
			if rec := once(false, `{"body": "a"}`); rec.State != action.Previewed || string(rec.Request) != `{"body": "a"}` {
				t.Errorf("previewed %+v", rec)
			}
		}
		if rec := once(false, `{"body": "b"}`); string(rec.Request) != `{"body": "b"}` {
			t.Errorf("previewed %+v", rec)
		}
		if got, want := told(t, l, s, "7"), strings.Repeat("previewed by clustering; ", 2); got != want {
			t.Errorf("the audit says %q, want %q", got, want)
		}
		if world.count() != 0 {
			t.Fatal("a preview had an effect")
		}
		if rec := once(true, `{"body": "c"}`); rec.State != action.Done || string(rec.Request) != `{"body": "c"}` || world.count() != 1 {
			t.Errorf("live: %+v, %d issues", rec, world.count())
		}
	})
}

func TestWhatAFailureMeans(t *testing.T) {
	settle := 70 * time.Second
	plain := errors.New("422: no")
	soon := newClock().Now().Add(time.Hour)
	for _, c := range []struct {
		name   string
		err    error
		state  action.State
		until  time.Time // of the *work.Later that is returned; zero: the error itself
		doneAt time.Duration
	}{
		{"definitely not", plain, action.Failed, time.Time{}, 0},
		{"never", work.Dead(plain), action.Failed, time.Time{}, 0},
		{"not now", &work.Later{Until: soon, Err: plain}, action.Failed, soon, 0},
		{"perhaps", action.Unknown(plain), action.Undecided, newClock().Now().Add(settle), settle},
		{"time-out", context.DeadlineExceeded, action.Undecided, newClock().Now().Add(settle), settle},
		{"not now, because of a time-out", &work.Later{Until: soon, Err: context.DeadlineExceeded}, action.Failed, soon, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, db storage.DB) {
				clock := newClock()
				world := &outside{clock: clock}
				l := action.New(action.Options{Now: clock.Now})
				s := create(t, db, "p/1/web")
				e := world.effect("7")
				good := e.Do
				e.Do = func(context.Context) (any, error) { return nil, c.err }
				rec, err := l.Once(t.Context(), s, create7(), true, e)
				if rec.State != c.state || !strings.Contains(rec.Error, c.err.Error()) {
					t.Errorf("record %+v", rec)
				}
				if c.until.IsZero() {
					if !errors.Is(err, c.err) {
						t.Errorf("error %v, want %v", err, c.err)
					}
				} else {
					wantLater(t, err, c.until)
				}
				said := string(c.state)
				if c.state == action.Failed && !c.until.IsZero() {
					said = action.PutOff
				}
				if told, err := l.List(t.Context(), s, "", "", 1); err != nil || len(told) != 1 || told[0].What != said {
					t.Errorf("the audit says %+v, %v; want %s", told, err, said)
				}
				e.Do = good
				if c.doneAt > 0 {
					clock.Add(c.doneAt - time.Second)
					_, err = l.Once(t.Context(), s, create7(), true, e)
					wantLater(t, err, c.until)
					clock.Add(time.Second)
				}
				rec, err = l.Once(t.Context(), s, create7(), true, e)
				if err != nil || rec.State != action.Done || rec.Attempt != 2 || rec.Error != "" || world.count() != 1 {
					t.Errorf("the next try: %+v, %v, %d issues", rec, err, world.count())
				}
			})
		})
	}
}

func TestALateRequestIsFoundNotRepeated(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		world := &outside{clock: c}
		l := action.New(action.Options{Now: c.Now})
		s := create(t, db, "p/1/web")
		e := world.effect("7")
		e.Do = func(context.Context) (any, error) {
			world.make("7", 65*time.Second) // lands long after the client gave up
			return nil, action.Unknown(errors.New("time-out"))
		}
		_, err := l.Once(t.Context(), s, create7(), true, e)
		wantLater(t, err, c.Now().Add(70*time.Second))
		c.Add(40 * time.Second)
		_, err = l.Once(t.Context(), s, create7(), true, e)
		wantLater(t, err, c.Now().Add(30*time.Second))
		c.Add(30 * time.Second)

		// In preview, what was begun live waits.
		if rec, err := l.Once(t.Context(), s, create7(), false, e); err != nil || rec.State != action.Undecided {
			t.Errorf("in preview: %+v, %v", rec, err)
		}
		// A search that fails decides nothing.
		bad := e
		bad.Find = func(context.Context, time.Time) (any, bool, error) { return nil, false, errors.New("502") }
		if rec, err := l.Once(t.Context(), s, create7(), true, bad); err == nil || rec.State != action.Undecided {
			t.Errorf("after a failed search: %+v, %v", rec, err)
		}
		rec, err := l.Once(t.Context(), s, create7(), true, e)
		var made issue
		if err != nil || rec.State != action.Done || json.Unmarshal(rec.Result, &made) != nil || made.Number != 1 {
			t.Errorf("found %+v, %v", rec, err)
		}
		if n := world.count(); n != 1 {
			t.Errorf("%d issues were made", n)
		}
		if got, want := told(t, l, s, "7"), "intended by clustering; unknown by clustering; found by clustering; "; got != want {
			t.Errorf("the audit says %q, want %q", got, want)
		}
	})
}

func TestTwoCallersAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		c := newClock()
		world := &outside{clock: c}
		s := create(t, db, "p/1/web")
		var wg sync.WaitGroup
		for range 16 {
			l := action.New(action.Options{Now: c.Now}) // a process of its own
			wg.Go(func() {
				rec, err := l.Once(t.Context(), s, create7(), true, world.effect("7"))
				var later *work.Later
				if !errors.As(err, &later) && (err != nil || rec.State != action.Done) {
					t.Errorf("%+v, %v", rec, err)
				}
			})
		}
		wg.Wait()
		if n := world.count(); n != 1 {
			t.Errorf("%d issues were made", n)
		}
		rec, err := action.New(action.Options{Now: c.Now}).Once(t.Context(), s, create7(), true, world.effect("7"))
		if err != nil || rec.State != action.Done {
			t.Errorf("afterwards: %+v, %v", rec, err)
		}
	})
}

// A process that is held up between its intent and its effect, until another one
// has found out that it did nothing and done it, does not do it too.
func TestAProcessThatWasHeldUpDoesNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		for _, where := range []string{"commit.after:p/1/web", "effect.before:issue.create"} {
			c := newClock()
			world := &outside{clock: c}
			a := create7()
			a.Key += where
			held := false
			hook := func(ctx context.Context, point string) error {
				if point != where || held {
					return nil
				}
				held = true
				c.Add(2 * time.Minute)
				rec, err := action.New(action.Options{Now: c.Now}).Once(ctx, create(t, db, "p/1/web"), a, true, world.effect("7"))
				if err != nil || rec.State != action.Done {
					t.Errorf("%s: the other one: %+v, %v", where, rec, err)
				}
				return nil
			}
			l := action.New(action.Options{Now: c.Now, Hook: hook})
			_, err := l.Once(t.Context(), create(t, storage.Watched(db, hook), "p/1/web"), a, true, world.effect("7"))
			var later *work.Later
			if !errors.As(err, &later) {
				t.Errorf("%s: the one that was held up: %v, want to come again", where, err)
			}
			rec, err := l.Once(t.Context(), create(t, db, "p/1/web"), a, true, world.effect("7"))
			if err != nil || rec.State != action.Done || world.count() != 1 {
				t.Errorf("%s: afterwards %+v, %v, %d issues", where, rec, err, world.count())
			}
		}
	})
}

func TestAnIntentFromTheFutureIsWaitedForOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		wrong := newClock()
		wrong.Add(1000 * time.Hour)
		c := newClock()
		world := &outside{clock: c}
		s := create(t, db, "p/1/web")
		died := errors.New("died")
		l := action.New(action.Options{Now: wrong.Now, Hook: func(_ context.Context, point string) error {
			if point == "effect.after:issue.create" {
				return died
			}
			return nil
		}})
		if _, err := l.Once(t.Context(), s, create7(), true, world.effect("7")); !errors.Is(err, died) {
			t.Fatal(err)
		}
		c.Add(time.Hour)
		l = action.New(action.Options{Now: c.Now})
		until := c.Now().Add(70 * time.Second)
		for range 2 {
			_, err := l.Once(t.Context(), s, create7(), true, world.effect("7"))
			wantLater(t, err, until)
			c.Add(time.Second)
		}
		c.Add(68 * time.Second)
		rec, err := l.Once(t.Context(), s, create7(), true, world.effect("7"))
		if err != nil || rec.State != action.Done || world.count() != 1 {
			t.Errorf("%+v, %v, %d issues", rec, err, world.count())
		}
	})
}

// What is idempotent is done again right after a crash, whether it happened or not.
func TestIdempotentEffectsNeedNoSearch(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		for _, at := range []string{"effect.before:", "effect.after:"} {
			c, crash, done := newClock(), errors.New("power cut"), 0
			l := action.New(action.Options{Now: c.Now, Hook: func(_ context.Context, point string) error {
				if crash != nil && strings.HasPrefix(point, at) {
					return crash
				}
				return nil
			}})
			s := create(t, db, "p/1/"+strings.Trim(at, ":"))
			e := action.Effect{Do: func(context.Context) (any, error) { done++; return nil, nil }, Idempotent: true}
			if _, err := l.Once(t.Context(), s, create7(), true, e); !errors.Is(err, crash) {
				t.Fatalf("%s: %v", at, err)
			}
			crash, done = nil, 0
			for range 2 {
				if rec, err := l.Once(t.Context(), s, create7(), true, e); err != nil || rec.State != action.Done || done != 1 {
					t.Errorf("%s: done %d times, %s, %v", at, done, rec.State, err)
				}
			}
		}
	})
}

func TestWhatCannotBeRecordedIsRefused(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		world := &outside{clock: newClock()}
		l := action.New(action.Options{Now: world.clock.Now})
		s := create(t, db, "p/1/web")
		for name, spoil := range map[string]func(a *action.Action, e *action.Effect){
			"no key":            func(a *action.Action, _ *action.Effect) { a.Key = "" },
			"no kind":           func(a *action.Action, _ *action.Effect) { a.Kind = "" },
			"not JSON":          func(a *action.Action, _ *action.Effect) { a.Request = json.RawMessage("{") },
			"not UTF-8":         func(a *action.Action, _ *action.Effect) { a.Request = json.RawMessage("\"\xff\"") },
			"too large":         func(a *action.Action, _ *action.Effect) { a.Request = largeJSON(action.MaxBytes + 1) },
			"no way to find it": func(_ *action.Action, e *action.Effect) { e.Find = nil },
			"no way to do it":   func(_ *action.Action, e *action.Effect) { e.Do = nil },
		} {
			a, e := create7(), world.effect("7")
			spoil(&a, &e)
			if _, err := l.Once(t.Context(), s, a, true, e); !errors.Is(err, action.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		a := create7()
		a.Request = largeJSON(action.MaxBytes)
		a.Why = strings.Repeat("ü", 5000)
		if rec, err := l.Once(t.Context(), s, a, true, world.effect("7")); err != nil || len(rec.Why) > 1000 {
			t.Errorf("the largest request: %v", err)
		}

		// A result that is too large is an error, but it was done.
		a = create7()
		a.Key = "issue.create/8"
		e := world.effect("8")
		do := e.Do
		e.Do = func(ctx context.Context) (any, error) {
			_, _ = do(ctx)
			return largeJSON(action.MaxBytes + 1), nil
		}
		for range 2 {
			rec, err := l.Once(t.Context(), s, a, true, e)
			if !errors.Is(err, action.ErrInvalid) || rec.State != action.Done {
				t.Errorf("a result that is too large: %v, %v", rec.State, err)
			}
		}
		if n := world.count(); n != 2 {
			t.Errorf("%d issues were made, want 2", n)
		}
	})
}

// largeJSON is a JSON string of n bytes of what takes the most room in a store.
func largeJSON(n int) json.RawMessage {
	return json.RawMessage(`"` + strings.Repeat("<", n-2) + `"`)
}

func TestTheEndIsRecordedWhenTheCallerIsGone(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		world := &outside{clock: newClock()}
		l := action.New(action.Options{Now: world.clock.Now})
		s := create(t, db, "p/1/web")
		ctx, cancel := context.WithCancel(t.Context())
		e := world.effect("7")
		do := e.Do
		e.Do = func(ctx context.Context) (any, error) {
			cancel() // the lease was lost, the process is stopping
			return do(ctx)
		}
		if rec, err := l.Once(ctx, s, create7(), true, e); err != nil || rec.State != action.Done {
			t.Errorf("%+v, %v", rec, err)
		}
		if rec, _, err := l.Get(t.Context(), s, "issue.create/7"); err != nil || rec.State != action.Done {
			t.Errorf("kept %+v, %v", rec, err)
		}
	})
}
