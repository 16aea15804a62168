package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zricethezav/gitleaks/v8/report"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
)

// However much looks like a secret, each text is scanned once.
func TestEachTextIsScannedOnce(t *testing.T) {
	scans := 0
	s := &scanner{detect: func(context.Context, string) []report.Finding { scans++; return nil }}
	var text strings.Builder
	for i := range 17_000 {
		fmt.Fprintf(&text, "x = ghp_%020d\n", i)
	}
	old, err := s.values(t.Context(), [][]byte{[]byte(strings.Repeat("deleted\n", 50_000)), []byte("x = ghp_00000000000000000000\n")})
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.added(t.Context(), []byte(text.String()), old)
	if err != nil || len(list) != maxRefusals+1 || list[0].line != 2 {
		t.Errorf("%d found, %v", len(list), err)
	}
	if scans != 3 {
		t.Errorf("three texts were scanned %d times", scans)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.values(ctx, [][]byte{nil}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := s.added(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNoWordExcusesWhatHasAForm(t *testing.T) {
	s, err := newScanner()
	if err != nil {
		t.Fatal(err)
	}
	key := "-----BEGIN RSA PRIVATE KEY-----\nComment: abcdefghijklmnopqrstuvwxyz\n" + strings.Repeat("MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi\n", 8) + "-----END RSA PRIVATE KEY-----\n"
	if len(s.scan(t.Context(), key)) == 0 {
		t.Error("a private key with a word of the scanner's in it is not found")
	}
	if list := s.scan(t.Context(), "api_key = \"${API_KEY_FROM_VAULT_7f3a9c}\"\n"); len(list) > 0 {
		t.Errorf("a variable is found: %s", list[0].rule)
	}
}

func TestPathsWithSecretsAreNotRepeated(t *testing.T) {
	s, err := newScanner()
	if err != nil {
		t.Fatal(err)
	}
	const token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
	g := gates{limits: Limits(), scanner: s}
	g.alone(t.Context(), []brief.File{{Path: "a/" + token + ".txt", Mode: brief.ModeFile}, {Path: "b/../" + token, Mode: "x"}, {Path: "c/ghp_\u200b" + token[4:], Mode: ""}})
	if len(g.refusals) < 5 {
		t.Errorf("%d refusals", len(g.refusals))
	}
	for _, r := range g.refusals {
		if r.Path != hiddenPath || strings.Contains(r.Why, "ghp") {
			t.Errorf("told: %+v", r)
		}
	}
}

// The container's word for what it ran is not repeated: it could be anything.
func TestCommandsOfTheContainerAreNotRepeated(t *testing.T) {
	s, err := newScanner()
	if err != nil {
		t.Fatal(err)
	}
	p := &Publisher{scanner: s}
	secret := "ghp_" + strings.Repeat("a1B2", 9)
	c := Change{Run: &run.Run{ID: "abc", Issue: 3, By: "ann", Rounds: []run.Round{{N: 1}}}, Title: "x", Result: &brief.Result{Said: "see " + secret, Tests: []brief.Test{
		{When: "before", Command: "make test", Exit: 1}, {When: "after", Command: "make test # " + secret}, {When: "after", Command: "make test"},
	}}}
	for test, want := range map[string]string{"": "names no command", "make test": "| after the change | passed |", "make check": "were not run"} {
		c.Fix.Test = test
		body := tell.PullBody(p.proposal(t.Context(), c))
		if strings.Contains(body, "ghp_") || !strings.Contains(body, want) {
			t.Errorf("with %q: %s", test, body)
		}
	}
}
