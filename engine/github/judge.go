package github

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v66/github"
)

// Waits before GitHub is asked again, where it does not say how long.
const (
	limitedFor      = time.Minute // GitHub's documentation: at least a minute
	unauthorizedFor = 5 * time.Minute
	longestRest     = 24 * time.Hour // what a broken header can make us wait, at most
)

// failure is what became of a call that did not succeed.
type failure struct {
	err    error
	rest   time.Time // set: nothing happened, and GitHub is not to be asked before
	outage bool      // GitHub is away, or its answer could not be read
	unsent bool      // with outage: the request surely had no effect
}

// judge reads the outcome of a call. It is the only place that knows how
// go-github and ghinstallation tell of failures.
func (a *App) judge(at At, resp *github.Response, err error) *failure {
	if moved := elsewhere(at, resp); moved != nil {
		return &failure{err: moved}
	}
	var (
		mint      *ghinstallation.HTTPError
		primary   *github.RateLimitError
		secondary *github.AbuseRateLimitError
		refused   *github.ErrorResponse
		accepted  *github.AcceptedError
		dial      *net.OpError
	)
	switch {
	case err == nil, errors.As(err, &accepted):
		return nil
	case errors.As(err, &mint):
		return a.judgeToken(mint)
	case errors.As(err, &primary):
		f := &failure{err: errors.New("rate limit used up"), rest: a.moment(primary.Rate.Reset.Time)}
		if primary.Response != nil && primary.Response.Header.Get("Retry-After") != "" {
			f.rest = a.restUntil(primary.Response)
		}
		return f
	case errors.As(err, &secondary):
		f := &failure{err: errors.New("secondary rate limit"), rest: a.now().Add(limitedFor)}
		if secondary.RetryAfter != nil {
			f.rest = a.moment(a.now().Add(*secondary.RetryAfter))
		}
		return f
	case errors.As(err, &refused) && refused.Response != nil:
		f := a.judgeRefusal(refused)
		if f != nil && errors.Is(f.err, ErrForbidden) {
			a.renew(at.Installation) // it may be granted since
		}
		return f
	case errors.As(err, &dial) && dial.Op == "dial":
		return &failure{err: withoutURL(err), outage: true, unsent: true}
	default:
		return &failure{err: withoutURL(err), outage: true}
	}
}

// judgeToken reads why there is no token for the installation. The request that
// needed it never left.
func (a *App) judgeToken(e *ghinstallation.HTTPError) *failure {
	if e.Response == nil {
		return &failure{err: fmt.Errorf("get installation token: %w", withoutURL(e.RootCause)), outage: true, unsent: true}
	}
	resp := e.Response
	err := github.CheckResponse(resp)
	var refused *github.ErrorResponse
	if resp.StatusCode == http.StatusNotFound {
		return &failure{err: ErrUninstalled}
	}
	if !errors.As(err, &refused) {
		return a.judge(At{}, nil, err) // a rate limit
	}
	f := a.judgeRefusal(refused)
	f.err = fmt.Errorf("get installation token: %w", f.err)
	f.unsent = f.outage
	return f
}

func (a *App) judgeRefusal(e *github.ErrorResponse) *failure {
	status, says := e.Response.StatusCode, strings.ToLower(e.Message)
	has := func(s string) bool { return strings.Contains(says, s) }
	switch {
	case status == http.StatusTooManyRequests,
		status == http.StatusForbidden && e.Response.Header.Get("Retry-After") != "",
		status/100 == 4 && (has("rate limit") || has("abuse detection") || has("submitted too quickly")):
		return &failure{err: fmt.Errorf("rate limit (status %d)", status), rest: a.restUntil(e.Response)}
	case status >= 500, status == http.StatusRequestTimeout:
		return &failure{err: fmt.Errorf("status %d", status), outage: true}
	case status == http.StatusUnauthorized:
		return &failure{err: ErrUnauthorized, rest: a.now().Add(unauthorizedFor)}
	case status == http.StatusForbidden && has("suspended"):
		return &failure{err: ErrSuspended}
	case status == http.StatusLocked, status == http.StatusForbidden && has("is locked"):
		return &failure{err: ErrLocked}
	case status == http.StatusForbidden, status == http.StatusUnavailableForLegalReasons,
		status == http.StatusUnprocessableEntity && has("without `workflows` permission"):
		return &failure{err: fmt.Errorf("%w: %s", ErrForbidden, short(e.Message))}
	case status == http.StatusNotFound, status == http.StatusConflict && has("repository is empty"):
		return &failure{err: ErrNotFound}
	case status == http.StatusGone:
		return &failure{err: ErrGone}
	case status == http.StatusUnprocessableEntity:
		return &failure{err: invalid(e)}
	default:
		return &failure{err: fmt.Errorf("github: status %d: %s", status, short(e.Message))}
	}
}

func invalid(e *github.ErrorResponse) *ValidationError {
	v := &ValidationError{Message: short(e.Message)}
	for _, f := range e.Errors[:min(len(e.Errors), 10)] {
		code := f.Code
		if f.Message != "" {
			code = f.Message
		}
		v.Fields = append(v.Fields, Field{Name: short(f.Field), Code: short(code)})
	}
	return v
}

var inRepository = regexp.MustCompile(`/repositories/(\d+)(/|$)`)

// elsewhere finds out that what was asked for is no longer there: a redirect
// that was refused, or one that was followed out of the repository. A GET of a
// transferred issue ends in another repository; one under the old name of a
// renamed repository ends in the same one, and is as good as any.
func elsewhere(at At, resp *github.Response) *MovedError {
	if resp == nil || resp.Response == nil {
		return nil
	}
	if to := resp.Header.Get(movedHeader); to != "" {
		to, _, _ = strings.Cut(to, "?")
		return &MovedError{To: short(to), Repository: repositoryIn(to)}
	}
	req := resp.Request
	if req == nil || req.Response == nil { // set on a request that a redirect caused
		return nil
	}
	id := repositoryIn(req.URL.Path)
	if at.Repo.Name == "" || id == at.Repo.ID || strings.HasSuffix(req.URL.Path, "/repositories/"+strconv.FormatInt(id, 10)) {
		return nil
	}
	return &MovedError{To: req.URL.Scheme + "://" + req.URL.Host + req.URL.Path, Repository: id}
}

func repositoryIn(path string) int64 {
	m := inRepository.FindStringSubmatch(path)
	if m == nil {
		return 0
	}
	id, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// restUntil says when to come back after a limit, as GitHub's "Rate limits for
// the REST API" has it: after Retry-After; else, if nothing remains, at the
// reset; else after a minute.
func (a *App) restUntil(resp *http.Response) time.Time {
	if resp == nil {
		return a.now().Add(limitedFor)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		return a.moment(a.now().Add(time.Duration(min(s, int(longestRest/time.Second))) * time.Second))
	}
	if resp.Header.Get("X-RateLimit-Remaining") == "0" {
		if s, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return a.moment(time.Unix(s, 0))
		}
	}
	return a.now().Add(limitedFor)
}

// moment keeps a time that a header named within reason.
func (a *App) moment(t time.Time) time.Time {
	now := a.now()
	switch {
	case t.IsZero():
		return now.Add(limitedFor)
	case t.Before(now.Add(time.Second)):
		return now.Add(time.Second)
	case t.After(now.Add(longestRest)):
		return now.Add(longestRest)
	}
	return t
}

// withoutURL takes the address out of a transport's error, which may be long
// and says nothing that the caller's own words do not.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) && u.Err != nil {
		return u.Err
	}
	return err
}

// short makes GitHub's words fit for a log line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}
