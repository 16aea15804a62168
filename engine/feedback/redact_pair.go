package feedback

import (
	"regexp"
	"slices"
	"strings"
)

const (
	maxKey   = 64      // bytes of a key that are looked at
	maxValue = 4 << 10 // bytes of a value that may still turn out to be none
)

// redactPairs replaces the values of keys that say that they hold a secret, in
// the ways that settings, queries, headers, JSON and code write a pair:
// key=value, key: value, "key": "value", key => value, key%3Dvalue, --key value.
func redactPairs(text string) string {
	s := splice{text: text}
	for i := 0; i < len(text); {
		end, next := separator(text, i)
		if end == 0 {
			i++
			continue
		}
		if i >= s.done {
			if sort, quoted := keyBefore(text, i); sort != plain {
				v := valueAfter(text, end, sort, text[i] == '%')
				v.spaced = v.spaced || before(text, i) == ' '
				v.quotedKey = quoted
				if v.secret(text, sort) {
					s.replace(v.from, v.to, sort.tag())
					next = max(next, v.to)
				}
			}
		}
		i = next
	}
	return s.String()
}

// separator returns where the value's side of a separator at i begins and
// where to look on; zeros if there is none.
func separator(text string, i int) (end, next int) {
	rest := text[i:]
	switch {
	case strings.HasPrefix(rest, "::"), strings.HasPrefix(rest, "://"):
		return 0, 0
	case rest[0] == ':' && before(text, i) == ':':
		return 0, 0
	case strings.HasPrefix(rest, ":="), strings.HasPrefix(rest, "=>"), strings.HasPrefix(rest, "=="):
		return i + 2, i + 2
	case rest[0] == ':', rest[0] == '=':
		return i + 1, i + 1
	case strings.HasPrefix(rest, "%3D"), strings.HasPrefix(rest, "%3d"):
		return i + 3, i + 3
	case rest[0] == ',' && (before(text, i) == '"' || before(text, i) == '\''):
		return i + 1, i + 1 // ["Cookie", "…"], as Sentry lists headers
	case rest[0] == ' ' && isWord(before(text, i)) && option(text, i):
		return i + 1, i + 1 // --password hunter2
	}
	return 0, 0
}

// option reports whether the word that ends at i is one like --token.
func option(text string, i int) bool {
	from := i
	for from > 0 && i-from < maxKey && (isWord(text[from-1]) || text[from-1] == '-') {
		from--
	}
	return strings.HasPrefix(text[from:i], "--")
}

// A keySort says what a key promises of its value.
type keySort int

const (
	plain  keySort = iota // nothing
	loose                 // a secret, however the pair is written
	tight                 // a secret only in key=value or as a quoted key: the word is common in prose
	header                // a secret that may begin with the name of a scheme
	cookie                // cookies
)

func (k keySort) tag() string {
	if k == cookie {
		return "[cookie]"
	}
	return "[secret]"
}

// keyBefore classifies the key that ends before the separator at i.
func keyBefore(text string, i int) (sort keySort, quoted bool) {
	end := i
	for end > 0 && i-end < 3 && (text[end-1] == ' ' || text[end-1] == '\t') {
		end--
	}
	if end > 0 && text[end-1] == ']' && end > 1 && (text[end-2] == '"' || text[end-2] == '\'') {
		end--
	}
	for end > 0 && i-end < 6 && strings.IndexByte("\"'`\\", text[end-1]) >= 0 {
		end--
		quoted = true
	}
	from := end
	for from > 0 && end-from < maxKey && (isWord(text[from-1]) || text[from-1] == '-' || text[from-1] == '.') {
		from--
	}
	key := text[from:end]
	sort = classify(key)
	if sort != plain && text[i] == ',' {
		// In a list of strings, only a header's name is followed by its value.
		if sort != header && sort != cookie && !strings.HasPrefix(strings.ToLower(key), "x-") {
			return plain, quoted
		}
	}
	return sort, quoted
}

var (
	looseKeys = []string{
		"password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "apikey",
		"accesskey", "secretkey", "privatekey", "signingkey", "encryptionkey", "masterkey",
		"accountkey", "authkey", "secretkeybase", "credential", "credentials", "sessionid",
		"sessid", "sessionkey", "sentrydsn", "apitoken", "authtoken",
	}
	tightKeys = []string{"pass", "pw", "sig", "signature", "sid", "session", "dsn", "auth"}
	suffixes  = []string{"confirmation", "confirm", "again", "hash", "value", "base64", "b64", "hex", "old", "new", "enc", "encrypted"}
)

func classify(key string) keySort {
	if len(key) < 2 {
		return plain
	}
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	if len(words) == 0 {
		return plain
	}
	last := strings.TrimRight(words[len(words)-1], "0123456789")
	if len(words) > 1 && (last == "" || slices.Contains(suffixes, last)) {
		words = words[:len(words)-1]
		last = strings.TrimRight(words[len(words)-1], "0123456789")
	}
	words[len(words)-1] = last
	joined := strings.Join(words, "")
	switch {
	case strings.HasSuffix(joined, "authorization"):
		return header
	case last == "cookie" || last == "cookies":
		return cookie
	case slices.Contains(tightKeys, last):
		return tight
	}
	for _, s := range suffixes {
		joined = strings.TrimSuffix(joined, s)
	}
	for _, k := range looseKeys {
		if strings.HasSuffix(joined, k) {
			return loose
		}
	}
	return plain
}

