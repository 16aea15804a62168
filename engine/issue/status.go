package issue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Status is what `/soulcaster status` answers on a cluster's issue, in Markdown
// that holds nothing which may not be published on the repository.
func Status(ctx context.Context, space storage.Space, cluster string, projects *project.Registry) (string, error) {
	p, _, err := project.Load(ctx, space)
	if err != nil {
		return "", err
	}
	c, err := clusterOf(ctx, space, cluster)
	if err != nil {
		return "", err
	}
	line, _, err := LineOf(ctx, space, cluster)
	if err != nil {
		return "", err
	}
	problem := Summarise(c, projects.Policy(p))
	published := Publish(problem, projects.Policy(p))
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", sentence(line.Text))
	for _, part := range []string{published.facts(), published.grouping()} {
		if part != "" {
			b.WriteString(strings.TrimSpace(part) + "\n\n")
		}
	}
	if p.FileError != "" {
		b.WriteString("The repository's settings cannot be used; the last good ones stay in force. The app's log says what is wrong.\n\n")
	}
	if !line.At.IsZero() {
		fmt.Fprintf(&b, "Worked out %s.", moment(line.At.Round(time.Minute)))
	}
	return strings.TrimSpace(b.String()), nil
}

// sentence makes a standing's text begin like a sentence.
func sentence(s string) string {
	if s == "" {
		return "Nothing is known yet"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
