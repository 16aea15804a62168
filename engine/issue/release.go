package issue

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// carries says whether a release contains a merge.
type carries string

const (
	hasFix   carries = "yes"
	lacksFix carries = "no"
	unclear  carries = "unclear" // GitHub knows no commit of it
	unasked  carries = ""
)

// Asked is what GitHub said of a release.
type Asked struct {
	Hash  string    `json:"hash"` // see releaseHash
	Has   carries   `json:"has"`
	At    time.Time `json:"at"`
	Tries int       `json:"tries"`
}

// A release may be tagged after it was rolled out, so one that GitHub does not
// know is asked about again, a few times.
const (
	askTries = 3
	askAgain = 6 * time.Hour
)

// maxAsked is about how many releases GitHub is asked, after one merge. More are
// taken for unclear.
const maxAsked = 300

// has says whether a release contains the merge, as far as is known.
func (f *Fix) has(release string, now time.Time) carries {
	if !f.holds() || f.Merge.Commit == "" || len(refs(release)) == 0 {
		return unclear
	}
	i := f.asked(release)
	switch {
	case i < 0 && len(f.Asked) < maxAsked:
		return unasked
	case i < 0:
		return unclear
	}
	a := f.Asked[i]
	if a.Has == unclear && a.Tries < askTries && now.Sub(a.At) >= askAgain {
		return unasked
	}
	return a.Has
}

func (f *Fix) asked(release string) int {
	h := releaseHash(release)
	return slices.IndexFunc(f.Asked, func(a Asked) bool { return a.Hash == h })
}

// learn remembers what GitHub said of a release.
func (f *Fix) learn(release string, has carries, now time.Time) {
	i := f.asked(release)
	if i < 0 {
		i = len(f.Asked)
		f.Asked = append(f.Asked, Asked{Hash: releaseHash(release)})
	}
	a := &f.Asked[i]
	a.Has, a.At, a.Tries = has, now, a.Tries+1
}

var (
	// commitEnd finds a commit at the end of a release's name, whole or cut short:
	// "web@1.2.3+abc1234", "1.2.3-abc1234", "v1.2.3-4-gabc1234" (as git describes
	// it), or all of the name.
	commitEnd = regexp.MustCompile(`(?:^|[^0-9A-Za-z]|-g)([0-9a-f]{7,40})$`)
	// version is one of at least three numbers: two are the names of branches too.
	version = regexp.MustCompile(`^v?([0-9]+(?:\.[0-9]+){2,3}(?:-[0-9A-Za-z.-]+)?)(?:\+[0-9A-Za-z.-]+)?$`)
	// tagName is what may be asked for: no name that GitHub could take for anything
	// but one tag.
	tagName = regexp.MustCompile(`^[0-9A-Za-z@][0-9A-Za-z@._/-]{0,99}$`)
)

// refs are the names under which GitHub may know the commit of a release, the
// surest first; none if its name says nothing that could be asked for.
func refs(release string) []string {
	var names []string
	name := strings.ToLower(release)
	if m := commitEnd.FindStringSubmatch(name); m != nil {
		// Digits alone are a date or a number of a build, unless git wrote them.
		if strings.ContainsAny(m[1], "abcdef") || len(m[1]) == 40 || strings.HasSuffix(name, "-g"+m[1]) {
			names = append(names, m[1])
		}
	}
	pkg, number := "", release
	if at := strings.LastIndex(release, "@"); at >= 0 {
		pkg, number = release[:at], release[at+1:]
	}
	if m := version.FindStringSubmatch(number); m != nil {
		plain := m[1]
		names = append(names, "v"+plain, plain)
		if pkg != "" {
			names = append(names, pkg+"@"+strings.TrimSuffix(number, "+"+build(number)))
		}
	}
	return slices.DeleteFunc(names, func(n string) bool {
		return !tagName.MatchString(n) || strings.Contains(n, "..") || strings.Contains(n, "//") || strings.HasSuffix(n, ".lock") || strings.HasSuffix(n, ".") || strings.HasSuffix(n, "/")
	})
}

// build is what stands after the plus of a version.
func build(version string) string {
	_, build, _ := strings.Cut(version, "+")
	return build
}

// How much GitHub is asked of releases in one look, and when it is asked again:
// if there are more, and if it is away.
const (
	maxAsks    = 3
	askMore    = time.Minute
	askOutage  = 10 * time.Minute
	proofAsks  = 3
	maxListing = 500
)

// ask finds out about releases, a few at a time. A time that is not zero says when
// to go on: until then, what their feedback shows is not known.
func (s *sitting) ask(ctx context.Context, releases []string) (again time.Time) {
	for i, r := range releases {
		if i == maxAsks {
			return s.now.Add(askMore)
		}
		has, err := s.contains(ctx, r)
		if err != nil {
			zerolog.Ctx(ctx).Info().Err(err).Msg("GitHub did not say whether a release contains a fix; it is asked again")
			var later *work.Later
			if errors.As(err, &later) {
				return latest(later.Until, s.now.Add(askMore))
			}
			return s.now.Add(askOutage)
		}
		s.kept.Fix.learn(r, has, s.now)
	}
	return time.Time{}
}

// contains asks GitHub whether a release contains the merge of the fix. An error
// means that it cannot be known now.
func (s *sitting) contains(ctx context.Context, release string) (carries, error) {
	for _, ref := range refs(release) {
		c, found, err := s.host.Compare(ctx, s.at(), s.kept.Fix.Merge.Commit, ref)
		switch {
		case err != nil && away(err):
			return unasked, err
		case err != nil, !found:
			continue // GitHub will not say more of this name
		case c.Status == "identical" || c.Status == "ahead":
			return hasFix, nil
		}
		return lacksFix, nil
	}
	return unclear, nil
}

// away reports whether GitHub may answer the same question later.
func away(err error) bool {
	var later *work.Later
	return errors.As(err, &later) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, github.ErrSuspended) || errors.Is(err, github.ErrUninstalled)
}

// release is one that some problem of the project was seen in.
type release struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"` // when some problem was first seen in it
}

// noteReleases adds to the batch the releases that the problem was not seen in
// before, for the proofs of all problems.
func (s *sitting) noteReleases(b *storage.Batch) {
	for _, name := range s.fresh[max(0, len(s.fresh)-maxReleases):] {
		b.SetJSON(releasePrefix+releaseHash(name), release{name, s.now})
	}
}

// released looks among the releases of the project for one that contains the
// merge, "" if none is known.
func (s *sitting) released(ctx context.Context) (string, error) {
	entries, err := s.space.Scan(ctx, releasePrefix, "", maxListing)
	if err != nil {
		return "", err
	}
	var since []release
	for _, e := range entries {
		var r release
		if err := storage.GetJSON(e, &r); err != nil {
			return "", err
		}
		if r.At.After(s.kept.Fix.Merge.At) && len(refs(r.Name)) > 0 {
			since = append(since, r)
		}
	}
	slices.SortFunc(since, func(a, b release) int { return a.At.Compare(b.At) })
	for _, r := range since[max(0, len(since)-proofAsks):] {
		if has, err := s.contains(ctx, r.Name); err != nil || has == hasFix {
			return r.Name, err
		}
	}
	return "", nil
}
