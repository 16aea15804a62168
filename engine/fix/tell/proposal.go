package tell

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/markdown"
)

// Proposal is a change as its commit and its pull request tell of it.
type Proposal struct {
	Run    *run.Run
	Title  string // the issue's: foreign
	Said   string // the agent's last words: Markdown by a model, foreign
	Ending brief.Ending
	Test   string // the repository's command for its tests, "" if it has none: foreign
	Tests  []brief.Test
	Files  []File    // as many as there was room for
	Diff   *run.Diff // all of them; nil if that is not known
	Usage  run.Usage
	Asked  string    // login of who asked for the round; "" if checks did
	Words  run.Words // what they said
	Held   bool      // the repository's workflows do not start by themselves
	Rounds int       // of review that the repository allows
}

// File is a path of the change.
type File struct {
	Path  string     // foreign
	Note  string     // ours: "new", "deleted", "executable now"; "" if its content changed
	Lines *run.Lines // nil if they are not counted
}

// The headings that the agent is asked to use for its last words. It may do
// otherwise; what stands under no heading, or under another one, is shown too.
const (
	HeadingWrong      = "What was wrong"
	HeadingChanged    = "What I changed and why"
	HeadingUnverified = "What I could not verify"
)

// PullTitle is the title of the pull request.
func PullTitle(p Proposal) string { return still("Fix: " + subject(p, 120)) }

// subject is what the issue says is wrong, in at most n characters.
func subject(p Proposal, n int) string {
	title := markdown.Title(p.Title)
	switch {
	case title != "":
	case p.Run.Issue == 0:
		title = "the reported problem"
	default:
		title = fmt.Sprintf("the problem of issue %d", p.Run.Issue)
	}
	if utf8.RuneCountInString(title) > n {
		title = strings.TrimRight(string([]rune(title)[:n-1]), " \u200b") + "…"
	}
	return title
}

const (
	maxSaid    = 32 << 10 // bytes of the agent's words that are looked at
	maxSection = 9_000    // bytes of one part of them
	maxFiles   = 100
	maxTests   = 20
	pullRoom   = 300 // bytes for the marker that follows the description
)

// PullBody is our part of the pull request's description.
func PullBody(p Proposal) string {
	var b strings.Builder
	b.WriteString(opening(p) + "\n")
	said := parse(p.Said)
	if p.Said == "" || said == (sections{}) {
		b.WriteString("\nThe agent left no explanation.\n")
	}
	section(&b, "What the agent says", said.other)
	section(&b, "What was wrong", said.wrong)
	section(&b, "What was changed and why", said.changed)
	b.WriteString("\n### Tests\n\n" + tests(p))
	section(&b, "What could not be verified", said.unverified)
	b.WriteString("\n### About this proposal\n\n")
	for _, f := range p.facts() {
		b.WriteString("- " + f + "\n")
	}
	b.WriteString(changed(p, MaxText-pullRoom-b.Len()))
	return still(b.String())
}

// issueOf names a run's issue; a preview may have none yet.
func issueOf(r *run.Run) string {
	if r.Issue == 0 {
		return "the issue that would be filed"
	}
	return fmt.Sprintf("issue #%d", r.Issue)
}

// opening says what the pull request is, and what it closes.
func opening(p Proposal) string {
	text := "A coding agent wrote this, not a person. It was asked for by "
	if p.Run.Issue != 0 {
		text = fmt.Sprintf("Fixes #%d\n\n", p.Run.Issue) + text
	}
	text += login(p.Run.By) + ". Review it as you would a stranger's change"
	if p.Run.By != "" {
		text += ", and let somebody other than who asked approve it"
	}
	text += "."
	switch p.Ending {
	case brief.Deadline:
		text += "\n\n**Incomplete:** the agent was stopped when its time was up. This is what there was."
	case brief.Budget:
		text += "\n\n**Incomplete:** the agent was stopped when the model's budget was used up. This is what there was."
	case brief.Stopped:
		text += "\n\n**Incomplete:** the machine below the agent was taken away. This is what there was."
	}
	return text
}

func section(b *strings.Builder, heading, said string) {
	if text := prose(said, maxSection); text != "" {
		b.WriteString("\n### " + heading + "\n\n" + text + "\n")
	}
}

// sections are the agent's last words, taken apart at its headings.
type sections struct{ other, wrong, changed, unverified string }

func parse(said string) (s sections) {
	said = strings.ToValidUTF8(said[:min(len(said), maxSaid)], "")
	into := &s.other
	inFence := ""
	for line := range strings.Lines(strings.ReplaceAll(said, "\r\n", "\n")) {
		switch mark := fenceMark(line); {
		case inFence != "" && closes(line, inFence):
			inFence = ""
		case inFence == "" && mark != "":
			inFence = mark
		case inFence == "":
			if next := s.under(line); next != nil {
				into = next
				continue
			}
		}
		*into += line
	}
	for _, part := range []*string{&s.other, &s.wrong, &s.changed, &s.unverified} {
		*part = strings.TrimSpace(*part)
	}
	return s
}