// value is what stands behind a separator.
type value struct {
	from, to  int
	quoted    bool
	quotedKey bool
	spaced    bool // a blank before or after the separator
	colon     bool
	escaped   bool // percent-encoded
}

var schemes = []string{"basic", "bearer", "token", "digest", "negotiate", "apikey", "aws4-hmac-sha256", "hmac", "key", "dpop"}

func valueAfter(text string, i int, sort keySort, escaped bool) value {
	v := value{colon: text[i-1] == ':', escaped: escaped}
	for n := 0; n < 4 && i < len(text) && (text[i] == ' ' || text[i] == '\t'); n++ {
		i++
		v.spaced = true
	}
	open := i
	for open < len(text) && open-i < 4 && text[open] == '\\' {
		open++
	}
	if q := after(text, open); q == '"' || q == '\'' || q == '`' {
		v.quoted = true
		v.from = open + 1
		v.to = v.from
		for v.to < len(text) && text[v.to] != q && text[v.to] != '\n' {
			if text[v.to] == '\\' && open == i { // an escaped quote does not end it
				v.to++
			}
			v.to++
		}
		v.to = min(v.to, len(text))
		for v.to > v.from && open > i && text[v.to-1] == '\\' {
			v.to--
		}
		return v
	}
	v.from, v.to = i, i
	switch sort {
	case cookie:
		const end = "\n\"'`"
		if v.to = endOf(text[:min(len(text), i+maxValue)], i, end); strings.Contains(text[i:v.to], "=") {
			v.to = endOf(text, v.to, end)
		}
	case header:
		v.to = endOf(text, i, " \t\n\"'`,;<>)}&")
		if slices.Contains(schemes, strings.ToLower(text[v.from:v.to])) && v.to < len(text) && text[v.to] == ' ' {
			parameters := "\n\"'`" // of a scheme like Digest, which has several
			if w := strings.ToLower(text[v.from:v.to]); w != "digest" && w != "aws4-hmac-sha256" && w != "hmac" {
				parameters = " \t\n\"'`,;<>)}&"
			}
			v.to = endOf(text, v.to+1, parameters)
		}
	default:
		v.to = endOf(text, i, " \t\n\"'`,;<>)]}|&")
		if escaped {
			if j := strings.Index(text[v.from:v.to], "%26"); j >= 0 {
				v.to = v.from + j
			}
		}
	}
	return v
}

func endOf(text string, i int, stop string) int {
	if i >= len(text) {
		return len(text)
	}
	if j := strings.IndexAny(text[i:], stop); j >= 0 {
		return i + j
	}
	return len(text)
}

// harmless are values that are no secret: what a program prints where there is
// none, the names of types, and what a validator says of one.
var harmless = []string{
	"null", "nil", "none", "undefined", "true", "false", "empty", "string", "str", "text", "number",
	"int", "bool", "boolean", "bytes", "object", "any", "required", "optional", "missing", "invalid",
	"expired", "incorrect", "wrong", "failed", "denied", "unknown", "redacted", "filtered", "hidden",
}

// secret decides whether a value is to be replaced. When a person's sentence
// is as likely as a setting, one that reads like a sentence stays.
func (v value) secret(text string, sort keySort) bool {
	s := text[v.from:v.to]
	trimmed := strings.TrimRight(s, ".,!?:")
	switch {
	case s == "" || tagged(text[v.from:]):
		return false
	case sort == cookie:
		return strings.Contains(s, "=")
	case len(s) > maxValue:
		return true // no word and no sentence; looking at it closely, often, would cost too much
	case slices.Contains(harmless, strings.ToLower(trimmed)), strings.Trim(s, "*xX•.-_#") == "":
		return false
	case template(s):
		return false
	case strings.HasPrefix(s, "/") && strings.HasSuffix(strings.ToLower(text[max(0, v.from-4):v.from]), "pwd="):
		return false // $PWD is a folder
	case v.quoted:
		return len(s) >= 3 || sort == loose && v.quotedKey
	case sort == tight:
		return !v.spaced && !v.colon || v.quotedKey
	case !v.spaced && !v.colon:
		return true
	}
	// key: value, key = value, without quotes: a setting, or a sentence.
	if len(trimmed) < 3 || dotted.MatchString(trimmed) || strings.ContainsAny(s, "({[<") || strings.Trim(trimmed, "0123456789") == "" && len(trimmed) < 6 {
		return false
	}
	if strings.IndexFunc(trimmed, func(r rune) bool { return !(r|0x20 >= 'a' && r|0x20 <= 'z') && r < 0x80 }) >= 0 {
		return true
	}
	end := v.to
	for end < len(text) && (text[end] == ' ' || text[end] == '\t') {
		end++
	}
	return (end == len(text) || text[end] == '\n') && trimmed == s // a word alone at the end of its line
}

// dotted matches the name of a class, which follows what it says of itself.
var dotted = regexp.MustCompile(`^[a-z]+(?:\.[A-Za-z$]+){2,}$`)

// template reports whether a value only names where the secret would be.
func template(s string) bool {
	switch {
	case strings.HasPrefix(s, "${"), strings.HasPrefix(s, "{{"), strings.HasPrefix(s, "#{"), strings.HasPrefix(s, "%s"), strings.HasPrefix(s, "%v"), strings.HasPrefix(s, "%("):
		return true
	case s == "{" || s == "[" || s == "(", s[0] == '<' && s[len(s)-1] == '>':
		return true
	}
	name, ok := strings.CutPrefix(s, "$")
	return ok && name != "" && isLetter(name[0]) && strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 || !isWord(byte(r)) }) < 0
}
