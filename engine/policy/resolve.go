package policy

import (
	"reflect"
	"time"
)

// Policy is what holds for a repository: every question is answered.
type Policy struct {
	Mode         Mode
	Labels       []string // put on a new issue once
	Publish      Publish
	FileAfter    Counts
	Budget       Budget
	Levels       []string // Sentry levels that count, lower case; nil: all
	Environments []string // that count; nil: all
	Ignore       []string // feedback whose title or culprit contains one is never filed
	Strictness   Strictness
	Fix          Fix
	Watch        Watch
}

// Counts is how many a cluster needs before its issue is filed, each counted
// for itself.
type Counts struct {
	Errors  int // error groups
	Reports int // distinct people who reported
	Posts   int // distinct people who posted
}

// Budget is how much the app may do in a day (UTC).
type Budget struct {
	Issues int // new issues
	Runs   int
}

// Fix is how runs go.
type Fix struct {
	Minutes int      // a run is stopped after
	Test    string   // the command that tests the repository; empty: its tests are not run
	Rounds  int      // of review that are taken back to the agent
	Paths   []string // patterns of what may be changed; a leading ! excludes; none: everything
	Checks  Checks
	Repair  bool // a check that fails on the agent's own commit starts one round by itself
}

// Watch is how an issue is watched after it was closed as fixed.
type Watch struct {
	Deploy time.Duration // that a fix takes to reach the users
	Soak   time.Duration // of quiet after that, until a merged fix counts as proven
}

// Resolve lays files over each other, key by key, the last one uppermost, and all of
// them over the defaults. What may be published by default depends on whether the
// repository is private. The result shares no memory with the files.
func Resolve(private bool, files ...File) Policy {
	p := Policy{
		Mode:       Preview,
		Labels:     []string{"soulcaster"},
		Publish:    Safe,
		FileAfter:  Counts{Errors: 1, Reports: 2, Posts: 3},
		Budget:     Budget{Issues: 10, Runs: 5},
		Strictness: Balanced,
		Fix:        Fix{Minutes: 30, Rounds: 3, Checks: Held},
		Watch:      Watch{Deploy: 24 * time.Hour, Soak: 7 * 24 * time.Hour},
	}
	if private {
		p.Publish = Full
	}
	for _, f := range files {
		p.lay(f)
	}
	return p
}

func (p *Policy) lay(f File) {
	say(&p.Mode, f.Mode)
	list(&p.Labels, f.Labels)
	say(&p.Publish, f.Publish)
	if c := f.FileAfter; c != nil {
		say(&p.FileAfter.Errors, c.Errors)
		say(&p.FileAfter.Reports, c.Reports)
		say(&p.FileAfter.Posts, c.Posts)
	}
	if b := f.Budget; b != nil {
		say(&p.Budget.Issues, b.IssuesPerDay)
		say(&p.Budget.Runs, b.RunsPerDay)
	}
	list(&p.Levels, f.Levels)
	list(&p.Environments, f.Environments)
	list(&p.Ignore, f.Ignore)
	say(&p.Strictness, f.Strictness)
	if x := f.Fix; x != nil {
		say(&p.Fix.Minutes, x.Minutes)
		say(&p.Fix.Test, x.Test)
		say(&p.Fix.Rounds, x.Rounds)
		list(&p.Fix.Paths, x.Paths)
		say(&p.Fix.Checks, x.Checks)
		say(&p.Fix.Repair, x.Repair)
	}
	if w := f.Watch; w != nil {
		span(&p.Watch.Deploy, w.DeployHours, time.Hour)
		span(&p.Watch.Soak, w.SoakDays, 24*time.Hour)
	}
}

// say lets what was said replace what held.
func say[T any](held *T, said *T) {
	if said != nil {
		*held = *said
	}
}

// span is say for a time that is written as a number of units.
func span(held *time.Duration, said *int, unit time.Duration) {
	if said != nil {
		*held = time.Duration(*said) * unit
	}
}

// list is say for lists: an empty list that was written down replaces too, and
// reads as nil.
func list(held *[]string, said []string) {
	if said != nil {
		*held = append([]string(nil), said...)
	}
}

// Equal reports whether two policies answer every question alike.
func (p Policy) Equal(o Policy) bool { return reflect.DeepEqual(p, o) }
