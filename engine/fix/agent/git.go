package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// git runs git for the supervisor, in repositories that the supervisor owns. No
// configuration but ours is read, no hook, filter, pager or prompt is run, and
// the only thing that it may talk to is what protocols allows.
type git struct {
	home      string // empty and stays so
	protocols string // GIT_ALLOW_PROTOCOL
}

// maxGit bounds what a git command may print into memory.
const maxGit = 64 << 20

// options stand before every command. They outrank what a repository's own
// configuration says.
var gitOptions = []string{
	"-c", "core.hooksPath=/dev/null",
	"-c", "core.fsmonitor=false",
	"-c", "core.untrackedCache=false",
	"-c", "core.attributesFile=/dev/null",
	"-c", "core.excludesFile=/dev/null",
	"-c", "core.autocrlf=false",
	"-c", "core.pager=cat",
	"-c", "core.askPass=",
	"-c", "credential.helper=",
	"-c", "gc.auto=0",
	"-c", "maintenance.auto=false",
	"-c", "fetch.recurseSubmodules=false",
	"-c", "submodule.recurse=false",
	"-c", "protocol.version=2",
	"-c", "http.lowSpeedLimit=1000",
	"-c", "http.lowSpeedTime=60",
}

// command is git with args. It is killed when the context ends.
func (g git) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append(append([]string{}, gitOptions...), args...)...)
	cmd.Env = append([]string{
		"PATH=" + searchPath(), "HOME=" + g.home, "XDG_CONFIG_HOME=" + g.home, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_LFS_SKIP_SMUDGE=1",
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=" + g.protocols,
	}, env...)
	cmd.Dir = g.home
	cmd.WaitDelay = 5 * time.Second
	ownGroup(cmd)
	return cmd
}

// run runs git and returns what it prints. The error holds the end of what it says
// on standard error: it may name the remote's URL, which holds no credential.
func (g git) run(ctx context.Context, env []string, in io.Reader, args ...string) ([]byte, error) {
	cmd := g.command(ctx, env, args...)
	cmd.Stdin = in
	out, said := &capped{limit: maxGit}, &tail{limit: 2000}
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	switch {
	case context.Cause(ctx) != nil:
		return nil, fmt.Errorf("git %s: %w", args0(args), context.Cause(ctx))
	case out.over:
		return nil, fmt.Errorf("git %s: it printed more than %d bytes", args0(args), maxGit)
	case err != nil:
		return out.Bytes(), fmt.Errorf("git %s: %w: %s", args0(args), err, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}

// args0 is the name of the git command in args.
func args0(args []string) string {
	for i, a := range args {
		if !strings.HasPrefix(a, "-") && (i == 0 || args[i-1] != "-c") {
			return a
		}
	}
	return ""
}

// searchPath is where programs are looked for, by the supervisor and the coder.
func searchPath() string {
	if p := os.Getenv("PATH"); p != "" {
		return p
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

var errCapped = errors.New("too much output")

// capped holds what is written to it up to a limit, and then refuses.
type capped struct {
	bytes.Buffer
	limit int
	over  bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > c.limit {
		c.over = true
		return 0, errCapped
	}
	return c.Buffer.Write(p)
}

// tail holds the end of what is written to it.
type tail struct {
	limit int
	data  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p[max(0, len(p)-t.limit):]...)
	t.data = t.data[max(0, len(t.data)-t.limit):]
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.data), "�") }

// exitStatus is the status that a command ended with, -1 if err says nothing of one.
func exitStatus(err error) int {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode()
	}
	return -1
}
