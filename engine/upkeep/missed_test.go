package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

// post is GitHub's list of deliveries, and what stands at its other end.
type post struct {
	now    func() time.Time
	status int // of the app's answers
	slow   bool
	refuse map[int64]error // of redeliveries, by the first try's id
	broken error           // of the list

	list  []github.Delivery // oldest first
	reads []time.Duration   // how far back, each time that the list was asked for
	asked []string          // GUIDs that were delivered again, in order
	times []time.Time       // and when
}

// sends has GitHub tell of an event.
func (p *post) sends(guid string) { p.try(guid, false) }

func (p *post) try(guid string, again bool) {
	p.list = append(p.list, github.Delivery{ID: int64(len(p.list) + 1), GUID: guid, Event: "issue_comment", Action: "created",
		Installation: enginetest.Installation, At: p.now(), Again: again, Status: p.status})
}

func (p *post) Deliveries(_ context.Context, since time.Time) (found []github.Delivery, err error) {
	p.reads = append(p.reads, p.now().Sub(since))
	if p.broken != nil && !errors.Is(p.broken, github.ErrTooMany) {
		return nil, p.broken
	}
	for _, d := range slices.Backward(p.list) {
		if !d.At.Before(since) {
			found = append(found, d)
		}
	}
	return found, p.broken
}

func (p *post) Redeliver(_ context.Context, id int64) error {
	guid := p.list[id-1].GUID
	if err := p.refuse[id]; err != nil {
		return err
	}
	p.asked, p.times = append(p.asked, guid), append(p.times, p.now())
	if !p.slow {
		p.try(guid, true)
	}
	return nil
}

// office is an app that looks after what GitHub sent it. Its clock goes from one look
// to the next.
type office struct {
	*post
	t      *testing.T
	space  storage.Space
	handle work.Handler
	time   time.Time
	due    time.Time
	log    strings.Builder
}

// newOffice starts the app, and has it look for the first time.
func newOffice(t *testing.T) *office {
	o := starting(t)
	o.passes(15 * time.Second)
	return o
}

// starting is newOffice in the moment of the start.
func starting(t *testing.T) *office {
	space, err := world(t).DB.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, space: space, time: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return o.time }
	o.post = &post{now: now, status: 200, refuse: make(map[int64]error)}
	o.handle = upkeep.Missed(o.post, now)
	o.due = o.time
	return o
}

// look makes the app look, as it does when it starts.
func (o *office) look() {
	o.t.Helper()
	ctx := zerolog.New(&o.log).WithContext(o.t.Context())
	again, err := o.handle(ctx, work.Item{Space: o.space, Key: upkeep.MissedWork, Kind: upkeep.MissedWork})
	var later *work.Later
	switch {
	case errors.As(err, &later):
		if again = later.Until; again.IsZero() {
			again = o.time.Add(time.Second)
		}
	case err != nil:
		o.t.Fatal(err)
	}
	if !again.After(o.time) {
		o.t.Fatalf("it looks again at %v, and it is %v", again, o.time)
	}
	o.due = again
}

// passes lets time pass, and the app look whenever it wants to meanwhile.
func (o *office) passes(d time.Duration) {
	o.t.Helper()
	end := o.time.Add(d)
	for !o.due.After(end) {
		if o.due.After(o.time) {
			o.time = o.due
		}
		o.look()
	}
	o.time = end
}

// waits lets time pass in which the app does not run.
func (o *office) waits(d time.Duration) { o.time = o.time.Add(d) }

// got checks what was asked for so far, and forgets it.
func (o *office) got(when string, want ...string) {
	o.t.Helper()
	if !slices.Equal(o.asked, want) {
		o.t.Errorf("%s: asked for %v, want %v", when, o.asked, want)
	}
	o.asked = nil
}

func TestMissedIsDeliveredAgain(t *testing.T) {
	o := newOffice(t)
	o.sends("taken")
	o.status = 502
	for _, guid := range []string{"first", "second"} {
		o.waits(time.Hour)
		o.sends(guid)
	}
	o.waits(30 * time.Second)
	o.sends("under way")
	o.waits(30 * time.Second)
	o.status = 200
	o.look()
	o.got("at the start", "first", "second")
	o.passes(time.Minute)
	o.got("when GitHub has given up", "under way")
	o.passes(72 * time.Hour)
	o.got("afterwards")
	for _, part := range []string{`"delivery":"first"`, `"event":"issue_comment"`, `"action":"created"`, `"installation":101`, `"status":502`, `"redelivery":1`} {
		if !strings.Contains(o.log.String(), part) {
			t.Errorf("the log lacks %s:\n%s", part, &o.log)
		}
	}
}

// Right after a start nothing is asked for: it might not come through yet.
func TestMissedWaitsAfterTheStart(t *testing.T) {
	o := starting(t)
	o.status = 502
	o.sends("a")
	o.list[0].At = o.time.Add(-time.Hour)
	o.status = 200
	o.passes(14 * time.Second)
	o.got("at the start")
	o.passes(time.Second)
	o.got("a little later", "a")
}

// An app that misses nothing asks GitHub once in ten minutes, for little.
func TestNothingMissedIsCheap(t *testing.T) {
	o := newOffice(t)
	o.reads = nil
	for range 24 * 60 {
		o.sends(fmt.Sprint(len(o.list)))
		o.passes(time.Minute)
	}
	if n := len(o.reads); n != 24*6 {
		t.Errorf("%d looks in a day, want one in ten minutes", n)
	}
	if back := slices.Max(o.reads); back > 20*time.Minute {
		t.Errorf("it reads %v back", back)
	}
	o.got("in a day")
}

