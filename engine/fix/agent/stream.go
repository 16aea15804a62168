package agent

import (
	"fmt"
	"strings"
)

// maxKeyLines is how many lines are left out for a private key that does not end: one
// of 8,192 bits, the longest that is in use, has about a hundred.
const maxKeyLines = 100

// stream is one of the texts that the coder, or a command of its user, writes to the
// log. A private key is written on several lines, which no pattern finds: what follows
// where one begins is left out until it ends. What others write meanwhile is not.
type stream struct {
	journal *journal
	key     int // lines that the key may have yet; 0: this is none
}

// stream begins one.
func (j *journal) stream() *stream { return &stream{journal: j} }

// line notes a line.
func (s *stream) line(text string) {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full {
		return
	}
	text = strings.ToValidUTF8(oneLine(ansi.ReplaceAllString(text, "")), "�")
	if s.key > 0 {
		_, after, ends := strings.Cut(text, "PRIVATE KEY-----")
		switch {
		case ends:
			s.key, text = 0, after
		case s.key > 1:
			s.key--
			return
		default:
			s.key = 0
			j.coders(fmt.Sprintf("* %d lines were left out, and the private key did not end: the log goes on", maxKeyLines))
			return
		}
	}
	i := strings.LastIndex(text, "-----BEGIN ")
	begins := i >= 0 && strings.Contains(text[i:], "PRIVATE KEY-----") && !strings.Contains(text[i:], "-----END ")
	text = j.redact.clean(text)
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	j.coders("  " + text)
	if begins {
		s.key = maxKeyLines
		j.coders(fmt.Sprintf("* a private key begins here: it is left out, %d lines at most", maxKeyLines))
	}
}

// coders adds a line to the coder's share of the log, while it has room.
func (j *journal) coders(line string) {
	if !j.full && !j.add(line, j.limit-ownShare) {
		j.full = true
		j.add(fmt.Sprintf("* the log is longer than the %d bytes that are kept", j.limit), j.limit)
	}
}
