package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// shuffled are the lines in an order of their own.
func shuffled(lines []string, seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 7))
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

// fill gives the project clusters of its own, some of which the file's reports
// belong to.
func fill(w *world) {
	w.T.Helper()
	for n, l := range reports(w.T, "same.txt") {
		if n%4 != 0 {
			continue
		}
		var body = strings.Replace(l, `"id"`, `"external_id"`, 1)
		w.Take("api", w.Report("api", body)...)
		w.Pass(time.Second)
	}
	w.Settle()
}

// What a preview says is what the import does; and until somebody agrees nothing of
// it is in the project.
func TestPreviewIsWhatHappens(t *testing.T) {
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprintf("live %v", live), func(t *testing.T) {
			w := newWorld(t, live)
			fill(w)
			before := w.clusters()
			told := len(w.keys("fb/", "of/", "todo/", "action/", "standing/"))
			i := w.file(strings.Join(shuffled(reports(t, "same.txt", "apart.txt", "same2.txt"), 1), "\n"))
			w.Settle()
			r := w.result(i.ID)
			if after := len(w.keys("fb/", "of/", "todo/", "action/", "standing/")); after != told {
				t.Errorf("a preview wrote to the project: %d keys, not %d", after, told)
			}
			if left := w.keys(storageDraft); len(left) > 0 {
				t.Errorf("of the draft %d keys are left: %v", len(left), left[0])
			}
			sum := 0
			for _, n := range r.Fates {
				sum += n
			}
			if r.Reports != i.Read || r.Known != 0 || r.Nowhere != 0 || r.New == 0 || r.New == r.Clusters || sum != r.Clusters || len(r.Rows) != r.Clusters {
				t.Errorf("%d were read, and the result is %+v", i.Read, r)
			}
			w.agree(i.ID)
			w.Settle()
			if got, want := grown(before, w.clusters()), promised(r); got != want {
				t.Errorf("what came of it is\n%s\nand not, as was said,\n%s", got, want)
			}
			done := w.get(i.ID)
			if done.State != backfill.Done || done.Accepted != i.Read || done.Duplicates != 0 || done.Agreed != "@ann" {
				t.Errorf("at the end it is %+v", done)
			}
			if left := w.keys("import-part/", storageDraft); len(left) > 0 {
				t.Errorf("%d keys are left: %v", len(left), left[0])
			}
			// The same file again is known.
			again := w.file(strings.Join(reports(t, "same.txt", "apart.txt", "same2.txt"), "\n"))
			w.Settle()
			if r := w.result(again.ID); r.Known != i.Read || r.New != 0 {
				t.Errorf("again it is %+v", r)
			}
		})
	}
}

const storageDraft = "draft/"

var errCrash = errors.New("crash")