// What the app refuses each time is not asked for without end, and after growing
// pauses. Then the list is not read that far back any more.
func TestMissedIsGivenUp(t *testing.T) {
	for name, slow := range map[string]bool{"listed": false, "listed late": true} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.status, o.slow = 400, slow
			o.sends("poison")
			began := o.time
			o.waits(time.Minute)
			o.look()
			o.passes(80 * time.Hour)
			var ages []time.Duration
			for _, at := range o.times {
				ages = append(ages, at.Sub(began))
			}
			want := []time.Duration{time.Minute, 3 * time.Minute, 23 * time.Minute, 3*time.Hour + 23*time.Minute, 21*time.Hour + 23*time.Minute}
			if !slices.Equal(ages, want) {
				t.Errorf("asked at the ages %v, want %v", ages, want)
			}
			if back := o.reads[len(o.reads)-1]; back > 20*time.Minute {
				t.Errorf("in the end it reads %v back", back)
			}
		})
	}
}

// A path that was broken for hours costs nothing but time.
func TestMissedWhileTheWayWasBroken(t *testing.T) {
	o := newOffice(t)
	o.status = 504
	o.sends("early")
	o.passes(5 * time.Hour)
	o.sends("late")
	o.passes(5 * time.Minute)
	o.status = 200
	o.asked = nil
	o.passes(20 * time.Minute)
	o.got("soon", "late")
	o.passes(17 * time.Hour)
	o.got("at last", "early")
}

// What is older than GitHub keeps is left alone, and so is what was not seen from its
// first try on: somebody else asked for it, and how often is not known.
func TestMissedTooLongAgo(t *testing.T) {
	o := newOffice(t)
	o.status = 502
	o.sends("old")
	o.waits(3*24*time.Hour + time.Minute)
	o.try("old", true)
	o.sends("new")
	o.waits(2 * time.Minute)
	o.status = 200
	o.look()
	o.got("after three days", "new")
}

// Many are asked for a few at a time, oldest first.
func TestMissedInMasses(t *testing.T) {
	o := newOffice(t)
	o.status = 502
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprint(i))
		o.sends(all[i])
		o.waits(time.Second)
	}
	o.waits(time.Hour)
	o.status = 200
	o.look()
	o.got("at once", all[:30]...)
	o.passes(3 * time.Minute)
	o.got("in three minutes more", all[30:]...)
}

// What GitHub refuses to deliver is asked for once, and holds up nothing else.
func TestMissedIsRefused(t *testing.T) {
	o := newOffice(t)
	o.status = 502
	for _, guid := range []string{"a", "b", "c"} {
		o.sends(guid)
	}
	o.status, o.refuse[2] = 200, fmt.Errorf("redeliver 2: %w", github.ErrNotFound)
	o.waits(time.Minute)
	o.look()
	o.got("what it delivers", "a", "c")
	o.passes(24 * time.Hour)
	if n := strings.Count(o.log.String(), "does not deliver again"); n != 1 {
		t.Errorf("it was told %d times, want once:\n%s", n, &o.log)
	}
	o.got("later")
}

// GitHub is away or wants to be left alone: it goes on after that, without asking
// twice for what it has.
func TestMissedWhileGitHubIsAway(t *testing.T) {
	for name, err := range map[string]error{
		"limited": &work.Later{Until: time.Date(2026, 3, 2, 9, 31, 0, 0, time.UTC), Err: errors.New("rate limit")},
		"unknown": action.Unknown(errors.New("status 502")),
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.status = 502
			o.sends("a")
			o.sends("b")
			o.status, o.refuse[2] = 200, err
			o.waits(time.Minute)
			o.look()
			o.got("before", "a")
			delete(o.refuse, 2)
			o.passes(30 * time.Minute)
			o.got("after", "b")
		})
	}
	o := newOffice(t)
	o.broken = &work.Later{Until: o.time.Add(time.Hour), Err: errors.New("away")}
	o.status = 502
	o.sends("a")
	o.passes(30 * time.Minute)
	o.broken, o.status = nil, 200
	o.passes(30 * time.Minute)
	o.passes(10 * time.Minute)
	o.got("after an hour", "a")
}

// A server without such a list is said to be one, once, and asked again now and then.
func TestMissedCannotBeAsked(t *testing.T) {
	o := newOffice(t)
	o.status = 502
	o.sends("a")
	o.broken, o.reads = fmt.Errorf("list deliveries: %w", github.ErrNotFound), nil
	o.passes(10 * time.Hour)
	if n := strings.Count(o.log.String(), "GitHub does not show its deliveries"); n != 1 {
		t.Errorf("it was told %d times, want once:\n%s", n, &o.log)
	}
	if n := len(o.reads); n != 10 {
		t.Errorf("asked %d times in ten hours", n)
	}
	o.broken, o.status = nil, 200
	o.passes(2 * time.Hour)
	o.got("when it can", "a")
}

// Of a list that is too long, what was read counts.
func TestMissedInALongList(t *testing.T) {
	o := newOffice(t)
	o.status = 502
	o.sends("a")
	o.broken = fmt.Errorf("list deliveries: %w", github.ErrTooMany)
	o.status = 200
	o.waits(time.Minute)
	o.look()
	o.got("of what was read", "a")
	if !strings.Contains(o.log.String(), "longer than what is read") {
		t.Errorf("nobody was told:\n%s", &o.log)
	}
}
