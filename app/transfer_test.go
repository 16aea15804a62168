package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// tenantIn makes a store with an installation that has one repository.
func tenantIn(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	projects := project.NewRegistry(db, nil, nil)
	if _, err := projects.Install(t.Context(), 101); err != nil {
		t.Fatal(err)
	}
	space, err := projects.Ensure(t.Context(), 101, project.Repo{Owner: "acme", Name: "web"})
	if err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	b.SetJSON("fb/x", map[string]string{"id": "x", "title": "The export fails"})
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

func TestExportAndImport(t *testing.T) {
	folder := t.TempDir()
	one, other, file := filepath.Join(folder, "one.db"), filepath.Join(folder, "other.db"), filepath.Join(folder, "acme.jsonl")
	tenantIn(t, one)
	from, to := []string{"SOULCASTER_STORE=bolt:" + one}, []string{"SOULCASTER_STORE=bolt:" + other}
	for _, c := range []struct {
		name     string
		env      []string
		args     []string
		status   int
		out, err string
	}{
		{"nobody's", from, []string{"export"}, exitUsage, "", "--installation ID"},
		{"two files", from, []string{"export", "--installation", "101", "a", "b"}, exitUsage, "", "at most one file"},
		{"one that is not there", from, []string{"export", "--installation", "7"}, exitFailed, "", "there is no installation 7"},
		{"to a pipe", from, []string{"export", "--installation", "101"}, exitDone, `"title":"The export fails"`, ""},
		{"to a file", from, []string{"export", file, "--installation", "101"}, exitDone, "", ""},
		{"import without a file", to, []string{"import"}, exitUsage, "", "one file"},
		{"import of what is none", to, []string{"import", one}, exitFailed, "", "line 1"},
		{"import", to, []string{"import", file}, exitDone, "installation 101: ", ""},
		{"again", to, []string{"import", file}, exitFailed, "", "nothing was changed"},
	} {
		p := start(t, c.env, c.args...)
		out := p.said()
		status := p.wait()
		if status != c.status || !strings.Contains(out, c.out) || !strings.Contains(p.logged(), c.err) {
			t.Errorf("%s: status %d, said %s, and %s", c.name, status, out, p.logged())
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	before, after := start(t, from, "export", "--installation", "101"), start(t, to, "export", "--installation", "101")
	if a, b := entries(before), entries(after); a != b || strings.Count(a, "\n") < 3 {
		t.Errorf("there it is\n%s\nand here\n%s", a, b)
	}
	left, err := filepath.Glob(filepath.Join(folder, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
}

// said is all of standard output, at the end.
func (p *program) said() string {
	p.t.Helper()
	out, err := io.ReadAll(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(out)
}

// entries are what an export says between its first and its last line.
func entries(p *program) string {
	lines := strings.SplitAfter(p.said(), "\n")
	return strings.Join(lines[1:len(lines)-2], "")
}
