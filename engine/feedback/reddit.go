package feedback

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bounds of a Reddit body: what is nested deeper than any page shows is left
// out, and a body of millions of empty objects is refused before they exist.
const (
	maxDepth   = 64
	maxObjects = 400_000
)

// Reddit reads a thing (t3, t1; also bare, without kind and data), a listing,
// an array of them, or the answer of /api/morechildren. A comment page is an
// array of the post's listing and the comments', whose replies are listings
// again; a "more" stub stands for replies that were not sent, which a Note on
// the first reading counts.
//
// Text that reads [deleted] or [removed] is a reading with Removed set.
func (r *Reader) Reddit(body []byte) ([]Reading, error) {
	body = trimBOM(body)
	if countObjects(body) > maxObjects {
		return nil, &BodyError{Message: "too much in one request; send it in parts"}
	}
	w := redditWalk{reader: r}
	var err error
	switch kind := jsonKind(body); kind {
	case "an array":
		var roots []*thing
		if err = decode(body, &roots); err == nil {
			for _, t := range roots {
				w.thing(t, 0)
			}
		}
	case "an object":
		var root struct {
			thing
			JSON struct {
				Data struct {
					Things []*thing `json:"things"`
				} `json:"data"`
			} `json:"json"`
		}
		if err = decode(body, &root); err == nil {
			if things := root.JSON.Data.Things; things != nil {
				for _, t := range things {
					w.thing(t, 0)
				}
			} else if root.Data != nil {
				w.thing(&root.thing, 0)
			} else {
				err = w.bare(body)
			}
		}
	default:
		if err = decode(body, new(any)); err == nil {
			err = &BodyError{Message: "want a Reddit thing or listing, got " + kind}
		}
	}
	if err != nil {
		return nil, err
	}
	if w.full {
		return nil, tooMany()
	}
	w.note()
	return w.readings, unread(w.readings)
}

// countObjects counts the objects of a JSON text.
func countObjects(body []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '{' && !quoted:
			n++
		}
	}
	return n
}

// thing is Reddit's envelope. Its data are those of a post, a comment, a
// listing or a stub, whichever kind says, so that one pass over the body reads
// all of them however deep.
type thing struct {
	Kind text       `json:"kind"`
	Data *thingData `json:"data"`
}

type thingData struct {
	Children []*thing `json:"children"` // of a listing; of a stub they are ids, which decode to nothing

	ID            text   `json:"id"`
	Name          text   `json:"name"` // the fullname
	Author        text   `json:"author"`
	Subreddit     text   `json:"subreddit"`
	SubredditType text   `json:"subreddit_type"`
	Permalink     text   `json:"permalink"`
	Title         text   `json:"title"`
	Selftext      text   `json:"selftext"`
	SelftextHTML  text   `json:"selftext_html"`
	Body          text   `json:"body"`
	BodyHTML      text   `json:"body_html"`
	LinkTitle     text   `json:"link_title"`
	RemovedBy     text   `json:"removed_by_category"`
	Created       moment `json:"created_utc"`
	Edited        moment `json:"edited"` // false, or when
	Count         number `json:"count"`  // of a stub: the replies behind it
	Replies       *thing `json:"replies"`
}

type redditWalk struct {
	reader   *Reader
	readings []Reading
	stubs    int
	behind   int // replies behind the stubs, and those nested too deep
	full     bool
}

func (w *redditWalk) thing(t *thing, depth int) {
	if t == nil || t.Data == nil {
		if t != nil {
			w.add(Reading{Err: &FieldError{Field: "data", Message: "want an object"}})
		}
		return
	}
	switch kind := t.Kind.String(); kind {
	case "Listing":
		for _, c := range t.Data.Children {
			if c != nil {
				w.thing(c, depth)
			}
		}
	case "more":
		w.stubs++
		w.behind += int(t.Data.Count)
	case "t1", "t3":
		w.add(w.reader.post(kind, t.Data))
		if t.Data.Replies == nil || t.Data.Replies.Data == nil {
			return
		}
		if depth >= maxDepth {
			w.behind++
			return
		}
		w.thing(t.Data.Replies, depth+1)
	default:
		w.add(Reading{Err: &FieldError{Field: "kind", Message: "want t3 (a post), t1 (a comment) or Listing"}})
	}
}

