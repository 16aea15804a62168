package feedback

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Origin names where a problem is told of, the same whichever of its links is at hand:
// "sentry.io/77" for a group of Sentry's, "reddit.com/t3_abc" for a post. A Sentry of
// one's own has its own host there.
type Origin string

// Origin is where the feedback is from; "" for what people and programs report, whose
// links may be anybody's, and for a group whose link is not known.
func (f *Feedback) Origin() Origin {
	switch f.Kind {
	case Sentry:
		return sentryOrigin(f.URL)
	case Reddit:
		return redditOrigin(f.URL)
	}
	return ""
}

// MaxOrigins is how many origins [Origins] tells apart.
const MaxOrigins = 50

// Origins returns the origins that a text of people's links, each once, in order; the
// first MaxOrigins of them.
func Origins(text string) (all []Origin) {
	for _, raw := range linked.FindAllString(text, -1) {
		o := sentryOrigin(raw)
		if o == "" {
			o = redditOrigin(raw)
		}
		if o == "" || slices.Contains(all, o) {
			continue
		}
		if all = append(all, o); len(all) == MaxOrigins {
			break
		}
	}
	return all
}

var (
	// linked finds what may be a link: not what closes it in Markdown, HTML or a sentence.
	linked = regexp.MustCompile("https?://[^\\s<>()\\[\\]{}\"'`|\\\\]{1,1000}")
	// groupPage is the path of a group's pages: with the organisation in it, as a Sentry of
	// one's own has it, or with that in the host.
	groupPage = regexp.MustCompile(`^(?:/organizations/[^/]+)?/issues/([0-9]{1,32})(?:/|$)`)
	// threadPage is the path of a post, and of a comment on it.
	threadPage = regexp.MustCompile(`^(?:/r/[^/]+|/u(?:ser)?/[^/]+)?/comments/([0-9a-z]{1,32})(?:/[^/]*(?:/([0-9a-z]{1,32}))?)?/?$`)
)

// address is a link of a text, without what a sentence puts behind it; nil if it is none.
func address(raw string) *url.URL {
	u, err := url.Parse(strings.TrimRight(raw, ".,;:!?*_~"))
	if err != nil || u.Host == "" {
		return nil
	}
	return u
}

func sentryOrigin(raw string) Origin {
	u := address(raw)
	if u == nil {
		return ""
	}
	m := groupPage.FindStringSubmatch(u.Path)
	if m == nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	if strings.HasSuffix(host, ".sentry.io") { // an organisation's, or a region's
		host = "sentry.io"
	}
	return Origin(host + "/" + m[1])
}

func redditOrigin(raw string) Origin {
	u := address(raw)
	if u == nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	if host != "reddit.com" && !strings.HasSuffix(host, ".reddit.com") {
		return ""
	}
	m := threadPage.FindStringSubmatch(strings.ToLower(u.Path))
	switch {
	case m == nil:
		return ""
	case m[2] != "":
		return Origin("reddit.com/t1_" + m[2])
	}
	return Origin("reddit.com/t3_" + m[1])
}
