//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ran is what became of a command that was run to its end.
type ran struct {
	status   int
	out, log string
}

// run runs a command in a folder with nothing in its environment but what is
// given.
func run(t testing.TB, dir string, env []string, in string, args ...string) ran {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, log bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(in), &out, &log
	cmd.Env = surroundings(dir, env)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "WARNING: DATA RACE") {
		t.Errorf("the race detector found something:\n%s", &log)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), log.String()}
}

// TestCommandLine: what every command has in common.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want int
		out  string // is in the output
		log  string // is in the log
	}{
		{[]string{"version"}, 0, "soulcaster " + version + "\n", ""},
		{[]string{"version", "more"}, 2, "", "takes no arguments"},
		{[]string{"help"}, 0, "serve [--preview]", ""},
		{[]string{"--help"}, 0, "Exit status", ""},
		{[]string{"serve", "--help"}, 0, "-preview", ""},
		{[]string{"serve", "now"}, 2, "", "takes no arguments"},
		{[]string{"serve", "--fast"}, 2, "", "-fast"},
		{[]string{"demo", "--port", "99999"}, 2, "", "--port"},
		{[]string{"doctor", "me"}, 2, "", "takes no arguments"},
		{[]string{"conquer"}, 2, "", `no command "conquer"`},
		{[]string{"cluster"}, 2, "", "file"},
		{[]string{"cluster", "--format", "xml", "-"}, 2, "", "--format"},
		{[]string{"cluster", "--strictness", "lax", "-"}, 2, "", "--strictness"},
		{[]string{"cluster", "--embedder", "magic", "-"}, 2, "", "--embedder"},
		{[]string{"cluster", "not-there.jsonl"}, 1, "", "not-there.jsonl"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			r := run(t, t.TempDir(), nil, "", tt.args...)
			if r.status != tt.want || !strings.Contains(r.out, tt.out) || !strings.Contains(r.log, tt.log) {
				t.Errorf("status %d, output %q, log %q", r.status, r.out, r.log)
			}
		})
	}
	r := run(t, t.TempDir(), nil, "", "version")
	for _, line := range []string{`(?m)^commit +\S+$`, `(?m)^go +go1\.\d+`, `(?m)^embedder +lexical`, `(?m)^format +\d+$`} {
		if !regexp.MustCompile(line).MatchString(r.out) {
			t.Errorf("version says nothing like %s:\n%s", line, r.out)
		}
	}
}

// The reports of two problems and a crash of its own, in the forms that cluster
// reads.
const (
	reportLines = `{"id": "a", "title": "Export to CSV never finishes", "body": "I press export to CSV and it never finishes."}
{"external_id": "b", "title": "CSV export never finishes", "body": "The export to CSV never finishes, I wait for hours.", "likes": 7}
{"id": 3, "text": "The password mail does not arrive. I asked for a new password and the mail does not arrive."}
{"id": "d", "text": "Password mail never arrives: I asked for a new password and the mail does not arrive."}
{"id": "e", "exceptions": [{"type": "TypeError", "value": "total of undefined", "frames": [{"module": "checkout", "function": "onPay", "file": "checkout.js", "line": 7, "in_app": true}]}]}
{"id": "f", "exceptions": [{"type": "TypeError", "value": "total of undefined", "frames": [{"module": "checkout", "function": "onPay", "file": "checkout.js", "line": 9, "in_app": true}]}]}
`
	reportRows = `id,title,body,text
a,Export to CSV never finishes,I press export to CSV and it never finishes.,
b,CSV export never finishes,"The export to CSV never finishes, I wait for hours.",
3,,,The password mail does not arrive. I asked for a new password and the mail does not arrive.
d,,,Password mail never arrives: I asked for a new password and the mail does not arrive.
`
)

