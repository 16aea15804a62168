package feedback

import (
	"net/netip"
	"slices"
	"strings"
)

// redactNumbers replaces IP addresses, payment cards, bank accounts and phone
// numbers. Each candidate looks a bounded way ahead, so the whole is linear.
func redactNumbers(text string) string {
	digits := 0
	for i := 0; i < len(text) && digits < 4; i++ {
		if isDigit(text[i]) {
			digits++
		}
	}
	if digits < 4 {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		c := text[i]
		if !isDigit(c) && c != '+' && c != '(' && !isLetter(c) || isWord(before(text, i)) {
			i++
			continue
		}
		to, tag := numberAt(text, i)
		if to == 0 {
			i++
			continue
		}
		out.WriteString(text[:i])
		out.WriteString(tag)
		text, i = text[to:], 0 // what was replaced is no context for what follows
	}
	if out.Len() == 0 {
		return text
	}
	out.WriteString(text)
	return out.String()
}

// numberAt returns the end of the number that begins at i and its tag, 0 if
// none does.
func numberAt(text string, i int) (to int, tag string) {
	switch c := text[i]; {
	case isLetter(c):
		return iban(text, i), "[iban]"
	case c == '+' || c == '(':
		return phone(text, i), "[phone]"
	}
	if to = ipv4(text, i); to > 0 {
		return to, "[ip]"
	}
	if to = card(text, i); to > 0 {
		return to, "[card]"
	}
	return phone(text, i), "[phone]"
}

// run returns where the digits that begin at i end.
func run(text string, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}

var versionWords = []string{
	"v", "ver", "version", "versions", "release", "rev", "revision", "build", "firmware", "driver", "sdk",
	"assembly", "fileversion", "assemblyversion", "chapter", "section", "oid",
}

// ipv4 returns the end of the address that begins at i, 0 if none does.
func ipv4(text string, i int) int {
	switch p, q := before(text, i), before(text, i-1); {
	case p == '.' && isWord(q), p == '-' && isWord(q) && !isDigit(q):
		return 0
	}
	end := i
	for octet := range 4 {
		if octet > 0 {
			if after(text, end) != '.' {
				return 0
			}
			end++
		}
		to := end
		for to < len(text) && to-end <= 3 && isDigit(text[to]) {
			to++
		}
		if to == end || to-end > 3 {
			return 0
		}
		end = to
	}
	a, b := after(text, end), after(text, end+1)
	if isWord(a) || (a == '.' || a == '+') && isWord(b) || a == '-' && isLetter(b) {
		return 0
	}
	addr, err := netip.ParseAddr(text[i:end])
	if err != nil || addr.IsLoopback() || addr.IsUnspecified() || strings.HasPrefix(text[i:end], "255.255.") {
		return 0
	}
	left := strings.TrimRight(text[max(0, i-4):i], " ")
	for _, op := range []string{"==", ">=", "<=", "~>", "~=", "^", "~", "!=", "@"} {
		if strings.HasSuffix(left, op) {
			return 0
		}
	}
	if word := wordBefore(text, i); slices.Contains(versionWords, word) || product(text, i, end, word) {
		return 0
	}
	return end
}

var addressWords = []string{
	"ip", "ips", "ipv", "address", "addr", "host", "hostname", "client", "server", "remote", "peer", "proxy", "dns",
	"gateway", "ping", "connect", "connected", "connecting", "connection", "listen", "listening", "bind", "user", "from", "to",
	"by", "at", "source", "src", "dst", "destination", "via", "visitor", "login", "node", "trying", "for", "is", "and", "or", "http", "https",
}

// product reports whether four numbers are the version of the product that
// the word before names: SeaMonkey 2.53.18.2, Foo/2.1.0.3. The first of a
// version is small, which few addresses are, and nobody appends a port to it.
func product(text string, i, end int, word string) bool {
	next := after(text, end)
	if word == "" || text[i+1] != '.' || next == '/' || next == ':' && isDigit(after(text, end+1)) {
		return false
	}
	if p := before(text, i); p != ' ' && p != '(' && !(p == '/' && isWord(before(text, i-1))) {
		return false
	}
	for _, w := range []string{"ip", "addr", "address", "host"} {
		if strings.HasSuffix(word, w) {
			return false
		}
	}
	return !slices.Contains(addressWords, word)
}

