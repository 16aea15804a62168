package command_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Who orders on a page is asked after at GitHub when the order is carried out.
func TestOrdersAskWhoMay(t *testing.T) {
	for by, want := range map[string]string{"reader": "needs write permission", "stranger": "needs write permission", "maintainer": "Closed as not planned"} {
		w := world(t)
		o := give(w, by, "mute", "")
		closed := w.GitHub.Issues(7)[0].State == "closed"
		if !strings.Contains(o.Answer, want) || closed != (by == "maintainer") || o.By != by {
			t.Errorf("%s is answered %q, the issue is closed: %v", by, o.Answer, closed)
		}
		if c := w.GitHub.Comments(7, 1); len(c) != 0 {
			t.Errorf("an order of a page was answered in comments: %q", c)
		}
	}
	w := world(t)
	w.GitHub.Suspend(enginetest.Installation, true)
	if o := give(w, "maintainer", "mute", ""); o.State == command.Answered && !strings.Contains(o.Answer, "not") {
		t.Errorf("suspended: %+v", o)
	}
}

func TestWhatIsNoOrder(t *testing.T) {
	w := world(t)
	space := w.Space(repo)
	for _, g := range []command.Given{
		{Name: "", By: enginetest.Person("maintainer")}, {Name: "nope", By: enginetest.Person("maintainer")}, {Name: "MUTE", By: enginetest.Person("maintainer")},
		{Name: "mute\n/soulcaster undo", By: enginetest.Person("maintainer")}, {Name: "fix rename", By: enginetest.Person("maintainer")}, {Name: "mute", Words: "it", By: enginetest.Person("maintainer")},
		{Name: "mute", Words: "\n\nit", By: enginetest.Person("maintainer")}, {Name: "fix", Words: strings.Repeat("ü", command.MaxWords+1), By: enginetest.Person("maintainer")},
		{Name: "fix", Words: "a\xff", By: enginetest.Person("maintainer")}, {Name: "mute"},
	} {
		_, err := w.Commands.Give(t.Context(), space, "000001", g)
		var not *command.NotUnderstood
		if !errors.As(err, &not) || not.Reply == "" || strings.Contains(not.Reply, "\n") {
			t.Errorf("%.60q: %v", fmt.Sprint(g), err)
		}
	}
	if _, err := w.Commands.Give(t.Context(), space, "000099", command.Given{Name: "mute", By: enginetest.Person("maintainer")}); !errors.Is(err, command.ErrNoCluster) {
		t.Errorf("another cluster: %v", err)
	}
	if left, err := space.Scan(t.Context(), "command", "", 10); err != nil || len(left) != 0 {
		t.Errorf("something was ordered: %v (%v)", left, err)
	}
}

func TestWhatRunsAreOrdered(t *testing.T) {
	for name, c := range map[string]struct {
		pull        bool
		name, words string
		want        run.Order
	}{
		"fix":                 {false, "fix", "  Use a *constant*\r\n\r\n/soulcaster undo\r\n ", run.Order{Name: "fix", Cluster: "000001", Number: 1, Words: "Use a *constant*\n/soulcaster undo"}},
		"cancel":              {false, "cancel", "", run.Order{Name: "cancel", Cluster: "000001", Number: 1}},
		"fix of a proposal":   {true, "fix", "again", run.Order{Name: "fix", Number: 9, Pull: true, Words: "again"}},
		"retry of a proposal": {true, "retry", "", run.Order{Name: "retry", Number: 9, Pull: true}},
		"checks":              {true, "checks", "", run.Order{Name: "checks", Number: 9, Pull: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := withRuns(t, reply("Understood."))
			begun(w, func(r *run.Run) {
				if c.pull {
					r.State, r.Pull = run.Proposed, &run.Pull{Number: 9}
				}
			})
			o := give(w, "maintainer", c.name, c.words)
			if len(r.orders) != 1 || o.Answer != "Understood." || o.Command != c.name || o.Words != c.want.Words {
				t.Fatalf("%d orders, %+v", len(r.orders), o)
			}
			got := r.orders[0]
			c.want.By, c.want.ByID, c.want.Order, c.want.RequestID, c.want.At = "maintainer", enginetest.ID("maintainer"), o.ID, "r7", got.At
			if got != c.want || !got.At.Equal(w.Time) {
				t.Errorf("ordered %+v\nwant    %+v", got, c.want)
			}
		})
	}
}