func (w *redditWalk) add(g Reading) {
	if len(w.readings) == MaxElements {
		w.full = true
		return
	}
	g.Index = len(w.readings)
	w.readings = append(w.readings, g)
}

// bare reads a thing that came without its envelope.
func (w *redditWalk) bare(body []byte) error {
	var d thingData
	if err := decode(body, &d); err != nil {
		return err
	}
	kind, _, _ := strings.Cut(d.Name.String(), "_")
	if kind != "t1" && kind != "t3" {
		return &BodyError{Message: "want a Reddit thing or listing: an object with kind and data"}
	}
	w.thing(&thing{Kind: text(kind), Data: &d}, 0)
	return nil
}

func (w *redditWalk) note() {
	if len(w.readings) > 0 && (w.stubs > 0 || w.behind > 0) {
		w.readings[0].Note = fmt.Sprintf("%d replies were not in the request (%d \"more\" stubs)", w.behind, w.stubs)
	}
}

var fullname = regexp.MustCompile(`^t[13]_[0-9a-z]{1,32}$`)

// post is the reading of a post or a comment.
func (r *Reader) post(kind string, d *thingData) Reading {
	name := strings.ToLower(d.Name.String())
	if name == "" && d.ID != "" {
		name = kind + "_" + strings.ToLower(d.ID.String())
	}
	if !fullname.MatchString(name) {
		return Reading{Err: &FieldError{Field: "name", Message: "want a fullname such as t3_abc123"}}
	}
	f := r.feedback(Reddit, name)
	f.First = r.past(d.Created.Time)
	f.Last = f.First
	f.Edited = r.edited(d)
	f.Labels, _ = add(nil, MaxLabels, line(d.Subreddit.String(), MaxLabel))
	switch d.SubredditType.String() {
	case "public", "restricted", "archived": // anybody can read it
		f.Public = true
	case "":
	default:
		f.Public = false
	}
	written := plainText(d, d.Selftext)
	if kind == "t1" {
		written = plainText(d, d.Body)
	}
	if d.RemovedBy.String() != "" || placeholder(written) || placeholder(d.Title.String()) {
		f.Removed = true
		return Reading{Feedback: f, Removed: true}
	}
	title := plainText(d, d.Title)
	if kind == "t1" {
		title = first(text(headline(written)), text(plainText(d, d.LinkTitle)))
	}
	f.Title = line(first(text(title), text(headline(written))), MaxTitle)
	f.Body = body(written)
	if f.Title == "" {
		return Reading{Err: &FieldError{Field: "title", Message: "neither a title nor a text is here"}}
	}
	f.URL = permalink(d.Permalink.String())
	gone := placeholder(d.Author.String())
	if !gone {
		f.Author = r.author("reddit", d.Author.String())
	}
	return Reading{Feedback: f, AuthorGone: gone}
}

// RedditGone is the reading that a thing is not there any more: Reddit, asked for
// it by its fullname, says nothing.
func (r *Reader) RedditGone(name string) Reading {
	f := r.feedback(Reddit, name)
	f.First = r.Now.UTC()
	f.Last = f.First
	f.Removed = true
	return Reading{Feedback: f, Removed: true}
}

func (r *Reader) edited(d *thingData) time.Time {
	if d.Edited.IsZero() {
		return time.Time{}
	}
	return r.past(d.Edited.Time)
}

// placeholder reports whether a text is what Reddit puts where one was.
func placeholder(s string) bool {
	s = strings.ToLower(strings.Join(strings.Fields(strings.Trim(strings.TrimSpace(s), "[]\\")), " "))
	return slices.Contains([]string{"deleted", "removed", "deleted by user", "removed by reddit", "removed by moderator"}, s)
}

// entities are what Reddit escapes in text, unless the request said raw_json.
var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// plainText undoes Reddit's escaping, once. Whether there was any shows in the
// rendered text beside it, which begins with a tag or with an escaped one.
func plainText(d *thingData, t text) string {
	rendered := first(d.SelftextHTML, d.BodyHTML)
	if strings.HasPrefix(rendered, "<") {
		return string(t)
	}
	return entities.Replace(string(t))
}

func permalink(path string) string {
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		return link("https://www.reddit.com"+path, "https")
	}
	return link(path, "https")
}
