package issue

import "strings"

// fence follows the fenced code blocks of a text, as CommonMark has them
// (https://spec.commonmark.org/0.31.2/#fenced-code-blocks), at its top level:
// what is in a list or a quote does not begin at the start of a line.
type fence struct {
	char   byte
	length int // 0 outside of a fence
}

// step takes the next line and reports whether it is a fence or inside of one.
func (f *fence) step(line string) bool {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	rest := line[indent:]
	run := 0
	for run < len(rest) && (rest[0] == '`' || rest[0] == '~') && rest[run] == rest[0] {
		run++
	}
	mark := indent <= 3 && run >= 3
	if f.length == 0 {
		if mark && !(rest[0] == '`' && strings.Contains(rest[run:], "`")) {
			*f = fence{rest[0], run}
			return true
		}
		return false
	}
	if mark && rest[0] == f.char && run >= f.length && strings.TrimSpace(rest[run:]) == "" {
		*f = fence{}
	}
	return true
}

// quotes reports whether the fence that is open at the i-th line quotes the
// section from there to the last: it stays open through it and is closed later,
// not by another section. A fence that somebody forgot to close before our
// section does not; the section is taken out of it.
func (f fence) quotes(lines []bodyLine, wholes map[int]int, i, last int) bool {
	for j := i + 1; j < len(lines); j++ {
		if end, ok := wholes[j]; ok && j > last {
			j = end
			continue
		}
		if f.step(lines[j].text); f.length == 0 {
			return j > last
		}
	}
	return false
}
