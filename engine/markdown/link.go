package markdown

import (
	"net/url"
	"strings"
)

// maxURL is how long an address may be, in bytes. A longer one is not shown.
const maxURL = 2000

// Link is a link that we vouch for: the permanent address of an error group or a
// post. The text (foreign; at most 120 characters) is followed by the host, so
// that a reader knows where it leads.
//
// It is never an image, and only an https address without credentials, on a host
// other than GitHub's (a link to an issue there leaves a reference on it), is
// linked; for any other the text stands alone. The address is encoded so that
// nothing in it can end the link.
func Link(text, address string) string {
	const maxText = 120
	label := Inline(text, maxText)
	u, ok := linkable(address)
	if !ok {
		return label
	}
	host := Inline(strings.TrimPrefix(u.Hostname(), "www."), maxText)
	if label != "" {
		label += " "
	}
	return "[" + label + "(" + host + ")](" + encode(u) + ")"
}

func linkable(address string) (*url.URL, bool) {
	if len(address) > maxURL {
		return nil, false
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return nil, false
	}
	u.Host = strings.ToLower(u.Host)
	host := u.Hostname()
	if host == "" || strings.Trim(u.Host, "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "" {
		return nil, false // names in other scripts imitate ones that people trust
	}
	for _, github := range []string{"github.com", "ghe.com", "githubusercontent.com", "github.io"} {
		if name := strings.TrimRight(host, "."); name == github || strings.HasSuffix(name, "."+github) {
			return nil, false
		}
	}
	return u, true
}

// encode is the address with every character percent-encoded that Markdown or
// HTML could read as anything else than part of an address.
func encode(u *url.URL) string {
	var b strings.Builder
	b.WriteString("https://" + u.Host)
	part(&b, "", u.EscapedPath())
	if u.RawQuery != "" {
		part(&b, "?", u.RawQuery)
	}
	if u.Fragment != "" {
		part(&b, "#", u.EscapedFragment())
	}
	return b.String()
}

func part(b *strings.Builder, lead, s string) {
	const plain = "-._~%/?=&+,"
	const digits = "0123456789ABCDEF"
	b.WriteString(lead)
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
}
