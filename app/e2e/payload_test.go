//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealPayloads: what Sentry and Reddit really send comes in, and what is no
// feedback is refused as such. The payloads lie beside the repository and are no
// part of it.
func TestRealPayloads(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../../../shared/payloads")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("SKIPPED: the real payloads are not here: %v", err)
	}
	w := started(t, newBolt(t), settings)

	for _, file := range files(t, folder, "sentry/*.json", "sentry/*/*.json") {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			resource, _, _ := strings.Cut(name, ".")
			var a answer
			if resource == "legacy_plugin" {
				a, err = w.post("/ingest/sentry/acme-legacy/"+key("acme-legacy"), nil, body)
			} else {
				a, err = w.post("/ingest/sentry/globex-sentry", map[string]string{
					"Sentry-Hook-Resource": resource, "Sentry-Hook-Signature": signature(key("globex-sentry"), body)}, body)
			}
			if err != nil || a.status != http.StatusAccepted {
				t.Fatalf("%d %s, %v", a.status, a.body, err)
			}
			feedback := resource == "issue" || resource == "event_alert" || resource == "error" || resource == "legacy_plugin"
			if got := len(a.Items) == 1; got != feedback {
				t.Errorf("%d items: %s", len(a.Items), a.body)
			}
		})
	}

	// Of Reddit's answers those that hold posts or comments are feedback.
	for _, file := range files(t, folder, "reddit/*/*.json") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a, err := w.post("/ingest/reddit/globex-reddit", map[string]string{"X-API-Key": key("globex-reddit")}, body)
			if err != nil {
				t.Fatal(err)
			}
			posts := strings.Contains(string(body), `"t3"`) || strings.Contains(string(body), `"t1"`)
			switch {
			case posts && (a.status != http.StatusAccepted || a.Accepted+a.Duplicates == 0):
				t.Errorf("%d %s", a.status, tail(a.body, 500))
			case !posts && a.status != http.StatusAccepted && a.status != http.StatusBadRequest:
				t.Errorf("%d %s", a.status, tail(a.body, 500))
			}
		})
	}
}

// files are those that fit one of the patterns, of which there must be some.
func files(t *testing.T, folder string, patterns ...string) (all []string) {
	t.Helper()
	for _, p := range patterns {
		some, err := filepath.Glob(filepath.Join(folder, p))
		if err != nil || len(some) == 0 {
			t.Fatalf("no payloads in %s: %v", p, err)
		}
		all = append(all, some...)
	}
	return all
}
