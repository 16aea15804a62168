package github

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
)

// All repositories of an installation are listed, unless they are more than anybody's are.
func TestCovered(t *testing.T) {
	total := 0
	f := newFake(t, map[string]http.HandlerFunc{"GET /installation/repositories": func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		list := []any{}
		for id := total - (page-1)*100; id > 0 && len(list) < 100; id-- {
			list = append(list, map[string]any{"id": id})
		}
		answer(w, 200, map[string]any{"total_count": total, "repositories": list})
	}})
	a, _ := f.app(Pace{})
	for total = range 260 {
		if total > 2 && total%100 > 1 {
			continue
		}
		ids, err := a.Covered(t.Context(), 101)
		if err != nil || len(ids) != total || !slices.IsSorted(ids) || total > 0 && ids[0] != 1 {
			t.Errorf("of %d: %v, %v", total, ids, err)
		}
	}
	total = MaxCovered + 1
	if ids, err := a.Covered(t.Context(), 101); ids != nil || err != nil {
		t.Errorf("of too many: %v, %v", ids, err)
	}
}
