package task_test

import (
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

func TestSpecCheck(t *testing.T) {
	good := task.Spec{Run: "abcdefghijklmnop0129", Attempt: 10_000, URL: "https://app.example/base"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	if token := good.Token(); token != "abcdefghijklmnop0129-10000" || len(token) > 64 {
		t.Errorf("the token is %q", token)
	}
	for name, change := range map[string]func(*task.Spec){
		"no run":        func(s *task.Spec) { s.Run = "" },
		"long run":      func(s *task.Spec) { s.Run += "x" },
		"other letters": func(s *task.Spec) { s.Run = "a/b" },
		"attempt 0":     func(s *task.Spec) { s.Attempt = 0 },
		"attempt 10001": func(s *task.Spec) { s.Attempt++ },
		"no URL":        func(s *task.Spec) { s.URL = "" },
		"no host":       func(s *task.Spec) { s.URL = "https:///x" },
		"another kind":  func(s *task.Spec) { s.URL = "ftp://app.example" },
		"control":       func(s *task.Spec) { s.URL = "https://app.example/\n" },
		"long URL":      func(s *task.Spec) { s.URL += strings.Repeat("x", 2048) },
	} {
		bad := good
		change(&bad)
		if bad.Check() == nil {
			t.Errorf("%s: nothing is wrong with %+v", name, bad)
		}
	}
}

func TestCheckClaim(t *testing.T) {
	if err := task.CheckClaim(strings.Repeat("aZ9_-", 50)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "a b", "a\n", "é", strings.Repeat("a", 257)} {
		if err := task.CheckClaim(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
