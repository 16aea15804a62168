package issue

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// MaxBody is how long a body may be, in bytes. GitHub refuses one of more than
// 65,536 characters, or says that it took it and keeps the old one.
const MaxBody = 60_000

// Section is the app's part of the issue's body: the marker that names the
// cluster, and what is known of the problem between the markers that say whose
// it is. It is at most room bytes long (what is least useful is left out) where
// the little that always stands has the place, and never longer than [MaxBody].
// mac makes the keyed hash of a cluster's id that only we can make, without
// spaces.
func Section(p Published, mac func(cluster string) string, room int) string {
	cluster := p.problem.Cluster
	frame := len(wrap(cluster, mac(cluster), ""))
	content := fit(p.parts(), min(room, MaxBody)-frame)
	return wrap(cluster, mac(cluster), content)
}

// Hash is the hash that a section carries: equal sections have equal hashes. It
// is empty if s is no section.
func Hash(section string) string {
	for line := range strings.Lines(section) {
		if m := beginLine.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil {
			return m[1]
		}
	}
	return ""
}

// fit joins the parts, leaving out the least useful until they fit.
func fit(parts []part, room int) string {
	for {
		var texts []string
		least := -1
		for i, p := range parts {
			if p.text == "" {
				continue
			}
			texts = append(texts, p.text)
			if p.use > 0 && (least < 0 || p.use < parts[least].use) {
				least = i
			}
		}
		s := strings.Join(texts, "\n\n")
		if len(s) <= room || least < 0 {
			return s
		}
		parts[least].text = ""
	}
}

// The markers, each alone on its line. Foreign text never holds one: package
// markdown breaks what opens a comment.
var (
	clusterLine = regexp.MustCompile(`^<!-- soulcaster:cluster=(\S+) mac=(\S+) -->[ \t]*$`)
	beginLine   = regexp.MustCompile(`^<!-- soulcaster:begin hash=(\S+) -->[ \t]*$`)
	endLine     = regexp.MustCompile(`^<!-- soulcaster:end -->[ \t]*$`)
)

func wrap(cluster, mac, content string) string {
	return "<!-- soulcaster:cluster=" + cluster + " mac=" + mac + " -->\n" +
		"<!-- soulcaster:begin hash=" + hash(content) + " -->\n" +
		content + "\n" +
		"<!-- soulcaster:end -->"
}

// hash identifies a section's content; 64 bits are plenty to see a change.
func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:8])
}
