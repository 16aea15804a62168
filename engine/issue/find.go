package issue

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// Group is what people look for when they look for a state.
type Group string

// The groups. Every line is in one of them, but for Back, which is a part of Open.
const (
	Open      Group = "open"      // its issue is open
	Back      Group = "regressed" // its issue is open again: the problem came back
	WouldFile Group = "preview"   // its issue would be filed
	Waits     Group = "held"      // it waits for more, or for a place
	Watched   Group = "watched"   // closed, and watched for its return
	Quiet     Group = "muted"
	Stuck     Group = "blocked" // something outside keeps its issue from being kept
	Left      Group = "ignored" // nothing in it counts
)

// Groups returns every group, in the order in which people are told of them.
func Groups() []Group { return []Group{Open, Back, WouldFile, Waits, Watched, Quiet, Stuck, Left} }

// Group says which group a line is in, Back before Open.
func (l *Line) Group() Group {
	switch l.State {
	case Filed:
		if !l.Regressed.IsZero() {
			return Back
		}
		return Open
	case Preview:
		return WouldFile
	case Closed:
		return Watched
	case Muted:
		return Quiet
	case Blocked:
		return Stuck
	case Ignored:
		return Left
	}
	return Waits
}

func (l *Line) in(g Group) bool {
	own := l.Group()
	return g == "" || own == g || own == Back && g == Open
}

// Sort is an order of lines.
type Sort string

// The orders.
const (
	HurtsMost   Sort = "hurts"    // see Hurt
	Newest      Sort = "newest"   // the cluster that was opened last first
	LastSeen    Sort = "seen"     // the one that was seen last first
	MostReports Sort = "reports"  //
	LeastAlike  Sort = "cohesion" // the least sure first; clusters of one member last
)

var sorts = [...]Sort{HurtsMost, Newest, LastSeen, MostReports, LeastAlike}

// Sorts returns every order; the first is the one that is meant if none is named.
func Sorts() []Sort { return sorts[:] }

// Query says which lines are wanted.
type Query struct {
	// Words that a line must have all of, in its title or its culprit, in any case. A
	// number is also that of an issue or a cluster, and "#7" of an issue alone.
	Words string
	Group Group         // "" for all
	Kind  feedback.Kind // of feedback that counts in it; "" for all
	Sort  Sort          // "" for HurtsMost
	// Where to begin: so many lines from the first or, if After is not empty, behind the
	// line that it stands for, wherever that is by now.
	Skip  int
	After string
	Limit int
}

// Limits of the words of a query; what is beyond them is not looked for.
const (
	maxWords     = 8
	maxWordBytes = 200
)

// ErrCursor says that a query's After was not made by this query's order.
var ErrCursor = errors.New("this is no place in the list: take the one that the page before named")

// Found is what a query finds.
type Found struct {
	Lines []Line
	Total int    // that match, on all pages
	Next  string // the next query's After; "" if there are no more
}

// Find returns the lines that a query asks for.
func (c *Catalogue) Find(q Query) (Found, error) {
	order := c.order(q.Sort)
	words := wordsOf(q.Words)
	from := 0
	if q.After != "" {
		at, ok := decodeCursor(q.After)
		if !ok || at.Sort != order.sort {
			return Found{}, ErrCursor
		}
		from, _ = slices.BinarySearchFunc(order.list, at, func(l *listed, at cursor) int {
			if compare(l.at(at.Sort), at) <= 0 {
				return -1
			}
			return 1
		})
	}
	var f Found
	for i, l := range order.list {
		if !l.in(q.Group) || q.Kind != "" && !slices.Contains(l.Kinds, q.Kind) || !l.has(words) {
			continue
		}
		f.Total++
		switch {
		case i < from, q.After == "" && f.Total <= q.Skip:
		case len(f.Lines) < q.Limit:
			f.Lines = append(f.Lines, l.Line)
		case f.Next == "" && len(f.Lines) > 0:
			f.Next = f.Lines[len(f.Lines)-1].at(order.sort).encode()
		}
	}
	return f, nil
}

