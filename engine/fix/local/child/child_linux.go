package child

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attributes puts the command into a session of its own. If we die without ending
// it, the kernel sends it SIGTERM, so that it can end what it started.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}

// await returns the command's exit status when all of its session has ended. It
// calls end once the command has: until it is reaped, its process id is nobody
// else's, and neither is its session.
func await(cmd *exec.Cmd, end func()) int {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	end()
	killSession(cmd.Process.Pid)
	return reap(cmd)
}

// killSession kills all processes of a session, again until there are none: one
// that is about to fork may slip through, and a killed one takes a moment. The
// rounds are bounded: unless we are root, what runs as another user stays.
func killSession(session int) {
	for range 200 {
		left := members(session)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// members are the processes of a session that have not ended.
func members(session int) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it ended
		}
		// pid (name) state ppid pgrp session …, where the name may hold anything
		// (proc_pid_stat(5)).
		fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		if len(fields) > 3 && string(fields[3]) == strconv.Itoa(session) && fields[0][0] != 'Z' && fields[0][0] != 'X' {
			pids = append(pids, pid)
		}
	}
	return pids
}
