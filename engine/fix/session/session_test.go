package session_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/session"
	"github.com/soulcaster/soulcaster/engine/storage"
)

func beat() brief.Heartbeat {
	return brief.Heartbeat{Attempt: 1, Phase: brief.Working, Note: "edit\x1b[31m\nnow", Steps: 4}
}

func TestHeartbeat(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	s := h.enter(space, r)
	order, err := s.Heartbeat(t.Context(), beat())
	if err != nil || order != (brief.Order{}) {
		t.Fatalf("%+v, %v", order, err)
	}
	live, err := run.LiveOf(t.Context(), space, r.ID)
	want := run.Live{At: h.now, Attempt: 1, Phase: brief.Working, Note: "edit[31m now", Steps: 4}
	if err != nil || live != want {
		t.Errorf("kept %+v (%v), want %+v", live, err, want)
	}
	if !h.load(space, r.ID).Attempt.Spoken {
		t.Error("the claim is still good")
	}
	for name, bad := range map[string]brief.Heartbeat{
		"of another attempt": {Attempt: 2, Phase: brief.Working},
		"without a phase":    {Attempt: 1},
		"backwards":          {Attempt: 1, Phase: brief.Working, Steps: -1},
	} {
		_, err := s.Heartbeat(t.Context(), bad)
		h.is(name, err, session.ErrInvalid)
	}
}

// Who sends heartbeats without end does not write without end.
func TestHeartbeatsAreKeptOnceInHalfABeat(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	s := h.enter(space, r)
	began := h.now
	send := func(b brief.Heartbeat) time.Duration {
		t.Helper()
		if order, err := s.Heartbeat(t.Context(), b); err != nil || order != (brief.Order{}) {
			t.Errorf("%+v, %v", order, err)
		}
		live, err := run.LiveOf(t.Context(), space, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return live.At.Sub(began)
	}
	send(beat())
	h.pass(4 * time.Second)
	if at := send(beat()); at != 0 {
		t.Errorf("the same is kept again after %v", at)
	}
	more := beat()
	more.Steps++
	if at := send(more); at != 4*time.Second {
		t.Errorf("what is new is not kept: %v", at)
	}
	h.pass(5 * time.Second)
	if at := send(more); at != 9*time.Second {
		t.Errorf("after half a beat nothing is kept: %v", at)
	}
	h.pass(time.Second)
	h.change(space, r.ID, func(r *run.Run) { r.Wish = &run.Wish{Reason: run.ReasonCommand} })
	if order, err := s.Heartbeat(t.Context(), more); err != nil || order.Stop == "" {
		t.Errorf("a heartbeat that is not kept is not told to stop: %+v, %v", order, err)
	}
}

func TestOrders(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(h *house, space storage.Space, id string)
		stop   bool
		finish brief.Ending
	}{
		"nothing":         {func(*house, storage.Space, string) {}, false, ""},
		"wished away":     {changed(func(r *run.Run) { r.Wish = &run.Wish{Reason: run.ReasonCommand} }), true, ""},
		"to stop":         {changed(func(r *run.Run) { r.Attempt.Stop = run.ReasonTime }), true, ""},
		"another attempt": {changed(func(r *run.Run) { r.Attempt = &run.Attempt{N: 2, Round: 1} }), true, ""},
		"ended":           {changed(func(r *run.Run) { r.State = run.Cancelled }), true, ""},
		"publishing":      {changed(func(r *run.Run) { r.State, r.Attempt.Result = run.Publishing, true }), true, ""},
		"spent": {func(h *house, space storage.Space, id string) {
			_, was, err := run.UsageOf(h.Context(), space, id)
			if err != nil {
				h.Fatal(err)
			}
			h.apply(space, func(b *storage.Batch) { run.SaveUsage(b, was, run.Usage{Spent: "tokens"}) })
		}, false, brief.Budget},
		"at the deadline":     {func(h *house, _ storage.Space, _ string) { h.pass(20*time.Minute + time.Second) }, false, brief.Deadline},
		"after the grace too": {func(h *house, _ storage.Space, _ string) { h.pass(23*time.Minute + time.Second) }, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			space := h.project(acme, web)
			r := h.begin(space)
			s := h.enter(space, r)
			tt.before(h, space, r.ID)
			order, err := s.Heartbeat(t.Context(), beat())
			if err != nil || (order.Stop != "") != tt.stop || (order.Finish != "") != (tt.finish != "") || order.Ending != tt.finish {
				t.Errorf("%+v, %v", order, err)
			}
			if err := s.Live(t.Context()); (err != nil) != tt.stop {
				t.Errorf("the model: %v", err)
			}
			live, err := run.LiveOf(t.Context(), space, r.ID)
			if err != nil || live.At.IsZero() != tt.stop {
				t.Errorf("kept %+v, %v", live, err)
			}
		})
	}
}

