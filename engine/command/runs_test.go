package command_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// runs remembers what it was asked, and answers as it is told.
type runs struct {
	orders []run.Order
	offers []string
	answer func(n int) (run.Answer, error) // n: how often it was asked before
}

func (r *runs) Order(_ context.Context, _ storage.Space, o run.Order) (run.Answer, error) {
	r.orders = append(r.orders, o)
	return r.answer(len(r.orders) - 1)
}

func (r *runs) Offers(context.Context, storage.Space, string) ([]string, error) { return r.offers, nil }

// withRuns is a world whose commands about runs go to r.
func withRuns(t *testing.T, answer func(n int) (run.Answer, error)) (*enginetest.World, *runs) {
	t.Helper()
	w := world(t)
	r := &runs{answer: answer}
	w.Runs = r
	w.Restart()
	return w, r
}

// begun puts a run of the issue's cluster into the store. Where it has a pull
// request, that is number 1 too: the tests' GitHub has no other to comment on.
func begun(w *enginetest.World, change func(r *run.Run)) {
	w.T.Helper()
	space := w.Space(repo)
	_, was, err := run.Of(w.T.Context(), space, "000001")
	if err != nil {
		w.T.Fatal(err)
	}
	r := &run.Run{ID: "abc123", Cluster: "000001", Issue: 1, State: run.Working, Rounds: []run.Round{{N: 1}}, Created: w.Time}
	change(r)
	var b storage.Batch
	run.Begin(&b, was, r, nil, run.Words{})
	if r.Pull != nil {
		run.SetPull(&b, r.Pull.Number, r.ID)
	}
	b.Delete("work/due/run/abc123")
	if err := space.Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}

// comment is a comment as the door keeps it.
func comment(w *enginetest.World, c command.Comment, body string) {
	w.T.Helper()
	c.AuthorID = enginetest.ID(c.Author)
	c.Line, c.Rest = command.Split(body)
	c.CreatedAt = w.Time
	var b storage.Batch
	command.Add(&b, c)
	if err := w.Space(repo).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
	w.Settle()
}

func reply(text string) func(int) (run.Answer, error) {
	return func(int) (run.Answer, error) { return run.Answer{Reply: text}, nil }
}

func TestOrders(t *testing.T) {
	for name, c := range map[string]struct {
		pull bool
		body string
		want run.Order
	}{
		"fix": {false, "/soulcaster fix", run.Order{Name: "fix", Cluster: "000001"}},
		"fix with words": {false, "/soulcaster fix  Use  a *constant*,\u00a0please\r\n\r\nand test it:\r\n\r\n    x := 1\r\n",
			run.Order{Name: "fix", Cluster: "000001", Words: "Use  a *constant*,\u00a0please\nand test it:\r\n\r\n    x := 1"}},
		"words below":          {false, "/soulcaster fix\nuse a constant", run.Order{Name: "fix", Cluster: "000001", Words: "use a constant"}},
		"retry":                {false, "/soulcaster retry\nthank you", run.Order{Name: "retry", Cluster: "000001"}},
		"cancel":               {false, "/soulcaster CANCEL", run.Order{Name: "cancel", Cluster: "000001"}},
		"checks":               {false, "/soulcaster checks", run.Order{Name: "checks", Cluster: "000001"}},
		"on the pull request":  {true, "/soulcaster fix rename it", run.Order{Name: "fix", Pull: true, Words: "rename it"}},
		"cancel where it is":   {true, "/soulcaster cancel", run.Order{Name: "cancel", Pull: true}},
		"checks where they go": {true, "/soulcaster checks", run.Order{Name: "checks", Pull: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := withRuns(t, reply("Understood."))
			begun(w, func(r *run.Run) { r.State, r.Pull = run.Proposed, &run.Pull{Number: 1} })
			comment(w, command.Comment{ID: 99, Number: 1, Pull: c.pull, Author: "maintainer", URL: "https://x/99", RequestID: "r9"}, c.body)
			c.want.Number, c.want.By, c.want.ByID, c.want.Comment, c.want.URL, c.want.At, c.want.RequestID = 1, "maintainer", enginetest.ID("maintainer"), 99, "https://x/99", w.Time, "r9"
			if len(r.orders) != 1 {
				t.Fatalf("%d orders", len(r.orders))
			}
			got := r.orders[0]
			if at := got.At; !at.Equal(w.Time) {
				t.Errorf("at %v", at)
			}
			if got.At = c.want.At; got != c.want {
				t.Errorf("ordered %+v\nwant    %+v", got, c.want)
			}
			if said := w.GitHub.Comments(7, 1); len(said) != 1 || !strings.HasPrefix(said[0], "Understood.\n") {
				t.Errorf("answers %q", said)
			}
		})
	}
}