// TestCluster: reports of files are grouped offline.
func TestCluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.jsonl": reportLines, "good.csv": reportRows,
		"bad.jsonl": reportLines + "{nonsense\n" + `{"id": "g", "title": "The search finds nothing"}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		in     string
		args   []string
		status int
		groups []string // the ids of each
	}{
		"lines":              {args: []string{"good.jsonl"}, groups: []string{"a b", "3 d", "e f"}},
		"standard input":     {in: reportLines, args: []string{"-"}, groups: []string{"a b", "3 d", "e f"}},
		"rows":               {args: []string{"good.csv"}, groups: []string{"a b", "3 d"}},
		"careful":            {args: []string{"good.jsonl", "--strictness", "careful"}, groups: []string{"a b", "3 d", "e f"}},
		"a line that is bad": {args: []string{"bad.jsonl"}, status: 1, groups: []string{"a b", "3 d", "e f", "g"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, dir, nil, tt.in, append([]string{"cluster", "--format", "json"}, tt.args...)...)
			if r.status != tt.status {
				t.Fatalf("status %d, want %d: %s", r.status, tt.status, r.log)
			}
			if tt.status == 1 && !regexp.MustCompile(`bad\.jsonl:7|bad\.jsonl.*line 7`).MatchString(r.log) {
				t.Errorf("the bad line is not named: %s", r.log)
			}
			var order []string
			groups := map[string][]string{}
			for line := range strings.Lines(r.out) {
				var l struct {
					ID         *string
					Cluster    string
					Similarity *float64
					Reason     string
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil || l.ID == nil {
					t.Fatalf("%q: %v", line, err)
				}
				if l.Reason == "" {
					t.Errorf("%s is not explained", line)
				}
				if groups[l.Cluster] == nil && l.Similarity != nil {
					t.Errorf("the first of its cluster is similar to something: %s", line)
				}
				if groups[l.Cluster] == nil {
					order = append(order, l.Cluster)
				}
				groups[l.Cluster] = append(groups[l.Cluster], *l.ID)
			}
			var got []string
			for _, c := range order {
				got = append(got, strings.Join(groups[c], " "))
			}
			if strings.Join(got, ", ") != strings.Join(tt.groups, ", ") {
				t.Errorf("grouped %q, want %q", got, tt.groups)
			}
		})
	}
	for _, format := range []string{"table", "markdown"} {
		r := run(t, dir, nil, "", "cluster", "--format", format, "good.jsonl")
		if r.status != 0 || !strings.Contains(r.out, "CSV") || !strings.Contains(r.out, "assword") || !strings.Contains(r.out, "TypeError") {
			t.Errorf("%s: status %d\n%s%s", format, r.status, r.out, r.log)
		}
		if plain := run(t, dir, nil, "", "cluster", "good.jsonl"); format == "table" && plain.out != r.out {
			t.Errorf("the table is not what comes without --format:\n%s", plain.out)
		}
	}
}

// TestDoctor: every setting is tried against the real thing.
func TestDoctor(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := newWorld(t, s, settings)
		good := run(t, w.dir, w.environ(), "", "doctor")
		if good.status != 0 || strings.Contains(good.out, "FAIL") {
			t.Errorf("status %d, output\n%s%s", good.status, good.out, good.log)
		}
		for _, part := range []string{"store", "embedder", "clock", "GitHub App", "signing in", "webhook", "public address", "deliveries", "installation 101", "repository acme/web", "repository globex/shop"} {
			if !strings.Contains(good.out, part) {
				t.Errorf("it does not look at %s:\n%s", part, good.out)
			}
		}
		file := filepath.Join(w.dir, "other.yml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(settings, "acme/api", "acme/apis")), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			change string
			fails  string
		}{
			{"SOULCASTER_CONFIG=" + file, "repository acme/apis"},
			{"SOULCASTER_STORE=bolt:" + file + "/x.db", "store"},
			{"GITHUB_APP_INTEGRATION_ID=1", "GitHub App"},
			{"GITHUB_APP_PRIVATE_KEY=", "GITHUB_APP_PRIVATE_KEY"},
			{"GITHUB_OAUTH_CLIENT_SECRET=another", "signing in"},
			{"SOULCASTER_PUBLIC_URL=http://127.0.0.1:1", "public address"}, // where nobody listens
		} {
			r := run(t, w.dir, w.environ(tt.change), "", "doctor")
			if r.status != 1 || !regexp.MustCompile(`(?m)^FAIL .*`+tt.fails).MatchString(r.out) {
				t.Errorf("%s: status %d, and no FAIL of %s in\n%s%s", tt.change[:20], r.status, tt.fails, r.out, r.log)
			}
		}
		for _, secret := range []string{key("acme-api"), webhookSecret, adminToken, w.env["SOULCASTER_SECRET_KEY"]} {
			if strings.Contains(good.out+good.log, secret) {
				t.Errorf("it shows a secret:\n%s%s", good.out, good.log)
			}
		}
	})
}
