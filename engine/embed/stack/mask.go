package stack

import "strings"

// Mask replaces what changes between two runs or builds of the same program by
// '#': numbers, addresses, hashes and the numbers of generated classes.
//
//	GeneratedMethodAccessor42  →  GeneratedMethodAccessor#
//	app.3f9a1c7e.js            →  app.#.js
//	open /tmp/x81: 0x7ffe12    →  open /tmp/x#: #
func Mask(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		j := i
		digits, hex := 0, true
		for j < len(s) && isWord(s[j]) {
			c := s[j]
			if isDigit(c) {
				digits++
			} else if !isHex(c) {
				hex = false
			}
			j++
		}
		word := s[i:j]
		switch {
		case j == i:
			b.WriteByte(s[i])
			i++
			continue
		case digits > 0 && (hex && len(word) >= 6 || strings.HasPrefix(word, "0x")):
			b.WriteByte('#')
		case digits > 0:
			maskDigits(&b, word)
		default:
			b.WriteString(word)
		}
		i = j
	}
	return b.String()
}

// maskDigits writes a word with each run of digits as one '#'.
func maskDigits(b *strings.Builder, word string) {
	for i := 0; i < len(word); i++ {
		if !isDigit(word[i]) {
			b.WriteByte(word[i])
		} else if i == 0 || !isDigit(word[i-1]) {
			b.WriteByte('#')
		}
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
