package main

import (
	"os"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/config"
)

func TestPageIsFresh(t *testing.T) {
	yml, err := os.ReadFile("../" + example)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../" + page)
	if err != nil {
		t.Fatal(err)
	}
	want := markdown(string(yml))
	if string(have) != want {
		t.Error("docs/configuration.md is stale: run go generate ./config")
	}
	for _, s := range config.Settings() {
		if s.Doc == "" || !strings.Contains(want, "`"+s.Name+"`") {
			t.Errorf("the page does not explain %s", s.Name)
		}
	}
}
