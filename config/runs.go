package config

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// Runs is how much the agent may do.
type Runs struct {
	All             RunLimits // over all installations
	PerRun          RunBudget
	PerInstallation RunLimits // where an installation's entry says nothing else
}

// RunBudget is what the model of one run may use.
type RunBudget struct {
	Dollars  int // where the model's price is known
	Tokens   int // in and out together
	Requests int
}

// RunLimits is how much the agent may do for one installation, or for all of them.
// Days and months are those of UTC.
type RunLimits struct {
	AtOnce   int // runs that go on at the same time
	PerDay   int
	PerMonth int
	Dollars  int // a month, where the model's price is known
}

// defaultRuns holds where the file says nothing.
func defaultRuns() Runs {
	return Runs{
		All:             RunLimits{AtOnce: 10, PerDay: 100, PerMonth: 1000, Dollars: 500},
		PerRun:          RunBudget{Dollars: 4, Tokens: 5_000_000, Requests: 300},
		PerInstallation: RunLimits{AtOnce: 2, PerDay: 20, PerMonth: 200, Dollars: 100},
	}
}

// runs reads the file's own `runs`.
func (r *reader) runs(n ast.Node, to *Runs) {
	keys := r.limitKeys("runs", &to.All)
	keys["per_run"] = func(n ast.Node) {
		r.fields(n, "runs.per_run", map[string]func(ast.Node){
			"dollars":  func(n ast.Node) { r.number(n, "runs.per_run.dollars", 1, 1000, &to.PerRun.Dollars) },
			"tokens":   func(n ast.Node) { r.number(n, "runs.per_run.tokens", 1000, 1_000_000_000, &to.PerRun.Tokens) },
			"requests": func(n ast.Node) { r.number(n, "runs.per_run.requests", 1, 100_000, &to.PerRun.Requests) },
		})
	}
	keys["per_installation"] = func(n ast.Node) { r.limits(n, "runs.per_installation", &to.PerInstallation) }
	r.fields(n, "runs", keys)
}

// limits reads what one installation may do, over what holds already.
func (r *reader) limits(n ast.Node, at string, to *RunLimits) {
	r.fields(n, at, r.limitKeys(at, to))
}

func (r *reader) limitKeys(at string, to *RunLimits) map[string]func(ast.Node) {
	keys := make(map[string]func(ast.Node))
	for _, k := range []struct {
		name string
		most int
		to   *int
	}{
		{"at_once", 1000, &to.AtOnce}, {"per_day", 100_000, &to.PerDay},
		{"per_month", 1_000_000, &to.PerMonth}, {"dollars_per_month", 1_000_000, &to.Dollars},
	} {
		keys[k.name] = func(n ast.Node) { r.number(n, at+"."+k.name, 1, k.most, k.to) }
	}
	return keys
}

// number reads a whole number within bounds.
func (r *reader) number(n ast.Node, at string, low, high int, to *int) {
	v, err := strconv.Atoi(scalar(n))
	if err != nil || v < low || v > high {
		r.wrong(n, "%s: want a number from %d to %d", at, low, high)
		return
	}
	*to = v
}

// RunLimits returns what an installation may do.
func (c *Config) RunLimits(installation int64) RunLimits {
	for _, i := range c.Installations {
		if i.ID == installation {
			return i.Runs
		}
	}
	return c.Runs.PerInstallation
}

// String is one line for the log.
func (l RunLimits) String() string {
	return fmt.Sprintf("%d at once, %d a day, %d a month, %d dollars a month", l.AtOnce, l.PerDay, l.PerMonth, l.Dollars)
}
