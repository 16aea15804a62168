package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/local/child"
)

// testTime is how long a test may take.
const testTime = 3 * time.Minute

// test runs a test of the case in a tree, and returns whether it passed and the end
// of what it said. What it runs is a model's: it gets nothing of our environment, and
// nothing of it is left when it ends.
func (s *suite) test(ctx context.Context, c *bug, tree string, command []string) (passed bool, said string, err error) {
	tmp, err := os.MkdirTemp(s.dir, "test-")
	if err != nil {
		return false, "", fmt.Errorf("test: %w", err)
	}
	defer removeAll(tmp)
	env := append(surroundings(tmp), "PYTHONDONTWRITEBYTECODE=1", "GOCACHE="+s.cache, "GOFLAGS=-mod=mod", "GOPROXY=off", "GOTOOLCHAIN=local")
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	exit, said, err := drive(ctx, child.Spec{Command: command, Env: env, Dir: tree})
	if ctx.Err() != nil {
		return false, said + "\n(it took too long)", nil
	}
	return err == nil && exit == 0, said, err
}

// surroundings are the environment of everything that is started here.
func surroundings(home string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "CI=true"}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// maxSaid is how much is kept of what a program said, its end.
const maxSaid = 2000

// drive runs a command to its end, or until ctx ends, and ends all that it started.
func drive(ctx context.Context, s child.Spec) (exit int, said string, err error) {
	var end []byte
	also := s.Line
	s.Line = func(line string) {
		end = append(append(end, line...), '\n')
		if len(end) > maxSaid {
			end = bytes.Clone(end[len(end)-maxSaid:])
		}
		if also != nil {
			also(line)
		}
	}
	p, err := child.Start(s)
	if err != nil {
		return -1, "", err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Kill()
		<-p.Done()
	}
	return p.Exit(), strings.ToValidUTF8(strings.TrimSpace(string(end)), "\uFFFD"), nil
}

// tool runs a program of this machine that must succeed, in our own environment.
func tool(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// git runs git without anybody's settings, and without what a tree may bring.
func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
		"-c", "user.name=Fixes", "-c", "user.email=fixes@example.com"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C"}, env...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goCache is where the Go toolchain keeps what it compiled, so that each test need
// not compile the standard library anew. "" if there is no toolchain.
func goCache(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// removeAll removes a tree, also one with folders that may not be written.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "fixes: left behind:", err)
	}
}
