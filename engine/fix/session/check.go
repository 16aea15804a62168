package session

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

const (
	maxPath  = 4096
	maxWords = 64 << 10 // of Kilo's last words
	maxTests = 10
)

var commitForm = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)

// check says what is wrong with the form of a result. Whether its change may be
// proposed is package publish's to say. Kilo's last words are cut to a length.
func (x *Session) check(r *brief.Result) error {
	if r.Attempt != x.attempt {
		return invalid("attempt: the token is that of attempt %d", x.attempt)
	}
	switch r.Ending {
	case brief.Finished, brief.Deadline, brief.Budget, brief.Stopped:
		if r.Failure != "" {
			return invalid("failure: nothing failed")
		}
	case brief.Failed:
	default:
		return invalid("ending: there is none of this name")
	}
	switch r.Failure {
	case "", brief.FailedClone, brief.FailedCoder, brief.FailedModel, brief.FailedSilent, brief.FailedCollect:
	default:
		return invalid("failure: there is none of this name")
	}
	switch {
	case r.Ending == brief.Failed && r.Failure == "":
		return invalid("failure: say what failed")
	case r.Base != "" && !commitForm.MatchString(r.Base):
		return invalid("base: want a commit's full hash")
	case len(r.Files) > 0 && r.Base == "":
		return invalid("base: say which commit the files change")
	case r.TooMuch != "" && len(r.Files) > 0:
		return invalid("too_much: then there are no files")
	case r.Steps < 0 || r.Seconds < 0:
		return invalid("steps, seconds: less than none")
	}
	r.Said, r.TooMuch = cut(r.Said, maxWords), cut(r.TooMuch, 1000)
	if err := checkTests(r.Tests); err != nil {
		return err
	}
	return x.checkFiles(r.Files)
}

func (x *Session) checkFiles(files []brief.File) error {
	limits := x.s.c.Limits
	if len(files) > limits.Files {
		return tooLarge("files: %d, the most is %d", len(files), limits.Files)
	}
	total := int64(0)
	seen := make(map[string]bool, len(files))
	for i, f := range files {
		switch f.Mode {
		case brief.ModeFile, brief.ModeExecutable, brief.ModeLink, brief.ModeSubmodule:
		case "":
			if len(f.Content) > 0 {
				return invalid("files[%d]: a file that was deleted has content", i)
			}
		default:
			return invalid("files[%d].mode: there is none such", i)
		}
		switch {
		// U+FFFD is what a path that is not UTF-8 becomes on its way here.
		case !utf8.ValidString(f.Path) || strings.ContainsRune(f.Path, utf8.RuneError):
			return invalid("files[%d].path: not UTF-8", i)
		case f.Path == "" || len(f.Path) > maxPath || strings.ContainsRune(f.Path, 0):
			return invalid("files[%d].path: want 1 to %d bytes, none of them zero", i, maxPath)
		case seen[f.Path]:
			return invalid("files[%d].path: comes twice", i)
		case int64(len(f.Content)) > limits.FileBytes:
			return tooLarge("files[%d]: %d bytes, the most is %d", i, len(f.Content), limits.FileBytes)
		}
		seen[f.Path] = true
		if total += int64(len(f.Content)); total > limits.Bytes {
			return tooLarge("files: more than %d bytes in all", limits.Bytes)
		}
	}
	return nil
}

func checkTests(tests []brief.Test) error {
	if len(tests) > maxTests {
		return invalid("tests: %d, the most is %d", len(tests), maxTests)
	}
	for i, t := range tests {
		switch {
		case t.When != "before" && t.When != "after":
			return invalid("tests[%d].when: want before or after", i)
		case len(t.Command) > maxPath:
			return invalid("tests[%d].command: longer than %d bytes", i, maxPath)
		case t.Seconds < 0:
			return invalid("tests[%d].seconds: less than none", i)
		}
	}
	return nil
}
