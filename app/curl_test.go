package main

import (
	"html"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/source"
)

// TestLineThatIsShownWithAKey: the line that a page shows with a new key, of a source or for
// programs, works as it stands there when it is pasted into a shell.
func TestLineThatIsShownWithAKey(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is missing: deploy/test/install installs it")
	}
	s := newStreet(t)
	s.send("acme-api", "acme-key-0123456789", `{"title": "The greeting is misspelt", "author": "mona"}`)
	acme := s.signs("admin-of-acme")
	ids := map[string]string{"{installation}": "101"}
	acme.fill("acme", 1, ids)
	clusters := put("/api/v1/projects/{installation}/{project}/clusters", ids)

	_, page := acme.asks("POST", "/installations/101/sources", "kind="+string(source.Feedback)+"&name=Forms&repository=acme/web")
	s.pastes(page)
	within(t, "what was sent has arrived", func() bool {
		_, list := acme.asks("GET", clusters, "")
		return strings.Contains(list, "The export never ends")
	})

	_, page = acme.asks("POST", "/installations/101/keys/make", "name=x&role=read&days=30&repository=acme/web")
	if answer := s.pastes(page); !strings.Contains(answer, `"acme/web"`) {
		t.Errorf("the API answers %s", answer)
	}
}

var shownLine = regexp.MustCompile(`(?s)<pre[^>]*>(curl .*?)</pre>`)

// pastes runs the line that a page shows, and returns what is answered.
func (s *street) pastes(page string) string {
	s.t.Helper()
	line := shownLine.FindStringSubmatch(page)
	if line == nil {
		s.t.Fatalf("no line is shown: %s", page)
	}
	script := `curl() { command curl -sS --fail-with-body --noproxy '*' --max-time 20 "$@"; }` + "\n" + html.UnescapeString(line[1])
	out, err := exec.CommandContext(s.t.Context(), "sh", "-euc", script).CombinedOutput()
	if err != nil {
		s.t.Errorf("%s\n%v: %s", html.UnescapeString(line[1]), err, out)
	}
	return string(out)
}
