package publish

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"
)

// scanner finds secrets: with the rules of gitleaks, and with GitHub's own tokens in
// the form of 2026, which hold dots, are some 520 characters long, and which those
// rules do not know.
type scanner struct {
	detect func(ctx context.Context, text string) []report.Finding
}

// formless are the rules whose secret has no form of its own: any word behind the
// right name. Without the words that the scanner passes over they would find something
// in most code. In what has a form no word excuses it: it could be put there.
var formless = []string{"generic-api-key", "curl-auth-header", "curl-auth-user", "hashicorp-tf-password", "kubernetes-secret-yaml", "nuget-config-password"}

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
	excuses := d.Config.Allowlists
	d.Config.Allowlists = nil
	for _, id := range formless {
		if rule, ok := d.Config.Rules[id]; ok {
			rule.Allowlists = append(slices.Clone(rule.Allowlists), excuses...)
			d.Config.Rules[id] = rule
		}
	}
	return &scanner{detect: func(ctx context.Context, text string) []report.Finding {
		//lint:ignore SA1019 v8 has no other type that DetectContext takes
		return d.DetectContext(ctx, detect.Fragment{Raw: text})
	}}, nil
}

// found is one thing that looks like a secret.
type found struct {
	rule   string // the scanner's name of it
	line   int    // from 1
	secret string // never to be shown
}

// scan returns what in a text looks like a secret, in its order. Once the context is
// over it may miss some: the caller asks for ctx.Err.
func (s *scanner) scan(ctx context.Context, text string) (list []found) {
	for _, f := range s.detect(ctx, text) {
		list = append(list, found{f.RuleID, f.StartLine + 1, f.Secret})
	}
	for _, m := range githubToken.FindAllStringIndex(text, -1) {
		list = append(list, found{"github-token", 1 + strings.Count(text[:m[0]], "\n"), text[m[0]:m[1]]})
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(a.line, b.line) })
	return list
}

// values returns what looks like a secret in any of the contents, which are looked at
// once each.
func (s *scanner) values(ctx context.Context, contents [][]byte) (map[string]bool, error) {
	set := make(map[string]bool)
	for _, content := range contents {
		for _, f := range s.scan(ctx, string(content)) {
			set[f.secret] = true
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("look for secrets: %w", err)
		}
	}
	return set, nil
}

// added returns what looks like a secret in a text and is none of the old ones, at
// most one more than are remembered: the whole of the text is scanned, because a
// secret may be put together from an old line and a new one, and what the change only
// carries along is left out by its value.
func (s *scanner) added(ctx context.Context, text []byte, old map[string]bool) (list []found, err error) {
	for _, f := range s.scan(ctx, string(text)) {
		if old[f.secret] && f.secret != "" {
			continue
		}
		if list = append(list, f); len(list) > maxRefusals {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look for secrets: %w", err)
	}
	return list, nil
}

// maxPathScan is how much of a path is looked at, in bytes.
const maxPathScan = 4 << 10

// names reports whether something in a path looks like a secret, between characters
// that are not seen too.
func (s *scanner) names(ctx context.Context, path string) bool {
	seen := strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, path[:min(len(path), maxPathScan)])
	return len(s.scan(ctx, seen)) > 0
}

// redact takes out of a text what looks like a secret, and where it is encoded the
// whole line.
func (s *scanner) redact(ctx context.Context, text string) string {
	const gone = "[secret]"
	for _, f := range s.scan(ctx, text) {
		if f.secret != "" {
			text = strings.ReplaceAll(text, f.secret, gone)
		}
	}
	text = githubToken.ReplaceAllString(text, gone)
	lines := strings.Split(text, "\n")
	for _, f := range s.scan(ctx, text) {
		if i := f.line - 1; i < len(lines) {
			lines[i] = gone
		}
	}
	return strings.Join(lines, "\n")
}