func TestWhoMayOrder(t *testing.T) {
	for _, name := range []string{"fix", "retry", "cancel", "checks"} {
		for author, want := range map[string]string{"reader": "needs write permission", "stranger": ""} {
			w, r := withRuns(t, reply("Understood."))
			comment(w, command.Comment{ID: 99, Number: 1, Author: author}, "/soulcaster "+name)
			said := strings.Join(w.GitHub.Comments(7, 1), "\n")
			if len(r.orders) != 0 || (want == "") != (said == "") || !strings.Contains(said, want) {
				t.Errorf("%s by %s: %d orders, answer %q", name, author, len(r.orders), said)
			}
		}
	}
}

func TestTooManyWords(t *testing.T) {
	w, r := withRuns(t, reply("Understood."))
	comment(w, command.Comment{ID: 1, Number: 1, Author: "maintainer"}, "/soulcaster fix "+strings.Repeat("ü", command.MaxWords))
	comment(w, command.Comment{ID: 2, Number: 1, Author: "maintainer"}, "/soulcaster fix a\n"+strings.Repeat("ü", command.MaxWords-1))
	if said := w.GitHub.Comments(7, 1); len(r.orders) != 1 || len(said) != 2 || !strings.Contains(said[1], "Nothing was done") {
		t.Errorf("%d orders, answers %.200q", len(r.orders), said)
	}
}

func TestOnPullRequests(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
		theirs     bool
	}{
		"status":        {"/soulcaster status", "**Fix**: proposed (`proposed`), round 2 · pull request #1 · [more](https://github.example/acme/web/issues/1#issuecomment-50)", false},
		"undo":          {"/soulcaster undo", "`/soulcaster undo` belongs on the issue, #1.", false},
		"help":          {"/soulcaster help", "`/soulcaster fix [words]`", false},
		"not ours":      {"/soulcaster fix", "not one of Soulcaster's", true},
		"not ours too":  {"/soulcaster status", "not one of Soulcaster's", true},
		"misspelt":      {"/soulcaster chekcs", "Did you mean `/soulcaster checks`", false},
		"help anywhere": {"/soulcaster", "`/soulcaster fix [words]`", true},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := withRuns(t, reply("Understood."))
			if !c.theirs {
				begun(w, func(r *run.Run) {
					r.State, r.Pull, r.Status, r.Rounds = run.Proposed, &run.Pull{Number: 1}, 50, []run.Round{{N: 1}, {N: 2}}
				})
			}
			comment(w, command.Comment{ID: 99, Number: 1, Pull: true, Author: "maintainer"}, c.body)
			if said := w.GitHub.Comments(7, 1); len(r.orders) != 0 || len(said) != 1 || !strings.Contains(said[0], c.want) {
				t.Errorf("%d orders, answers %q, want %q", len(r.orders), said, c.want)
			}
		})
	}
}

func TestStatusSaysHowFarTheFixIs(t *testing.T) {
	for _, state := range run.States() {
		w := world(t)
		begun(w, func(r *run.Run) { r.State = state })
		comment(w, command.Comment{ID: 99, Number: 1, Author: "reader"}, "/soulcaster status")
		said := w.GitHub.Comments(7, 1)
		if len(said) != 1 || !strings.Contains(said[0], "**Fix**: ") || !strings.Contains(said[0], fmt.Sprintf(" (`%s`)", state)) || strings.Contains(said[0], ":  (") {
			t.Errorf("%s: %q", state, said)
		}
	}
}

// What is asked for on an issue that strangers fill with questions is still done.
func TestMaintainersAreHeardThroughNoise(t *testing.T) {
	w, r := withRuns(t, reply("Understood."))
	for i := range 30 {
		comment(w, command.Comment{ID: int64(i + 1), Number: 1, Author: "reader"}, "/soulcaster help")
	}
	comment(w, command.Comment{ID: 99, Number: 1, Author: "maintainer"}, "/soulcaster cancel")
	if n := len(w.GitHub.Comments(7, 1)); len(r.orders) != 1 || n != 21 {
		t.Errorf("%d orders, %d answers", len(r.orders), n)
	}
}

// changes is an answer whose change holds only as long as nobody else made it.
func changes(w *enginetest.World, text string) func(int) (run.Answer, error) {
	return func(int) (run.Answer, error) {
		entries, err := w.Space(repo).Get(w.T.Context(), "test/count")
		if err != nil {
			return run.Answer{}, err
		}
		n := 0
		if err := storage.GetJSON(entries[0], &n); err != nil {
			return run.Answer{}, err
		}
		return run.Answer{Reply: text, Change: func(b *storage.Batch) {
			b.RequireEntry(entries[0])
			b.SetJSON("test/count", n+1)
		}}, nil
	}
}

