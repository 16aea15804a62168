package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
)

// The examples of the documentation that send something are run as they stand,
// by a shell, against a preview as the README starts it; what the pages show as
// the answer has to be the answer, all but the request's id.
func TestDocsExamples(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "openssl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing: the examples of the documentation are not run", tool)
		}
	}
	all := pages(t)
	env := readmeEnvironment(t, all)
	ran := 0
	for _, p := range all {
		examples := sendings(p)
		if len(examples) == 0 {
			continue
		}
		t.Run(filepath.Base(p.path), func(t *testing.T) {
			address := startPreview(t, env)
			for _, e := range examples {
				e.check(t, address)
			}
		})
		ran += len(examples)
	}
	if ran < 5 {
		t.Errorf("%d examples send something: are they looked for in the right way?", ran)
	}
}

// sending is a block that sends something, and the answers shown below it: to
// the first time, and to each time that it is sent again.
type sending struct {
	script  string
	answers []string
}

const readmeAddress = "http://127.0.0.1:8080"

func sendings(p page) (all []sending) {
	var last *sending
	for _, b := range p.blocks {
		switch {
		case b.language == "sh" && strings.Contains(b.text, readmeAddress+"/ingest/"):
			all = append(all, sending{script: b.text})
			last = &all[len(all)-1]
		case b.language == "sh":
			last = nil
		case b.language == "json" && last != nil:
			last.answers = append(last.answers, b.text)
		}
	}
	return all
}

func (e sending) check(t *testing.T, address string) {
	t.Helper()
	script := strings.ReplaceAll(e.script, readmeAddress, address)
	first := send(t, script)
	if first["accepted"] != 1.0 {
		t.Errorf("%s\nanswers %v", e.script, first)
	}
	for i, text := range e.answers {
		var want map[string]any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Errorf("an answer is no JSON: %v\n%s", err, text)
			continue
		}
		got := first
		if i > 0 {
			// Where a report is, is worked out in the background.
			got = until(t, func() map[string]any { return send(t, script) }, want)
		}
		if !same(got, want) {
			t.Errorf("%s\nanswers %v\nthe page says %v", e.script, got, want)
		}
	}
}

// until asks until the answer is what is wanted, for half a minute at most.
func until(t *testing.T, ask func() map[string]any, want map[string]any) (got map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if got = ask(); same(got, want) {
			return got
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return got
		}
	}
}

// same reports whether two answers say the same, but for the request's id, which
// both must have.
func same(got, want map[string]any) bool {
	got, want = maps.Clone(got), maps.Clone(want)
	for _, answer := range []map[string]any{got, want} {
		if id, _ := answer["request_id"].(string); id != "" {
			answer["request_id"] = "some"
		}
	}
	return got["request_id"] == "some" && reflect.DeepEqual(got, want)
}

// send runs a script in the root of the repository and returns what was answered.
func send(t *testing.T, script string) map[string]any {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", "curl() { command curl -sS --noproxy '*' --max-time 20 \"$@\"; }\n"+script)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s\nfailed: %v", script, err)
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s\nanswers no JSON: %s", script, out)
	}
	return answer
}

var export = regexp.MustCompile(`(?m)^export (\w+)=(\S+)$`)

// readmeEnvironment is what the README sets before it starts a preview.
func readmeEnvironment(t *testing.T, all []page) (env []string) {
	t.Helper()
	for _, p := range all {
		for _, b := range p.blocks {
			if p.path != "../README.md" || !strings.Contains(b.text, "SOULCASTER_CONFIG=docs/examples/soulcaster.yml bin/soulcaster serve --preview") {
				continue
			}
			for _, m := range export.FindAllStringSubmatch(b.text, -1) {
				env = append(env, m[1]+"="+m[2])
			}
			return append(env, "SOULCASTER_CONFIG=../docs/examples/soulcaster.yml")
		}
	}
	t.Fatal("the README starts no preview")
	return nil
}

// startPreview runs a preview on a store of its own until the test ends, and
// returns its address.
func startPreview(t *testing.T, env []string) string {
	t.Helper()
	cfg, err := config.Load(append(env, "SOULCASTER_STORE=bolt:"+filepath.Join(t.TempDir(), "soulcaster.db")))
	if err != nil {
		t.Fatal(err)
	}
	db, bell, exclusive, err := openStore(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	log := zerolog.New(io.Discard)
	m, err := assemble(t.Context(), cfg, db, bell, exclusive, nil, mode{preview: true}, log)
	if err != nil {
		t.Fatal(err)
	}
	working, stop := context.WithCancel(context.Background())
	worked := make(chan struct{})
	go func() { defer close(worked); m.queue.Run(log.WithContext(working)) }()
	server := httptest.NewServer(m.handler)
	t.Cleanup(func() {
		server.Close()
		stop()
		<-worked
		db.Close()
	})
	return server.URL
}

// What the README shows of `cluster` is what it prints.
func TestDocsCluster(t *testing.T) {
	const call = "bin/soulcaster cluster "
	shown := 0
	for _, p := range pages(t) {
		for i, b := range p.blocks {
			args, ok := strings.CutPrefix(b.text, call)
			if !ok || i+1 == len(p.blocks) || p.blocks[i+1].language != "text" {
				continue
			}
			shown++
			t.Chdir("..")
			var out strings.Builder
			status := run(t.Context(), &environment{out: &out, err: os.Stderr}, append([]string{"cluster"}, strings.Fields(args)...))
			if want := p.blocks[i+1].text; status != exitDone || out.String() != want {
				t.Errorf("%s\nends with %d and prints\n%s\n%s says\n%s", b.text, status, &out, p.path, want)
			}
		}
	}
	if shown != 1 {
		t.Errorf("%d examples of cluster are shown", shown)
	}
}
