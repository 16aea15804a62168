package lexical

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one word of a text in lower case.
type token struct {
	text string
	form form
	name bool // written like a name: with a capital where a sentence has none
}

// form is the sort of a token.
type form byte

const (
	plain form = iota
	whole      // an identifier; its parts follow
	part       // of an identifier
	exact      // a number, version, ticket or host: the same or not, never nearly
)

// tokens splits text into words. Of a link its host is kept, an identifier comes
// whole and in parts, and what looks like a hash or an address is left out.
// Scripts that put no spaces between words give overlapping pairs of characters.
func tokens(text string) []token {
	var out []token
	begin := true // of a sentence, or of something that is written like one
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			begin = begin || strings.ContainsRune(".!?:;\n\"“", r)
			text = text[n:]
			continue
		}
		if n := linkLen(text); n > 0 {
			if h := host(text[:n]); h != "" {
				out = append(out, token{text: h, form: exact})
			}
			text = text[n:]
			continue
		}
		if n := unspacedLen(text); n > 0 {
			out = appendPairs(out, text[:n])
			text = text[n:]
			continue
		}
		n = wordLen(text)
		before := len(out)
		out = appendWord(out, text[:n])
		for i := before; i < len(out); i++ {
			out[i].name = !begin && capital(text[:n])
		}
		begin = false
		text = text[n:]
	}
	return unname(out)
}

// capital reports whether a word begins with a capital and goes on in small
// letters.
func capital(word string) bool {
	r, n := utf8.DecodeRuneInString(word)
	next, _ := utf8.DecodeRuneInString(word[n:])
	return unicode.IsUpper(r) && unicode.IsLower(next)
}

// unname takes the names back in a text of which every other word would be one:
// It Is A Headline, or German.
func unname(list []token) []token {
	names := 0
	for _, t := range list {
		if t.name {
			names++
		}
	}
	if 2*names > len(list) {
		for i := range list {
			list[i].name = false
		}
	}
	return list
}

// linkLen is how long the link at the start of text is, 0 if there is none.
func linkLen(text string) int {
	if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "www.") {
		return 0
	}
	end := func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`)]>"'|`, r) }
	if i := strings.IndexFunc(text, end); i >= 0 {
		return i
	}
	return len(text)
}

// host is the host of a link without its "www.".
func host(link string) string {
	if _, after, ok := strings.Cut(link, "://"); ok {
		link = after
	}
	if i := strings.IndexAny(link, "/?#:"); i >= 0 {
		link = link[:i]
	}
	return strings.ToLower(strings.Trim(strings.TrimPrefix(link, "www."), ".,"))
}

func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer)
}

func unspacedLen(text string) int {
	if i := strings.IndexFunc(text, func(r rune) bool { return !unspaced(r) }); i >= 0 {
		return i
	}
	return len(text)
}

func appendPairs(out []token, text string) []token {
	rs := []rune(text)
	if len(rs) == 1 {
		return append(out, token{text: text, form: plain})
	}
	for i := 0; i+1 < len(rs); i++ {
		out = append(out, token{text: string(rs[i : i+2]), form: plain})
	}
	return out
}

// wordLen is how long the word at the start of text is. Apostrophes and
// underscores inside belong to it, the dots of a version ("3.4.0") and the hyphen
// of a ticket ("PROJ-17").
func wordLen(text string) int {
	for i, r := range text {
		next, _ := utf8.DecodeRuneInString(text[min(len(text), i+utf8.RuneLen(max(r, 0))):])
		switch {
		case (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)) && !unspaced(r):
		case (r == '\'' || r == '’') && unicode.IsLetter(next):
		case r == '_' && (unicode.IsLetter(next) || unicode.IsDigit(next)):
		case r == '.' && i > 0 && digit(rune(text[i-1])) && digit(next):
		case r == '-' && i > 1 && upper(text[:i]) && digit(next):
		default:
			return i
		}
	}
	return len(text)
}

const (
	maxWord   = 128 // bytes; what is longer is no word
	maxNumber = 12  // digits and dots
)

var apostrophes = strings.NewReplacer("'", "", "’", "")

func appendWord(out []token, word string) []token {
	if len(word) > maxWord {
		return out
	}
	word = apostrophes.Replace(word)
	switch {
	case strings.Contains(word, "-"):
		return append(out, token{text: strings.ToLower(word), form: exact})
	case strings.Trim(word, "0123456789.") == "":
		if len(word) > maxNumber {
			return out
		}
		return append(out, token{text: word, form: exact})
	case opaque(word):
		return out
	}
	parts := split(word)
	if len(parts) == 1 {
		return append(out, token{text: strings.ToLower(parts[0]), form: plain})
	}
	out = append(out, token{text: strings.ToLower(strings.Join(parts, "")), form: whole})
	for _, p := range parts {
		if !opaque(p) {
			out = append(out, token{text: strings.ToLower(p), form: part})
		}
	}
	return out
}

// opaque reports whether a word is a hash, an address or a number inside an
// identifier: nothing that another report would repeat.
func opaque(word string) bool {
	digits, hex := 0, true
	for _, r := range word {
		if digit(r) {
			digits++
		} else if !('a' <= r && r <= 'f' || 'A' <= r && r <= 'F') {
			hex = false
		}
	}
	return digits == len(word) || digits > 8 || digits >= 2 && hex && len(word) >= 6 || digits > 0 && strings.HasPrefix(word, "0x")
}

// split takes an identifier apart at its underscores and humps:
// "parseHTTPHeader_v2" is parse, HTTP, Header, v2.
func split(word string) []string {
	var parts []string
	for s := range strings.SplitSeq(word, "_") {
		rs, start := []rune(s), 0
		for i := 1; i < len(rs); i++ {
			hump := unicode.IsLower(rs[i-1]) && unicode.IsUpper(rs[i])
			// The last capital of a run begins the next word, but a plural s does not make one ("PDFs").
			tail := unicode.IsUpper(rs[i-1]) && unicode.IsUpper(rs[i]) && i+2 < len(rs) && unicode.IsLower(rs[i+1])
			if hump || tail {
				parts = append(parts, string(rs[start:i]))
				start = i
			}
		}
		if start < len(rs) {
			parts = append(parts, string(rs[start:]))
		}
	}
	return parts
}

func digit(r rune) bool { return '0' <= r && r <= '9' }

func upper(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
}
