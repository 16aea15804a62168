//go:build e2e

package e2e

import (
	"os/exec"
	"syscall"
)

// noOrphan has the kernel kill the child if the tests die without cleaning up.
func noOrphan(child *exec.Cmd) {
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
