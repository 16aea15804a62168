package feedback

import (
	"slices"
	"strings"
)

const maxPhone = 15 // digits (ITU-T E.164)

// dialled is a number that may be one to dial.
type dialled struct {
	groups []string // of digits
	seps   []string // between them
	ends   []int    // where the groups end
	digits int
	area   bool // it begins with a group in parentheses
	end    int
}

// phone returns the end of the phone number that begins at i, 0 if none does.
func phone(text string, i int) int {
	switch p, q := before(text, i), before(text, i-1); {
	case p == '+' || p == '#' || p == '@', (p == '-' || p == '.' || p == '/') && isWord(q), p == ':' && isDigit(q):
		return 0
	}
	d := collect(text, i)
	if text[i] == '+' {
		for d.digits >= 7 {
			if d.whole(text) && d.international() {
				return d.end
			}
			d.shorten()
		}
		return 0
	}
	strict, soft, barred := context(text, i)
	if d.digits < 7 || barred || d.date() {
		return 0
	}
	if d.whole(text) && (strict || soft && len(d.groups) > 1) {
		return d.end
	}
	if before(text, i) == ' ' && isDigit(before(text, i-1)) && len(d.seps) > 0 && d.seps[0] == " " {
		return 0 // the end of a longer row of groups
	}
	for d.digits >= 7 {
		if d.whole(text) && d.national() {
			return d.end
		}
		d.shorten()
		if !slices.ContainsFunc(d.seps, func(s string) bool { return s != " " }) {
			return 0 // of blanks alone, any row of numbers would have a beginning that fits
		}
	}
	return 0
}

// whole reports whether nothing behind the number makes it part of another.
func (d dialled) whole(text string) bool {
	a, b := after(text, d.end), after(text, d.end+1)
	return !isWord(a) && !(strings.IndexByte(":-./", a) >= 0 && isDigit(b))
}

// shorten leaves out what follows the last blank: another number.
func (d *dialled) shorten() {
	n := len(d.seps)
	for n > 0 && d.seps[n-1] != " " {
		n--
	}
	if n == 0 {
		*d = dialled{}
		return
	}
	for _, g := range d.groups[n:] {
		d.digits -= len(g)
	}
	d.groups, d.seps, d.end = d.groups[:n], d.seps[:n-1], d.ends[n-1]
}

// collect reads groups of digits and what parts them, as far as one number
// can reach.
func collect(text string, i int) dialled {
	var d dialled
	if text[i] == '+' {
		i++
	}
	sep := ""
	for {
		open := false
		if after(text, i) == '(' {
			open = true
			i++
		}
		to := run(text[:min(len(text), i+maxPhone+1)], i)
		if to == i || d.digits+to-i > maxPhone {
			return d
		}
		if open && after(text, to) != ')' {
			return d
		}
		if len(d.groups) > 0 {
			d.seps = append(d.seps, sep)
		} else {
			d.area = open
		}
		d.groups = append(d.groups, text[i:to])
		d.digits += to - i
		d.end = to
		sep = ""
		if open {
			to++
			sep = ")"
			d.end = to
		}
		d.ends = append(d.ends, d.end)
		from := to
		for to < len(text) && to-from < 3 && strings.IndexByte(" -./", text[to]) >= 0 {
			to++
		}
		if text[from:to] == "" && sep == "" && after(text, to) != '(' {
			return d
		}
		sep += text[from:to]
		if len(strings.Trim(sep, " )")) > 1 || strings.Contains(sep, "  ") {
			return d
		}
		i = to
	}
}

// international checks a number behind a plus.
func (d dialled) international() bool {
	if d.groups[0][0] == '0' || d.area {
		return false
	}
	if len(d.groups) == 1 {
		return d.digits >= 9
	}
	return d.digits >= 8 && !(len(d.groups) == 2 && d.seps[0] == ".") // +3.14159265
}

