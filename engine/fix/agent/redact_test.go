package agent

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

func TestRedactKnown(t *testing.T) {
	r := newRedactor(theToken, theCloneToken, "short")
	for _, secret := range []string{theToken, theCloneToken} {
		for prefix := range 6 {
			text := strings.Repeat("u", prefix) + secret + ":x"
			for name, hidden := range map[string]string{
				"plain":  text,
				"base64": base64.StdEncoding.EncodeToString([]byte(text)),
				"url":    base64.RawURLEncoding.EncodeToString([]byte(text)),
				"hex":    hex.EncodeToString([]byte(text)),
			} {
				got := r.clean("before " + hidden + " after")
				if !strings.Contains(got, gone) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
					t.Errorf("%s after %d bytes: %q", name, prefix, got)
				}
				// At most two bytes of it may be left, which share a group with others.
				if len(got) > len("before  after")+len(gone)+2*(prefix+8) {
					t.Errorf("%s after %d bytes: much is left: %q", name, prefix, got)
				}
			}
		}
	}
	if got := r.clean("a short text"); got != "a short text" {
		t.Errorf("%q", got)
	}
}

func TestRedactForms(t *testing.T) {
	r := newRedactor()
	for in, want := range map[string]string{
		"ghp_" + strings.Repeat("a", 36):                                          gone,
		"x ghs_12345_eyJh.eyJi.c-d_" + strings.Repeat("e", 500) + " y":            "x " + gone + " y",
		"github_pat_" + strings.Repeat("A1_", 20):                                 gone,
		"AKIAABCDEFGHIJKLMNOP":                                                    gone,
		"AWS_SECRET_ACCESS_KEY=" + strings.Repeat("a/B+", 10):                     "AWS_SECRET_ACCESS_KEY=" + gone,
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl":                       gone,
		"-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----!": gone + "!",
		"-----BEGIN PRIVATE KEY-----\nMIIE":                                       gone,
		"Authorization: Bearer abcdefgh1234":                                      "Authorization: Bearer " + gone,
		"https://user:pass@example.com/x":                                         "https://" + gone + "example.com/x",
		"https://example.com:80/x@y":                                              "https://example.com:80/x@y",
		"nothing to see":                                                          "nothing to see",
	} {
		if got := r.clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
