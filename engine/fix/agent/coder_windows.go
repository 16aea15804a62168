package agent

import (
	"io/fs"
	"os"
	"os/exec"
)

// The agent is for Unix. What stands here lets the program be built elsewhere.

func ownGroup(*exec.Cmd) {}

func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }

const openFlags = os.O_RDONLY