func TestLog(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	s := h.enter(space, r)
	token := session.Token(mac, space.Name(), r.ID, 1)
	send := func(offset int64, text string, want error) {
		t.Helper()
		h.is(text, s.Log(t.Context(), brief.Log{Attempt: 1, Offset: offset, Text: text}), want)
	}
	first := "token " + token + "\n"
	send(0, first, nil)
	send(0, first, nil)
	send(3, "inside of what was stored\n", nil)
	next := int64(len(first))
	second := "AWS_KEY=AKIAIOSFODNN7EXAMPLE \xff\n"
	send(next, second, nil)
	next += int64(len(second))
	send(next, "", nil)
	text, _, err := run.LogOf(t.Context(), space, r.ID, 1, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, token) || strings.Contains(text, "AKIA") || !strings.Contains(text, "token [token]") ||
		strings.Count(text, "token [") != 1 || strings.Contains(text, "inside") || !strings.Contains(text, "\uFFFD") {
		t.Errorf("stored %q", text)
	}
	send(next, "AKIAIOSFODNN", session.ErrInvalid) // would be stored as it is,
	send(next+12, "7EXAMPLE,\n", nil)              // and this would make it whole
	next += 12 + 10
	send(next, strings.Repeat("é", 90)+"\n", nil) // cut at the limit of 100 bytes
	send(next+181, "more\n", session.ErrTooLarge)
	text, _, err = run.LogOf(t.Context(), space, r.ID, 1, "", 10)
	if err != nil || len(text) > 100 || len(text) < 98 || strings.ToValidUTF8(text, "") != text {
		t.Errorf("%d bytes are stored, %v: %q", len(text), err, text)
	}
	send(-1, "x\n", session.ErrInvalid)
	send(1<<40, "x\n", session.ErrInvalid)
	send(next, strings.Repeat("x", session.MaxPiece+1), session.ErrTooLarge)
	h.is("of another attempt", s.Log(t.Context(), brief.Log{Attempt: 2, Text: "x\n"}), session.ErrInvalid)
}

// Only what will be stored is looked through for secrets: that is dear.
func TestOnlyWhatIsStoredIsRedacted(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	h.enter(space, r)
	made := 0
	h.config.Mac = func(space, text string) string { made++; return mac(space, text) }
	s, err := session.New(h.config).Open(t.Context(), r.ID, session.Token(mac, space.Name(), r.ID, 1))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 149) + "\n"
	for _, tt := range []struct {
		name   string
		offset int64
		want   error
		made   bool
	}{{"the first", 0, nil, true}, {"the same", 0, nil, false}, {"beyond the limit", 150, session.ErrTooLarge, false}} {
		made = 0
		h.is(tt.name, s.Log(t.Context(), brief.Log{Attempt: 1, Offset: tt.offset, Text: long}), tt.want)
		if (made > 0) != tt.made {
			t.Errorf("%s: the secrets to look for were made %d times", tt.name, made)
		}
	}
}

func TestManySmallPiecesStayBounded(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	s := h.enter(space, r)
	// Pieces that lie over each other would each be within the limit.
	for i := range int64(200) {
		err := s.Log(t.Context(), brief.Log{Attempt: 1, Offset: i, Text: strings.Repeat("x", 89) + "\n"})
		if err != nil && i < 90 {
			t.Fatal(err)
		}
	}
	text, _, err := run.LogOf(t.Context(), space, r.ID, 1, "", 500)
	if err != nil || len(text) > 100 {
		t.Errorf("%d bytes are stored, %v", len(text), err)
	}
}

