package storagetest

import (
	"os/exec"
	"syscall"
)

// noOrphan has the kernel kill the child if the test's process dies without
// cleaning up.
func noOrphan(child *exec.Cmd) {
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
