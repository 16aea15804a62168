package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// MissedWork is the key of due work, in the app's space, that says that GitHub may
// have told the app something that it did not take. GitHub tells once, waits for ten
// seconds, and gives up; but it keeps a list, and tells again when asked.
//
// A redelivery is no action of the log: GitHub's list has every try, comes of a
// crash what may, and to be told twice is nothing to the hook.
const MissedWork = "missed"

// Key in the app's space:
//
//	missed    mark: how far back GitHub's list is worth reading
const missedKey = "missed"

// mark is what is remembered from one look at the list to the next.
type mark struct {
	// Since is when the oldest delivery was made of which something may yet have to be
	// done.
	Since time.Time `json:"since,omitzero"`
	// Asked is what was asked for, by GUID, until it is taken or too old. It is in the
	// list as well, but GitHub owes nobody to be quick with that.
	Asked map[string]asked `json:"asked,omitempty"`
	// Trouble is why the list could not be had the last time.
	Trouble string `json:"trouble,omitempty"`
}

type asked struct {
	Times int       `json:"times"`
	At    time.Time `json:"at"` // the last time
}

const (
	everyMissed  = 10 * time.Minute
	everyRefused = time.Hour // while GitHub does not show the list

	// keptByGitHub is how old a delivery may be that GitHub makes again.
	keptByGitHub = 3 * 24 * time.Hour

	// settling is how long after its start the app asks for nothing: a load balancer
	// notices only by and by that it is back, and would turn deliveries away.
	settling = 15 * time.Second

	// redeliveries are the most in one look: a second each. The next come a minute later.
	redeliveries = 30
	goesOn       = time.Minute
)

// pauses are how long after each try the next one is asked for. The first leaves
// GitHub the time for which it waits for an answer. The last try comes within the day
// for which a command is obeyed; what is refused that often is no accident.
var pauses = [...]time.Duration{time.Minute, 2 * time.Minute, 20 * time.Minute, 3 * time.Hour, 18 * time.Hour}

// Deliveries is what upkeep asks GitHub about what it told the app.
type Deliveries interface {
	Deliveries(ctx context.Context, since time.Time) ([]github.Delivery, error)
	Redeliver(ctx context.Context, id int64) error
}

// Missed returns the handler of MissedWork: what no try brought to the app is
// delivered again, oldest first. It comes through the hook as it would have come.
func Missed(host Deliveries, now func() time.Time) work.Handler {
	settled := now().Add(settling)
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		if now().Before(settled) {
			return settled, nil
		}
		entries, err := it.Space.Get(ctx, missedKey)
		if err != nil {
			return time.Time{}, fmt.Errorf("read %s: %w", missedKey, err)
		}
		var m mark
		if err := storage.GetJSON(entries[0], &m); err != nil {
			return time.Time{}, err
		}
		at := now().UTC()
		if kept := at.Add(-keptByGitHub); m.Since.Before(kept) {
			m.Since = kept
		}
		all, err := host.Deliveries(ctx, m.Since)
		var later *work.Later
		switch {
		case errors.Is(err, github.ErrTooMany):
			zerolog.Ctx(ctx).Warn().Int("read", len(all)).Msg("GitHub's list of deliveries is longer than what is read of it: what the app missed before that is not asked for again")
		case errors.As(err, &later), ctx.Err() != nil:
			return time.Time{}, err
		case err != nil: // an old Enterprise Server, or an App that may not
			if m.Trouble != err.Error() {
				m.Trouble = err.Error()
				zerolog.Ctx(ctx).Warn().Err(err).Msg("GitHub does not show its deliveries: what the app misses is not asked for again")
			}
			return at.Add(everyRefused), saveMark(ctx, it.Space, m)
		}
		m.Trouble = ""
		return redeliver(ctx, host, it.Space, m, all, at)
	}
}

// redeliver has GitHub make those deliveries again whose time has come, and says when
// to look again.
func redeliver(ctx context.Context, host Deliveries, space storage.Space, m mark, all []github.Delivery, at time.Time) (time.Time, error) {
	before := m.Asked
	m.Asked = make(map[string]asked)
	var open []Lost
	for _, l := range LostIn(all) {
		if a, ok := before[l.First.GUID]; ok {
			m.Asked[l.First.GUID] = a
			l.Tries = max(l.Tries, 1+a.Times)
			if a.At.After(l.Last.At) {
				l.Last.At = a.At
			}
		}
		if l.Tries <= len(pauses) {
			open = append(open, l)
		}
	}
	// A delivery is listed when it is over: the last minutes are read again.
	m.Since = at.Add(-everyMissed)
	if len(open) > 0 && open[0].First.At.Before(m.Since) {
		m.Since = open[0].First.At
	}
	again, err := askAgain(ctx, host, m.Asked, open, at)
	if err := saveMark(ctx, space, m); err != nil {
		return time.Time{}, err
	}
	return again, err
}

// askAgain asks for those of the open deliveries that are due, and notes it.
func askAgain(ctx context.Context, host Deliveries, noted map[string]asked, open []Lost, at time.Time) (again time.Time, err error) {
	again = at.Add(everyMissed)
	sooner := func(t time.Time) {
		if t.Before(again) {
			again = t
		}
	}
	made := 0
	for _, l := range open {
		if due := l.Last.At.Add(pauses[l.Tries-1]); due.After(at) {
			sooner(due)
			continue
		}
		if made == redeliveries {
			sooner(at.Add(goesOn))
			break
		}
		made++
		first := l.First
		log := zerolog.Ctx(ctx).With().Str("delivery", first.GUID).Str("event", first.Event).Str("action", first.Action).
			Int64("installation", first.Installation).Time("sent", first.At).Int("status", l.Last.Status).Int("redelivery", l.Tries).Logger()
		err := host.Redeliver(ctx, first.ID)
		var later *work.Later
		switch {
		case errors.As(err, &later):
			return time.Time{}, err
		case action.IsUnknown(err): // if it landed, the list will say so
			return time.Time{}, &work.Later{Err: err}
		case err != nil:
			log.Warn().Err(err).Msg("GitHub does not deliver again what was not taken")
			noted[first.GUID] = asked{Times: len(pauses), At: at}
		default:
			log.Info().Msg("a delivery that was not taken is asked for again")
			noted[first.GUID] = asked{Times: l.Tries, At: at}
			if l.Tries < len(pauses) {
				sooner(at.Add(pauses[l.Tries]))
			}
		}
	}
	return again, nil
}

func saveMark(ctx context.Context, space storage.Space, m mark) error {
	var b storage.Batch
	b.SetJSON(missedKey, m)
	if err := space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("write %s: %w", missedKey, err)
	}
	return nil
}

// Lost is an event that no try brought to the app.
type Lost struct {
	First, Last github.Delivery
	Tries       int
}

// LostIn finds those in a list of deliveries, oldest first. One whose first try the
// list does not hold is not among them: the list is contiguous, so only of the others
// all tries are known.
func LostIn(all []github.Delivery) (lost []Lost) {
	tries := make(map[string][]github.Delivery)
	for _, d := range all {
		tries[d.GUID] = append(tries[d.GUID], d)
	}
	for _, of := range tries {
		slices.SortFunc(of, func(a, b github.Delivery) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
		if !of[0].Again && !slices.ContainsFunc(of, github.Delivery.Taken) {
			lost = append(lost, Lost{First: of[0], Last: of[len(of)-1], Tries: len(of)})
		}
	}
	slices.SortFunc(lost, func(a, b Lost) int {
		return cmp.Or(a.First.At.Compare(b.First.At), cmp.Compare(a.First.ID, b.First.ID))
	})
	return lost
}