// What needs no words on an issue, because the run's status comment tells, is said on the
// page.
func TestOrdersAreAlwaysAnswered(t *testing.T) {
	for _, name := range []string{"fix", "retry", "cancel", "checks"} {
		w, r := withRuns(t, nil)
		r.answer = changes(w, "")
		if o := give(w, "maintainer", name, ""); o.State != command.Answered || o.Answer == "" || counted(w) != 1 {
			t.Errorf("%s: %+v, carried out %d times", name, o, counted(w))
		}
	}
	w := world(t)
	for name, want := range map[string]string{"status": "Issue #1", "help": "`/soulcaster mute`"} {
		if o := give(w, "reader", name, ""); !strings.Contains(o.Answer, want) {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestOrdersHaveALimit(t *testing.T) {
	w := world(t)
	space := w.Space(repo)
	for range 25 {
		give(w, "maintainer", "status", "")
		w.Pass(time.Second)
	}
	all, err := w.Commands.Orders(t.Context(), space, "000001")
	if err != nil || len(all) != 20 || !slices.IsSortedFunc(all, func(a, b command.Order) int { return b.At.Compare(a.At) }) {
		t.Fatalf("%d orders are kept (%v), want the newest 20, newest first: %v", len(all), err, all)
	}
	w.Pass(24*time.Hour + time.Minute)
	if all, err := w.Commands.Orders(t.Context(), space, "000001"); err != nil || len(all) != 0 {
		t.Errorf("%d orders are shown after a day (%v)", len(all), err)
	}
	w.Settle()
	for _, prefix := range []string{"command/", "command-said/", "command-turn/"} {
		if left, err := space.Scan(t.Context(), prefix, "", 100); err != nil || len(left) != 0 {
			t.Errorf("%d of %s are left after a day (%v)", len(left), prefix, err)
		}
	}

	w.GitHub.Suspend(enginetest.Installation, true) // nothing is carried out
	w.GitHub.Fault = func(string, bool) error { return &work.Later{Until: w.Time.Add(48 * time.Hour)} }
	for n := range 21 {
		_, err := w.Commands.Give(t.Context(), space, "000001", command.Given{Name: "mute", By: enginetest.Person("maintainer")})
		if want := n == 20; errors.Is(err, command.ErrTooMany) != want || err != nil && !want {
			t.Fatalf("order %d: %v", n+1, err)
		}
	}
}

// An order that could not be carried out for a day is no longer meant, and whoever gave it
// is told.
func TestOldOrderIsNotObeyed(t *testing.T) {
	w := world(t)
	o, err := w.Commands.Give(t.Context(), w.Space(repo), "000001", command.Given{Name: "mute", By: enginetest.Person("maintainer")})
	if err != nil {
		t.Fatal(err)
	}
	w.Pass(25 * time.Hour)
	w.Settle()
	all, err := w.Commands.Orders(t.Context(), w.Space(repo), "000001")
	if err != nil || len(all) != 1 || all[0].ID != o.ID || !strings.Contains(all[0].Answer, "within a day") || w.GitHub.Issues(7)[0].State != "open" {
		t.Errorf("orders %+v (%v), the issue is %s", all, err, w.GitHub.Issues(7)[0].State)
	}
}

// What somebody orders in a comment and on the page of the same problem is carried out in
// the order in which they did.
func TestPagesAndCommentsKeepTheirOrder(t *testing.T) {
	for _, pageFirst := range []bool{true, false} {
		w := world(t)
		page := func(name string) {
			if _, err := w.Commands.Give(t.Context(), w.Space(repo), "000001", command.Given{Name: name, By: enginetest.Person("Maintainer")}); err != nil {
				t.Fatal(err)
			}
		}
		comment := func(name string) { say(w, 5_000_000_000, "maintainer", "/soulcaster "+name) }
		if pageFirst {
			page("mute")
		} else {
			comment("mute")
		}
		w.Pass(time.Second)
		if pageFirst {
			comment("unmute")
		} else {
			page("unmute")
		}
		w.GitHub.Allow("Maintainer", github.Write)
		for range 5 {
			w.Settle()
			w.Pass(3 * time.Second)
		}
		if i, l := w.GitHub.Issues(7)[0], line(w); i.State != "open" || i.StateReason != "reopened" {
			t.Errorf("page first: %v: the issue is %s (%s), %s", pageFirst, i.State, i.StateReason, l.Text)
		}
	}
}

// TestPageOrderThroughCrashes stops the app at every point of an order that changes
// something. It is carried out once and answered once.
func TestPageOrderThroughCrashes(t *testing.T) {
	inMemory(t)
	crash := errors.New("crash")
	for n := 1; ; n++ {
		w, r := withRuns(t, nil)
		r.answer = changes(w, "Done.")
		if _, err := w.Commands.Give(t.Context(), w.Space(repo), "000001", command.Given{Name: "cancel", By: enginetest.Person("maintainer")}); err != nil {
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
		w.Hook = nil
		all, err := w.Commands.Orders(t.Context(), w.Space(repo), "000001")
		if err != nil || len(all) != 1 || all[0].Answer != "Done." || counted(w) != 1 {
			t.Fatalf("crash at point %d of %d: carried out %d times, %+v (%v)", n, passed, counted(w), all, err)
		}
		if passed < n {
			return
		}
	}
}

func TestOffers(t *testing.T) {
	offers := func(w *enginetest.World, may github.Permission) (names []string) {
		t.Helper()
		all, err := w.Commands.Offers(t.Context(), w.Space(repo), "000001", may)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range all {
			if o.Does == "" {
				t.Errorf("%s does nothing", o.Name)
			}
			names = append(names, o.Name)
		}
		return names
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v are offered, want %v", what, got, want)
		}
	}
	w, r := withRuns(t, reply("Understood."))
	w.Pass(time.Second) // what is done by another process at the same instant comes in no order
	r.offers = []string{"cancel", "fix"}
	want("filed", offers(w, github.Write), "fix", "cancel", "mute", "undo")
	want("filed, to a reader", offers(w, github.Read))
	r.offers = nil
	give(w, "maintainer", "mute", "")
	want("muted", offers(w, github.Write), "unmute", "undo")
	give(w, "maintainer", "undo", "")
	give(w, "maintainer", "undo", "")
	want("everything undone", offers(w, github.Write), "unmute")
	w.GitHub.SetFile(7, "mode: preview\n")
	w.Pass(2 * time.Hour)
	w.Settle()
	want("in preview again", offers(w, github.Write))
	if all, err := w.Commands.Offers(t.Context(), w.Space(repo), "000099", github.Admin); err != nil || len(all) != 0 {
		t.Errorf("no cluster: %v (%v)", all, err)
	}

	w = unfiled(t, false)
	want("without GitHub", offers(w, github.Admin), "mute")
	give(w, "you", "mute", "")
	want("without GitHub, muted", offers(w, github.Admin), "unmute", "undo")
	if o := give(w, "you", "fix", ""); !strings.Contains(o.Answer, "no runs") {
		t.Errorf("fix without runs: %+v", o)
	}
}

// Every command that is offered does something, and what is not offered of mute, unmute
// and undo does nothing.
func TestOffersAreKept(t *testing.T) {
	for _, before := range [][]string{nil, {"mute"}, {"mute", "unmute"}, {"undo"}, {"mute", "undo"}} {
		for _, filed := range []bool{true, false} {
			for _, name := range []string{"mute", "unmute", "undo"} {
				w := unfiled(t, true)
				if filed {
					w = world(t)
				}
				for _, b := range before {
					give(w, "maintainer", b, "")
				}
				all, err := w.Commands.Offers(t.Context(), w.Space(repo), "000001", github.Write)
				if err != nil {
					t.Fatal(err)
				}
				offered := slices.ContainsFunc(all, func(o command.Offer) bool { return o.Name == name })
				was := state(w)
				o := give(w, "maintainer", name, "")
				if did := state(w) != was; did != offered {
					t.Errorf("after %v, filed %v: %s is offered %v, did something %v: %q", before, filed, name, offered, did, o.Answer)
				}
			}
		}
	}
}

// state is what a command can change.
func state(w *enginetest.World) string {
	s := fmt.Sprint(line(w).State, line(w).Text)
	for _, i := range w.GitHub.Issues(7) {
		s += fmt.Sprint(i.State, i.StateReason, i.Body)
	}
	return s
}
