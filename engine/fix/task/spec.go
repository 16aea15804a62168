package task

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const (
	maxRun     = 20
	maxAttempt = 10_000
	maxURL     = 2048 // bytes
	maxClaim   = 256  // bytes
)

// Check says what is wrong with a spec, nil if nothing is.
func (s Spec) Check() error {
	if s.Run == "" || len(s.Run) > maxRun || strings.ContainsFunc(s.Run, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) {
		return fmt.Errorf("run %q is not 1 to %d lower-case letters and digits", s.Run, maxRun)
	}
	if s.Attempt < 1 || s.Attempt > maxAttempt {
		return fmt.Errorf("attempt %d is not 1 to %d", s.Attempt, maxAttempt)
	}
	if u, err := url.Parse(s.URL); err != nil || len(s.URL) > maxURL || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the app's URL is not one of http or https")
	}
	return nil
}

// Token names the launch of a spec: it is done once.
func (s Spec) Token() string { return fmt.Sprintf("%s-%d", s.Run, s.Attempt) }

// CheckClaim says what is wrong with the form of a claim, nil if nothing is. The
// error does not hold it.
func CheckClaim(claim string) error {
	if claim == "" || len(claim) > maxClaim || strings.ContainsFunc(claim, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("the claim is not 1 to %d printable ASCII characters", maxClaim)
	}
	return nil
}
