package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestScore(t *testing.T) {
	rows := []row{{label: "x"}, {label: "x"}, {label: "x"}, {label: "y"}, {label: "z"}}
	p, r, n := score(rows, []string{"1", "1", "2", "2", "3"})
	// Put together: (0,1) rightly, (2,3) wrongly; of the three pairs of x, one.
	if p != 0.5 || r < .333 || r > .334 || n != 3 {
		t.Errorf("precision %v, recall %v, %d clusters", p, r, n)
	}
	if p, r, _ := score(rows[3:], []string{"1", "2"}); p != 0 || r != 0 {
		t.Errorf("nothing to find: precision %v, recall %v", p, r)
	}
}

func TestReadRows(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	same, err := read(write("same.txt", "# note\na one\na two\n\nb one\n"), "0/")
	if err != nil || len(same) != 3 || same[0].label != same[1].label || same[1].label == same[2].label {
		t.Errorf("same.txt: %v, %v", same, err)
	}
	apart, err := read(write("apart.txt", "A one\nc one\n"), "1/")
	if err != nil || len(apart) != 2 || apart[0].label == apart[1].label {
		t.Errorf("apart.txt: %v, %v", apart, err)
	}
	if all := unite(append(same, apart...)); all[3].label != all[0].label || all[4].label == all[0].label {
		t.Errorf("the same title twice: %v", all)
	}
	rows, err := read(write("x.jsonl", `{"label":"l","title":"t","body":"b"}`+"\n"+`{"label":"m","text":"x"}`+"\n"+`{"label":"n","exceptions":[{"type":"E"}]}`+"\n"), "")
	if err != nil || len(rows) != 3 || rows[0].doc.Body != "b" || rows[1].doc.Body != "x" || rows[2].doc.Exceptions[0].Type != "E" || rows[2].label != "n" {
		t.Errorf("x.jsonl: %v, %v", rows, err)
	}
	if _, err := read(write("bad.jsonl", "{}\n{\n"), ""); err == nil {
		t.Error("a broken line was read")
	}
}