// wordBefore returns the word before i, in lower case, across the few signs
// that may part a name from its number.
func wordBefore(text string, i int) string {
	end := i
	for end > 0 && i-end < 4 && strings.IndexByte(" \t:=\"'(#./", text[end-1]) >= 0 {
		end--
	}
	from := end
	for from > 0 && end-from < 20 && isLetter(text[from-1]) {
		from--
	}
	return strings.ToLower(text[from:end])
}

// cardGroups are the ways in which cards are printed: by fours, and American
// Express and Diners Club.
var cardGroups = [][]int{{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}}

// card returns the end of the payment card's number that begins at i, 0 if
// none does: digits of an issuer's range and length with a right check digit.
func card(text string, i int) int {
	if p := before(text, i); (p == '-' || p == '.' || p == '+') && isWord(before(text, i-1)) {
		return 0
	}
	end := i
	for end < len(text) && end-i < 20 && isDigit(text[end]) {
		end++
	}
	if end-i >= 13 {
		if !edge(text, end) || !payment(text[i:end]) {
			return 0
		}
		return end
	}
	if sep := after(text, end); end-i == 4 && (sep == ' ' || sep == '-') {
		for _, groups := range cardGroups {
			if to := grouped(text, i, sep, groups); to > 0 && edge(text, to) && payment(digitsOf(text[i:to])) {
				return to
			}
		}
	}
	return 0
}

// edge reports whether a number may end at i.
func edge(text string, i int) bool {
	a, b := after(text, i), after(text, i+1)
	return !isWord(a) && !((a == '-' || a == '.') && isWord(b))
}

func grouped(text string, i int, sep byte, groups []int) int {
	for n, size := range groups {
		if n > 0 {
			if after(text, i) != sep {
				return 0
			}
			i++
		}
		to := i
		for to < len(text) && to-i < size && isDigit(text[to]) {
			to++
		}
		if to-i != size {
			return 0
		}
		i = to
	}
	return i
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// payment checks the ranges of ISO/IEC 7812 that the large issuers use, their
// lengths, and the check digit.
func payment(n string) bool {
	prefix := func(size int) int {
		v := 0
		for _, c := range n[:size] {
			v = v*10 + int(c-'0')
		}
		return v
	}
	two, three, four := prefix(2), prefix(3), prefix(4)
	ok := false
	switch l := len(n); {
	case n[0] == '4':
		ok = l == 13 || l == 16 || l == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720:
		ok = l == 16
	case two == 34 || two == 37:
		ok = l == 15
	case two == 36 || two == 38 || three >= 300 && three <= 305:
		ok = l == 14
	case four >= 3528 && four <= 3589:
		ok = l >= 16 && l <= 19
	case four == 6011 || three >= 644 && three <= 649 || two == 65 || two == 62:
		ok = l >= 16 && l <= 19
	}
	return ok && luhn(n)
}

func luhn(n string) bool {
	sum := 0
	for i := 0; i < len(n); i++ {
		d := int(n[len(n)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// ibanLengths are the lengths of the countries of the SWIFT registry.
const ibanLengths = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 " +
	"DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 " +
	"JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 " +
	"PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"

// iban returns the end of the bank account's number that begins at i, 0 if
// none does: ISO 13616, in the length of its country, remainder 1 by 97.
func iban(text string, i int) int {
	if i+15 > len(text) || !isLetter(text[i+1]) || !isDigit(text[i+2]) || !isDigit(text[i+3]) {
		return 0
	}
	at := strings.Index(ibanLengths, strings.ToUpper(text[i:i+2]))
	if at < 0 || at%5 != 0 {
		return 0
	}
	length := int(ibanLengths[at+2]-'0')*10 + int(ibanLengths[at+3]-'0')
	var number [34]byte
	n, end := 0, i
	for n < length {
		if end >= len(text) {
			return 0
		}
		c := text[end]
		if c == ' ' || c == '-' {
			if n < 2 || !isWord(before(text, end)) {
				return 0
			}
			end++
			continue
		}
		if !isDigit(c) && !isLetter(c) {
			return 0
		}
		number[n] = c
		n++
		end++
	}
	if isWord(after(text, end)) {
		return 0
	}
	remainder := 0
	for k := range length {
		c := number[(k+4)%length]
		if isDigit(c) {
			remainder = (remainder*10 + int(c-'0')) % 97
		} else {
			remainder = (remainder*100 + int(c|0x20-'a') + 10) % 97
		}
	}
	if remainder != 1 {
		return 0
	}
	return end
}
