package source_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

const acme, globex = int64(101), int64(202)

var ann = source.By{Who: "ann", RequestID: "request-1"}

// shop is a store of sources with a clock.
type shop struct {
	*source.Store
	t        *testing.T
	db       storage.DB
	projects *project.Registry
	log      *action.Log
	time     time.Time
	fail     error      // of every change of the store
	mu       sync.Mutex // of what follows
	woken    []string
}

// onBoth runs a test on both stores.
func onBoth(t *testing.T, test func(t *testing.T, s *shop)) {
	for name, open := range map[string]func(t *testing.T) (storage.DB, error){
		"bolt": func(t *testing.T) (storage.DB, error) {
			return bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
		},
		"redis": func(t *testing.T) (storage.DB, error) {
			return redis.Open(t.Context(), storagetest.Redis(t).URL, redis.Options{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			test(t, newShop(t, db))
		})
	}
}

func newShop(t *testing.T, db storage.DB) *shop {
	t.Helper()
	s := &shop{t: t, time: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	s.db = storage.Watched(db, func(context.Context, string) error { return s.fail })
	app, err := s.db.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	masters, err := secret.ParseKeys("key", base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.NewKeyring(t.Context(), app, masters)
	if err != nil {
		t.Fatal(err)
	}
	s.projects = project.NewRegistry(s.db, nil, nil)
	for _, id := range []int64{acme, globex} {
		if _, err := s.projects.Install(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	now := func() time.Time { return s.time }
	s.log = action.New(action.Options{Now: now})
	s.Store = source.NewStore(source.Config{
		Private:  []string{"sentry.internal", "10.0.0.7", "fd00::7"},
		Table:    source.NewTable([]source.Source{{ID: "from-the-file", Installation: acme, Kind: source.Feedback, Secrets: []string{"k"}}}),
		Projects: s.projects, Keys: keys, Log: s.log, Now: now,
		Rerouted:    func(b *storage.Batch) { b.SetJSON("rerouted", s.time) },
		Republished: func(b *storage.Batch) { b.SetJSON("republished", s.time) },
		Wake: func(spaces ...string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.woken = append(s.woken, spaces...)
		},
	})
	return s
}

func (s *shop) create(kind source.Kind, set source.Setting) (id, key string) {
	s.t.Helper()
	id, key, err := s.Create(s.t.Context(), acme, kind, set, ann)
	if err != nil {
		s.t.Fatal(err)
	}
	return id, key
}

func (s *shop) get(id string) source.Stored {
	s.t.Helper()
	got, err := s.Get(s.t.Context(), acme, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func (s *shop) source(id string) *source.Source {
	s.t.Helper()
	got, err := s.Source(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func (s *shop) home() storage.Space {
	s.t.Helper()
	home, err := s.projects.Space(s.t.Context(), acme)
	if err != nil {
		s.t.Fatal(err)
	}
	return home
}

// kept is everything that the installation's space holds, as text.
func (s *shop) kept() string {
	s.t.Helper()
	entries, err := s.home().Scan(s.t.Context(), "", "", 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&all, "%s %s\n", e.Key, e.Value)
	}
	return all.String()
}

// forget deletes a key of it.
func (s *shop) forget(key string) {
	s.t.Helper()
	var b storage.Batch
	b.Delete(key)
	if err := s.home().Apply(s.t.Context(), &b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) audit(id string) (kinds []string) {
	s.t.Helper()
	list, err := s.log.List(s.t.Context(), s.home(), id, "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range list {
		if e.By != "ann" || e.RequestID != "request-1" || e.Why == "" {
			s.t.Errorf("the audit does not say who: %+v", e)
		}
		kinds = append(kinds, e.Kind)
	}
	slices.Reverse(kinds)
	return kinds
}

const clientSecret = "0123456789abcdef-client-secret"

func TestSentrySource(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := t.Context()
		id, key := s.create(source.Sentry, source.Setting{Name: " Shop ", Routes: map[string]string{"api": "acme/api"}})
		if key != "" || !strings.HasPrefix(id, "sentry-101-") {
			t.Errorf("%q %q", id, key)
		}
		got := s.source(id)
		if got.Installation != acme || got.Kind != source.Sentry || got.Name != "Shop" || len(got.Secrets) != 0 || got.Routes["api"] != "acme/api" {
			t.Errorf("%#v", *got)
		}
		if _, err := s.AddSecret(ctx, s.get(id), clientSecret+"\n", 0, ann); err != nil {
			t.Fatal(err)
		}
		if got := s.source(id).Secrets; !slices.Equal(got, []string{clientSecret}) {
			t.Errorf("secrets %q", got)
		}
		if told := s.get(id); len(told.Secrets) != 0 || len(told.Keys) != 1 || told.Keys[0].Last != "cret" || told.Keys[0].By != "ann" {
			t.Errorf("told: %+v", told.Keys)
		}

		// The new one and the one before are good until that ends.
		second := "the-second-client-secret"
		if _, err := s.AddSecret(ctx, s.get(id), second, time.Hour, ann); err != nil {
			t.Fatal(err)
		}
		if got := s.source(id).Secrets; !slices.Equal(got, []string{second, clientSecret}) {
			t.Errorf("secrets %q", got)
		}
		s.time = s.time.Add(time.Hour)
		if got := s.source(id).Secrets; !slices.Equal(got, []string{second}) {
			t.Errorf("after the overlap: %q", got)
		}
		// One that ends at once, and one that has ended already.
		if err := s.EndSecret(ctx, s.get(id), s.get(id).Keys[0].ID, ann); err != nil {
			t.Fatal(err)
		}
		if got := s.source(id).Secrets; len(got) != 0 {
			t.Errorf("after its end: %q", got)
		}
		var wrong *source.FieldError
		if err := s.EndSecret(ctx, s.get(id), "none", ann); !errors.As(err, &wrong) {
			t.Errorf("a secret that is not there: %v", err)
		}

		if err := s.SetAPI(ctx, s.get(id), source.API{Organisation: "acme", Token: "sntrys_0123456789abcdef"}, ann); err != nil {
			t.Fatal(err)
		}
		if api := s.source(id).API; api == nil || api.Token != "sntrys_0123456789abcdef" || api.URL != source.SentryURL || api.Organisation != "acme" {
			t.Errorf("the API: %+v", api)
		}
		if told := s.get(id).API; told == nil || told.Token != "" {
			t.Errorf("pages are told the token")
		}
		for _, secret := range []string{clientSecret, second, "sntrys_0123456789abcdef"} {
			if strings.Contains(s.kept(), secret) {
				t.Errorf("%s can be read in the store", secret)
			}
		}
		if err := s.SetAPI(ctx, s.get(id), source.API{}, ann); err != nil || s.source(id).API != nil {
			t.Errorf("the API was taken away: %v", err)
		}
		want := []string{"source.create", "source.secret.add", "source.secret.add", "source.secret.end", "source.api", "source.api"}
		if got := s.audit(id); !slices.Equal(got, want) {
			t.Errorf("audit %q", got)
		}
	})
}

// A key is known to whoever was shown it once, and to nobody else.
func TestAPIKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		id, first := s.create(source.Feedback, source.Setting{Name: "Forms", Repository: "acme/web"})
		digest := func(key string) [32]byte { return sha256.Sum256([]byte(key)) }
		if got := s.source(id).Digests; len(first) < 24 || !slices.Equal(got, [][32]byte{digest(first)}) {
			t.Errorf("%q %x", first, got)
		}
		second, err := s.AddSecret(t.Context(), s.get(id), "", 24*time.Hour, ann)
		if err != nil || second == first || !slices.Equal(s.source(id).Digests, [][32]byte{digest(second), digest(first)}) {
			t.Errorf("%q %v", second, err)
		}
		third, err := s.AddSecret(t.Context(), s.get(id), "", 0, ann) // and no other is good any more
		if err != nil || !slices.Equal(s.source(id).Digests, [][32]byte{digest(third)}) {
			t.Errorf("%v", err)
		}
		for range source.MaxSecrets - 1 {
			if _, err := s.AddSecret(t.Context(), s.get(id), "", time.Hour, ann); err != nil {
				t.Fatal(err)
			}
		}
		var limit *source.LimitError
		if _, err := s.AddSecret(t.Context(), s.get(id), "", time.Hour, ann); !errors.As(err, &limit) {
			t.Errorf("one too many: %v", err)
		}
		if _, err := s.AddSecret(t.Context(), s.get(id), "my own key, which is weak", 0, ann); err == nil {
			t.Error("somebody chose a key")
		}
		for _, key := range []string{first, second, third} {
			if strings.Contains(s.kept(), key) || strings.Contains(s.kept(), base64.StdEncoding.EncodeToString([]byte(key))) {
				t.Error("a key is in the store")
			}
		}
	})
}

func TestUpdate(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := t.Context()
		id, _ := s.create(source.Reddit, source.Setting{Name: "Reddit", Subreddits: []string{"r/golang", "/r/Golang", " rust "}})
		was := s.get(id)
		if got := was.Subreddits; !slices.Equal(got, []string{"golang", "rust"}) {
			t.Errorf("subreddits %q", got)
		}
		if due := s.kept(); !strings.Contains(due, "rerouted") || !slices.Equal(s.woken, []string{"i/101"}) {
			t.Errorf("due after it was connected: %s, woken %q", due, s.woken)
		}
		s.forget("rerouted")
		set := was.Setting()
		set.Repository = "acme/web"
		s.woken = nil
		if err := s.Update(ctx, was, set, ann); err != nil {
			t.Fatal(err)
		}
		due := s.kept()
		if !strings.Contains(due, "rerouted") || strings.Contains(due, "republished") || !slices.Equal(s.woken, []string{"i/101"}) {
			t.Errorf("due after a new route: %s, woken %q", due, s.woken)
		}
		// Who decided on what is not there any more decides again.
		set.Public = true
		if err := s.Update(ctx, was, set, ann); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a change of what was changed: %v", err)
		}
		if err := s.Update(ctx, s.get(id), set, ann); err != nil || !s.source(id).Public || !strings.Contains(s.kept(), "republished") {
			t.Errorf("%v, due %s", err, s.kept())
		}
		if err := s.SetClient(ctx, s.get(id), source.Client{ID: "abcDEF_123-45", Secret: clientSecret}, ann); err != nil {
			t.Fatal(err)
		}
		if got := s.source(id).Client; got == nil || got.Secret != clientSecret || got.ID != "abcDEF_123-45" {
			t.Errorf("client %v", got)
		}
		if told := s.get(id).Client; told.Secret != "" || strings.Contains(s.kept(), clientSecret) {
			t.Error("the client's secret is told")
		}
		if err := s.Remove(ctx, s.get(id), ann); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Source(ctx, id); !errors.Is(err, source.ErrNone) {
			t.Errorf("after it was removed: %v", err)
		}
		if err := s.Update(ctx, was, set, ann); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a change of what was removed: %v", err)
		}
		if got := s.audit(id); !slices.Equal(got, []string{"source.create", "source.update", "source.update", "source.client", "source.remove"}) {
			t.Errorf("audit %q", got)
		}
	})
}

