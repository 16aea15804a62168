package backfill_test

import (
	"testing"

	"github.com/soulcaster/soulcaster/engine/backfill"
)

// Where somebody's feedback is erased, nothing stays of what imports have read: neither of
// one that waits for a person's word, nor of one that is done.
func TestClear(t *testing.T) {
	w := newWorld(t, false)
	done := w.file(`{"title": "The export of orders to CSV times out", "id": "1"}`)
	w.Settle()
	w.result(done.ID)
	w.agree(done.ID)
	w.Settle()
	waits := w.file(`{"title": "Dark mode flickers on the settings page", "id": "2"}`)
	w.Settle()
	w.result(waits.ID)
	left, err := w.b.Clear(t.Context(), w.space(), ann)
	if err != nil || !left {
		t.Errorf("at first: left %v, %v", left, err)
	}
	w.Settle()
	if left, err = w.b.Clear(t.Context(), w.space(), ann); err != nil || left {
		t.Errorf("afterwards: left %v, %v", left, err)
	}
	if keys := w.keys("import-part/", "import-result/", "draft/"); len(keys) != 0 {
		t.Errorf("left: %q", keys)
	}
	if i := w.get(waits.ID); i.State != backfill.Dropped {
		t.Errorf("the one that waited is %s", i.State)
	}
	if i := w.get(done.ID); i.State != backfill.Done {
		t.Errorf("the one that was done is %s", i.State)
	}
}
