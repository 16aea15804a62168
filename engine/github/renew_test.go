package github

import (
	"errors"
	"net/http"
	"testing"
)

// What was refused is asked for with a new token soon, because it may be granted since; and
// what stays refused does not cost a token each time.
func TestRefusedAsksWithANewToken(t *testing.T) {
	f := newFake(t, nil)
	f.routes = map[string]http.HandlerFunc{"GET /repos/acme/web": func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		tokens := f.minted[acme.Installation]
		f.mu.Unlock()
		if tokens < 3 {
			answer(w, 403, map[string]any{"message": "Resource not accessible by integration"})
			return
		}
		answer(w, 200, map[string]any{"id": acme.Repo.ID, "name": "web", "full_name": "acme/web", "owner": map[string]any{"login": "acme"}})
	}}
	a, clock := f.app(Pace{})
	for i, want := range []int{1, 2, 2, 2} {
		if _, err := a.Repository(t.Context(), acme); !errors.Is(err, ErrForbidden) {
			t.Fatalf("call %d: %v", i, err)
		}
		if got := f.minted[acme.Installation]; got != want {
			t.Errorf("after call %d %d tokens were made, want %d", i, got, want)
		}
	}
	if err := clock.sleep(t.Context(), renewEvery); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Repository(t.Context(), acme); !errors.Is(err, ErrForbidden) {
		t.Fatalf("with the old token: %v", err)
	}
	if _, err := a.Repository(t.Context(), acme); err != nil {
		t.Errorf("with a new one: %v", err)
	}
}
