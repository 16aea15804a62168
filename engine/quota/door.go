package quota

import (
	"context"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Taker stores readings; [*intake.Intake] does.
type Taker interface {
	Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]intake.Answer, error)
	Into(ctx context.Context, space storage.Space, readings []feedback.Reading) ([]intake.Answer, error)
}

// OverError says that an installation used up a limit, so that something was refused.
type OverError struct {
	Use   Use
	Until time.Time // when to come again
}

func (e *OverError) Error() string {
	return e.Use.Message + ". Nothing of what is refused was kept: send it again later"
}

// Door lets readings through to a taker as long as there is room, and counts them.
type Door struct {
	next  Taker
	meter *Meter
}

// Door returns a taker before next.
func (m *Meter) Door(next Taker) *Door { return &Door{next, m} }

// suspended is said of what is taken in for an installation that is suspended.
const suspended = "the App is suspended on GitHub: it waits until that is lifted"

// comeAgain is how long to wait where only people can change something.
const comeAgain = time.Hour

// Take is as that of the taker behind it. Where a limit is used up it returns answers
// and an [*OverError]: what says that something was deleted, or tells of a state
// alone, was taken in; all else is answered as rejected, in words.
func (d *Door) Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]intake.Answer, error) {
	uses, paused, leave, err := d.meter.enter(ctx, src.Installation, readings)
	if err != nil {
		return nil, err
	}
	defer leave()
	if over := d.meter.over(uses); over != nil && !free(readings) {
		return d.some(ctx, src, readings, over)
	}
	answers, err := d.next.Take(ctx, src, readings)
	if err != nil {
		return answers, err
	}
	d.count(src.Installation, readings, answers)
	if note := notice(uses, paused); note != "" {
		for i := range answers {
			if a := &answers[i]; a.Status != intake.Rejected {
				a.State += "; " + note
			}
		}
	}
	return answers, nil
}

// Into is as that of the taker behind it. Where a limit is used up nothing is taken in,
// and the error is an [*OverError].
func (d *Door) Into(ctx context.Context, space storage.Space, readings []feedback.Reading) ([]intake.Answer, error) {
	installation := project.Installation(space.Name())
	uses, _, leave, err := d.meter.enter(ctx, installation, readings)
	if err != nil {
		return nil, err
	}
	defer leave()
	if over := d.meter.over(uses); over != nil && !free(readings) {
		return nil, over
	}
	answers, err := d.next.Into(ctx, space, readings)
	if err == nil {
		d.count(installation, readings, answers)
	}
	return answers, err
}

// over is the limit of the door that is used up, nil if none is.
func (m *Meter) over(uses []Use) *OverError {
	for _, u := range uses {
		if u.level() < 100 || u.Name != Reports && u.Name != Bytes {
			continue
		}
		until := u.Resets
		if until.IsZero() {
			until = m.Now().Add(comeAgain)
		}
		return &OverError{u, until}
	}
	return nil
}

// notice is what is said beside every state.
func notice(uses []Use, paused bool) string {
	var notes []string
	if paused {
		notes = append(notes, suspended)
	}
	for _, u := range uses {
		if u.Message != "" {
			notes = append(notes, u.Message)
		}
	}
	return strings.Join(notes, "; ")
}

// isFree reports whether a reading is taken in whatever was used: it takes something
// away, or changes a state, or could not be read.
func isFree(r feedback.Reading) bool { return r.Removed || r.StateOnly || r.Err != nil }

func free(readings []feedback.Reading) bool {
	for _, r := range readings {
		if !isFree(r) {
			return false
		}
	}
	return true
}

// some takes in what is free and refuses the rest.
func (d *Door) some(ctx context.Context, src *source.Source, readings []feedback.Reading, over *OverError) ([]intake.Answer, error) {
	var let []feedback.Reading
	var at []int
	answers := make([]intake.Answer, len(readings))
	for i, r := range readings {
		if isFree(r) {
			let, at = append(let, r), append(at, i)
			continue
		}
		answers[i] = intake.Answer{Index: r.Index, Status: intake.Rejected, Error: &feedback.FieldError{Message: over.Error()}}
	}
	some, err := d.next.Take(ctx, src, let)
	if err != nil {
		return nil, err
	}
	for i, a := range some {
		answers[at[i]] = a
	}
	return answers, over
}

// count counts what was taken in, but for what is free.
func (d *Door) count(installation int64, readings []feedback.Reading, answers []intake.Answer) {
	var reports, bytes int64
	for i, a := range answers {
		if isFree(readings[i]) {
			continue
		}
		switch a.Status {
		case intake.Accepted:
			reports++
			bytes += size(readings[i].Feedback)
		case intake.Duplicate:
			reports++
		}
	}
	d.meter.add(installation, func(c *counts) { c.reports, c.bytes = c.reports+reports, c.bytes+bytes })
}

// size guesses what a feedback takes up in the store, with its vector and its place in
// a cluster.
func size(f *feedback.Feedback) int64 {
	if f == nil {
		return 0
	}
	n := 5000 + len(f.Title) + len(f.Body)
	for _, e := range f.Exceptions {
		n += 200 * (1 + len(e.Frames))
	}
	return int64(n)
}