func result() *brief.Result {
	return &brief.Result{Round: 1, Attempt: 1, Ending: brief.Finished, Base: base, Said: "done",
		Files: []brief.File{{Path: "cart.js", Mode: brief.ModeFile, Content: []byte("ok")}, {Path: "old.js"}},
		Tests: []brief.Test{{When: "before", Command: "make test", Exit: 1}}, Steps: 3, Seconds: 60}
}

func TestResult(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	s := h.enter(space, r)
	h.apply(space, func(b *storage.Batch) { b.Delete("work/due/run/" + r.ID) })
	h.woken = nil
	h.is("the first", s.Result(t.Context(), result()), nil)
	stored, err := run.ResultOf(t.Context(), space, r.ID, 1)
	if err != nil || stored == nil || string(stored.Files[0].Content) != "ok" {
		t.Fatalf("stored %+v, %v", stored, err)
	}
	due, err := space.Get(t.Context(), "work/due/run/"+r.ID)
	if err != nil || !due[0].Exists() || len(h.woken) != 1 || !h.load(space, r.ID).Attempt.Result {
		t.Errorf("due %v, woken %v, %+v, %v", due, h.woken, h.load(space, r.ID).Attempt, err)
	}
	h.is("the model after it", s.Live(t.Context()), session.ErrOver)
	h.is("the same again", s.Result(t.Context(), result()), nil)
	other := result()
	other.Said = "something else"
	h.is("another one", s.Result(t.Context(), other), session.ErrOver)

	h.change(space, r.ID, func(r *run.Run) { r.State, r.Attempt = run.Proposed, &run.Attempt{N: 2, Round: 2} })
	if err := run.ForgetResult(t.Context(), space, r.ID, 1); err != nil {
		t.Fatal(err)
	}
	h.is("the same, long after", s.Result(t.Context(), result()), nil)
	if stored, err := run.ResultOf(t.Context(), space, r.ID, 1); err != nil || stored != nil {
		t.Errorf("it is there again: %+v, %v", stored, err)
	}
}

func TestResultOfAnAttemptThatIsOver(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	s := h.enter(space, r)
	h.change(space, r.ID, func(r *run.Run) { r.Wish = &run.Wish{Reason: run.ReasonCommand} })
	h.is("of a run that is to end", s.Result(t.Context(), result()), nil)

	r = h.begin(space)
	s = h.enter(space, r)
	h.change(space, r.ID, func(r *run.Run) { r.Attempt = &run.Attempt{N: 2, Round: 1} })
	h.is("after another attempt began", s.Result(t.Context(), result()), session.ErrOver)

	r = h.begin(space)
	s = h.enter(space, r)
	h.change(space, r.ID, func(r *run.Run) { r.State = run.TimedOut })
	h.is("after the run's end", s.Result(t.Context(), result()), session.ErrOver)
}

