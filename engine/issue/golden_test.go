package issue

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/soulcaster/soulcaster/engine/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	for name, c := range problems(t) {
		for _, publish := range []policy.Publish{policy.Safe, policy.Full} {
			t.Run(name+"/"+string(publish), func(t *testing.T) {
				pol := livePolicy(publish)
				pub := Publish(Summarise(c, pol), pol)
				got := "Title: " + Title(pub) + "\n\n" + Section(pub, mac, MaxBody) + "\n"
				file := filepath.Join("testdata", name+"."+string(publish)+".md")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("%s differs (go test -update writes it):\n%s", file, got)
				}
			})
		}
	}
}
