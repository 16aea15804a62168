package quota

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// The names of uses.
const (
	Reports  = "reports"
	Clusters = "clusters"
	Bytes    = "bytes"
	Money    = "money"
)

// Use is how much of one limit an installation uses.
type Use struct {
	Name    string    `json:"name"`  // for programs
	Title   string    `json:"title"` // for people: "reports today"
	Used    int64     `json:"used"`
	Limit   int64     `json:"limit"`             // 0: none
	Unit    string    `json:"unit,omitempty"`    // "bytes", "micros" (millionths of a US dollar), or "" for a number
	Resets  time.Time `json:"resets,omitzero"`   // when it begins anew; zero if it does not by itself
	Message string    `json:"message,omitempty"` // from 80 % of the limit on: what happens, and what to do
}

// near is from which part of a limit on people are told.
const near = 0.8

// level is 0, 80 from near on, 100 at the limit.
func (u Use) level() int {
	switch {
	case u.Limit <= 0 || float64(u.Used) < near*float64(u.Limit):
		return 0
	case u.Used < u.Limit:
		return 80
	}
	return 100
}

// Amounts are how much is used, and of how much, for people.
func (u Use) Amounts() string {
	if u.Limit == 0 {
		return u.show(u.Used) + ", without a limit"
	}
	return u.show(u.Used) + " of " + u.show(u.Limit)
}

func (u Use) show(n int64) string {
	switch u.Unit {
	case "bytes":
		return grouped(n/1e6) + " MB"
	case "micros":
		return fmt.Sprintf("$%.2f", float64(n)/1e6)
	}
	return grouped(n)
}

// grouped writes a number with commas.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Say fills in the message: soon from 80 % of the limit on, and at it full.
func (u Use) Say(soon, full string) Use {
	switch u.level() {
	case 80:
		u.Message = u.Amounts() + " " + soon
	case 100:
		u.Message = u.Amounts() + " " + full
	}
	return u
}

const raise = "or until whoever runs this Soulcaster raises the quota"

// uses are those that the meter itself counts; m.mu is held.
func (m *Meter) uses(installation int64, a *account) []Use {
	now, limits := m.Now(), m.Limits(installation)
	more := a.more
	more.at(now)
	is := a.used.plus(more)
	if is.Day != more.day {
		is.Reports = 0
	}
	if is.Month != more.month {
		is.Micros = 0
	}
	return []Use{
		Use{Name: Reports, Title: "reports today", Used: is.Reports, Limit: int64(limits.Reports), Resets: tomorrow(now)}.
			Say("reports of today were taken in", "reports of today were taken in: further ones are refused until midnight UTC, "+raise),
		Use{Name: Clusters, Title: "clusters", Used: int64(a.clusters), Limit: int64(limits.Clusters)}.
			Say("clusters are there", "clusters are there: feedback that belongs to none of them is kept and waits until there are fewer, "+raise),
		Use{Name: Bytes, Title: "stored", Used: is.Stored + is.Since, Limit: limits.Bytes, Unit: "bytes"}.
			Say("of storage are used", "of storage are used: further reports are refused until there is less, "+raise),
		Use{Name: Money, Title: "vectors and the model's answers this month", Used: is.Micros, Limit: limits.Micros, Unit: "micros", Resets: nextMonth(now)}.
			Say("for vectors and the model's answers of this month are spent",
				"for vectors and the model's answers of this month are spent: feedback is kept and waits to be grouped until the next month begins (UTC), "+raise),
	}
}

// Of returns what an installation uses now, the runs of the agent included;
// storage.ErrNoSpace if it is not there.
func (m *Meter) Of(ctx context.Context, installation int64) ([]Use, error) {
	if err := m.account(ctx, installation); err != nil {
		return nil, err
	}
	if err := m.write(ctx, installation); err != nil {
		return nil, err
	}
	n, err := m.count(ctx, installation)
	if err != nil {
		return nil, err
	}
	m.counted(installation, n)
	uses, _, err := m.now(ctx, installation)
	if err != nil || m.Runs == nil {
		return uses, err
	}
	runs, err := m.Runs(ctx, installation)
	return append(uses, runs...), err
}

// Near returns what of an installation is near its limit, or at it, as far as is known
// without counting anew; storage.ErrNoSpace if the installation is not there.
func (m *Meter) Near(ctx context.Context, installation int64) ([]Use, error) {
	uses, _, err := m.now(ctx, installation)
	if err == nil && m.Runs != nil {
		var runs []Use
		runs, err = m.Runs(ctx, installation)
		uses = append(uses, runs...)
	}
	return slices.DeleteFunc(uses, func(u Use) bool { return u.Message == "" }), err
}

// now is what is known of an installation's uses without asking the store, if it was
// asked about lately.
func (m *Meter) now(ctx context.Context, installation int64) (uses []Use, suspended bool, err error) {
	if err := m.account(ctx, installation); err != nil {
		return nil, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.of[installation]
	if a == nil { // it went this very moment
		return nil, false, fmt.Errorf("installation %d: %w", installation, storage.ErrNoSpace)
	}
	return m.uses(installation, a), a.suspended, nil
}

// Room says how many more clusters the installation of a project may have, and if it
// is none, why. Near the limit they are counted anew.
func (m *Meter) Room(ctx context.Context, space storage.Space) (more int, why string, err error) {
	id := project.Installation(space.Name())
	limit := m.Limits(id).Clusters
	if limit == 0 {
		return 1 << 30, "", nil
	}
	if err := m.account(ctx, id); err != nil {
		return 0, "", err
	}
	m.mu.Lock()
	if a := m.of[id]; a != nil && m.Now().Sub(a.counted) < recount && limit-a.clusters > muchRoom {
		more = limit - a.clusters
	}
	m.mu.Unlock()
	if more > 0 {
		return more, "", nil
	}
	n, err := m.count(ctx, id)
	if err != nil {
		return 0, "", err
	}
	m.counted(id, n)
	if more = limit - n; more > 0 {
		return more, "", nil
	}
	m.tell(ctx, id)
	uses, _, err := m.now(ctx, id)
	if err != nil {
		return 0, "", err
	}
	return 0, message(uses, Clusters), nil
}

func message(uses []Use, name string) string {
	for _, u := range uses {
		if u.Name == name {
			return u.Message
		}
	}
	return ""
}

// tell tells the log when a limit is near, and when it is reached, once each.
func (m *Meter) tell(ctx context.Context, installation int64) {
	uses, _, err := m.now(ctx, installation)
	if err != nil {
		return
	}
	for _, u := range uses {
		level := u.level()
		m.mu.Lock()
		a := m.of[installation]
		told := a == nil || level <= a.told[u.Name]
		if a != nil {
			a.told[u.Name] = level
		}
		m.mu.Unlock()
		if !told {
			m.Log.Warn().Int64("installation", installation).Str("quota", u.Name).Int64("used", u.Used).Int64("limit", u.Limit).
				Msg("an installation is near a quota, or at it")
		}
	}
}

func tomorrow(now time.Time) time.Time {
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

func nextMonth(now time.Time) time.Time {
	y, month, _ := now.UTC().Date()
	return time.Date(y, month+1, 1, 0, 0, 0, 0, time.UTC)
}
