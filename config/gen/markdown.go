package main

import (
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/config"
)

// markdown is the page, with the text of the example YAML file in it.
func markdown(example string) string {
	var b strings.Builder
	b.WriteString(`<!-- Made by go generate ./config from the table in config/settings.go. Change that, not this. -->
# Configuration

Soulcaster is configured by environment variables and, if you like, by one YAML file; sources and going live are also set
on the pages. All of it is checked at start: everything that is wrong is reported at once, by name, and the exit status is
2. A variable that is empty counts as not set, and one that looks like a setting and is none is named in the log.

How a repository wants to be treated is said in the repository itself, in ` + "`.github/soulcaster.yml`" + `.
`)
	group := ""
	for _, s := range config.Settings() {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n## %s\n\n%s| name | default | |\n| --- | --- | --- |\n", group, intro(group))
		}
		value := ""
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		doc := s.Doc
		if s.Secret {
			doc = "*Secret.* " + doc
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, value, strings.ReplaceAll(doc, "|", `\|`))
	}
	b.WriteString(`
## The YAML file

The file that ` + "`SOULCASTER_CONFIG`" + ` names says which installations have which sources. It is at most 1 MB and strict: an
unknown key is an error with its line.

` + "`${NAME}`" + ` in a value, alone or inside of text, is replaced by the environment variable NAME; one that is not set is an error.
` + "`$${`" + ` stands for ` + "`${`" + ` itself, and any other dollar for itself. So secrets stay in the environment, and out of the file.

` + "```yaml\n" + example + "```\n")
	return b.String()
}

// intro is what a group's settings have in common.
func intro(group string) string {
	if group != "The GitHub App" {
		return ""
	}
	return `The first five belong together. All: the app is live. None of them: it is live with the App that was registered on its
set-up page; until one is, only that page is served. Some, without the id: they stand in for [what was
kept](security.md#secrets-and-how-to-rotate-them) of that App. Some, where none was registered, or a malformed one: the
app does not start, and says which.

`
}