// national knows how numbers are grouped where they are written without their
// country's code: North America 3-3-4, China 3-4-4, Brazil (2) 5-4, and what
// begins with the 0 or 00 of a trunk in most other countries.
func (d dialled) national() bool {
	sizes := make([]int, len(d.groups))
	for i, g := range d.groups {
		sizes[i] = len(g)
	}
	first := d.groups[0]
	dashed := !slices.Contains(d.seps, " ") && !slices.Contains(d.seps, "/")
	switch {
	case slices.Equal(sizes, []int{3, 3, 4}):
		return first[0] != '0' && (d.area || dashed && d.even())
	case slices.Equal(sizes, []int{1, 3, 3, 4}):
		return first == "1" && d.groups[1][0] >= '2'
	case slices.Equal(sizes, []int{3, 4, 4}) && first[0] == '1':
		return first[1] >= '3' && dashed && d.even()
	case d.area && (slices.Equal(sizes, []int{2, 5, 4}) || slices.Equal(sizes, []int{2, 4, 4})):
		return true
	}
	if first[0] != '0' || len(d.groups) < 2 || d.digits < 9 || d.digits > 14 {
		return false
	}
	if len(first) < 2 {
		return false
	}
	if first[1] == '0' { // 00 49 30 1234567
		return d.digits >= 11 && (len(first) == 2 || first[2] != '0') && len(d.groups) > 2 && len(d.groups[1]) < 4
	}
	if d.digits > 12 || !d.even() && !d.area && len(d.groups) > 2 && d.seps[0] != "/" && d.seps[0] != "-" {
		return false
	}
	for _, n := range sizes {
		if n < 2 || n > 8 {
			return false
		}
	}
	return d.seps[0] != "." || len(d.groups) >= 3 && slices.Max(sizes) <= 4 // 0.123456789 is a fraction
}

// even reports whether the same sign parts all groups.
func (d dialled) even() bool {
	return len(slices.Compact(slices.Clone(d.seps))) == 1
}

// date reports whether the groups begin with a day: 2024-05-31 or 31.05.2024,
// and not 05 31 20 24 31.
func (d dialled) date() bool {
	if len(d.groups) < 3 || d.seps[0] == " " || d.seps[0] != d.seps[1] {
		return false
	}
	a, b, c := d.groups[0], d.groups[1], d.groups[2]
	year := func(s string) bool { return len(s) == 4 && (s[:2] == "19" || s[:2] == "20") }
	return year(a) && len(b) <= 2 && len(c) <= 2 || len(a) <= 2 && len(b) <= 2 && year(c)
}

var (
	strictWords = []string{"phone", "tel", "telephone", "telefon", "telefono", "téléphone", "mobile", "cell", "cellphone", "fax", "whatsapp", "handy", "sms", "phonenumber", "mobil"}
	softWords   = []string{"call", "text", "dial", "ring", "reach", "contact", "callback"}
	fillers     = []string{"me", "us", "at", "on", "is", "number", "nummer", "no", "nr", "my", "our", "under", "please", "number's"}
	barredWords = []string{"order", "invoice", "ticket", "case", "ref", "reference", "id", "ids", "isbn", "issn", "serial", "sku", "tracking", "build", "commit", "version", "ver", "v", "rev", "part", "article", "item", "model", "port", "pid", "bestellung", "rechnung"}
)

// context looks at the words before a number for one that says what it is.
func context(text string, i int) (strict, soft, barred bool) {
	window := strings.ToLower(text[max(0, i-40):i])
	if cut := strings.LastIndexByte(window, '\n'); cut >= 0 {
		window = window[cut+1:]
	}
	words := strings.FieldsFunc(window, func(r rune) bool { return strings.ContainsRune(" \t:=\"'(.,#-_/", r) })
	for n := 0; n < 4 && len(words) > 0; n++ {
		w := words[len(words)-1]
		switch {
		case slices.Contains(strictWords, w):
			return true, false, false
		case slices.Contains(softWords, w):
			return false, true, false
		case slices.Contains(barredWords, w):
			return false, false, true
		case !slices.Contains(fillers, w):
			return false, false, false
		}
		words = words[:len(words)-1]
	}
	return false, false, false
}
