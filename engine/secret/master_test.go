package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/soulcaster/soulcaster/engine/secret"
)

func TestParseKeys(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb, 0xff}, 16) // + and / in one alphabet, - and _ in the other
	std := base64.StdEncoding.EncodeToString(raw)
	other := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for _, tt := range []struct {
		name, text string
		keys       int
		problem    string
	}{
		{"one", std, 1, ""},
		{"URL alphabet, no padding", base64.RawURLEncoding.EncodeToString(raw), 1, ""},
		{"two", std + ", " + other, 2, ""},
		{"empty", "", 0, "key 1 is empty"},
		{"a comma too many", std + ",", 0, "key 2 is empty"},
		{"short", base64.StdEncoding.EncodeToString(raw[:31]), 0, "key 1 has 31 bytes, want 32"},
		{"hex", strings.Repeat("0f", 32), 0, "key 1 has 48 bytes, want 32"},
		{"not base64", "no key!", 0, "key 1 is not base64"},
		{"zeros", base64.StdEncoding.EncodeToString(make([]byte, 32)), 0, "key 1 is all zeros"},
	} {
		keys, err := secret.ParseKeys("X", tt.text)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if len(keys) != tt.keys || problem != tt.problem {
			t.Errorf("%s: %d keys, %q; want %d, %q", tt.name, len(keys), problem, tt.keys, tt.problem)
		}
	}
	a, _ := secret.ParseKeys("X", std)
	b, _ := secret.ParseKeys("X", base64.RawURLEncoding.EncodeToString(raw))
	if a[0].ID() != b[0].ID() {
		t.Error("two spellings of a key are two keys")
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	k := key(t, 'k')[0]
	encoded, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ Key secret.Key }
	for _, text := range []string{
		fmt.Sprint(k), fmt.Sprintf("%+v %#v %x %s %q %d", k, k, k, k, k, k),
		fmt.Sprintf("%v %+v %#v", holder{k}, &holder{k}, holder{k}), string(encoded),
	} {
		for _, leak := range []string{"kkkk", "6b6b", "107 107", "0x6b", "a2tr"} {
			if strings.Contains(text, leak) {
				t.Errorf("the key shows in %q", text)
			}
		}
	}
	if text := fmt.Sprint(k); !strings.Contains(text, setting) {
		t.Errorf("%q does not say where the key came from", text)
	}
}

func TestLoadOrMake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "soulcaster.key")
	made, err := secret.LoadOrMake(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %o", info.Mode().Perm())
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	loaded, err := secret.LoadOrMake(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 1 || loaded[0].ID() != made[0].ID() {
		t.Error("the key that was loaded is not the one that was made")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Error("the file stayed open to others")
	}
	if !strings.Contains(loaded[0].String(), path) {
		t.Errorf("%s does not name the file", loaded[0])
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the key file: %v, %v", left, err)
	}
}

func TestLoadOrMakeAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "soulcaster.key")
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			keys, err := secret.LoadOrMake(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = keys[0].ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two processes took two keys: %v", ids)
			break
		}
	}
}

func TestLoadOrMakeRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, path := range []string{
		write("empty", ""),
		write("text", "this is no key"),
		write("large", strings.Repeat("A", 5000)),
		dir,
		filepath.Join(dir, "no", "such", "folder", "key"),
	} {
		if _, err := secret.LoadOrMake(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error that names the path", path, err)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "empty")); len(text) != 0 {
		t.Error("a file that was there was written over")
	}
}
