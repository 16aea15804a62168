package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

func TestFromEnviron(t *testing.T) {
	good := []string{"SOULCASTER_URL=https://app.example.com", "SOULCASTER_RUN=abc123", "SOULCASTER_CLAIM=" + theClaim}
	for name, c := range map[string]struct {
		env  []string
		want string // of the error; empty: none
	}{
		"good":           {nil, ""},
		"kilo":           {[]string{"SOULCASTER_KILO=/opt/my kilo"}, ""},
		"kilo list":      {[]string{`SOULCASTER_KILO=["/a","b"]`}, ""},
		"kilo no list":   {[]string{`SOULCASTER_KILO=["/a`}, "JSON"},
		"coder":          {[]string{"SOULCASTER_CODER=10001:10002"}, ""},
		"coder is root":  {[]string{"SOULCASTER_CODER=0:0"}, "UID:GID"},
		"coder is word":  {[]string{"SOULCASTER_CODER=coder"}, "UID:GID"},
		"no url":         {[]string{"SOULCASTER_URL="}, "SOULCASTER_URL"},
		"no claim":       {[]string{"SOULCASTER_CLAIM="}, "SOULCASTER_CLAIM"},
		"url with query": {[]string{"SOULCASTER_URL=https://app.example.com?x=1"}, "SOULCASTER_URL"},
		"url with user":  {[]string{"SOULCASTER_URL=https://a:b@app.example.com"}, "SOULCASTER_URL"},
		"other scheme":   {[]string{"SOULCASTER_URL=file:///etc"}, "SOULCASTER_URL"},
		"run is a path":  {[]string{"SOULCASTER_RUN=../x"}, "SOULCASTER_RUN"},
	} {
		cfg, err := FromEnviron(slices.Concat(good, c.env))
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", name, err)
		case err != nil && strings.Contains(err.Error(), theClaim):
			t.Errorf("%s: the error tells the claim", name)
		case name == "coder" && (cfg.UID != 10001 || cfg.GID != 10002):
			t.Errorf("coder %d:%d", cfg.UID, cfg.GID)
		case name == "kilo" && !slices.Equal(cfg.Kilo, []string{"/opt/my kilo"}), name == "kilo list" && !slices.Equal(cfg.Kilo, []string{"/a", "b"}):
			t.Errorf("kilo %q", cfg.Kilo)
		}
	}
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{{nil, 0}, {ErrTerminated, 143}, {fmt.Errorf("%w: not taken", ErrTerminated), 143}, {ErrStopped, 1}, {errors.New("x"), 1}} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("ExitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestCheckBrief(t *testing.T) {
	commit := strings.Repeat("a1", 20)
	good := func() *brief.Brief {
		return &brief.Brief{Run: "r1", Token: "t", Seconds: 1800, Heartbeat: 15, Model: brief.Model{Name: "google/gemini-3-pro", Context: 1000},
			Repository: brief.Repository{Name: "acme/shop", CloneURL: "https://github.com/acme/shop.git", Commit: commit, DefaultCommit: commit}}
	}
	b := good()
	if err := checkBrief(b, "r1"); err != nil || b.Model.Context != 8000 || b.Model.Output != 1000 {
		t.Fatalf("%v %+v", err, b.Model)
	}
	for name, change := range map[string]func(*brief.Brief){
		"another run":    func(b *brief.Brief) { b.Run = "r2" },
		"no token":       func(b *brief.Brief) { b.Token = "" },
		"option":         func(b *brief.Brief) { b.Repository.Commit = "--upload-pack=touch x" },
		"short commit":   func(b *brief.Brief) { b.Repository.DefaultCommit = "a1" },
		"clone over ssh": func(b *brief.Brief) { b.Repository.CloneURL = "ssh://github.com/acme/shop" },
		"clone ext":      func(b *brief.Brief) { b.Repository.CloneURL = "ext::sh -c id" },
		"clone a file":   func(b *brief.Brief) { b.Repository.CloneURL = "file:///etc" },
		"clone in clear": func(b *brief.Brief) { b.Repository.CloneURL = "http://github.com/acme/shop.git" },
		"clone as user":  func(b *brief.Brief) { b.Repository.CloneURL = "https://a:b@github.com/acme/shop.git" },
		"revoke clear":   func(b *brief.Brief) { b.Repository.RevokeURL = "http://github.com/" },
		"name":           func(b *brief.Brief) { b.Repository.Name = "acme/shop/../x" },
		"model":          func(b *brief.Brief) { b.Model.Name = "-m evil" },
		"no time":        func(b *brief.Brief) { b.Seconds = 0 },
	} {
		b := good()
		change(b)
		if err := checkBrief(b, "r1"); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTaskName(t *testing.T) {
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls < 2 {
			http.Error(w, "not yet", http.StatusInternalServerError)
			return
		}
		if r.URL.Path != "/v4/x/task" {
			t.Errorf("asked %s", r.URL.Path)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"Cluster": "c", "TaskARN": "arn:aws:ecs:eu-west-1:1:task/c/1"})
	}))
	defer s.Close()
	t.Setenv(envTask, "local-1")
	if got := taskName(context.Background()); got != "local-1" {
		t.Errorf("task %q", got)
	}
	t.Setenv(envTask, "")
	t.Setenv(metadataURL, s.URL+"/v4/x")
	if got := taskName(context.Background()); got != "arn:aws:ecs:eu-west-1:1:task/c/1" {
		t.Errorf("task %q", got)
	}
	t.Setenv(metadataURL, "")
	if a, b := taskName(context.Background()), taskName(context.Background()); a == b || !strings.HasPrefix(a, "process-") {
		t.Errorf("tasks %q and %q", a, b)
	}
}
