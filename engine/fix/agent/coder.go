package agent

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// What a process of the coder may use at most. A limit that a build or a test
// suite could meet would be worse than none; these stop accidents.
const (
	maxProcesses = 4096    // and threads, of the coder's user
	maxFile      = 4 << 30 // bytes that one file may grow to
)

// coder is the user that Kilo and the repository's tests run as.
type coder struct {
	// apart says that it is another user than the supervisor, uid and gid.
	apart    bool
	uid, gid int
	setpriv  string // path of setpriv, "" if it is not there
	prlimit  string
}

// newCoder decides who the coder is. Root without setpriv is an error: there is no
// way down then.
func newCoder(cfg *Config) (*coder, error) {
	c := &coder{uid: os.Getuid(), gid: os.Getgid()}
	c.setpriv, _ = exec.LookPath("setpriv")
	c.prlimit, _ = exec.LookPath("prlimit")
	if os.Geteuid() != 0 {
		return c, nil
	}
	if c.setpriv == "" {
		return nil, fmt.Errorf("find setpriv: the agent runs as root and cannot make the coder another user without it (util-linux has it)")
	}
	c.apart, c.uid, c.gid = true, cfg.UID, cfg.GID
	if c.uid == 0 {
		// Far above what systems give to people and containers' user namespaces.
		c.uid = 1_900_000_000 + int(randomUint16())
		c.gid = c.uid
	}
	if c.gid == 0 {
		c.gid = c.uid
	}
	return c, nil
}

func randomUint16() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return binary.BigEndian.Uint16(b[:])
}

// command is argv as the coder's user, in its own process group, with no way to
// more rights and with env alone as its environment. It is killed with its group
// when the context ends; [coder.sweep] gets who left the group.
func (c *coder) command(ctx context.Context, dir string, env []string, argv ...string) *exec.Cmd {
	var line []string
	if c.setpriv != "" {
		line = append(line, c.setpriv, "--no-new-privs", "--pdeathsig", "KILL")
		if c.apart {
			line = append(line, "--reuid", strconv.Itoa(c.uid), "--regid", strconv.Itoa(c.gid), "--clear-groups",
				"--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
		}
		line = append(line, "--")
	}
	if c.prlimit != "" {
		line = append(line, c.prlimit, "--core=0", "--fsize="+strconv.Itoa(maxFile))
		if c.apart { // otherwise it would count the developer's own
			line = append(line, "--nproc="+strconv.Itoa(maxProcesses))
		}
		line = append(line, "--")
	}
	line = append(line, argv...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = 10 * time.Second
	ownGroup(cmd)
	return cmd
}

// environment is what every process of the coder's gets. There is nothing in it
// that is worth anything to anybody.
func (c *coder) environment(r room) []string {
	env := []string{
		"PATH=" + searchPath(), "HOME=" + r.home, "TMPDIR=" + r.tmp, "USER=coder", "LOGNAME=coder", "SHELL=/bin/sh",
		"LANG=C.UTF-8", "TERM=dumb", "CI=true", "NO_COLOR=1", "PAGER=cat", "GIT_PAGER=cat",
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1",
	}
	return append(env, proxyVariables()...)
}

// proxyVariables are how the network's proxy and authorities are named in the
// environment. A proxy with a password is left out.
func proxyVariables() (env []string) {
	proxied := false
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		v := os.Getenv(name)
		if u, err := url.Parse(v); v != "" && err == nil && u.User == nil {
			env, proxied = append(env, name+"="+v), true
		}
	}
	if proxied {
		for _, name := range []string{"NO_PROXY", "no_proxy"} {
			v := os.Getenv(name)
			if v != "" {
				v += ","
			}
			env = append(env, name+"="+v+"localhost,127.0.0.1,::1")
		}
	}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// give makes a file or folder the coder's. A link is given itself, not what it
// points at.
func (c *coder) give(path string) error {
	if !c.apart {
		return nil
	}
	if err := os.Lchown(path, c.uid, c.gid); err != nil {
		return fmt.Errorf("give to the coder: %w", err)
	}
	return nil
}

// giveAll gives all that is below dir. It is for folders that the coder has not
// had yet.
func (c *coder) giveAll(dir string) error {
	if !c.apart {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("give to the coder: %w", err)
		}
		return c.give(path)
	})
}

// owns reports whether a file is the coder's. One that is not came here by a hard
// link, and the coder may not have been able to read it.
func (c *coder) owns(info fs.FileInfo) bool {
	uid, ok := ownerOf(info)
	return !c.apart || ok && uid == c.uid
}
