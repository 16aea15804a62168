package policy

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Layer is one of the places that say what holds.
type Layer struct {
	Name string // as people know it
	File File
}

// Explained is one key of what holds, and why it does.
type Explained struct {
	Key   string // dotted, as in file_after.errors
	Value string // as people read it
	From  string // the layer's name, "" if it is the default
}

// Explain says what [Resolve] makes of the layers' files, in the order of the
// documentation.
func Explain(private bool, layers ...Layer) []Explained {
	files := make([]File, len(layers))
	from := make(map[string]string)
	for i, l := range layers {
		files[i] = l.File
		for key := range l.File.said() {
			from[key] = l.Name
		}
	}
	all := Resolve(private, files...).values()
	for i := range all {
		all[i].From = from[all[i].Key]
	}
	return all
}

// values are the keys of what holds.
func (p Policy) values() []Explained {
	return []Explained{
		{Key: "mode", Value: string(p.Mode)},
		{Key: "labels", Value: listed(p.Labels, "none")},
		{Key: "publish", Value: string(p.Publish)},
		{Key: "file_after.errors", Value: strconv.Itoa(p.FileAfter.Errors)},
		{Key: "file_after.reports", Value: strconv.Itoa(p.FileAfter.Reports)},
		{Key: "file_after.posts", Value: strconv.Itoa(p.FileAfter.Posts)},
		{Key: "budget.issues_per_day", Value: strconv.Itoa(p.Budget.Issues)},
		{Key: "budget.runs_per_day", Value: strconv.Itoa(p.Budget.Runs)},
		{Key: "levels", Value: listed(p.Levels, "all")},
		{Key: "environments", Value: listed(p.Environments, "all")},
		{Key: "ignore", Value: listed(p.Ignore, "nothing")},
		{Key: "strictness", Value: string(p.Strictness)},
		{Key: "fix.minutes", Value: strconv.Itoa(p.Fix.Minutes)},
		{Key: "fix.test", Value: cmp.Or(p.Fix.Test, "none: the tests are not run")},
		{Key: "fix.rounds", Value: strconv.Itoa(p.Fix.Rounds)},
		{Key: "fix.paths", Value: listed(p.Fix.Paths, "everything")},
		{Key: "fix.checks", Value: string(p.Fix.Checks)},
		{Key: "fix.repair", Value: strconv.FormatBool(p.Fix.Repair)},
		{Key: "watch.deploy_hours", Value: strconv.Itoa(int(p.Watch.Deploy / time.Hour))},
		{Key: "watch.soak_days", Value: strconv.Itoa(int(p.Watch.Soak / (24 * time.Hour)))},
	}
}

// listed is a list as people read it, with what an empty one means.
func listed(all []string, none string) string {
	if len(all) == 0 {
		return none
	}
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(quoted, ", ")
}

// said is the keys that the file has a word on.
func (f File) said() map[string]bool {
	keys := map[string]bool{
		"mode": f.Mode != nil, "labels": f.Labels != nil, "publish": f.Publish != nil, "levels": f.Levels != nil,
		"environments": f.Environments != nil, "ignore": f.Ignore != nil, "strictness": f.Strictness != nil,
	}
	if c := f.FileAfter; c != nil {
		keys["file_after.errors"], keys["file_after.reports"], keys["file_after.posts"] = c.Errors != nil, c.Reports != nil, c.Posts != nil
	}
	if b := f.Budget; b != nil {
		keys["budget.issues_per_day"], keys["budget.runs_per_day"] = b.IssuesPerDay != nil, b.RunsPerDay != nil
	}
	if x := f.Fix; x != nil {
		keys["fix.minutes"], keys["fix.test"], keys["fix.rounds"] = x.Minutes != nil, x.Test != nil, x.Rounds != nil
		keys["fix.paths"], keys["fix.checks"], keys["fix.repair"] = x.Paths != nil, x.Checks != nil, x.Repair != nil
	}
	if w := f.Watch; w != nil {
		keys["watch.deploy_hours"], keys["watch.soak_days"] = w.DeployHours != nil, w.SoakDays != nil
	}
	for key, said := range keys {
		if !said {
			delete(keys, key)
		}
	}
	return keys
}
