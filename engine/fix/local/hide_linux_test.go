package local_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/local"
)

// hidden has the test's own program hide and wait, as the app would.
const hidden = "SOULCASTER_TEST_HIDDEN"

// TestHide has a process of an unprivileged user hide from another one of the same
// user, which can read its environment otherwise.
func TestHide(t *testing.T) {
	if how := os.Getenv(hidden); how != "" {
		if how == "yes" {
			if err := local.Hide(); err != nil {
				t.Fatal(err)
			}
		}
		os.Stdout.WriteString("\nready\n")
		select {}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "soulcaster-hide-") // where any user gets to
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "program")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		as.Credential = &syscall.Credential{Uid: 64211, Gid: 64211}
	}
	for how, readable := range map[string]bool{"no": true, "yes": false} {
		app := exec.CommandContext(t.Context(), program, "-test.run=^TestHide$")
		app.Dir, app.Env, app.SysProcAttr = "/", []string{hidden + "=" + how, "KEY=private"}, as
		out, err := app.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		}
		thief := exec.CommandContext(t.Context(), "cat", "/proc/"+strconv.Itoa(app.Process.Pid)+"/environ")
		thief.Dir, thief.SysProcAttr = "/", as
		stolen, err := thief.Output()
		if (err == nil && len(stolen) > 0) != readable {
			t.Errorf("hidden %s: read %d bytes, %v", how, len(stolen), err)
		}
		app.Process.Kill()
		app.Wait()
	}
}