// under returns the part that a heading begins, nil if the line is none of ours.
func (s *sections) under(line string) *string {
	line = strings.TrimSpace(line)
	title := strings.TrimLeft(line, "#")
	if title == line {
		return nil
	}
	switch title = strings.Trim(title, " *:"); {
	case strings.EqualFold(title, HeadingWrong):
		return &s.wrong
	case strings.EqualFold(title, HeadingChanged):
		return &s.changed
	case strings.EqualFold(title, HeadingUnverified):
		return &s.unverified
	}
	return nil
}

// tests says what the repository's own tests said.
func tests(p Proposal) string {
	switch {
	case len(p.Tests) > 0:
	case p.Test == "":
		return "The repository's tests were not run: `fix.test` in `.github/soulcaster.yml` names no command.\n"
	default:
		return "The repository's tests were not run, because " + noTests("after", p.Ending) + ": " + code(p.Test, 300) + "\n"
	}
	list, ran := p.Tests, make(map[string]bool)
	var rows strings.Builder
	commands, known := []string{}, map[string]bool{}
	for _, t := range list[:min(len(list), maxTests)] {
		if shown := code(t.Command, 300); shown != "" && !known[shown] {
			known[shown] = true
			commands = append(commands, shown)
		}
		when := "other"
		ran[t.When] = true
		if t.When == "before" || t.When == "after" {
			when = t.When + " the change"
		}
		result := "passed"
		switch {
		case t.TimedOut:
			result = "**stopped**, out of time"
		case t.Exit != 0:
			result = fmt.Sprintf("**failed** (exit status %d)", t.Exit)
		}
		fmt.Fprintf(&rows, "| %s | %s | %d s |\n", when, result, t.Seconds)
	}
	for _, when := range []string{"before", "after"} {
		if !ran[when] {
			fmt.Fprintf(&rows, "| %s the change | **not run**: %s | |\n", when, noTests(when, p.Ending))
		}
	}
	return "Command: " + strings.Join(commands, ", ") + "\n\n| | | |\n|---|---|---|\n" + rows.String()
}

// noTests says why tests did not run, or did not end, as far as the app is told. Those
// after the change run only if the agent came to an end by itself.
func noTests(when string, e brief.Ending) string {
	switch {
	case when == "after" && e == brief.Deadline:
		return "there was no time left"
	case when == "after" && e == brief.Budget:
		return "the agent was stopped when the model's budget was used up"
	case when == "after" && e == brief.Stopped:
		return "the machine below the agent was taken away"
	}
	return "there was no time for them, or they could not be started"
}

// facts are who, how long, how much, and what is held.
func (p Proposal) facts() []string {
	r := p.Run
	list := []string{fmt.Sprintf("Asked for by %s, for %s", asker(r.By, r.Rounds[0].Through), issueOf(r))}
	for _, round := range r.Rounds[1:] {
		by := "failing checks"
		if round.By != "" {
			by = asker(round.By, round.Through)
		}
		list = append(list, fmt.Sprintf("Round %d was asked for by %s", round.N, by))
	}
	rounds := fmt.Sprintf("Rounds: %d of at most %d. ", r.Round().N, 1+p.Rounds)
	if over := NoMore(View{Run: r, Rounds: p.Rounds, Usage: p.Usage}); over != "" {
		rounds += strings.TrimSuffix(over, ".")
	} else {
		rounds += "Requesting changes, or `/soulcaster fix` with words here, takes it back to the agent"
	}
	list = append(list, rounds)
	list = append(list, "Cost: "+Cost(p.Usage))
	switch {
	case r.Pull != nil && r.Pull.Checks != "":
		list = append(list, "The repository's workflows were let run by "+login(r.Pull.Checks)+". A commit of a later round waits again")
	case p.Held:
		list = append(list, "The repository's workflows wait: they run with its secrets on code that nobody has read. "+
			"Somebody with write permission reads the change and comments `/soulcaster checks` to let them run",
			"A squash merge before that takes over the message of the only commit, whose last line keeps workflows from running on the merge too: "+
				"let the checks run first, or take that line out")
	}
	return list
}

// changed lists the files, folded if they are many.
func changed(p Proposal, room int) string {
	sum := run.Diff{Files: len(p.Files)}
	if p.Diff != nil {
		sum = *p.Diff
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>Changed: %s</summary>\n\n", Diff(sum))
	const end, rest = "\n</details>\n", "- and more\n"
	room -= b.Len() + len(end) + len(rest)
	listed := 0
	for i, f := range p.Files {
		line := "- " + code(f.Path, 250)
		if about := f.about(); about != "" {
			line += ": " + about
		}
		line += "\n"
		if room -= len(line); room < 0 || i == maxFiles {
			break
		}
		b.WriteString(line)
		listed++
	}
	if listed < sum.Files {
		b.WriteString(rest)
	}
	b.WriteString(end)
	return b.String()
}

// about says what became of a file.
func (f File) about() string {
	switch lines := changedLines(f.Lines); {
	case f.Note == "":
		return lines
	case lines == "":
		return f.Note
	default:
		return f.Note + ", " + lines
	}
}
