//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"time"
)

// pass lets time pass for the app of a story that is timed, and for nobody else:
// what GitHub dates, and what it still takes for valid, goes by the machine's clock.
func (w *fixworld) pass(d time.Duration) {
	w.t.Helper()
	w.ahead += d
	path := filepath.Join(w.dir, "ahead")
	w.env["SOULCASTER_AHEAD"] = path
	if err := os.WriteFile(path+".new", []byte(w.ahead.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // it is read all the time
		w.t.Fatal(err)
	}
	// The app sleeps until what is due next by the clock as it was; an event of any
	// task wakes it.
	if tasks := w.ecs.Tasks(); len(tasks) > 0 {
		w.ecs.Send(w.ecs.Event(tasks[0].ARN))
	}
}

// now is what time it is for the app.
func (w *fixworld) now() time.Time { return time.Now().Add(w.ahead) }
