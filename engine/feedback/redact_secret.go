package feedback

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// redactSecrets replaces what opens doors: keys, tokens, passwords, cookies.
func redactSecrets(text string) string {
	text = redactShapes(text, structures)
	if strings.Contains(text, "://") {
		text = replaceGroup(text, userinfo, "[credentials]", func(v string) bool { return v != "git" })
	}
	text = redactPairs(text)
	key := accessKey.MatchString(text)
	text = redactShapes(text, shapes)
	if key {
		text = awsSecret.ReplaceAllStringFunc(text, func(word string) string {
			if len(word) == 40 && mixed(word) {
				return "[token]"
			}
			return word
		})
	}
	return redactSchemes(text)
}

// A shape is a secret that is known by how it looks.
type shape struct {
	hint string // a text without the hint has no match: finding it is cheap
	re   *regexp.Regexp
	with string
}

func redactShapes(text string, shapes []shape) string {
	for _, s := range shapes {
		if strings.Contains(text, s.hint) {
			text = s.re.ReplaceAllString(text, s.with)
		}
	}
	return text
}

// structures come first: other rules would take apart what is inside them.
var structures = []shape{
	{"PRIVATE KEY", regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)`), "[private-key]"},
}

// userinfo is what stands before the host of a URL. The "git" of clone
// addresses is no secret.
var userinfo = regexp.MustCompile(`://([^\s/?#"'<>\\]+)@`)

// accessKey is the id of an AWS key. Where one is, its secret is not far.
var (
	accessKey = regexp.MustCompile(`\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b`)
	awsSecret = regexp.MustCompile(`[A-Za-z0-9/+]{40,}`)
)

// shapes are the formats that their issuers document, and GitHub's of 2026,
// which hold dots and grow beyond 500 characters.
var shapes = []shape{
	{"gh", regexp.MustCompile(`gh[pousr]_[A-Za-z0-9_.\-]{20,}`), "[token]"},
	{"github_pat_", regexp.MustCompile(`github_pat_[A-Za-z0-9_]{20,}`), "[token]"},
	{"gl", regexp.MustCompile(`gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[A-Za-z0-9_.\-]{20,}`), "[token]"},
	{"A", accessKey, "[token]"},
	{"AIza", regexp.MustCompile(`AIza[A-Za-z0-9_\-]{30,}`), "[token]"},
	{"ya29.", regexp.MustCompile(`ya29\.[A-Za-z0-9_\-]{20,}`), "[token]"},
	{"GOCSPX-", regexp.MustCompile(`GOCSPX-[A-Za-z0-9_\-]{20,}`), "[token]"},
	{"xox", regexp.MustCompile(`xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9\-]{10,}`), "[token]"},
	{"xapp-", regexp.MustCompile(`xapp-[A-Za-z0-9\-]{20,}`), "[token]"},
	{"hooks.slack.com/", regexp.MustCompile(`(hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/_]+`), "$1[token]"},
	{"/api/webhooks/", regexp.MustCompile(`(discord(?:app)?\.com/api/webhooks/\d+/)[A-Za-z0-9_\-]+`), "$1[token]"},
	{"_live_", regexp.MustCompile(`\b[srp]k_live_[A-Za-z0-9]{10,}`), "[token]"},
	{"_test_", regexp.MustCompile(`\b[srp]k_test_[A-Za-z0-9]{10,}`), "[token]"},
	{"whsec_", regexp.MustCompile(`whsec_[A-Za-z0-9+/=]{16,}`), "[token]"},
	{"sk-", regexp.MustCompile(`\bsk-(?:[A-Za-z0-9]+[-_])*?[A-Za-z0-9]*[0-9][A-Za-z0-9_\-]{19,}|\bsk-(?:ant|proj|svcacct|or)-[A-Za-z0-9_\-]{16,}`), "[token]"},
	{"sntrys_", regexp.MustCompile(`sntrys_[A-Za-z0-9_+/=\-]{20,}`), "[token]"},
	{"sntryu_", regexp.MustCompile(`sntryu_[A-Za-z0-9]{20,}`), "[token]"},
	{"npm_", regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36,}`), "[token]"},
	{"pypi-", regexp.MustCompile(`pypi-[A-Za-z0-9_\-]{40,}`), "[token]"},
	{"hf_", regexp.MustCompile(`\bhf_[A-Za-z0-9]{30,}`), "[token]"},
	{"SG.", regexp.MustCompile(`\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}`), "[token]"},
	{"dop_v1_", regexp.MustCompile(`dop_v1_[a-f0-9]{40,}`), "[token]"},
	{"shp", regexp.MustCompile(`\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32,}`), "[token]"},
	{"hvs.", regexp.MustCompile(`\bhvs\.[A-Za-z0-9_\-]{24,}`), "[token]"},
	{":AA", regexp.MustCompile(`\b\d{8,10}:AA[A-Za-z0-9_\-]{32,}`), "[token]"},
	{"AGE-SECRET-KEY-", regexp.MustCompile(`AGE-SECRET-KEY-1[A-Z0-9]{40,}`), "[token]"},
	{"eyJ", regexp.MustCompile(`\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]+){1,4}\.?`), "[jwt]"},
}

// mixed tells a random word from a hash in hexadecimal, a path or a name.
func mixed(word string) bool {
	var upper, lower, digit bool
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c >= 'A' && c <= 'Z':
			upper = true
		case c >= 'a' && c <= 'z':
			lower = true
		case isDigit(c):
			digit = true
		}
	}
	return upper && lower && digit
}

var (
	bearer = regexp.MustCompile(`(?i)\bbearer[ \t]+([A-Za-z0-9\-._~+/]{8,}=*)`)
	basic  = regexp.MustCompile(`(?i)\bbasic[ \t]+([A-Za-z0-9+/]{8,}={0,2})`)
)

// redactSchemes replaces credentials that stand behind the name of their
// scheme, wherever that is.
func redactSchemes(text string) string {
	if strings.Contains(text, "earer") || strings.Contains(text, "EARER") {
		text = replaceGroup(text, bearer, "[token]", func(v string) bool {
			return len(v) >= 24 || strings.ContainsAny(v, "0123456789")
		})
	}
	if strings.Contains(text, "asic") || strings.Contains(text, "ASIC") {
		text = replaceGroup(text, basic, "[credentials]", func(v string) bool {
			plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
			return err == nil && strings.Contains(string(plain), ":")
		})
	}
	return text
}

// replaceGroup replaces the first group of every match that passes.
func replaceGroup(text string, re *regexp.Regexp, with string, pass func(string) bool) string {
	s := splice{text: text}
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		if pass(text[m[2]:m[3]]) {
			s.replace(m[2], m[3], with)
		}
	}
	return s.String()
}
