package feedback

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// redactPersons replaces what says who somebody is or how to reach them.
func redactPersons(text string) string {
	text = redactEmails(text)
	text = redactHomes(text)
	text = redactIPv6(text)
	return redactNumbers(text)
}

// Longest parts of an e-mail address (RFC 5321, 4.5.3.1).
const (
	maxLocal  = 64
	maxDomain = 255
)

// assets are endings of file names that follow an @ in paths and in the stacks
// of Firefox and Safari (function@file), and are no top-level domain.
var assets = []string{
	"js", "mjs", "cjs", "jsx", "ts", "tsx", "vue", "svelte", "css", "scss", "less", "png", "jpg", "jpeg",
	"gif", "svg", "webp", "ico", "map", "html", "json", "xml", "wasm", "service", "target", "socket", "mount",
}

func redactEmails(text string) string {
	if !strings.Contains(text, "@") && !strings.Contains(text, "%40") {
		return text
	}
	s := splice{text: text}
	for i := 0; i < len(text); i++ {
		width := 0
		switch {
		case text[i] == '@':
			width = 1
		case strings.HasPrefix(text[i:], "%40"):
			width = 3
		default:
			continue
		}
		from := localPart(text, i, s.done)
		to := domain(text, i+width)
		if from == i || to == 0 {
			continue
		}
		if text[from:i] == "git" && (after(text, to) == ':' || after(text, to) == '/') {
			continue // the user of every clone address
		}
		s.replace(from, to, "[email]")
		i = to - 1
	}
	return s.String()
}

// localPart returns where the local part that ends at i begins.
func localPart(text string, i, floor int) int {
	from := i
	for from > floor && i-from < maxLocal {
		r, size := utf8.DecodeLastRuneInString(text[floor:from])
		if !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._+-'!#$&*~^", r) || r == '%' && size == 1) {
			break
		}
		from -= size
	}
	for from < i && strings.IndexByte(".'+-*&#!$%~^", text[from]) >= 0 {
		from++
	}
	return from
}

// domain returns where the domain that begins at i ends, 0 if none is there.
func domain(text string, i int) int {
	end := i
	for end < len(text) && end-i < maxDomain {
		r, size := utf8.DecodeRuneInString(text[end:])
		if !(unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '.') {
			break
		}
		end += size
	}
	name := strings.TrimRight(text[i:end], ".-")
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") || strings.Contains(name, "..") {
		return 0
	}
	labels := strings.Split(name, ".")
	if len(labels) < 2 {
		return 0
	}
	top := labels[len(labels)-1]
	if utf8.RuneCountInString(top) < 2 || strings.IndexFunc(top, func(r rune) bool { return !unicode.IsLetter(r) }) >= 0 && !strings.HasPrefix(top, "xn--") {
		return 0
	}
	if slices.Contains(assets, strings.ToLower(top)) || release.MatchString(name) {
		return 0
	}
	return i + len(name)
}

// release matches what a package's name is followed by: react@18.2.0-rc.
var release = regexp.MustCompile(`^v?\d+\.\d+`)

var homes = []shape{
	{"/home/", regexp.MustCompile(`((?:^|[^\w.\-/\]]|file://)(?:/export|/usr)?/home/)[^/\\\s:;,"'<>|()\[\]?]+`), "$1[user]"},
	{"/Users/", regexp.MustCompile(`((?:^|[^\w.\-/\]]|file://)/Users/)[^/\\\s:;,"'<>|()\[\]?]+`), "$1[user]"},
	{`:\`, regexp.MustCompile(`(?i)([a-z]:\\{1,4}(?:Users|Documents and Settings)\\{1,4})(?:[^\\/:*?"<>|\n\[]{1,64}(\\)|[^\\/:*?"<>|\s\[]+)`), "$1[user]$2"},
	{":/", regexp.MustCompile(`(?i)(\b[a-z]:/(?:Users|Documents and Settings)/)[^/\\\s:;,"'<>|()\[\]?]+`), "$1[user]"},
}

// request matches a route that only begins like a folder.
var request = regexp.MustCompile(`\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /home/`)

func redactHomes(text string) string {
	if strings.Contains(text, " /home/") && request.MatchString(text) {
		// Shield the routes for the length of the rules.
		const shield = "\x00home/"
		text = request.ReplaceAllStringFunc(text, func(m string) string { return strings.Replace(m, "/home/", shield, 1) })
		return strings.ReplaceAll(redactShapes(text, homes), shield, "/home/")
	}
	return redactShapes(text, homes)
}

func redactIPv6(text string) string {
	if strings.Count(text, ":") < 2 {
		return text
	}
	s := splice{text: text}
	for i := 0; i < len(text); {
		if !isHexColon(text[i]) {
			i++
			continue
		}
		from, to, colons := i, i, 0
		for to < len(text) && isHexColon(text[to]) {
			if text[to] == ':' {
				colons++
			}
			to++
		}
		i = to
		if colons < 2 {
			continue
		}
		if from, to = trimAddress(text, from, to); from >= to {
			continue
		}
		if isWord(before(text, from)) || isWord(after(text, to)) || !strings.ContainsAny(text[from:to], "0123456789") {
			continue // a::b is a path in C++, Perl and Rust
		}
		addr, err := netip.ParseAddr(text[from:to])
		if err != nil || addr.IsLoopback() || addr.IsUnspecified() {
			continue
		}
		if after(text, to) == '%' { // the zone: fe80::1%eth0
			for to++; to < len(text) && isWord(text[to]); to++ {
			}
		}
		s.replace(from, to, "[ip]")
		i = to
	}
	return s.String()
}

func isHexColon(c byte) bool {
	return isDigit(c) || c == ':' || c == '.' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// trimAddress leaves out punctuation that only touches an address.
func trimAddress(text string, from, to int) (int, int) {
	for from < to && (text[from] == '.' || text[from] == ':' && !strings.HasPrefix(text[from:to], "::")) {
		from++
	}
	for from < to && (text[to-1] == '.' || text[to-1] == ':' && !strings.HasSuffix(text[from:to], "::")) {
		to--
	}
	return from, to
}
