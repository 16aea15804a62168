package agent

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const gone = "[redacted]"

// secretForms are what credentials look like. GitHub's tokens come with dots and
// of any length since they may be JWTs themselves.
var secretForms = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`),
	regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9._-]{20,}`),
	regexp.MustCompile(`\bgithub_pat_[A-Za-z0-9_]{20,}`),
	regexp.MustCompile(`\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b`),
	regexp.MustCompile(`(?i)(aws_?secret_?access_?key|aws_?session_?token)(["'\s:=]+)[A-Za-z0-9/+=]{30,}`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`),
	regexp.MustCompile(`\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{20,}`),
	regexp.MustCompile(`\bxox[abposr]-[A-Za-z0-9-]{10,}`),
	regexp.MustCompile(`\bAIza[A-Za-z0-9_-]{35}`),
	regexp.MustCompile(`(?i)\b(authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]{8,}`),
	regexp.MustCompile(`([a-z][a-z0-9+.-]*://)[^\s/@:"']+:[^\s/@"']+@`),
}

// redactor takes credentials out of text: the ones it was told of, as they are and
// in the encodings that hide them at a glance, and whatever looks like one.
type redactor struct {
	known []string // the longest first
}

// newRedactor is one that knows these values. Those of fewer than eight bytes are
// no secrets and would tear texts apart.
func newRedactor(values ...string) *redactor {
	r := &redactor{}
	for _, v := range values {
		if len(v) < 8 {
			continue
		}
		r.known = append(r.known, v, hex.EncodeToString([]byte(v)))
		if q := url.QueryEscape(v); q != v {
			r.known = append(r.known, q)
		}
		// In base64 a text looks one of three ways, by where in a group of three
		// bytes it begins; what its neighbours have a part in is left off.
		for skip := range 3 {
			head := make([]byte, skip, skip+len(v))
			n := (skip + len(v)) / 3 * 3
			full := append(head, v...)[:n]
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
				text := enc.EncodeToString(full)
				r.known = append(r.known, text[(skip*8+5)/6:])
			}
		}
	}
	slices.SortFunc(r.known, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	r.known = slices.Compact(r.known)
	return r
}

// clean returns text without credentials.
func (r *redactor) clean(text string) string {
	for _, k := range r.known {
		text = strings.ReplaceAll(text, k, gone)
	}
	for _, form := range secretForms {
		switch form.NumSubexp() {
		case 0:
			text = form.ReplaceAllString(text, gone)
		case 1:
			text = form.ReplaceAllString(text, "${1}"+gone)
		default:
			text = form.ReplaceAllString(text, "${1}${2}"+gone)
		}
	}
	return text
}
