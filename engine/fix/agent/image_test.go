package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// TestImage runs the agent's image as it is: its supervisor, its Kilo, its users.
// SOULCASTER_TEST_IMAGE names one that deploy/agent/build --base-from-debian made.
func TestImage(t *testing.T) {
	image := os.Getenv("SOULCASTER_TEST_IMAGE")
	if image == "" {
		t.Skip("SOULCASTER_TEST_IMAGE names no image: deploy/agent/build makes one")
	}
	w := newWorld(t, shop, "")
	w.image = true
	model := &turns{turn: []turn{
		{tool: "bash", arguments: map[string]any{"command": "sed -i s/Helo/Hello/ greet.js", "description": "fix"}},
		{tool: "grep", arguments: map[string]any{"pattern": "Hello"}},
		{tool: "bash", arguments: map[string]any{"command": look, "description": "look around"}},
		{text: "## What was wrong\n\nA letter.\n"},
	}}
	w.model = model.ServeHTTP
	w.brief.Seconds = 600

	buildah := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "buildah", append([]string{"--storage-driver", "vfs"}, args...)...)
	}
	out, err := buildah("from", "--pull=never", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	container := strings.TrimSpace(string(out))
	defer func() { _ = exec.Command("buildah", "--storage-driver", "vfs", "rm", container).Run() }()

	// As a launcher would: in the environment, and in no command line, which the
	// coder can read in a chroot.
	env := filepath.Join(w.dir, "env")
	text := fmt.Sprintf("export %s=%s %s=r1 %s=%s\n", envURL, w.server.URL, envRun, envClaim, theClaim)
	if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := buildah("copy", "--chmod", "0600", container, env, "/root/env").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	a := &agent{w: w, cmd: buildah("run", "--isolation", "chroot", container, "--", "/bin/sh", "-c",
		". /root/env; exec /usr/local/bin/soulcaster agent")}
	a.cmd.Stderr = &a.stderr
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	status, r := a.wait()
	if status != 0 || r == nil || r.Ending != brief.Finished {
		t.Fatalf("status %d, result %+v", status, r)
	}
	if got, want := summary(r.Files), `100644 greet.js "console.log('Hello')\n"`; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.Contains(w.log.String(), "the coder is user 10001,") {
		t.Error("the coder is not the image's user")
	}
	last := model.asked[len(model.asked)-1]
	if !strings.Contains(last, "uid=10001(coder) gid=10001(coder) groups=10001(coder)") {
		t.Errorf("Kilo's commands are not the coder's: %s", last)
	}
	for _, secret := range []string{theToken, theClaim, theCloneToken} {
		if strings.Contains(last, secret) {
			t.Errorf("Kilo's commands found %s", secret)
		}
	}
}