func counted(w *enginetest.World) (n int) {
	w.T.Helper()
	entries, err := w.Space(repo).Get(w.T.Context(), "test/count")
	if err != nil {
		w.T.Fatal(err)
	}
	if err := storage.GetJSON(entries[0], &n); err != nil {
		w.T.Fatal(err)
	}
	return n
}

// An order that was decided on what is not so any more is asked for again, and
// nothing is said of the first decision.
func TestConflictIsAskedAgain(t *testing.T) {
	for _, text := range []string{"", "Done."} {
		w, r := withRuns(t, nil)
		decide := changes(w, text)
		r.answer = func(n int) (run.Answer, error) {
			a, err := decide(n)
			if n == 0 && err == nil { // somebody else is faster
				var b storage.Batch
				b.SetJSON("test/count", 10)
				a.Reply, err = strings.Replace(text, "Done.", "Wrong.", 1), w.Space(repo).Apply(t.Context(), &b)
			}
			return a, err
		}
		comment(w, command.Comment{ID: 99, Number: 1, Author: "maintainer"}, "/soulcaster cancel")
		said := strings.Join(w.GitHub.Comments(7, 1), "\n")
		if len(r.orders) != 2 || counted(w) != 11 || (text == "") != (said == "") || !strings.HasPrefix(said, text) {
			t.Errorf("%d orders, count %d, answers %q", len(r.orders), counted(w), said)
		}
	}
}

func TestErrorOfAnOrderIsTriedAgain(t *testing.T) {
	w, r := withRuns(t, func(n int) (run.Answer, error) {
		if n == 0 {
			return run.Answer{}, fmt.Errorf("ask: %w", github.ErrSuspended)
		}
		return run.Answer{Reply: "Understood."}, nil
	})
	comment(w, command.Comment{ID: 99, Number: 1, Author: "maintainer"}, "/soulcaster fix")
	w.Pass(10 * time.Minute)
	w.Settle()
	if n := len(w.GitHub.Comments(7, 1)); len(r.orders) != 2 || n != 1 {
		t.Errorf("%d orders, %d answers", len(r.orders), n)
	}
}

// TestOrderThroughCrashes stops the app at every point of a command that changes
// something and answers. It is carried out once and answered once.
func TestOrderThroughCrashes(t *testing.T) {
	crash := errors.New("crash")
	for n := 1; ; n++ {
		w, r := withRuns(t, nil)
		r.answer = changes(w, "Done.")
		var b storage.Batch
		command.Add(&b, command.Comment{ID: 99, Number: 1, Author: "maintainer", AuthorID: enginetest.ID("maintainer"), Line: "/soulcaster cancel", CreatedAt: w.Time})
		if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		passed, dead := 0, false
		w.Hook = func(string) error {
			if passed++; passed == n || dead {
				dead = true
				return crash
			}
			return nil
		}
		for {
			err := w.TrySettle()
			if err == nil {
				break
			}
			if !errors.Is(err, crash) {
				t.Fatalf("point %d: %v", n, err)
			}
			w.Restart()
			dead = false
			w.Pass(2 * time.Minute)
		}
		w.Pass(2 * time.Minute)
		w.Settle()
		w.Hook = nil
		if said := w.GitHub.Comments(7, 1); counted(w) != 1 || len(said) != 1 {
			t.Fatalf("crash at point %d of %d: carried out %d times, answers %q", n, passed, counted(w), said)
		}
		if left, err := w.Space(repo).Scan(t.Context(), "command/", "", 10); err != nil || len(left) != 0 {
			t.Fatalf("crash at point %d: the command is left (%v)", n, err)
		}
		if passed < n {
			t.Logf("crashed at each of %d points", n-1)
			return
		}
	}
}

// No answer of ours is a command when somebody, or a bot, repeats it.
func TestAnswersAreDead(t *testing.T) {
	w, _ := withRuns(t, reply("Understood."))
	begun(w, func(r *run.Run) { r.State, r.Pull = run.Proposed, &run.Pull{Number: 1} })
	for i, body := range []string{"status", "undo", "fix " + strings.Repeat("x", 5000), "chekcs", "nonsense", "cancel now"} {
		comment(w, command.Comment{ID: int64(i + 1), Number: 1, Pull: true, Author: "maintainer"}, "/soulcaster "+body)
	}
	said := w.GitHub.Comments(7, 1)
	if len(said) != 6 {
		t.Errorf("%d answers", len(said))
	}
	for _, s := range said {
		for line := range strings.Lines(s) {
			if _, result := command.Parse(line); result.Kind != command.Ignore {
				t.Errorf("a live command: %q", line)
			}
		}
	}
}
