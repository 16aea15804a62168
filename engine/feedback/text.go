package feedback

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what is redacted of one foreign string. Redaction comes before the
// cut to size, so that a cut cannot hide half a secret from it.
const (
	redactLimit = 4 * MaxBody
	wordLimit   = 4 << 10
)

// line is foreign text made fit to be one line of at most limit runes.
func line(s string, limit int) string {
	return cutRunes(strings.Join(strings.Fields(Redact(bound(s, redactLimit))), " "), limit)
}

// body is foreign text made fit to be the body of feedback.
func body(s string) string {
	s = strings.TrimSpace(Redact(bound(s, redactLimit)))
	if len(s) <= MaxBody {
		return s
	}
	return strings.TrimSpace(cutBytes(s, MaxBody-len("…"))) + "…"
}

// bound cuts at the end of a word: half a word might be half a secret, which
// redaction would not recognise.
func bound(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = cutBytes(s, limit)
	tail := s[limit-wordLimit:]
	if i := strings.LastIndexAny(tail, " \t\r\n"); i >= 0 {
		return s[:limit-wordLimit+i]
	}
	return cutBytes(s, limit-wordLimit)
}

// cutBytes cuts between runes.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// cutRunes cuts to limit runes, of which the last then is an ellipsis.
func cutRunes(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit-1 {
			return strings.TrimSpace(s[:i]) + "…"
		}
		n++
	}
	return s
}

// headline is the first line of a text that says something, without the marks
// that Markdown puts before it.
func headline(s string) string {
	for l := range strings.Lines(s) {
		if l = strings.TrimLeft(strings.TrimSpace(l), "#>*-=_` \t"); l != "" {
			return l
		}
	}
	return ""
}

// link is a URL that a person can follow, without credentials, its path and
// query redacted; or empty.
func link(raw string, schemes ...string) string {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil || len(raw) > MaxURL || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return ""
	}
	u.User = nil
	origin := u.Scheme + "://" + u.Host
	rest := strings.TrimPrefix(u.String(), origin)
	if Redact(origin) != origin && !isAddress(u.Hostname()) {
		return ""
	}
	return cutURL(origin + Redact(rest))
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func cutURL(s string) string {
	if len(s) > MaxURL {
		return ""
	}
	return s
}

// add appends what is new to a list of at most limit strings; the oldest go.
// It reports whether anything was new.
func add(list []string, limit int, values ...string) ([]string, bool) {
	fresh := false
	for _, v := range values {
		if v == "" || slices.Contains(list, v) {
			continue
		}
		fresh = true
		list = append(list, v)
		if len(list) > limit {
			list = slices.Delete(list, 0, len(list)-limit)
		}
	}
	return list, fresh
}