// A crash anywhere costs a step and changes nothing of what comes of it.
func TestCrashes(t *testing.T) {
	text := strings.Join(shuffled(reports(t, "same.txt"), 2)[:40], "\n")
	var want, wantResult string
	commits := 0
	run := func(t *testing.T, crashAt int, point string) {
		w := newWorld(t, false)
		fill(w)
		before := w.clusters()
		i := w.file(text)
		n := 0
		w.Hook = func(p string) error {
			if strings.HasPrefix(p, point+":p/") {
				if n++; n == crashAt {
					return errCrash
				}
			}
			return nil
		}
		settle := func() {
			for range 3 {
				err := w.TrySettle()
				if err == nil {
					return
				}
				if !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				w.Restart()
			}
			t.Fatal("it crashes again")
		}
		settle()
		r := w.result(i.ID)
		if _, err := w.b.Agree(t.Context(), w.space(), i.ID, ann); errors.Is(err, errCrash) {
			w.Restart() // it happened, or the person says it again
			if w.get(i.ID).State == backfill.Ready {
				w.agree(i.ID)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		settle()
		w.Hook = nil
		got := grown(before, w.clusters())
		if want == "" {
			want, wantResult, commits = got, promised(r), n
		}
		if promised(r) != wantResult {
			t.Errorf("crash at %s %d: the preview says\n%s\nnot\n%s", point, crashAt, promised(r), wantResult)
		}
		if got != want || got != wantResult {
			t.Errorf("crash at %s %d: what came of it is\n%s\nnot\n%s", point, crashAt, got, want)
		}
		if left := w.keys("import-part/", storageDraft); len(left) > 0 {
			t.Errorf("crash at %s %d: %d keys are left", point, crashAt, len(left))
		}
	}
	run(t, 0, "commit.before")
	if commits < 20 {
		t.Fatalf("only %d commits", commits)
	}
	step := max(1, commits/5)
	for n := 1; n <= commits; n += step {
		run(t, n, "commit.before")
		run(t, n, "commit.after")
	}
}

// Dropped or left alone, nothing of it stays.
func TestDropAndExpiry(t *testing.T) {
	for name, end := range map[string]func(w *world, id string){
		"dropped": func(w *world, id string) {
			if _, err := w.b.Drop(w.T.Context(), w.space(), id, ann); err != nil {
				w.T.Fatal(err)
			}
		},
		"expired": func(w *world, _ string) { w.Pass(8 * 24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false)
			i := w.file(`{"id":"1","title":"The word xylograph is spelt wrong"}`)
			w.Settle()
			if r := w.result(i.ID); r.New != 1 || r.Fates[backfill.WouldHold] != 1 {
				t.Errorf("the result is %+v", r)
			}
			end(w, i.ID)
			w.Settle()
			if got := w.get(i.ID).State; string(got) != name {
				t.Errorf("it is %s", got)
			}
			entries, err := w.space().Scan(t.Context(), "", "", 10_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if strings.Contains(string(e.Value), "xylograph") {
					t.Errorf("%s still says it", e.Key)
				}
			}
			var wrong *backfill.StateError
			if _, err := w.b.Agree(t.Context(), w.space(), i.ID, ann); !errors.As(err, &wrong) {
				t.Errorf("agreeing to it: %v", err)
			}
		})
	}
}

// It is dropped while it is imported: what was imported stays, the rest does not come.
func TestDropWhileImporting(t *testing.T) {
	w := newWorld(t, false)
	var lines []string
	for n := range 600 {
		lines = append(lines, fmt.Sprintf(`{"id":"%d","title":"Problem %d of its own kind with %x"}`, n, n, n*7919))
	}
	i := w.file(strings.Join(lines, "\n"))
	w.Settle()
	w.agree(i.ID)
	parts := 0
	w.Hook = func(p string) error {
		if strings.HasPrefix(p, "commit.before:p/") {
			if w.get(i.ID).Part == 1 && parts == 0 {
				parts++
				w.Hook = nil
				if _, err := w.b.Drop(t.Context(), w.space(), i.ID, ann); err != nil {
					t.Error(err)
				}
			}
		}
		return nil
	}
	w.Settle()
	if got := w.get(i.ID); got.State != backfill.Dropped {
		t.Errorf("it is %s", got.State)
	}
	if n := len(w.keys("fb/")); n == 0 || n >= 600 {
		t.Errorf("%d reports are there", n)
	}
	if left := w.keys("import-part/", storageDraft); len(left) > 0 {
		t.Errorf("%d keys are left", len(left))
	}
}

// What arrives while a preview is worked out, or after it, is told.
func TestStale(t *testing.T) {
	w := newWorld(t, false)
	i := w.file(strings.Join(reports(t, "same.txt"), "\n"))
	behind := func() bool {
		return backfill.Behind(w.get(i.ID), w.revision())
	}
	w.Settle()
	if behind() {
		t.Error("it is behind at once")
	}
	w.Take("api", w.Report("api", `{"title":"The CSV export times out for me as well"}`)...)
	w.Settle()
	if !behind() {
		t.Error("something arrived, and it is not told")
	}
	was := w.result(i.ID)
	if _, err := w.b.Again(t.Context(), w.space(), i.ID, ann); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if now := w.result(i.ID); behind() || now.New != was.New-1 {
		t.Errorf("worked out again: %d new, not %d; behind is %v", now.New, was.New-1, behind())
	}
	before := w.clusters()
	w.agree(i.ID)
	w.Settle()
	if got, want := grown(before, w.clusters()), promised(w.result(i.ID)); got != want {
		t.Errorf("what came of it is\n%s\nnot\n%s", got, want)
	}
}

func TestFiles(t *testing.T) {
	w := newWorld(t, false)
	i, err := w.b.FromFile(t.Context(), w.space(), `C:\reports\<b>old</b>.csv`, strings.NewReader(
		"id,title,author,occurred_at\n1,Login fails,ann@example.com,2026-01-31T09:30:00Z\n2,,x,\n3,Export hangs,bob,yesterday\n4,Search is slow,,1700000000\n"), ann)
	if err != nil || i.Read != 2 || i.Bad != 2 || len(i.Lines) != 2 || i.Lines[0].Line != 3 || i.Lines[1].Line != 4 || i.Name != "b>.csv" {
		t.Errorf("a CSV: %+v, %v", i, err)
	}
	w.Settle()
	w.agree(i.ID)
	w.Settle()
	all := w.keys("fb/")
	if len(all) != 2 {
		t.Fatalf("%d reports", len(all))
	}
	known, _, err := intake.Load(t.Context(), w.space(), strings.TrimPrefix(all[0], "fb/"), strings.TrimPrefix(all[1], "fb/"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range known {
		switch f.Title {
		case "Login fails":
			if f.Author != "hash of report:ann@example.com" || !f.First.Equal(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)) || f.Source != backfill.FileSource {
				t.Errorf("it is %+v", f)
			}
		case "Search is slow":
			if f.First.Unix() != 1700000000 {
				t.Errorf("it is %+v", f)
			}
		default:
			t.Errorf("%q is there", f.Title)
		}
	}
	var limit *backfill.LimitError
	for name, text := range map[string]string{
		"nothing": "", "no header": "a,b\n1,2\n", "not JSON": "{oops\n{\n", "too large": `{"title":"` + strings.Repeat("x", backfill.MaxBytes) + `"}`,
		"too many": strings.Repeat("{\"title\":\"x\"}\n", backfill.MaxRows+1), "UTF-16": "\xff\xfe{\x00",
	} {
		if _, err := w.b.FromFile(t.Context(), w.space(), "x", strings.NewReader(text), ann); !errors.As(err, &limit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 3 {
		w.file(`{"title":"x y z"}`)
	}
	if _, err := w.b.FromFile(t.Context(), w.space(), "x.jsonl", strings.NewReader(`{"title":"x"}`), ann); !errors.As(err, &limit) {
		t.Errorf("a fourth at a time: %v", err)
	}
	if _, err := backfill.Get(t.Context(), w.space(), "../../fb/x"); !errors.Is(err, backfill.ErrNone) {
		t.Errorf("an id that is none: %v", err)
	}
}

// Many that ended are forgotten, the newest stay.
func TestEndedAreForgotten(t *testing.T) {
	w := newWorld(t, false)
	var last string
	for range 30 {
		w.Pass(time.Second)
		last = w.file(`{"title":"x y z"}`).ID
		if _, err := w.b.Drop(t.Context(), w.space(), last, ann); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	all, err := backfill.List(t.Context(), w.space())
	if err != nil || len(all) > 21 || all[0].ID != last {
		t.Errorf("%d are remembered, %v", len(all), err)
	}
}

// A file that a crash cut short is not waited for for ever.
func TestFileCutShort(t *testing.T) {
	w := newWorld(t, false)
	n := 0
	w.Hook = func(p string) error {
		if strings.HasPrefix(p, "commit.before:p/") {
			if n++; n == 3 {
				return errCrash
			}
		}
		return nil
	}
	if _, err := w.b.FromFile(t.Context(), w.space(), "x.jsonl", strings.NewReader(strings.Join(reports(t, "same.txt"), "\n")), ann); !errors.Is(err, errCrash) {
		t.Fatalf("got %v", err)
	}
	w.Hook = nil
	w.Restart()
	w.Settle()
	w.Pass(time.Hour)
	w.Settle()
	all, err := backfill.List(t.Context(), w.space())
	if err != nil || len(all) != 1 || all[0].State != backfill.Failed || len(w.keys("import-part/")) > 0 {
		t.Errorf("it is %+v, %v; %d parts", all, err, len(w.keys("import-part/")))
	}
}

// The tenant goes while a preview is worked out.
func TestUninstalled(t *testing.T) {
	w := newWorld(t, false)
	i := w.file(strings.Join(reports(t, "same.txt"), "\n"))
	space := w.space()
	n := 0
	w.Hook = func(p string) error {
		if strings.HasPrefix(p, "commit.before:p/") {
			if n++; n == 5 {
				w.Hook = nil
				return w.Projects.Uninstall(context.Background(), project.Installation(space.Name()))
			}
		}
		return nil
	}
	if err := w.TrySettle(); err != nil && !errors.Is(err, storage.ErrNoSpace) {
		t.Fatal(err)
	}
	if _, err := backfill.Get(t.Context(), space, i.ID); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("got %v", err)
	}
}
