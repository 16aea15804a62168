package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValueError says that a key has a value that is not allowed. Line is 0 where
// the file's text is not at hand.
type ValueError struct {
	Line    int
	Key     string // dotted, as in file_after.errors
	Value   string // as written, cut short
	Allowed string // what may stand there
}

func (e *ValueError) Error() string {
	at := ""
	if e.Line > 0 {
		at = "line " + strconv.Itoa(e.Line) + ": "
	}
	return fmt.Sprintf("%s%s: %s is not allowed; want %s", at, e.Key, e.Value, e.Allowed)
}

// Check says what is wrong with the values of the file: every [*ValueError],
// joined, in the order of the documentation.
func (f File) Check() error {
	var c checker
	oneOf(&c, "mode", f.Mode, Live, Preview)
	c.list("labels", f.Labels, 20, 50) // 50: GitHub's own limit for a label's name
	oneOf(&c, "publish", f.Publish, Safe, Full)
	if n := f.FileAfter; n != nil {
		c.number("file_after.errors", n.Errors, 1, 1000)
		c.number("file_after.reports", n.Reports, 1, 1000)
		c.number("file_after.posts", n.Posts, 1, 1000)
	}
	if b := f.Budget; b != nil {
		c.number("budget.issues_per_day", b.IssuesPerDay, 0, 1000)
		c.number("budget.runs_per_day", b.RunsPerDay, 0, 1000)
	}
	c.levels(f.Levels)
	c.list("environments", f.Environments, 50, 100)
	c.list("ignore", f.Ignore, 100, 200)
	oneOf(&c, "strictness", f.Strictness, Careful, Balanced, Eager)
	if x := f.Fix; x != nil {
		c.number("fix.minutes", x.Minutes, 1, 240)
		if x.Test != nil {
			c.text("fix.test", *x.Test, 500)
		}
		c.number("fix.rounds", x.Rounds, 0, 20)
		c.list("fix.paths", x.Paths, 100, 200)
		oneOf(&c, "fix.checks", x.Checks, Held, Run)
	}
	if w := f.Watch; w != nil {
		c.number("watch.deploy_hours", w.DeployHours, 0, 30*24)
		c.number("watch.soak_days", w.SoakDays, 1, 90)
	}
	return errors.Join(c.wrong...)
}

// checker collects what is wrong.
type checker struct{ wrong []error }

func (c *checker) refuse(key, value, allowed string) {
	c.wrong = append(c.wrong, &ValueError{Key: key, Value: value, Allowed: allowed})
}

func oneOf[T ~string](c *checker, key string, v *T, allowed ...T) {
	if v == nil || slices.Contains(allowed, *v) {
		return
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	last := len(names) - 1
	c.refuse(key, show(string(*v)), strings.Join(names[:last], ", ")+" or "+names[last])
}

func (c *checker) number(key string, v *int, low, high int) {
	if v != nil && (*v < low || *v > high) {
		c.refuse(key, strconv.Itoa(*v), fmt.Sprintf("a number from %d to %d", low, high))
	}
}

// sentryLevels are the levels that Sentry knows.
var sentryLevels = []string{"fatal", "error", "warning", "info", "debug"}

func (c *checker) levels(levels []string) {
	for i, l := range levels {
		if !slices.Contains(sentryLevels, l) {
			c.refuse(fmt.Sprintf("levels[%d]", i), show(l), "one of "+strings.Join(sentryLevels, ", "))
		}
	}
}

func (c *checker) list(key string, items []string, most, runes int) {
	if len(items) > most {
		c.refuse(key, fmt.Sprintf("a list of %d", len(items)), fmt.Sprintf("at most %d", most))
		return
	}
	for i, item := range items {
		c.text(fmt.Sprintf("%s[%d]", key, i), item, runes)
	}
}

// text refuses what is blank: an empty pattern in `ignore` would match all.
func (c *checker) text(key, s string, runes int) {
	if strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > runes || strings.ContainsFunc(s, unicode.IsControl) {
		c.refuse(key, show(s), fmt.Sprintf("a line of 1 to %d characters", runes))
	}
}

// show is how a value appears in a message: quoted, on one line, short.
func show(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		s = string(runes[:40]) + "…"
	}
	return strconv.Quote(s)
}
