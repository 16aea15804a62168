package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Numbers of prctl(2) that package syscall does not name.
const (
	prSetDumpable       = 4
	prSetChildSubreaper = 36
)

// shut keeps other processes of the same user from reading this one's memory and
// environment, where the claim still stands, and has what the coder leaves behind
// become this process's children, so that it is found. See PR_SET_DUMPABLE and
// PR_SET_CHILD_SUBREAPER in prctl(2), and proc(5) about who may read
// /proc/PID/environ.
func shut() error {
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, 0, 0); e != 0 {
		return fmt.Errorf("make the agent not dumpable: %w", e)
	}
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); e != 0 {
		return fmt.Errorf("adopt what the coder leaves behind: %w", e)
	}
	return nil
}

// sweep ends every process of the coder's, whatever group or session it is in. It
// is to be called when no child of the supervisor is at work, and returns an
// error if some are there still after ten seconds.
func (c *coder) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		left := c.kill(ctx)
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("end the coder's processes: %d are left", left)
		case <-time.After(wait):
		}
	}
}

// kill kills once, and returns how many were alive.
func (c *coder) kill(ctx context.Context) int {
	all := processes()
	ours := map[int]bool{os.Getpid(): true}
	for grown := true; grown; { // all that descend from this process
		grown = false
		for pid, p := range all {
			if ours[p.parent] && !ours[pid] {
				ours[pid], grown = true, true
			}
		}
	}
	alive := 0
	for pid, p := range all {
		mine := c.apart && p.uid == c.uid || !c.apart && ours[pid] && pid != os.Getpid()
		switch {
		case !mine:
		case p.state == 'Z' || p.state == 'X':
			if p.parent == os.Getpid() {
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // it is dead; this lets its number go
			}
		default:
			alive++
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone meanwhile, or seen again next time
		}
	}
	if alive > 0 && c.apart {
		// One signal to all that this user may signal, which the kernel sends in one
		// go: new processes cannot run away from it as they can from a list.
		cmd := exec.CommandContext(ctx, c.setpriv, "--reuid", strconv.Itoa(c.uid), "--regid", strconv.Itoa(c.gid), "--clear-groups", "--",
			"/bin/sh", "-c", "kill -KILL -1")
		cmd.Env, cmd.Dir = []string{}, "/"
		_ = cmd.Run() // it may have been killed by another's signal of this kind
	}
	return alive
}

// process is what /proc/PID/stat and status say of one.
type process struct {
	parent, uid int
	state       byte
}

func processes() map[int]process {
	all := map[int]process{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return all
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := processOf(pid); ok {
			all[pid] = p
		}
	}
	return all
}

func processOf(pid int) (process, bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return process{}, false
	}
	p := process{parent: -1, uid: -1}
	for line := range bytes.Lines(data) {
		name, value, _ := strings.Cut(string(line), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch name {
		case "State":
			p.state = fields[0][0]
		case "PPid":
			p.parent, _ = strconv.Atoi(fields[0])
		case "Uid":
			p.uid, _ = strconv.Atoi(fields[0]) // the real one: the others cannot differ without new privileges
		}
	}
	return p, p.uid >= 0 && p.parent >= 0
}
