// Package kilotest is the real Kilo for tests, and a repository that tries to take
// it over.
package kilotest

import (
	"os"
	"runtime"
	"testing"
)

// Variable names the environment variable that says where the real Kilo is. It is
// none of the product's settings.
const Variable = "SOULCASTER_TEST_KILO"

// places are for as many real Kilos of one test binary at once, each of which takes a
// core for ten seconds to start.
var places = make(chan struct{}, 2)

// Find returns the path of the real Kilo, for a test that has a place for one until
// it ends. Without one the test is skipped.
func Find(t testing.TB) string {
	t.Helper()
	path := os.Getenv(Variable)
	if path == "" {
		t.Skipf("SKIPPED: the real Kilo is not here, and has 170 MB: make e2e installs it and runs this test; %s=… names one", Variable)
	}
	if _, err := os.Stat(path); err != nil {
		if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
			t.Skipf("SKIPPED: the pinned Kilo is the one for Linux on x86-64: %s may name another", Variable)
		}
		t.Fatalf("%s: %v: make e2e installs it", Variable, err)
	}
	places <- struct{}{}
	t.Cleanup(func() { <-places })
	return path
}
