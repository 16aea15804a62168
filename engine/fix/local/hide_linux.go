package local

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Hide keeps the agents of this machine, which may be the same user's, from reading
// this process's memory and environment: on Linux only root reads those of a process
// that is not dumpable (PR_SET_DUMPABLE in prctl(2), and proc(5)). On other systems
// it does nothing.
func Hide() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the app not dumpable: %w", err)
	}
	return nil
}
