//go:build unix && !linux

package child

import (
	"os/exec"
	"syscall"
)

// attributes puts the command into a session of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// await returns the command's exit status when it and the rest of its process
// group have ended; only Linux tells what else is in its session.
func await(cmd *exec.Cmd, end func()) int {
	status := reap(cmd)
	end()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return status
}
