package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// bareUser is who bare Kilo is where this program is root: another user, as in
// Soulcaster's agent, and nobody else's number.
const bareUser = 1_899_999_999

// cover keeps the hidden tests and the answers from models: what it starts finds the
// folders that hold them empty, in a mount namespace of its own that only root could
// leave. Where this program may not make one, there is no cover.
type cover struct {
	folders []string // nil: nothing is covered
}

// newCover covers the folder of the cases, and the repository that they are also in.
func newCover(ctx context.Context, cases string) cover {
	if os.Geteuid() != 0 {
		return cover{}
	}
	folder, err := filepath.Abs(cases)
	if err != nil {
		return cover{}
	}
	c := cover{folders: []string{folder}}
	if repository, err := git(ctx, folder, nil, "-c", "safe.directory=*", "rev-parse", "--path-format=absolute", "--git-common-dir"); err == nil {
		c.folders = append(c.folders, repository)
	}
	probe := c.starts("true")
	if err := exec.CommandContext(ctx, probe[0], probe[1:]...).Run(); err != nil {
		return cover{}
	}
	return c
}

// is reports whether there is one.
func (c cover) is() bool { return len(c.folders) > 0 }

// starts is a command as one that starts it under the cover.
func (c cover) starts(command ...string) []string {
	if !c.is() {
		return command
	}
	return slices.Concat([]string{"unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-c",
		`while [ "$1" != -- ]; do mount -t tmpfs -o mode=0,size=4k none "$1" || exit; shift; done; shift; exec "$@"`, "cover"},
		c.folders, []string{"--"}, command)
}

// startsApart is a command as one that starts it under the cover as [bareUser].
func (c cover) startsApart(command ...string) []string {
	if !c.is() {
		return command
	}
	user := strconv.Itoa(bareUser)
	return c.starts(slices.Concat([]string{"setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs",
		"--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--"}, command)...)
}

// give makes all that is below the folders bareUser's, who can get there.
func (c cover) give(folders ...string) error {
	if !c.is() {
		return nil
	}
	for _, folder := range folders {
		if err := os.Chmod(filepath.Dir(folder), 0o711); err != nil {
			return fmt.Errorf("give to bare kilo: %w", err)
		}
		if err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, bareUser, bareUser)
		}); err != nil {
			return fmt.Errorf("give to bare kilo: %w", err)
		}
	}
	return nil
}

// told says what the numbers are worth in this respect.
func (c cover) told(cases string) string {
	if c.is() {
		return "The models could not read this clone's hidden tests and answers."
	}
	return "The hidden tests and the answers lie in " + cases + ", where a model that searches this disk can find them. Run as root on Linux, they are covered."
}
