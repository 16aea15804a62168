package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/issue"
)

// functions are what the template may call.
func (p *Pages) functions() template.FuncMap {
	return importFunctions(template.FuncMap{
		"percent": func(x *float64) string { return fmt.Sprintf("%.0f %%", 100**x) },
		"ago": func(at time.Time) string {
			switch d := p.now().Sub(at); {
			case at.IsZero():
				return "at an unknown time"
			case d < time.Minute:
				return "just now"
			case d < time.Hour:
				return fmt.Sprintf("%d min ago", int(d.Minutes()))
			case d < 48*time.Hour:
				return fmt.Sprintf("%d h ago", int(d.Hours()))
			case d < 60*24*time.Hour:
				return fmt.Sprintf("%d days ago", int(d.Hours()/24))
			case d < 2*365*24*time.Hour:
				return fmt.Sprintf("%d months ago", int(d.Hours()/24/30))
			default:
				return fmt.Sprintf("%d years ago", int(d.Hours()/24/365))
			}
		},
		"projectPath":      projectPath,
		"installationPath": func(at *place) string { return installationPath(at.installation) },
		"day":              func(at time.Time) string { return at.UTC().Format("2 January 2006") },
		"stamp":            func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") },
		"plural":           plural,
		"kind":             kindName,
		"sourceKind":       sourceKindName,
		"spark":            spark,
		// place is where a problem is, unless its title says so. Sentry writes "module in
		// function".
		"place": func(l issue.Line) string {
			function := l.Culprit[strings.LastIndex(" in "+l.Culprit, " in "):]
			if strings.Contains(l.Title, function) {
				return ""
			}
			return l.Culprit
		},
		// trend draws when a problem was seen lately; nothing if it was not.
		"trend": func(l issue.Line) template.HTML {
			t := l.Trend.Until(l.Last, p.now())
			if t == (issue.Trend{}) {
				return ""
			}
			return spark("Reports", t.Days())
		},
		"rfc3339": func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"tone": func(s issue.State) string {
			switch s {
			case issue.Filed, issue.Preview, issue.Ready:
				return "good"
			case issue.Blocked:
				return "bad"
			}
			return "hold"
		},
	})
}

// plural is a number with what is said of one or of many.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func kindName(k feedback.Kind) string {
	switch k {
	case feedback.Sentry:
		return "error"
	case feedback.Reddit:
		return "post"
	}
	return "report"
}

func nonEmpty(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}
