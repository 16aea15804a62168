package publish

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/zricethezav/gitleaks/v8/detect"
)

// scanner finds secrets: with the rules of gitleaks, and with GitHub's own tokens in
// the form of 2026, which hold dots, are some 520 characters long, and which those
// rules do not know.
type scanner struct {
	detector *detect.Detector
}

// decodings is how many layers of base64, hexadecimal and percent signs are looked
// through.
const decodings = 2

// githubToken is what GitHub's tokens look like, of any length.
var githubToken = regexp.MustCompile(`gh[pousr]_[A-Za-z0-9._-]{20,}|github_pat_[A-Za-z0-9_]{20,}`)

func newScanner() (*scanner, error) {
	d, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		return nil, fmt.Errorf("read the secret scanner's rules: %w", err)
	}
	// What scanned text says about itself does not count, and a file's name does not
	// either: it is not given to the detector, whose list of paths to pass over
	// would be a list of places to hide in.
	d.IgnoreGitleaksAllow = true
	d.MaxDecodeDepth = decodings
	return &scanner{detector: d}, nil
}

// found is one thing that looks like a secret.
type found struct {
	rule   string // the scanner's name of it
	line   int    // from 1
	secret string // never to be shown
}

// scan returns what in a text looks like a secret, in its order.
func (s *scanner) scan(text string) (list []found) {
	for _, f := range s.detector.DetectString(text) {
		list = append(list, found{f.RuleID, f.StartLine + 1, f.Secret})
	}
	for _, m := range githubToken.FindAllStringIndex(text, -1) {
		list = append(list, found{"github-token", 1 + strings.Count(text[:m[0]], "\n"), text[m[0]:m[1]]})
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(a.line, b.line) })
	return list
}

// added returns what looks like a secret in a text and stands in none of the earlier
// contents: the whole of the text is scanned, because a secret may be put together
// from an old line and a new one, and what the change only carries along is left out
// by its value.
func (s *scanner) added(text []byte, before [][]byte) (list []found) {
	for _, f := range s.scan(string(text)) {
		old := slices.ContainsFunc(before, func(was []byte) bool { return s.holds(was, f.secret) })
		if !old || f.secret == "" {
			list = append(list, f)
		}
	}
	return list
}

// holds reports whether a secret is in a content, as it is or encoded.
func (s *scanner) holds(content []byte, secret string) bool {
	if bytes.Contains(content, []byte(secret)) {
		return true
	}
	return slices.ContainsFunc(s.scan(string(content)), func(f found) bool { return f.secret == secret })
}

// redact takes out of a text what looks like a secret, and where it is encoded the
// whole line.
func (s *scanner) redact(text string) string {
	const gone = "[secret]"
	for _, f := range s.scan(text) {
		if f.secret != "" {
			text = strings.ReplaceAll(text, f.secret, gone)
		}
	}
	text = githubToken.ReplaceAllString(text, gone)
	lines := strings.Split(text, "\n")
	for _, f := range s.scan(text) {
		if i := f.line - 1; i < len(lines) {
			lines[i] = gone
		}
	}
	return strings.Join(lines, "\n")
}
