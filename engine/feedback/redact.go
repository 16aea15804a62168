package feedback

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPasses bounds how often the rules run over one text. A replacement can
// uncover a match beside it; two passes settle nearly everything.
const maxPasses = 6

// Redact takes personal data and secrets out of a text and puts tags that a
// person can read in their place: [email], [phone], [card], [iban], [ip],
// [user] (of a home folder), [credentials] (of a URL), [token], [jwt],
// [cookie], [private-key] and, for the value of a key that says so, [secret].
//
// It also makes the text fit to be stored: valid UTF-8 (what is not becomes
// U+FFFD), lines ending in \n, and neither control characters nor invisible
// ones that reorder or hide text.
//
// It takes linear time, a text of tags stays as it is, and
// Redact(Redact(x)) == Redact(x).
//
// What looks like an IP address but is a version stays: four numbers after a
// word like "version", after a comparison, or with a letter or a dash and a
// letter attached. Loopback and unspecified addresses and netmasks stay, since
// they name nobody. A number is a phone number if it is written like one
// (international with +, or grouped the way a country groups them), or if a
// word like "phone" stands before it.
func Redact(text string) string {
	text = sanitize(text)
	for range maxPasses {
		next := redactSecrets(text)
		next = redactPersons(next)
		if next == text {
			break
		}
		text = next
	}
	return text
}

// ansi matches the sequences that color a terminal's output.
var ansi = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]`)

// sanitize removes what has no place in stored text.
func sanitize(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	if strings.Contains(s, "\x1b[") {
		s = ansi.ReplaceAllString(s, "")
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			return '\n'
		case unicode.IsControl(r) || invisible(r):
			return -1
		}
		return r
	}, s)
}

// invisible reports whether a rune has no shape of its own and changes how, or
// whether, others are seen. The joiners U+200C and U+200D are not among them:
// Persian and emoji are spelt with them.
func invisible(r rune) bool {
	switch {
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, // bidi embedding, override, isolate
		r == 0x200e, r == 0x200f, r == 0x061c, // bidi marks
		r == 0x200b, r >= 0x2060 && r <= 0x2064, r == 0xfeff, r == 0x00ad, r == 0x180e, // zero width
		r >= 0x206a && r <= 0x206f, r >= 0xfff9 && r <= 0xfffb, // deprecated and annotation
		r >= 0xe0000 && r <= 0xe007f: // tags, which spell words that nobody sees
		return true
	}
	return false
}

// tags are what Redact writes. A value that begins with one is redacted
// already.
var tags = []string{
	"[email]", "[phone]", "[card]", "[iban]", "[ip]", "[user]", "[credentials]",
	"[token]", "[jwt]", "[cookie]", "[private-key]", "[secret]",
}

func tagged(s string) bool {
	if !strings.HasPrefix(s, "[") {
		return false
	}
	for _, t := range tags {
		if strings.HasPrefix(s, t) {
			return true
		}
	}
	return strings.HasPrefix(s, "[Filtered]") || strings.HasPrefix(s, "[REDACTED]") // Sentry's own, and custom
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// isWord reports whether c continues an ASCII word. Other scripts write numbers
// and addresses right beside their words, so their letters do not.
func isWord(c byte) bool { return isDigit(c) || isLetter(c) || c == '_' }

// before and after return the byte beside a position, or a space at the edge.
func before(s string, i int) byte {
	if i <= 0 {
		return ' '
	}
	return s[i-1]
}

func after(s string, i int) byte {
	if i >= len(s) {
		return ' '
	}
	return s[i]
}

// splice copies a text while parts of it are replaced, from left to right.
type splice struct {
	text string
	out  strings.Builder
	done int // text before it is copied or replaced
}

func (s *splice) replace(from, to int, with string) {
	s.out.WriteString(s.text[s.done:from])
	s.out.WriteString(with)
	s.done = to
}

func (s *splice) String() string {
	if s.done == 0 {
		return s.text
	}
	s.out.WriteString(s.text[s.done:])
	return s.out.String()
}
