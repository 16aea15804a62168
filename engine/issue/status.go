package issue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// shownMembers is how many members a status tells the reason of.
const shownMembers = 5

// Status is what `/soulcaster status` answers on a cluster's issue, in Markdown.
// It is made of counts, times and reasons alone and quotes nobody, so it may
// stand on any repository, also when a text is taken back later.
func Status(ctx context.Context, space storage.Space, id string) (string, error) {
	p, _, err := project.Load(ctx, space)
	if err != nil {
		return "", err
	}
	line, known, err := LineOf(ctx, space, id)
	if err != nil {
		return "", err
	}
	if !known {
		return "Nothing is known about this issue yet.", nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", strings.ToUpper(line.Text[:1])+line.Text[1:])
	told := []string{count(line.Reports, "report")}
	if line.People > 0 {
		told = append(told, people(line.People)+" told us")
	}
	if line.Users > 0 {
		told = append(told, count(line.Users, "user")+" counted by Sentry")
	}
	told = append(told, count(line.Events, "event"))
	fmt.Fprintf(&b, "- %s\n", strings.Join(told, " · "))
	if !line.Last.IsZero() {
		fmt.Fprintf(&b, "- Last seen %s\n", moment(line.Last))
	}
	if err := why(ctx, &b, space, id); err != nil {
		return "", err
	}
	if p.FileError != "" {
		b.WriteString("\nThe repository's settings file cannot be used; the last good one stays in force. The app's log says what is wrong with it.\n")
	}
	fmt.Fprintf(&b, "\nWorked out %s.", moment(line.At.Round(time.Minute)))
	return b.String(), nil
}

// why adds how sure the grouping is, and why the first members are in it.
func why(ctx context.Context, b *strings.Builder, space storage.Space, id string) error {
	c, ok, err := cluster.Get(ctx, space, id)
	if err != nil || !ok || c.Size < 2 {
		return err
	}
	fmt.Fprintf(b, "- The reports are %s alike on average:\n", percent(c.Cohesion))
	ids, err := cluster.Members(ctx, space, id, "", shownMembers)
	if err != nil {
		return err
	}
	members, _, err := intake.Load(ctx, space, ids...)
	if err != nil {
		return err
	}
	memberships, _, err := cluster.Memberships(ctx, space, ids...)
	if err != nil {
		return err
	}
	for i, f := range members {
		if f == nil || memberships[i] == nil {
			continue
		}
		fmt.Fprintf(b, "  - %s of %s: %s\n", noun(f.Kind), date(f.First), memberships[i].Reason)
	}
	if more := c.Size - len(ids); more > 0 {
		fmt.Fprintf(b, "  - and %s\n", count(more, "other"))
	}
	return nil
}

func noun(k feedback.Kind) string {
	switch k {
	case feedback.Sentry:
		return "error group"
	case feedback.Reddit:
		return "post"
	}
	return "report"
}
