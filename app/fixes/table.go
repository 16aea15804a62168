package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
)

// The outcomes of an attempt.
const (
	changed = "changed" // a pull request; of bare Kilo: a tree that differs
	empty   = "empty"   // it ended well and changed nothing
	failed  = "failed"
	notRun  = "not run"
)

// attempt is what came of one way's try at a bug.
type attempt struct {
	Outcome string       `json:"outcome"`
	Hidden  bool         `json:"hidden_passed"`
	Seconds float64      `json:"seconds"` // to the pull request or, of bare Kilo, its end
	Usage   fixrun.Usage `json:"usage"`
	Note    string       `json:"note,omitempty"`
	Said    string       `json:"said,omitempty"` // by the hidden test, or by what failed
}

// row is a case with both attempts.
type row struct {
	Case     string   `json:"case"`
	Language string   `json:"language"`
	Title    string   `json:"title"`
	NotRun   string   `json:"not_run,omitempty"` // why
	Whole    *attempt `json:"soulcaster,omitempty"`
	Bare     *attempt `json:"bare_kilo,omitempty"`
}

// sums are those of one way.
type sums struct {
	Attempts int     `json:"attempts"`
	Changed  int     `json:"changed"`
	Empty    int     `json:"empty"`
	Failed   int     `json:"failed"`
	Passed   int     `json:"hidden_passed"`
	Micros   int64   `json:"micros"`         // of all attempts
	Tokens   int64   `json:"tokens"`         // of all attempts
	Each     *passes `json:"each,omitempty"` // nil if none passed
}

// passes are means over the attempts whose hidden test passed.
type passes struct {
	Micros  int64   `json:"micros"`
	Tokens  int64   `json:"tokens"`
	Seconds float64 `json:"seconds"`
}

// table is the result.
type table struct {
	Model    string `json:"model"`
	Priced   bool   `json:"priced"`
	Scripted bool   `json:"scripted"`
	Kilo     string `json:"kilo"`
	Answers  string `json:"answers"` // whether models could read them
	Rows     []row  `json:"rows"`
}

const machineryOnly = "The model is scripted: it applies the known answer of each case. This proves the machinery only, and says nothing about any model."

// sound reports whether every known answer came through, both ways.
func (t *table) sound() bool {
	for _, r := range t.Rows {
		if r.NotRun == "" && !(r.Whole.Hidden && r.Bare.Hidden) {
			return false
		}
	}
	return true
}

func (t *table) sums() (whole, bare sums) {
	var all, each []*attempt
	for _, r := range t.Rows {
		if r.Whole != nil {
			all = append(all, r.Whole)
		}
		if r.Bare != nil {
			each = append(each, r.Bare)
		}
	}
	return sumOf(all), sumOf(each)
}

func sumOf(all []*attempt) (s sums) {
	var each passes
	for _, a := range all {
		tokens := a.Usage.Input + a.Usage.Output
		s.Micros += a.Usage.Micros
		s.Tokens += tokens
		switch a.Outcome {
		case notRun:
			continue
		case changed:
			s.Changed++
		case empty:
			s.Empty++
		default:
			s.Failed++
		}
		s.Attempts++
		if a.Hidden {
			s.Passed++
			each.Micros += a.Usage.Micros
			each.Tokens += tokens
			each.Seconds += a.Seconds
		}
	}
	if n := int64(s.Passed); n > 0 {
		s.Each = &passes{each.Micros / n, each.Tokens / n, each.Seconds / float64(n)}
	}
	return s
}

// write prints the table, for people or as JSON.
func (t *table) write(w io.Writer, asJSON bool) error {
	whole, bare := t.sums()
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		about := ""
		if t.Scripted {
			about = machineryOnly
		}
		return e.Encode(struct {
			About string `json:"about,omitempty"`
			*table
			Whole sums `json:"soulcaster"`
			Bare  sums `json:"bare_kilo"`
		}{about, t, whole, bare})
	}
	if t.Scripted {
		fmt.Fprintf(w, "%s\n", machineryOnly)
	}
	fmt.Fprintf(w, "Model: %s. Coding agent: %s.\n%s\n\n", t.Model, t.Kilo, t.Answers)
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "\t\tSOULCASTER\t\t\t\tBARE KILO\t\t\t")
	fmt.Fprintln(columns, "CASE\tLANGUAGE\tPULL REQUEST\tHIDDEN TEST\tCOST\tTIME\tCHANGE\tHIDDEN TEST\tCOST\tTIME")
	var notes []string
	for _, r := range t.Rows {
		if r.NotRun != "" {
			fmt.Fprintf(columns, "%s\t%s\tnot run: %s\n", r.Case, r.Language, r.NotRun)
			continue
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", r.Case, r.Language, r.Whole.cells(t.Priced), r.Bare.cells(t.Priced))
		for i, a := range []*attempt{r.Whole, r.Bare} {
			way := [...]string{"soulcaster", "bare kilo"}[i]
			if a.Note != "" || !a.Hidden && a.Said != "" {
				notes = append(notes, fmt.Sprintf("%s, %s: %s\n%s", r.Case, way, a.Note, indent(a.Said)))
			}
		}
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nSoulcaster: %s\nBare Kilo:  %s\n", whole.text("pull requests", t.Priced), bare.text("changes", t.Priced))
	fmt.Fprintln(w, "Soulcaster's time is from the comment to the pull request, with a second between writes, as GitHub asks. Bare Kilo's is its own.")
	for _, n := range notes {
		fmt.Fprintf(w, "\n%s\n", strings.TrimRight(n, "\n"))
	}
	return nil
}

func (a *attempt) cells(priced bool) string {
	if a.Outcome == notRun {
		return notRun + "\t\t\t"
	}
	outcome, hidden := a.Outcome, "–"
	if a.Outcome == changed {
		outcome, hidden = "yes", "failed"
		if a.Hidden {
			hidden = "passed"
		}
	}
	return fmt.Sprintf("%s\t%s\t%s\t%.0f s", outcome, hidden, cost(a.Usage.Micros, a.Usage.Input+a.Usage.Output, priced), a.Seconds)
}

// brief is the attempt in a few words, for who waits.
func (a *attempt) brief(priced bool) string {
	return strings.TrimSpace(strings.Join(strings.Split(a.cells(priced), "\t"), ", ") + "  " + a.Note)
}

// cost is in dollars, or in tokens where nobody knows the price.
func cost(micros, tokens int64, priced bool) string {
	if priced {
		return fmt.Sprintf("$%.4f", float64(micros)/1e6)
	}
	return fmt.Sprintf("%d tokens", tokens)
}

func (s sums) text(things string, priced bool) string {
	text := fmt.Sprintf("%d tried; %s: %d, empty: %d, failed: %d; hidden tests passed: %d; %s in all",
		s.Attempts, things, s.Changed, s.Empty, s.Failed, s.Passed, cost(s.Micros, s.Tokens, priced))
	if s.Each != nil {
		text += fmt.Sprintf(", %s and %.0f s for each that passed", cost(s.Each.Micros, s.Each.Tokens, priced), s.Each.Seconds)
	}
	return text
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}
