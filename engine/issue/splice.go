package issue

import (
	"crypto/hmac"
	"errors"
	"strings"
)

// ErrTooLong says that a body has no room for the section: people wrote too
// much. Nothing was changed.
var ErrTooLong = errors.New("issue: the body has no room for the section")

// Splice puts the section where the app's section stands in a body, or at its
// end if there is none. Everything outside of it stays as people wrote it, byte
// for byte; what they wrote inside is replaced.
//
// Bodies come back from GitHub as people left them: with CRLF, with the section
// moved, twice, without one of its markers, or quoted. A marker counts only at
// the start of a line and outside of a fence. A section whose end is gone still
// ends where the hash in its beginning says; if it was edited too, what is left
// of it stays as if people had written it, and a new one comes to the end. The
// second of two sections goes.
//
// changed is false if the body says what it should already; then it need not be
// written. A body of more than 65,000 bytes is [ErrTooLong]: render the section
// again for the [Room] that there is.
func Splice(body, section string) (newBody string, changed bool, err error) {
	pl := layout(body)
	var b strings.Builder
	at, placed := 0, false
	for _, r := range pl.ours {
		b.WriteString(body[at:r.from])
		at = r.to
		if r.section && !placed {
			placed = true
			if strings.ReplaceAll(body[r.from:r.to], "\r\n", "\n") == section {
				b.WriteString(body[r.from:r.to])
			} else {
				b.WriteString(section)
			}
			continue
		}
		at += lineEnd(body[at:])
	}
	b.WriteString(body[at:])
	newBody = b.String()
	switch {
	case placed:
	case strings.TrimSpace(newBody) == "":
		newBody = section
	case pl.open: // behind an open fence the section would be shown as code
		newBody = section + "\n\n" + newBody
	default:
		newBody += strings.Repeat("\n", 2-min(2, trailingNewlines(newBody))) + section
	}
	if len(newBody) > hardMax {
		return body, false, ErrTooLong
	}
	return newBody, newBody != body, nil
}

// Without takes what is ours out of a body, and the empty lines around it: at the end those
// that people left there too.
func Without(body string) string {
	var b strings.Builder
	at := 0
	for _, r := range layout(body).ours {
		b.WriteString(body[at:r.from])
		at = r.to + lineEnd(body[r.to:])
	}
	rest := body[at:]
	if at > 0 && b.Len() == 0 { // ours came first
		return rest[lineEnd(rest):]
	}
	if at > 0 && strings.TrimSpace(rest) == "" {
		return strings.TrimRight(b.String(), "\r\n")
	}
	return b.String() + rest
}

// hardMax leaves a little below GitHub's 65,536 characters.
const hardMax = 65_000

// Room is how long a section may be for the body to stay within [MaxBody],
// given what people wrote.
func Room(body string) int {
	room := MaxBody - len(body) - 2
	for _, r := range layout(body).ours {
		room += r.to - r.from
	}
	return max(0, room)
}

// FindMarker returns the cluster that a body's marker names. Only a marker whose
// keyed hash is the one that mac makes counts, and none in a fence or a quote.
func FindMarker(body string, mac func(cluster string) string) (cluster string, ok bool) {
	var f fence
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\r\n")
		if f.step(line) {
			continue
		}
		m := clusterLine.FindStringSubmatch(line)
		if m != nil && hmac.Equal([]byte(m[2]), []byte(mac(m[1]))) {
			return m[1], true
		}
	}
	return "", false
}

// lineEnd is the length of the line end that s begins with.
func lineEnd(s string) int {
	switch {
	case strings.HasPrefix(s, "\r\n"):
		return 2
	case strings.HasPrefix(s, "\n"):
		return 1
	}
	return 0
}

func trailingNewlines(s string) int {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return len(s) - len(strings.TrimRight(s, "\n"))
}
