package transfer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/transfer"
)

const installation = enginetest.Installation

// world is a live world with one repository.
func world(t testing.TB) *enginetest.World {
	t.Helper()
	file, err := policy.Parse([]byte("mode: live\nfile_after: {reports: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := enginetest.New(t, true, project.Settings{installation: {"acme/web": file}},
		source.Source{Installation: installation, ID: "reports", Kind: source.Feedback, Repository: "acme/web"},
		source.Source{Installation: installation, ID: "unrouted", Kind: source.Feedback})
	w.GitHub.Add(7, "acme/web", true)
	return w
}

// filled is a world with feedback, clusters, issues, held feedback, and what other parts
// keep.
func filled(t testing.TB) *enginetest.World {
	w := world(t)
	for _, title := range []string{"The export of orders to CSV times out", "Dark mode <b>flickers</b> & stays dark", "The export of orders to CSV times out again"} {
		w.Take("reports", w.Report("reports", fmt.Sprintf(`{"external_id": %q, "title": %q, "author": "mona"}`, title, title))...)
	}
	w.Take("unrouted", w.Report("unrouted", `{"title": "nobody's"}`)...)
	w.Settle()
	home, err := w.Projects.Space(t.Context(), installation)
	if err != nil {
		t.Fatal(err)
	}
	app, err := w.DB.Open(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	var of, all storage.Batch
	of.Set("source/sentry-101-aaaaaaaaaa", []byte(`{"kind":"sentry","name":"Acme","secrets":[{"id":"k1","last":"cdef","sealed":"U0VBTEVE"},{"id":"k2","digest":"RElHRVNU"}],"client":{"id":"c","sealed":"U0VBTEVE"},"routes":{"api":"acme/web"}}`))
	of.Set("key/0123456789abcdef", []byte(`{"id":"0123456789ab","name":"a key of the API"}`))
	of.Set("odd/bytes", []byte{0, 255, 1})
	of.Set("odd/text", []byte(" 007 <&>\u2028"))
	of.Set("odd/null", []byte("null"))
	of.Set("odd/number", []byte("1e400"))
	of.Set("odd/empty", nil)
	of.Set("work/run/held", []byte(`{"claim":{}}`))
	all.SetJSON("run-count/i/101/2026-03", map[string]int{"runs": 3})
	all.SetJSON("run-count/i/1012/2026-03", map[string]int{"runs": 99})
	all.SetJSON("session/x", "somebody's")
	for space, b := range map[storage.Space]*storage.Batch{home: &of, app: &all} {
		if err := space.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	// Another tenant, of which nothing must come along.
	if _, err := w.Projects.Install(t.Context(), 202); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Projects.Ensure(t.Context(), 202, project.Repo{Owner: "globex", Name: "app"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func export(t testing.TB, db storage.DB, sealed bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := transfer.Export(t.Context(), project.NewRegistry(db, nil, nil), installation, &out, transfer.Options{Sealed: sealed, Now: time.Unix(0, 0)}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func masters(t testing.TB, text string) []secret.Key {
	t.Helper()
	keys, err := secret.ParseKeys("TEST", text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// oneKey is the master key of a world, and otherKey another one.
var (
	oneKey   = base64.StdEncoding.EncodeToString([]byte("a world's key is 32 bytes long !"))
	otherKey = base64.StdEncoding.EncodeToString([]byte("another key, of thirty-two bytes"))
)

func openBolt(t testing.TB) storage.DB {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "other.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func take(t testing.TB, db storage.DB, file string) (transfer.Imported, error) {
	t.Helper()
	return transfer.Import(t.Context(), db, strings.NewReader(file), masters(t, oneKey), time.Now)
}

// names are the spaces of a store.
func names(t testing.TB, db storage.DB) []string {
	t.Helper()
	all, err := db.List(t.Context(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What is exported and imported is what it was, on either store, byte for byte.
func TestThereAndBack(t *testing.T) {
	w := filled(t)
	file := export(t, w.DB, true)
	for _, foreign := range []string{"globex", "p/202", "i/202", "1012", "somebody's", `"claim"`} {
		if strings.Contains(file, foreign) {
			t.Errorf("%s is in the export", foreign)
		}
	}
	for _, kind := range []string{"feedback", "cluster", "issue", "action", "audit", "source", "held", "vector", "membership", "project"} {
		if !strings.Contains(file, `{"kind":"`+kind+`"`) {
			t.Errorf("there is no line of the kind %s", kind)
		}
	}
	for i, l := range strings.Split(strings.TrimSpace(file), "\n") {
		if !json.Valid([]byte(l)) {
			t.Fatalf("line %d is no JSON: %s", i+1, l)
		}
	}
	server := storagetest.Redis(t)
	other, err := redis.Open(t.Context(), server.URL, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for name, db := range map[string]storage.DB{"bolt": openBolt(t), "redis": other} {
		got, err := take(t, db, file)
		if err != nil || got.Installation != installation || got.Projects != 1 || got.Lines != strings.Count(file, "\n")-2 {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		if again := export(t, db, true); again != file {
			t.Errorf("%s: what comes out differs from what went in:\n%s", name, differ(file, again))
		}
		if _, err := take(t, db, file); !errors.Is(err, transfer.ErrThere) {
			t.Errorf("%s, a second time: %v", name, err)
		}
		if again := export(t, db, true); again != file {
			t.Errorf("%s: the second time changed something", name)
		}
	}
}

func differ(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return "one is longer"
}

// The app goes on where it was: what is known is known, what is like it joins it, and
// nothing is filed twice.
func TestTheAppGoesOn(t *testing.T) {
	w := filled(t)
	file := export(t, w.DB, false)
	there := world(t)
	there.GitHub = w.GitHub
	there.Restart()
	if _, err := take(t, there.DB, file); err != nil {
		t.Fatal(err)
	}
	issues := len(w.GitHub.Issues(7))
	title := "The export of orders to CSV times out"
	old := there.Take("reports", there.Report("reports", fmt.Sprintf(`{"external_id": %q, "title": %q, "author": "mona"}`, title, title))...)[0]
	if old.Status != intake.Duplicate || !strings.HasPrefix(old.State, "issue #") {
		t.Errorf("what was known: %+v", old)
	}
	next := there.Take("reports", there.Report("reports", `{"title": "The export of orders to CSV times out again", "author": "lisa"}`)...)[0]
	there.Settle()
	if a, b := there.Line("acme/web", old.ID), there.Line("acme/web", next.ID); a.Cluster != b.Cluster || b.State != issue.Filed {
		t.Errorf("what is like it is in %+v, not in %+v", b, a)
	}
	if n := len(w.GitHub.Issues(7)); n != issues {
		t.Errorf("%d issues, there were %d", n, issues)
	}
}

// Secrets stay, unless they are asked for; then the store's keys come along, and
// without the master key they are worth nothing.
func TestSecretsStay(t *testing.T) {
	w := filled(t)
	keys := w.Keys
	plain := export(t, w.DB, false)
	for _, s := range []string{"sealed\":\"", "digest", "U0VBTEVE", "RElHRVNU", "secret/", "a key of the API"} {
		if strings.Contains(plain, s) {
			t.Errorf("%s is in the export", s)
		}
	}
	if !strings.Contains(plain, `"value":{"kind":"sentry","name":"Acme","routes":{"api":"acme/web"}}`) {
		t.Error("the source is not in the export, or with something that is of no use")
	}
	if got, err := take(t, openBolt(t), plain); err != nil || got.Bare != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	file := export(t, w.DB, true)
	for _, c := range []struct {
		name    string
		masters string
		has     string // the master key of a keyring that the store has already
		bad     bool
	}{
		{"an empty store, the same master key", oneKey, "", false},
		{"rotated since", otherKey + "," + oneKey, "", false},
		{"another master key", otherKey, "", true},
		{"a store with keys of its own", oneKey, oneKey, true},
	} {
		db := openBolt(t)
		there, err := db.Create(t.Context(), project.AppSpace)
		if err != nil {
			t.Fatal(err)
		}
		if c.has != "" {
			if _, err := secret.NewKeyring(t.Context(), there, masters(t, c.has)); err != nil {
				t.Fatal(err)
			}
		}
		_, err = transfer.Import(t.Context(), db, strings.NewReader(file), masters(t, c.masters), time.Now)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.bad {
			if got := names(t, db); !slices.Equal(got, []string{project.AppSpace}) {
				t.Errorf("%s: %q were left behind", c.name, got)
			}
			continue
		}
		carried, err := secret.NewKeyring(t.Context(), there, masters(t, c.masters))
		if err != nil || carried.Hash(secret.Authors, "i/101", "mona") != keys.Hash(secret.Authors, "i/101", "mona") {
			t.Errorf("%s: the keys are others: %v", c.name, err)
		}
	}
}

// A file that is not whole, or not ours, changes nothing.
func TestBadFiles(t *testing.T) {
	w := filled(t)
	file := export(t, w.DB, false)
	lines := strings.SplitAfter(strings.TrimSpace(file), "\n")
	body := strings.Join(lines[1:len(lines)-1], "")
	end := lines[len(lines)-1]
	insert := func(l string) string {
		return lines[0] + l + "\n" + body + fmt.Sprintf(`{"kind":"end","lines":%d}`, len(lines)-1)
	}
	for name, bad := range map[string]string{
		"empty":              "",
		"no export":          "hello\n",
		"cut off":            lines[0] + body,
		"cut off in a line":  file[:len(file)/2],
		"a line is missing":  lines[0] + strings.Join(lines[2:], ""),
		"something after it": file + "{}\n",
		"another format":     strings.Replace(file, `"format":1`, `"format":2`, 1),
		"another store":      strings.Replace(file, `"store":1`, `"store":9`, 1),
		"no installation":    strings.Replace(file, `"installation":101`, `"installation":0`, 1),
		"another's project":  insert(`{"kind":"x","space":"p/202/globex.app-1","key":"k","value":1}`),
		"another's home":     insert(`{"kind":"x","space":"i/202","key":"k","value":1}`),
		"a space below":      insert(`{"kind":"x","space":"p/101/a/b","key":"k","value":1}`),
		"no project":         insert(`{"kind":"x","space":"p/101/","key":"k","value":1}`),
		"the app's sessions": insert(`{"kind":"x","space":"app","key":"session/x","value":1}`),
		"another's counts":   insert(`{"kind":"x","space":"app","key":"run-count/i/1012/2026","value":1}`),
		"the app's keys":     insert(`{"kind":"x","space":"app","key":"secret/authors","value":1}`),
		"no key":             insert(`{"kind":"x","space":"i/101","key":"","value":1}`),
		"two values":         insert(`{"kind":"x","space":"i/101","key":"k","value":1,"text":"1"}`),
		"an unknown field":   insert(`{"kind":"x","space":"i/101","key":"k","worth":1}`),
		"a long line":        insert(`{"kind":"x","space":"i/101","key":"k","text":"` + strings.Repeat("x", 3<<20) + `"}`),
		"a large value":      insert(`{"kind":"x","space":"i/101","key":"k","text":"` + strings.Repeat("x", 1<<20) + `"}`),
	} {
		db := openBolt(t)
		got, err := take(t, db, bad)
		if err == nil {
			t.Errorf("%s was taken: %+v", name, got)
		}
		if all := names(t, db); len(all) > 1 || len(all) == 1 && all[0] != project.AppSpace {
			t.Errorf("%s left %q behind", name, all)
		}
		if all := names(t, db); len(all) == 1 {
			app, err := db.Open(t.Context(), project.AppSpace)
			if err != nil {
				t.Fatal(err)
			}
			if es, err := app.Scan(t.Context(), "", "", 10); err != nil || len(es) != 0 {
				t.Errorf("%s left %v in the app's space (%v)", name, es, err)
			}
		}
	}
	// What a crash left goes with the next try.
	db := openBolt(t)
	app, err := db.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	half, err := db.Create(t.Context(), "p/101/half-1")
	if err != nil {
		t.Fatal(err)
	}
	var b, left storage.Batch
	b.SetJSON("import/101", map[string]string{})
	left.Set("fb/half", nil)
	if err := errors.Join(app.Apply(t.Context(), &b), half.Apply(t.Context(), &left)); err != nil {
		t.Fatal(err)
	}
	if _, err := take(t, db, lines[0]+body+end); err != nil {
		t.Fatal(err)
	}
	if all := names(t, db); slices.Contains(all, "p/101/half-1") || len(all) != 3 {
		t.Errorf("after the second try there are %q", all)
	}
}

// Whatever is read, it touches nothing but the installation that it names.
func FuzzImport(f *testing.F) {
	w := filled(f)
	file := export(f, w.DB, false)
	lines := strings.SplitAfter(strings.TrimSpace(file), "\n")
	f.Add(lines[0] + lines[1] + `{"kind":"end","lines":1}`)
	f.Add(lines[0] + `{"kind":"end","lines":0}`)
	f.Add(lines[0] + `{"kind":"x","space":"p/101/y","key":"k","base64":"AAE="}` + "\n" + `{"kind":"end","lines":1}`)
	db := openBolt(f)
	f.Fuzz(func(t *testing.T, file string) {
		got, err := transfer.Import(t.Context(), db, strings.NewReader(file), nil, time.Now)
		all := names(t, db)
		for _, name := range all {
			if name != project.AppSpace && (err != nil || project.Installation(name) != got.Installation) {
				t.Errorf("%v, and there is %s", err, name)
			}
			if err := db.Drop(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	})
}
