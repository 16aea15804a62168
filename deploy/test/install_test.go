package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstall runs the script where nothing is installed but what it is written
// with, and where apt, id and sudo are ours.
func TestInstall(t *testing.T) {
	const (
		install = "apt-get install -y --no-install-recommends redis-server gcc libc6-dev curl"
		command = "sudo sh -c 'apt-get update && " + install + "'"
		echo    = "echo \"ran: apt-get $*\""
	)
	for _, tt := range []struct {
		name  string
		tools map[string]string // name → script
		args  []string
		ok    bool
		says  []string
	}{
		{"all is there", map[string]string{"redis-server": "", "thecc": "", "curl": "", "id": "echo 1000"}, nil, true, nil},
		{"root", map[string]string{"apt-get": echo, "id": "echo 0"}, nil, true, []string{"ran: apt-get update -q", "ran: " + install}},
		{"one is there", map[string]string{"apt-get": echo, "id": "echo 0", "thecc": "", "curl": ""}, nil, true, []string{"--no-install-recommends redis-server\n"}},
		{"end to end", map[string]string{"apt-get": echo, "id": "echo 0"}, []string{"e2e"}, true, []string{"nodejs npm squid-openssl openssl iproute2 buildah debootstrap chromium"}},
		{"sudo", map[string]string{"apt-get": echo, "id": "echo 1000", "sudo": `shift; exec "$@"`}, nil, true, []string{"ran: " + install}},
		{"lists cannot be fetched", map[string]string{"apt-get": `[ "$1" = install ]`, "id": "echo 0"}, nil, true, []string{"apt-get update failed"}},
		{"no apt", map[string]string{"id": "echo 0"}, nil, false, []string{command, "there is no apt-get"}},
		{"not root", map[string]string{"apt-get": echo, "id": "echo 1000"}, nil, false, []string{command, "not root"}},
		{"sudo wants a password", map[string]string{"apt-get": echo, "id": "echo 1000", "sudo": "exit 1"}, nil, false, []string{command, "not root"}},
		{"apt fails", map[string]string{"apt-get": "exit 100", "id": "echo 0"}, nil, false, []string{command, "apt-get failed"}},
		{"wrong argument", nil, []string{"redis"}, false, []string{"usage:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			tool := func(name, script string) {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"bash", "env", "true"} {
				path, err := exec.LookPath(name)
				if err != nil {
					t.Skipf("no %s here", name)
				}
				if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
					t.Fatal(err)
				}
			}
			tool("go", "echo thecc") // asked for the C compiler
			for name, script := range tt.tools {
				tool(name, script)
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "bash"), append([]string{"./install"}, tt.args...)...)
			cmd.Env = []string{"PATH=" + bin}
			out, err := cmd.CombinedOutput()
			if (err == nil) != tt.ok {
				t.Errorf("ended with %v", err)
			}
			for _, part := range tt.says {
				if !strings.Contains(string(out), part) {
					t.Errorf("does not say %q", part)
				}
			}
			if len(tt.says) == 0 && len(out) > 0 {
				t.Error("says something though nothing is to do")
			}
			if t.Failed() {
				t.Logf("output:\n%s", out)
			}
		})
	}
}
