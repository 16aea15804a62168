package offline

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// line is one physical line without its end.
type line struct {
	text   string // valid UTF-8
	number int    // from 1
	long   bool   // longer than maxLine: its text is lost
}

// lines reads a file line by line, and takes lines back.
type lines struct {
	in     *bufio.Reader
	number int
	back   []line
	bom    bool // the start was looked at
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReader(r)} }

// next returns the next line, or io.EOF.
func (l *lines) next() (line, error) {
	if n := len(l.back); n > 0 {
		out := l.back[n-1]
		l.back = l.back[:n-1]
		return out, nil
	}
	if !l.bom {
		l.bom = true
		head, _ := l.in.Peek(3) // fewer bytes are no byte order mark
		skip, err := byteOrder(head)
		if err != nil {
			return line{}, err
		}
		_, _ = l.in.Discard(skip) // they were just seen
	}
	var text []byte
	long := false
	for {
		chunk, err := l.in.ReadSlice('\n')
		if !long {
			text = append(text, chunk...)
		}
		if len(text) > maxLine {
			text, long = nil, true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !long) {
			return line{}, err
		}
		break
	}
	l.number++
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	return line{text: strings.ToValidUTF8(s, "\uFFFD"), number: l.number, long: long}, nil
}

// unread gives lines back, to be read again in their order.
func (l *lines) unread(some []line) {
	for i := len(some) - 1; i >= 0; i-- {
		l.back = append(l.back, some[i])
	}
}

// peek returns the first line that is not blank without reading it; an empty line
// if there is none.
func (l *lines) peek() (line, error) {
	var seen []line
	defer func() { l.unread(seen) }()
	for {
		next, err := l.next()
		if errors.Is(err, io.EOF) {
			return line{}, nil
		}
		if err != nil {
			return line{}, err
		}
		seen = append(seen, next)
		if strings.TrimSpace(next.text) != "" || next.long || len(seen) == maxBlank {
			return next, nil
		}
	}
}

// maxBlank is how many blank lines a file may begin with.
const maxBlank = 100
