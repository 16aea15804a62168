package agent

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestHostile has each script of testdata/hostile play Kilo, in a repository of its
// own. A fixture's want says how the round ends, which files are handed over, which
// marks the script itself leaves, and what it could see.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, path := range hostile(t, "*") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			w, c := newHostile(t, path)
			a := w.start(w.script(c["coder"]))
			status, r := a.wait()
			if status != 0 || r == nil {
				t.Fatalf("status %d, result %+v", status, r)
			}
			w.judge(c["want"], a)
		})
	}
}

// TestHostileAsSameUser is for where the agent is not root: there the coder is the
// same user, and Linux alone keeps them apart.
func TestHostileAsSameUser(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("not Linux, or not root: the other tests are this one")
	}
	for _, path := range slices.Concat(hostile(t, "spy"), hostile(t, "survivor"), hostile(t, "git-runs-nothing"), hostile(t, "special-files"), hostile(t, "planted")) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			w, c := newHostile(t, path)
			a := w.startAs(64123, w.script(c["coder"]))
			status, r := a.wait()
			if status != 0 || r == nil {
				t.Fatalf("status %d, result %+v", status, r)
			}
			w.judge(c["want"], a)
		})
	}
}

func hostile(t *testing.T, name string) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/hostile/" + name + ".txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures %s: %v", name, err)
	}
	return paths
}

func newHostile(t *testing.T, path string) (*world, map[string]string) {
	t.Helper()
	c := parseArchive(t, path)
	w := newWorld(t, below(c, "base/"), c["setup"])
	w.brief.Test = strings.TrimSpace(strings.NewReplacer("@MARKS@", w.marks, "@DIR@", w.dir).Replace(c["test"]))
	if secret, ok := c["secret"]; ok {
		if err := os.WriteFile(filepath.Join(w.dir, "secret"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w, c
}

// startAs starts the agent as another user, from a copy that the user may run.
func (w *world) startAs(uid uint32, kilo []string) *agent {
	w.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	from, err := os.Open(exe)
	if err != nil {
		w.t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(w.dir, "agent.test")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		w.t.Fatal(err)
	}
	a := w.prepare(kilo)
	a.cmd.Path, a.cmd.Args[0] = path, path
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, NoSetGroups: true}}
	if err := a.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// judge compares what came of a run with what was to come of it.
func (w *world) judge(want string, a *agent) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.results[len(w.results)-1]
	got := []string{"ending " + string(r.Ending)}
	if r.Failure != "" {
		got = append(got, "failure "+string(r.Failure))
	}
	if r.TooMuch != "" {
		got = append(got, "toomuch "+r.TooMuch)
	}
	for _, f := range r.Files {
		got = append(got, "file "+f.Mode+" "+strings.ReplaceAll(f.Path, "\n", `\n`)+" "+strconv.Quote(string(f.Content)))
	}
	var wanted, marks []string
	for line := range strings.Lines(want) {
		line = strings.TrimSuffix(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "log":
			if !strings.Contains(w.log.String(), rest) {
				w.t.Errorf("the log does not say %q", rest)
			}
		case "said":
			if r.Said != rest {
				w.t.Errorf("said %q, want %q", r.Said, rest)
			}
		case "marks":
			marks = append(marks, strings.Fields(rest)...)
		case "seen":
			mark, text, _ := strings.Cut(rest, " ")
			if seen := strconv.Quote(w.read(mark)); seen != text {
				w.t.Errorf("the coder saw %s, want %s", seen, text)
			}
			marks = append(marks, mark)
		default:
			wanted = append(wanted, line)
		}
	}
	if got, want := strings.Join(got, "\n"), strings.Join(wanted, "\n"); got != want {
		w.t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for mark := range w.marked() {
		if !slices.Contains(marks, mark) {
			w.t.Errorf("the coder left the mark %s", mark)
		}
		if strings.HasPrefix(mark, "pid-") {
			w.ended(mark)
		}
	}
	if slices.Contains(marks, "loot") {
		w.loot()
	}
	if slices.Contains(marks, "hydra") {
		w.hydra()
	}
	if m := a.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; m > 700<<10 { // KB, under the race detector
		w.t.Errorf("the agent held %d KB", m)
	}
}

// ended checks that the process whose number a mark holds is no more.
func (w *world) ended(mark string) {
	w.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(w.read(mark)))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		w.t.Errorf("process %d of %s goes on: %v", pid, mark, err)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// hydra checks that no head of it grew again.
func (w *world) hydra() {
	w.t.Helper()
	out, err := exec.Command("pgrep", "-f", filepath.Join(w.marks, "hydra")).Output()
	if len(out) > 0 || err == nil {
		w.t.Errorf("the hydra goes on: %s", out)
	}
}

// loot checks what the coder could find.
func (w *world) loot() {
	w.t.Helper()
	loot := w.read("loot")
	if !strings.Contains(loot, "KILO_CONFIG=") {
		w.t.Error("the coder did not even see its own environment: it looked at nothing")
	}
	for _, secret := range []string{theClaim, theToken, theCloneToken} {
		if strings.Contains(loot, secret) {
			w.t.Errorf("the coder found %s", secret)
		}
	}
}
