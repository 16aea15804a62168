package github

import (
	"errors"
	"fmt"
	"strings"
)

// What GitHub's refusals mean. GitHub answers 404 also for what this
// installation may not see, so ErrNotFound about an issue does not say that the
// repository is still there: ask [App.Repository].
var (
	ErrNotFound  = errors.New("github: not found")           // 404; 409 of a repository without a commit
	ErrGone      = errors.New("github: deleted or disabled") // 410: an issue that was deleted, or issues turned off
	ErrMoved     = errors.New("github: moved")               // 301, 302, 307, 308: see MovedError
	ErrForbidden = errors.New("github: not allowed")         // 403, 451: a permission that is missing (for a change to .github/workflows, say), a repository that is archived
	ErrLocked    = errors.New("github: conversation locked") // 403, 423 on a locked issue

	// ErrSuspended and ErrUninstalled are about the installation as a whole.
	ErrSuspended   = errors.New("github: installation suspended")
	ErrUninstalled = errors.New("github: no such installation")

	// ErrUnauthorized comes inside a *work.Later: the App's id and key do not
	// fit, this host's clock is more than a minute off, or a token was revoked
	// before its time. None of it is the request's fault.
	ErrUnauthorized = errors.New("github: credentials refused: check the App's id, its private key and this host's clock")

	// ErrExists says that what was to be made is there already: a branch of that
	// name, an open pull request of that branch.
	ErrExists = errors.New("github: exists already")

	// ErrNotFastForward says that a branch holds commits that the one it was to be
	// moved to does not follow: somebody else moved it.
	ErrNotFastForward = errors.New("github: not a fast forward")

	// ErrNoDrafts says that the repository's plan knows no draft pull requests.
	ErrNoDrafts = errors.New("github: no draft pull requests in this repository")

	// ErrNotKept says that GitHub answered 200 to an edit and kept the old text.
	// It does so when a body is too long for an edit.
	ErrNotKept = errors.New("github: edit accepted but the text was not kept")

	// ErrTooMany says that a listing went on beyond what is read of one. What was
	// looked for may be in the rest, so this is not "there is none".
	ErrTooMany = errors.New("github: listing too long")
)

// MovedError says where something has gone: an issue that was transferred, or a
// repository that was renamed or transferred. errors.Is(err, ErrMoved) holds.
type MovedError struct {
	To         string // URL in the API, without its query
	Repository int64  // id of the repository that it is in now; 0 if the URL does not say
}

func (e *MovedError) Error() string   { return "github: moved to " + e.To }
func (e *MovedError) Is(t error) bool { return t == ErrMoved }

// ValidationError says that GitHub (or this package, for what GitHub would
// refuse silently) does not accept what a request says.
type ValidationError struct {
	Message string
	Fields  []Field // at most ten
}

// Field is one complaint: "labels", "invalid".
type Field struct{ Name, Code string }

func (e *ValidationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "github: invalid: %s", e.Message)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, " (%s: %s)", f.Name, f.Code)
	}
	return b.String()
}

// about reports whether a complaint is about the field.
func (e *ValidationError) about(field string) bool {
	for _, f := range e.Fields {
		if f.Name == field {
			return true
		}
	}
	return false
}

// says reports whether GitHub's words, or those of a complaint, hold the text,
// whose letters are small.
func (e *ValidationError) says(text string) bool {
	if strings.Contains(strings.ToLower(e.Message), text) {
		return true
	}
	for _, f := range e.Fields {
		if strings.Contains(strings.ToLower(f.Code), text) {
			return true
		}
	}
	return false
}

// meaning puts a sentinel in the place of a ValidationError that says the text,
// of a call that did what.
func meaning(what string, err error, text string, is error) error {
	var invalid *ValidationError
	if errors.As(err, &invalid) && invalid.says(text) {
		return fmt.Errorf("%s: %w", what, is)
	}
	return err
}
