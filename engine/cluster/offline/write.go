package offline

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// WriteJSON writes one result a line, in order.
func WriteJSON(w io.Writer, results []Result) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, r := range results {
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	return nil
}

// WriteTable writes one cluster a line, the biggest first: its name, how many
// reports it has, the least similarity that one of them joined with, the title of
// its first report, and the ids. docs are those that results are of.
func WriteTable(w io.Writer, docs []Doc, results []Result) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%-8s %7s  %5s  %-60s  %s\n", "CLUSTER", "REPORTS", "ALIKE", "TITLE", "IDS")
	for _, g := range groups(results) {
		ids := make([]string, 0, maxIDs+1)
		for i, at := range g.members {
			if i == maxIDs {
				ids = append(ids, fmt.Sprintf("and %d more", len(g.members)-maxIDs))
				break
			}
			ids = append(ids, oneLine(results[at].ID, 40))
		}
		fmt.Fprintf(out, "%-8s %7d  %5s  %-60s  %s\n", g.cluster, len(g.members), g.alike(results), oneLine(title(docs[g.members[0]]), 60), strings.Join(ids, ", "))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// WriteMarkdown writes one section a cluster, the biggest first, with its reports
// and why they are in it. Foreign text is inert in it.
func WriteMarkdown(w io.Writer, docs []Doc, results []Result) error {
	out := bufio.NewWriter(w)
	all := groups(results)
	fmt.Fprintf(out, "# %d reports, %d problems\n", len(results), len(all))
	for _, g := range all {
		fmt.Fprintf(out, "\n## %s. %s\n\n| report | title | alike | why |\n| --- | --- | --- | --- |\n", g.cluster, escape(oneLine(title(docs[g.members[0]]), 120)))
		for _, at := range g.members {
			alike := "first"
			if s := results[at].Similarity; s != nil {
				alike = percent(*s)
			}
			fmt.Fprintf(out, "| %s | %s | %s | %s |\n", escape(oneLine(results[at].ID, 80)), escape(oneLine(title(docs[at]), 120)), alike, escape(results[at].Reason))
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

const maxIDs = 5 // of a cluster that the table shows

// group is one cluster: positions of its reports, in order of arrival.
type group struct {
	cluster string
	members []int
}

func (g group) alike(results []Result) string {
	least := 2.0
	for _, at := range g.members {
		if s := results[at].Similarity; s != nil {
			least = min(least, *s)
		}
	}
	if least > 1 {
		return ""
	}
	return percent(least)
}

// groups are the clusters, the biggest first, then in order of arrival.
func groups(results []Result) []group {
	at := make(map[string]int)
	var all []group
	for i, r := range results {
		n, ok := at[r.Cluster]
		if !ok {
			n = len(all)
			at[r.Cluster] = n
			all = append(all, group{cluster: r.Cluster})
		}
		all[n].members = append(all[n].members, i)
	}
	slices.SortStableFunc(all, func(a, b group) int { return cmp.Compare(len(b.members), len(a.members)) })
	return all
}

// title is what a person would call a report.
func title(d Doc) string {
	switch {
	case len(d.Exceptions) > 0:
		e := d.Exceptions[len(d.Exceptions)-1] // the outermost, as Sentry names a group
		return strings.TrimSuffix(e.Type+": "+e.Value, ": ")
	case strings.TrimSpace(d.Title) != "":
		return d.Title
	default:
		return d.Body
	}
}

// oneLine is a text as one line of at most n runes, without what could steer a
// terminal or turn the reading order round.
func oneLine(text string, n int) string {
	var b strings.Builder
	space := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case !unicode.IsPrint(r):
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
			n--
		}
		if n--; n < 0 {
			return b.String() + "…"
		}
		b.WriteRune(r)
	}
	return b.String()
}

// escape makes text mean itself in Markdown, mentions and links included.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '&' || r == '<' || r == '>' || r == '@' || r == '#' || r == '|':
			fmt.Fprintf(&b, "&#%d;", r)
		case strings.ContainsRune("\\`*_{}[]()!~:", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func percent(s float64) string { return fmt.Sprintf("%.0f %%", 100*max(0, s)) }
