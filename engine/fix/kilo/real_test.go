package kilo_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/kilo"
	"github.com/soulcaster/soulcaster/engine/fix/kilo/kilotest"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// TestRealKiloBelievesRepositories is the control of the tests in which nothing of a
// hostile repository's works: with the same files and without what keeps Kilo from
// them, every one of them does.
func TestRealKiloBelievesRepositories(t *testing.T) {
	binary := kilotest.Find(t)
	ours, theirs := &script.Model{}, &script.Model{}
	model, attacker := httptest.NewServer(ours), httptest.NewServer(theirs)
	defer model.Close()
	defer attacker.Close()
	repository, home, marks := t.TempDir(), t.TempDir(), t.TempDir()
	for path, text := range kilotest.Hostile(attacker.URL, marks) {
		path = filepath.Join(repository, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	config, err := kilo.Config(kilo.Model("scripted", 100_000), model.URL+"/v1", "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "ours.json")
	if err := os.WriteFile(path, config, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, kilo.Arguments("scripted", "x")...)
	cmd.Dir, cmd.Stdin, cmd.WaitDelay = repository, strings.NewReader("Fix it."), 10*time.Second
	cmd.Env = append(slices.DeleteFunc(kilo.Switches(path), func(s string) bool { return s == "KILO_DISABLE_PROJECT_CONFIG=1" }),
		"PATH="+os.Getenv("PATH"), "HOME="+home)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("kilo: %v\n%s", err, &out)
	}
	if n, stolen := len(ours.Requests()), len(theirs.Requests()); n > 0 || stolen == 0 {
		t.Errorf("%d requests to our model, %d to the attacker's: the address is no attack any more", n, stolen)
	}
	if paths := kilotest.Ignored(t, marks); len(paths) > 0 {
		t.Errorf("Kilo does not believe %v, so that nothing is proven by it where it does not either\n%s", paths, &out)
	}
}