func TestSettingsThatCannotBe(t *testing.T) {
	s := newShop(t, openBolt(t))
	many := make(map[string]string)
	for i := range source.MaxRoutes + 1 {
		many[fmt.Sprint("p", i)] = "acme/web"
	}
	set := func(change func(*source.Setting)) source.Setting {
		set := source.Setting{Name: "x"}
		change(&set)
		return set
	}
	for name, c := range map[string]struct {
		kind  source.Kind
		set   source.Setting
		field string
	}{
		"no kind":               {"", source.Setting{Name: "x"}, "kind"},
		"no name":               {source.Sentry, source.Setting{Name: " "}, "name"},
		"a long name":           {source.Sentry, source.Setting{Name: strings.Repeat("é", source.MaxName+1)}, "name"},
		"two lines":             {source.Sentry, source.Setting{Name: "a\nb"}, "name"},
		"turned around":         {source.Sentry, source.Setting{Name: "a\u202eb"}, "name"},
		"no repository":         {source.Feedback, set(func(s *source.Setting) { s.Repository = "acme" }), "repository"},
		"a path":                {source.Feedback, set(func(s *source.Setting) { s.Repository = "acme/.." }), "repository"},
		"too many routes":       {source.Sentry, set(func(s *source.Setting) { s.Routes = many }), "routes"},
		"a route to nowhere":    {source.Sentry, set(func(s *source.Setting) { s.Routes = map[string]string{"api": ""} }), "routes"},
		"a route from nowhere":  {source.Sentry, set(func(s *source.Setting) { s.Routes = map[string]string{" ": "acme/web"} }), "routes"},
		"routes of reports":     {source.Feedback, set(func(s *source.Setting) { s.Routes = map[string]string{"api": "acme/web"} }), "routes"},
		"subreddits of reports": {source.Feedback, set(func(s *source.Setting) { s.Subreddits = []string{"golang"} }), "subreddits"},
		"no subreddit":          {source.Reddit, set(func(s *source.Setting) { s.Subreddits = []string{"https://reddit.com/r/golang"} }), "subreddits"},
	} {
		var wrong *source.FieldError
		if _, _, err := s.Create(t.Context(), acme, c.kind, c.set, ann); !errors.As(err, &wrong) || wrong.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	sentry, _ := s.create(source.Sentry, source.Setting{Name: "Sentry"})
	reddit, _ := s.create(source.Reddit, source.Setting{Name: "Reddit"})
	ctx := t.Context()
	for name, try := range map[string]func() error{
		"a short secret":  func() error { _, err := s.AddSecret(ctx, s.get(sentry), "short", 0, ann); return err },
		"a secret of two": func() error { _, err := s.AddSecret(ctx, s.get(sentry), "two words that are long", 0, ann); return err },
		"another overlap": func() error { _, err := s.AddSecret(ctx, s.get(sentry), clientSecret, time.Minute, ann); return err },
		"a client's id": func() error {
			return s.SetClient(ctx, s.get(reddit), source.Client{ID: "a b", Secret: clientSecret}, ann)
		},
		"Sentry's client": func() error {
			return s.SetClient(ctx, s.get(sentry), source.Client{ID: "abcdefgh", Secret: clientSecret}, ann)
		},
		"Reddit's API": func() error {
			return s.SetAPI(ctx, s.get(reddit), source.API{Organisation: "a", Token: clientSecret}, ann)
		},
		"no organisation":  func() error { return s.SetAPI(ctx, s.get(sentry), source.API{Token: clientSecret}, ann) },
		"no token":         func() error { return s.SetAPI(ctx, s.get(sentry), source.API{Organisation: "a"}, ann) },
		"plain http":       func() error { return api(s, sentry, "http://sentry.example") },
		"a file":           func() error { return api(s, sentry, "file:///etc/passwd") },
		"a user":           func() error { return api(s, sentry, "https://a:b@sentry.example") },
		"a query":          func() error { return api(s, sentry, "https://sentry.example/?x=1") },
		"a fragment":       func() error { return api(s, sentry, "https://sentry.example/#x") },
		"no host":          func() error { return api(s, sentry, "https:///x") },
		"nearly allowed":   func() error { return api(s, sentry, "http://sentry.internal.example") },
		"this machine":     func() error { return api(s, sentry, "http://127.0.0.1:9000") },
		"an opaque thing":  func() error { return api(s, sentry, "https:sentry.example") },
		"a very long host": func() error { return api(s, sentry, "https://"+strings.Repeat("a", 300)) },
	} {
		var wrong *source.FieldError
		if err := try(); !errors.As(err, &wrong) || strings.Contains(err.Error(), clientSecret) || strings.Contains(err.Error(), "two words") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"https://de.sentry.io", "https://sentry.example/base/", "https://sentry.internal", "http://Sentry.internal:9000", "http://10.0.0.7", "http://[fd00::7]:9000/"} {
		if err := api(s, sentry, url); err != nil || s.source(sentry).API.URL != strings.TrimSuffix(url, "/") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func api(s *shop, id, url string) error {
	return s.SetAPI(s.t.Context(), s.get(id), source.API{URL: url, Organisation: "acme", Token: clientSecret}, ann)
}

func openBolt(t *testing.T) storage.DB {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// What another tenant connected is not there, whatever is asked for.
func TestTenantsDoNotMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := t.Context()
		id, _ := s.create(source.Feedback, source.Setting{Name: "x"})
		for _, other := range []string{
			strings.Replace(id, "101", "202", 1), strings.Replace(id, "101", "303", 1), strings.Replace(id, "feedback", "sentry", 1), id + "x", id[:len(id)-1],
			"", "source/" + id, "../" + id, id + "/x", "feedback-0101" + id[len("feedback-101"):], "feedback-99999999999999999999-aaaaaaaaaa", "feedback--101-aaaaaaaaaa", strings.ToUpper(id),
		} {
			if got, err := s.Source(ctx, other); !errors.Is(err, source.ErrNone) {
				t.Errorf("%q is %v %v", other, got, err)
			}
			if _, err := s.Get(ctx, acme, other); !errors.Is(err, source.ErrNone) {
				t.Errorf("get %q: %v", other, err)
			}
		}
		if _, err := s.Get(ctx, globex, id); !errors.Is(err, source.ErrNone) {
			t.Errorf("another tenant gets it: %v", err)
		}
		if list, err := s.List(ctx, globex); err != nil || len(list) != 0 {
			t.Errorf("another tenant's list: %v %v", list, err)
		}
		if _, err := s.Source(ctx, "from-the-file"); err != nil {
			t.Errorf("the file's: %v", err)
		}
		if _, err := s.Get(ctx, acme, "from-the-file"); !errors.Is(err, source.ErrNone) {
			t.Errorf("the file's can be changed: %v", err)
		}
		if fixed := s.Fixed(acme); len(fixed) != 1 || len(s.Fixed(globex)) != 0 {
			t.Errorf("fixed: %v", fixed)
		}
		was := s.get(id)
		if err := s.projects.Uninstall(ctx, acme); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Source(ctx, id); !errors.Is(err, source.ErrNone) {
			t.Errorf("after the end of its tenant: %v", err)
		}
		if _, _, err := s.Create(ctx, acme, source.Feedback, source.Setting{Name: "x"}, ann); !errors.Is(err, source.ErrNone) {
			t.Errorf("connected to nobody: %v", err)
		}
		if err := s.Update(ctx, was, was.Setting(), ann); !errors.Is(err, source.ErrNone) {
			t.Errorf("changed: %v", err)
		}
	})
}

// However many are connected at once, there are never too many, and none is lost.
func TestManyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		const at, each = 4, 16 // more than there may be
		var mu sync.Mutex
		made, refused := make(map[string]bool), 0
		var wg sync.WaitGroup
		for range at {
			wg.Go(func() {
				for range each {
					id, _, err := s.Create(t.Context(), acme, source.Sentry, source.Setting{Name: "x"}, ann)
					mu.Lock()
					var limit *source.LimitError
					switch {
					case err == nil:
						made[id] = true
					case errors.As(err, &limit):
						refused++
					default:
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		list, err := s.List(t.Context(), acme)
		var ids []string
		for _, l := range list {
			ids = append(ids, l.ID)
		}
		if err != nil || len(made) != source.MaxSources || refused != at*each-source.MaxSources || !slices.Equal(ids, slices.Sorted(maps.Keys(made))) {
			t.Errorf("%d made, %d refused, %d listed, %v", len(made), refused, len(ids), err)
		}
	})
}

// A store that is away is not a source that is not there.
func TestStoreIsAway(t *testing.T) {
	server := storagetest.Redis(t)
	db, err := redis.Open(t.Context(), server.URL, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := newShop(t, db)
	id, _ := s.create(source.Feedback, source.Setting{Name: "x"})
	was := s.get(id)
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := s.Source(ctx, id); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, source.ErrNone) {
		t.Errorf("%v", err)
	}
	if _, err := s.Source(ctx, "from-the-file"); err != nil {
		t.Errorf("the file's: %v", err)
	}
	if _, err := s.Source(ctx, "whatever"); !errors.Is(err, source.ErrNone) {
		t.Errorf("what could never be: %v", err)
	}
	if err := s.Update(ctx, was, was.Setting(), ann); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a change: %v", err)
	}
}
