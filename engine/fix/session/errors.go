package session

import (
	"errors"
	"fmt"
)

// What a caller must tell apart. An error that is none of these is the store's or
// our own.
var (
	// ErrNoRun says that there is no such run.
	ErrNoRun = errors.New("session: there is no such run")
	// ErrToken says that the claim or the token belongs to no attempt of the run.
	// Whoever brings it must not learn that the run exists.
	ErrToken = errors.New("session: the secret is not this run's")
	// ErrClaimed says that the brief was given out, and to whom it may go again it
	// does not go here.
	ErrClaimed = errors.New("session: the brief was claimed already")
	// ErrOver says that the attempt is at its end: nothing of it counts any more.
	ErrOver = errors.New("session: the attempt is over")
	// ErrNotYet says that the same may be asked again a little later.
	ErrNotYet = errors.New("session: not yet")
	// ErrTooLarge says that there is more than the limits let through.
	ErrTooLarge = errors.New("session: too large")
	// ErrInvalid says that what was sent makes no sense. Its text is for whoever
	// sent it.
	ErrInvalid = errors.New("session: not valid")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

func tooLarge(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTooLarge, fmt.Sprintf(format, args...))
}