func TestBadResults(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	s := h.enter(space, h.begin(space))
	file := func(f brief.File) func(r *brief.Result) { return func(r *brief.Result) { r.Files = []brief.File{f} } }
	for name, tt := range map[string]struct {
		change func(r *brief.Result)
		want   error
	}{
		"another attempt":    {func(r *brief.Result) { r.Attempt = 2 }, session.ErrInvalid},
		"another round":      {func(r *brief.Result) { r.Round = 2 }, session.ErrInvalid},
		"no ending":          {func(r *brief.Result) { r.Ending = "" }, session.ErrInvalid},
		"failed, unsaid":     {func(r *brief.Result) { r.Ending = brief.Failed }, session.ErrInvalid},
		"a failure unknown":  {func(r *brief.Result) { r.Ending, r.Failure = brief.Failed, "x" }, session.ErrInvalid},
		"no base":            {func(r *brief.Result) { r.Base = "" }, session.ErrInvalid},
		"a branch as base":   {func(r *brief.Result) { r.Base = "main" }, session.ErrInvalid},
		"too much and files": {func(r *brief.Result) { r.TooMuch = "9 GB" }, session.ErrInvalid},
		"no path":            {file(brief.File{Mode: brief.ModeFile}), session.ErrInvalid},
		"a zero byte":        {file(brief.File{Path: "a\x00b", Mode: brief.ModeFile}), session.ErrInvalid},
		"not UTF-8":          {file(brief.File{Path: "a\xff", Mode: brief.ModeFile}), session.ErrInvalid},
		"replaced":           {file(brief.File{Path: "a\uFFFD", Mode: brief.ModeFile}), session.ErrInvalid},
		"a long path":        {file(brief.File{Path: strings.Repeat("a", 5000), Mode: brief.ModeFile}), session.ErrInvalid},
		"a mode unknown":     {file(brief.File{Path: "a", Mode: "100777"}), session.ErrInvalid},
		"deleted, with text": {file(brief.File{Path: "a", Content: []byte("x")}), session.ErrInvalid},
		"twice":              {func(r *brief.Result) { r.Files[1].Path = r.Files[0].Path }, session.ErrInvalid},
		"a large file":       {file(brief.File{Path: "a", Mode: brief.ModeFile, Content: make([]byte, 101)}), session.ErrTooLarge},
		"many files":         {func(r *brief.Result) { r.Files = append(r.Files, r.Files...) }, session.ErrTooLarge},
		"large in all": {func(r *brief.Result) {
			r.Files = nil
			for _, p := range []string{"a", "b", "c"} {
				r.Files = append(r.Files, brief.File{Path: p, Mode: brief.ModeFile, Content: make([]byte, 90)})
			}
		}, session.ErrTooLarge},
		"a test at no time": {func(r *brief.Result) { r.Tests[0].When = "then" }, session.ErrInvalid},
		"many tests":        {func(r *brief.Result) { r.Tests = make([]brief.Test, 11) }, session.ErrInvalid},
		"less than no time": {func(r *brief.Result) { r.Seconds = -1 }, session.ErrInvalid},
	} {
		bad := result()
		tt.change(bad)
		h.is(name, s.Result(t.Context(), bad), tt.want)
	}
	h.is("a good one after all", s.Result(t.Context(), result()), nil)
}

// Two replicas do not know of each other's turns.
func TestOneResultOfTwoReplicasStands(t *testing.T) {
	h := newHouse(t)
	h.config.Limits = brief.Limits{Files: 10, FileBytes: 4 << 20, Bytes: 4 << 20, LogBytes: 100}
	h.sessions = session.New(h.config)
	space := h.project(acme, web)
	r := h.begin(space)
	first := h.enter(space, r)
	second, err := session.New(h.config).Open(t.Context(), r.ID, session.Token(mac, space.Name(), r.ID, 1))
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	taken := make(chan string, 2)
	for said, s := range map[string]*session.Session{"first": first, "second": second} {
		wait.Go(func() {
			mine := result()
			mine.Said, mine.Files[0].Content = said, []byte(strings.Repeat(said, 300_000))
			if s.Result(t.Context(), mine) == nil {
				taken <- said
			}
		})
	}
	wait.Wait()
	close(taken)
	stored, err := run.ResultOf(t.Context(), space, r.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for said := range taken {
		if n++; said != stored.Said || string(stored.Files[0].Content) != strings.Repeat(said, 300_000) {
			t.Errorf("%q was taken, %q is stored", said, stored.Said)
		}
	}
	if n != 1 {
		t.Errorf("%d were taken", n)
	}
}

func TestOneResultOfManyStands(t *testing.T) {
	h := newHouse(t)
	space := h.project(acme, web)
	r := h.begin(space)
	s := h.enter(space, r)
	var wait sync.WaitGroup
	taken := make(chan string, 8)
	for _, said := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		wait.Go(func() {
			mine := result()
			mine.Said = said
			if s.Result(t.Context(), mine) == nil {
				taken <- said
			}
		})
	}
	wait.Wait()
	close(taken)
	stored, err := run.ResultOf(t.Context(), space, r.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for said := range taken {
		if n++; said != stored.Said {
			t.Errorf("%q was taken, %q is stored", said, stored.Said)
		}
	}
	if n != 1 {
		t.Errorf("%d were taken", n)
	}
}