// Line returns the line of a cluster; ok is false if there is none.
func (c *Catalogue) Line(cluster string) (l Line, ok bool) {
	i, ok := slices.BinarySearchFunc(c.lines, cluster, func(l *listed, id string) int { return strings.Compare(l.Cluster, id) })
	if ok {
		l = c.lines[i].Line
	}
	return l, ok
}

// term is a word that is looked for.
type term struct {
	text   string // in lower case
	number int    // that it is, 0 if none
	issue  bool   // it names an issue and nothing else
}

func wordsOf(text string) (words []term) {
	if len(text) > maxWordBytes {
		text = strings.ToValidUTF8(text[:maxWordBytes], "")
	}
	for _, s := range strings.Fields(strings.ToLower(text)) {
		if len(words) == maxWords {
			break
		}
		w := term{text: s}
		digits := strings.TrimPrefix(s, "#")
		if n, err := strconv.ParseUint(digits, 10, 31); err == nil {
			w.number, w.issue = int(n), digits != s
		}
		words = append(words, w)
	}
	return words
}

func (l *listed) has(words []term) bool {
	for _, w := range words {
		switch {
		case w.number != 0 && w.number == l.Number:
		case w.issue:
			return false
		case strings.Contains(l.text, w.text):
		case w.number != 0 && w.number == numberOf(l.Cluster):
		default:
			return false
		}
	}
	return true
}

// numberOf is the number that an id is, 0 if it is none.
func numberOf(id string) int {
	n, err := strconv.ParseUint(id, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// sorted is the lines in an order.
type sorted struct {
	sort Sort
	list []*listed
}

// order returns the lines in an order, which is worked out when it is asked for first.
func (c *Catalogue) order(by Sort) sorted {
	i := max(0, slices.Index(sorts[:], by))
	o := &c.sorted[i]
	o.once.Do(func() {
		o.list = slices.Clone(c.lines)
		slices.SortFunc(o.list, func(a, b *listed) int { return compare(a.at(sorts[i]), b.at(sorts[i])) })
	})
	return sorted{sorts[i], o.list}
}

// cursor is the place of a line in an order, in which what is smaller comes first. It
// stays one when the line changes or goes.
type cursor struct {
	Sort    Sort     `json:"s"`
	Rank    [3]int64 `json:"r"`
	Cluster string   `json:"c"`
}

func compare(a, b cursor) int {
	c := cmp.Or(cmp.Compare(a.Rank[0], b.Rank[0]), cmp.Compare(a.Rank[1], b.Rank[1]), cmp.Compare(a.Rank[2], b.Rank[2]), strings.Compare(a.Cluster, b.Cluster))
	if a.Sort == Newest {
		return -c
	}
	return c
}

// at is the place of a line.
func (l *Line) at(by Sort) cursor {
	c := cursor{Sort: by, Cluster: l.Cluster}
	switch by {
	case Newest: // ids are given in order, and a longer one is a later one
		c.Rank[0] = int64(len(l.Cluster))
	case LastSeen:
		c.Rank[0] = -unix(l.Last)
	case MostReports:
		c.Rank[0], c.Rank[1] = int64(-l.Reports), int64(-l.Hurt.People)
	case LeastAlike:
		c.Rank[0] = math.MaxInt64
		if l.Cohesion != nil {
			c.Rank[0] = int64(*l.Cohesion * 1e9)
		}
	default:
		c.Rank = [3]int64{int64(-l.Hurt.People), int64(-l.Hurt.Voices), int64(-l.Hurt.Events)}
	}
	return c
}

// unix is a time as a number that sorts, the unknown before all others.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64 + 1
	}
	return t.UnixMilli()
}

func (c cursor) encode() string {
	data, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func decodeCursor(text string) (c cursor, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	return c, err == nil && json.Unmarshal(data, &c) == nil
}
