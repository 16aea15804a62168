package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// place is where the agent works. The folders are these:
//
//	clean.git     the repository as it was fetched: the supervisor's alone
//	own           the supervisor's empty home
//	rules         the .gitignore files of the commit to work on, the supervisor's alone
//	work          the work tree: the coder's
//	room-*        home and folder for temporary files of one thing that the coder does
//	kilo-*        Kilo's configuration and the repository's instructions, read-only
//	repository-*  a repository for the work tree while it is made
//	away-*        what was taken out of the work tree
type place struct{ dir string }

func (p place) clean() string { return filepath.Join(p.dir, "clean.git") }
func (p place) own() string   { return filepath.Join(p.dir, "own") }
func (p place) rules() string { return filepath.Join(p.dir, "rules") }
func (p place) work() string  { return filepath.Join(p.dir, "work") }

// newPlace makes the folders in a new one below parent.
func newPlace(parent string, c *coder) (place, error) {
	dir, err := os.MkdirTemp(parent, "soulcaster-agent-")
	if err != nil {
		return place{}, fmt.Errorf("make the agent's folder: %w", err)
	}
	p := place{dir}
	for _, d := range []string{p.clean(), p.own(), p.rules(), p.work()} {
		err = errors.Join(err, os.Mkdir(d, 0o700))
	}
	// The coder passes through, and lists nothing.
	if err = errors.Join(err, c.give(p.work()), os.Chmod(dir, 0o711)); err != nil {
		return place{}, fmt.Errorf("make the agent's folders: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	return p, nil
}

// folder makes a new folder of the supervisor's, under a name that nobody could know
// before.
func (p place) folder(kind string, mode os.FileMode) (string, error) {
	dir, err := os.MkdirTemp(p.dir, kind+"-")
	if err == nil {
		err = os.Chmod(dir, mode)
	}
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	return dir, nil
}

// room is what a process of the coder's has for itself: a home and a folder for
// temporary files. Programs believe what they find there, Kilo above all, which runs
// the plugins and tool servers that its home names. So the tests before the change,
// Kilo and the tests after it get a new room each, made when nothing that was in
// another is alive.
type room struct{ home, tmp string }

func (p place) newRoom(c *coder) (room, error) {
	dir, err := p.folder("room", 0o711)
	if err != nil {
		return room{}, err
	}
	r := room{home: filepath.Join(dir, "home"), tmp: filepath.Join(dir, "tmp")}
	for _, d := range []string{r.home, r.tmp} {
		if err := errors.Join(os.Mkdir(d, 0o700), c.give(d)); err != nil {
			return room{}, fmt.Errorf("make a room: %w", err)
		}
	}
	return r, nil
}

// kilosOwn reports whether a path of the repository is one that Kilo takes for its
// configuration. Version 7.7.9 reads .kilocode/mcp.json, .kilo/rules, .kilocodemodes
// and others of an older Kilo's also where KILO_DISABLE_PROJECT_CONFIG is set, and
// runs the commands that they name.
func kilosOwn(path string) bool {
	top, _, _ := strings.Cut(path, "/")
	switch top {
	case "kilo.json", "kilo.jsonc", "opencode.json", "opencode.jsonc":
		return true
	}
	return strings.HasPrefix(top, ".kilo") || strings.HasPrefix(top, ".opencode")
}

// hide takes what is Kilo's own out of the work tree, and returns where it is now, by
// name. It is to be called when no process of the coder's is alive.
func (p place) hide() (map[string]string, error) {
	entries, err := os.ReadDir(p.work())
	if err != nil {
		return nil, fmt.Errorf("look for kilo's files: %w", err)
	}
	hidden := map[string]string{}
	for _, e := range entries {
		if !kilosOwn(e.Name()) {
			continue
		}
		if hidden[e.Name()], err = p.putAway(e.Name()); err != nil {
			return nil, err
		}
	}
	return hidden, nil
}

// show puts back what was hidden, unless something else is in its place.
func (p place) show(hidden map[string]string) error {
	var all error
	for name, path := range hidden {
		to := filepath.Join(p.work(), name)
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, os.Rename(path, to))
		}
	}
	return all
}

// putAway moves what the work tree has under a name at its top to another place, and
// returns its path. What it is does not matter: a link is moved, not followed.
func (p place) putAway(name string) (string, error) {
	from := filepath.Join(p.work(), name)
	dir, err := p.folder("away", 0o700)
	if err != nil {
		return "", err
	}
	if info, err := os.Lstat(from); err == nil && info.IsDir() && info.Mode()&0o200 == 0 {
		_ = os.Chmod(from, 0o700) // who is not root can move no folder that may not be written to
	}
	to := filepath.Join(dir, name)
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("put %q away: %w", name, err)
	}
	return to, nil
}

// remove takes the folders away. Some tools leave folders that nobody may write to,
// not even their owner.
func (p place) remove() {
	if os.RemoveAll(p.dir) == nil {
		return
	}
	_ = filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(p.dir) // in the container it goes with it
}
