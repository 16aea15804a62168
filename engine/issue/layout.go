package issue

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// region is a stretch of a body that is ours, without the end of its last line:
// a section with its markers or, to be taken out, a marker that lost the others
// or a section that somebody's open fence swallowed.
type region struct {
	from, to int
	section  bool
}

// plan is where in a body our regions are, in order, and whether a fence that
// people opened is still open at its end.
type plan struct {
	ours []region
	open bool
}

// layout finds what is ours.
func layout(body string) plan {
	lines := split(body)
	wholes := wholeSections(lines)
	var pl plan
	var f fence
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		fenced := f.step(l.text)
		switch begins := beginLine.MatchString(l.text); {
		case begins && fenced:
			if last, ok := wholes[i]; ok && !f.quotes(lines, wholes, i, last) {
				pl.ours = append(pl.ours, region{withCluster(lines, i), lines[last].to, false})
				i = last
			}
		case begins:
			last, section := extent(lines, wholes, i)
			r := region{l.from, lines[last].to, section}
			if section {
				r.from = withCluster(lines, i)
			}
			pl.ours = append(pl.ours, r)
			i = last
		case !fenced && endLine.MatchString(l.text):
			pl.ours = append(pl.ours, region{l.from, l.to, false})
		}
	}
	pl.open = f.length > 0
	return pl
}

// extent returns the last line of what begins with the i-th: the section's end
// marker, or where its hash says that it ended; the line alone if neither is
// there.
func extent(lines []bodyLine, wholes map[int]int, i int) (last int, section bool) {
	for j := i + 1; j < len(lines) && !beginLine.MatchString(lines[j].text); j++ {
		if endLine.MatchString(lines[j].text) {
			return j, true
		}
	}
	if last, ok := wholes[i]; ok {
		return last, true
	}
	return i, false
}

// wholeSections finds the sections whose content has the hash that their
// beginning says: from the number of the first line to that of the last, the end
// marker included if it is there.
func wholeSections(lines []bodyLine) map[int]int {
	wholes := map[int]int{}
	for i := range lines {
		m := beginLine.FindStringSubmatch(lines[i].text)
		if m == nil {
			continue
		}
		h := sha256.New()
		for j := i + 1; j < len(lines) && !beginLine.MatchString(lines[j].text); j++ {
			if j > i+1 {
				h.Write([]byte("\n"))
			}
			h.Write([]byte(lines[j].text))
			if hex.EncodeToString(h.Sum(nil)[:8]) != m[1] {
				continue
			}
			if wholes[i] = j; j+1 < len(lines) && endLine.MatchString(lines[j+1].text) {
				wholes[i] = j + 1
			}
			break
		}
	}
	return wholes
}

// withCluster is where the section that begins with the i-th line starts: at
// the marker of the cluster, if that is right before it.
func withCluster(lines []bodyLine, i int) int {
	if i > 0 && clusterLine.MatchString(lines[i-1].text) {
		return lines[i-1].from
	}
	return lines[i].from
}

// bodyLine is a line of a body: its text without its end, and where that is.
type bodyLine struct {
	text     string
	from, to int
}

func split(body string) []bodyLine {
	var lines []bodyLine
	at := 0
	for line := range strings.Lines(body) {
		text := strings.TrimRight(line, "\r\n")
		lines = append(lines, bodyLine{text, at, at + len(text)})
		at += len(line)
	}
	return lines
}
