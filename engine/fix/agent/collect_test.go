package agent

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// TestForeignFiles makes the hard links that Linux may keep the coder from making:
// to files of the supervisor's.
func TestForeignFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: there are no files of others to link to")
	}
	w := newWorld(t, shop, "")
	c := &coder{apart: true, uid: 64123, gid: 64123}
	p, err := newPlace(filepath.Join(w.dir, "tmp"), c)
	if err != nil {
		t.Fatal(err)
	}
	g := git{home: p.own(), protocols: "file"}
	ctx := t.Context()
	w.git(w.dir, "clone", "-q", "--bare", w.dir+"/git/acme/shop.git", p.clean())
	err = checkOut(ctx, g, p, c, w.head())
	if err != nil {
		t.Fatal(err)
	}
	b, err := readBase(ctx, g, p, w.head())
	if err != nil {
		t.Fatal(err)
	}
	limits := brief.Limits{Files: 10, FileBytes: 1000, Bytes: 1000}
	secret := filepath.Join(w.dir, "secret")
	stolen := filepath.Join(p.work(), "stolen")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Link(secret, stolen)); err != nil {
		t.Fatal(err)
	}
	got, err := collect(ctx, g, p, c, b, limits)
	if err != nil || len(got.files) != 0 || len(got.notes) != 1 {
		t.Errorf("a new link: %+v, %v", got, err)
	}
	tracked := filepath.Join(p.work(), "greet.js")
	if err := errors.Join(os.Remove(stolen), os.Remove(tracked), os.Link(secret, tracked)); err != nil {
		t.Fatal(err)
	}
	if got, err := collect(ctx, g, p, c, b, limits); err == nil {
		t.Errorf("a link in the place of a file: %+v", got)
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add("100644 blob 0123 12\tgreet.js")
	f.Add("160000 commit 0123       -\tsub")
	f.Add("120000 blob 0123 3\ta\tb")
	f.Add("100644 blob 0123 -1\t")
	f.Fuzz(func(t *testing.T, line string) {
		e, name, err := parseEntry(line)
		if err == nil && (name == "" || e.mode == "" || e.hash == "" || !strings.HasSuffix(line, "\t"+name)) {
			t.Errorf("%q is %+v %q", line, e, name)
		}
	})
}

// FuzzEvents has Kilo print anything.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"type":"tool_use","part":{"tool":"bash","state":{"status":"completed","input":{"command":"ls"},"output":"a\nb","metadata":{"exit":0}}}}`))
	f.Add([]byte(`{"type":"text","part":{"text":"done"}}` + "\n" + `{"type":"step_finish","part":{"reason":"stop"}}`))
	f.Add([]byte("{\"type\":\n\n\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j := newJournal(io.Discard, theClaim, time.Now())
		w := &watch{log: j.stream(), progress: &progress{}, now: time.Now}
		eachLine(strings.NewReader(string(data)), w.event)
		if j.taken > j.limit || int64(len(j.wait)) != j.taken {
			t.Errorf("the log has %d bytes", j.taken)
		}
		if b := w.progress.now(1); b.Note != "" && b.Note != toolName(b.Note) {
			t.Errorf("the heartbeat tells %q", b.Note)
		}
	})
}
