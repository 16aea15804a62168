package backfill_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/source"
)

// groups are so many of the project web, of which every two have one stack, and
// some of another.
func groups(n int) (all []group) {
	for i := range n {
		all = append(all, group{id: fmt.Sprint(5000 + i), project: "web", function: fmt.Sprintf("work%d", i/2)})
		if i%10 == 0 {
			all = append(all, group{id: fmt.Sprint(9000 + i), project: "cron", function: "cron"})
		}
	}
	return all
}

func (w *world) from(id string) backfill.Import {
	w.T.Helper()
	i, err := w.b.From(w.T.Context(), w.space(), w.sources[id], ann)
	if err != nil {
		w.T.Fatal(err)
	}
	return i
}

// Sixty groups of Sentry are read over its pages, although it asks to wait in
// between; those of other projects are not.
func TestSentry(t *testing.T) {
	w := newWorld(t, false)
	w.withSentry(groups(60)...)
	w.sentry.limit = 40
	w.sentry.huge["5003"] = true
	i := w.from("errors")
	w.Settle()
	if got := w.get(i.ID); got.State != backfill.Fetching || !strings.Contains(got.Trouble, "slowly") || got.Read == 0 {
		t.Fatalf("while Sentry asks to wait: %+v", got)
	}
	w.Pass(tick)
	w.Settle()
	r := w.result(i.ID)
	got := w.get(i.ID)
	if got.Read != 60 || got.Bad != 0 || got.Trouble != "" || got.Cut {
		t.Errorf("the import is %+v", got)
	}
	// One of them came without its stack, because its event is too large.
	if r.Reports != 60 || r.Clusters < 2 || r.New != r.Clusters || r.Fates[backfill.WouldFile] != r.Clusters {
		t.Errorf("the result is %+v", r)
	}
	if w.sentry.events > 60+2 {
		t.Errorf("%d events were asked for", w.sentry.events)
	}
	// A webhook of a group that was previewed is not there yet; of one that was
	// imported it is the same feedback.
	w.agree(i.ID)
	w.Settle()
	body := `{"action":"created","data":{"issue":{"id":"5004","title":"KeyError: 'work2'","project":{"slug":"web"}}}}`
	readings, err := w.Reader("errors").Sentry("issue", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	answers, err := w.Intake.Take(t.Context(), w.sources["errors"], readings)
	if err != nil || answers[0].Status != intake.Duplicate {
		t.Errorf("the webhook of an imported group: %+v, %v", answers, err)
	}
	all, _, err := intake.Load(t.Context(), w.space(), feedback.ID("errors", "5004"), feedback.ID("errors", "9000"))
	if err != nil || all[0] == nil || all[1] != nil || all[0].Count != 3 || all[0].Thin() || len(all[0].Exceptions[0].Frames) != 4 {
		t.Errorf("stored is %+v, %v", all, err)
	}
	if done := w.get(i.ID); done.Accepted != 60 || done.Duplicates != 0 {
		t.Errorf("at the end it is %+v", done)
	}
}

// TestJoinsWhatIsOpen: a preview says which of the problems somebody opened an issue for.
func TestJoinsWhatIsOpen(t *testing.T) {
	w := newWorld(t, true)
	w.GitHub.Add(7, repository, true)
	w.GitHub.Allow("ann", github.Write)
	number := w.GitHub.Open(7, "ann", "It does not work", "See https://acme.sentry.io/issues/5004/")
	w.GitHub.Open(7, "a stranger", "It does not work", "See https://acme.sentry.io/issues/5006/")
	w.withSentry(groups(20)...)
	i := w.from("errors")
	w.Settle()
	r := w.result(i.ID)
	if r.Fates[backfill.HasIssue] != 1 || r.Fates[backfill.WouldFile] != r.Clusters-1 {
		t.Errorf("the result is %+v", r)
	}
	at := slices.IndexFunc(r.Rows, func(r backfill.Row) bool { return r.Fate == backfill.HasIssue })
	if at < 0 || r.Rows[at].Number != number || r.Rows[at].URL == "" || r.Rows[at].Cluster != "" {
		t.Errorf("the rows are %+v", r.Rows)
	}
	if got := w.GitHub.Writes(); len(got) != 0 {
		t.Errorf("written: %v", got)
	}
}

func TestSentryIsBounded(t *testing.T) {
	w := newWorld(t, false)
	w.withSentry(groups(700)...)
	i := w.from("errors")
	w.Settle()
	if got := w.get(i.ID); got.Read != backfill.MaxItems || !got.Cut || got.State != backfill.Ready {
		t.Errorf("it is %+v", got)
	}
}

func TestSentryRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after func(w *world, src *source.Source) // it is begun
		says          string
	}{
		"a wrong token":       {before: func(_ *world, src *source.Source) { src.API.Token = "other_token_x" }, says: "the token is refused"},
		"no such project":     {before: func(_ *world, src *source.Source) { src.Routes = map[string]string{"nobody": repository} }, says: "does not show it: nobody"},
		"an error of its own": {before: func(w *world, _ *source.Source) { w.sentry.refuse = http.StatusBadRequest }, says: "400"},
		"a private address":   {before: func(_ *world, src *source.Source) { src.API.URL = "https://169.254.169.254" }, says: "private network"},
		"not https":           {before: func(_ *world, src *source.Source) { src.API.URL = "http://sentry.example.com" }, says: "https"},
		"no such organization": {before: func(w *world, src *source.Source) {
			src.Repository, w.sentry.refuse = repository, http.StatusNotFound
		}, says: "no such organization"},
		"the source is gone":  {after: func(w *world, _ *source.Source) { delete(w.sources, "errors") }, says: "source was removed"},
		"it is another's now": {after: func(_ *world, src *source.Source) { src.Installation = 7 }, says: "source was removed"},
		"its token was ended": {after: func(_ *world, src *source.Source) { src.API = nil }, says: "cannot be asked"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false)
			w.withSentry(group{id: "1", project: "web", function: "f"})
			src := w.sources["errors"]
			if tt.before != nil {
				tt.before(w, src)
			}
			i := w.from("errors")
			if tt.after != nil {
				tt.after(w, src)
			}
			w.Settle()
			got := w.get(i.ID)
			if got.State != backfill.Failed || !strings.Contains(got.Trouble, tt.says) || strings.Contains(got.Trouble, "token_x") {
				t.Errorf("it is %s: %s", got.State, got.Trouble)
			}
		})
	}
}

// What is away is waited for.
func TestSentryIsAway(t *testing.T) {
	w := newWorld(t, false)
	w.withSentry(groups(3)...)
	i := w.from("errors")
	w.sentry.refuse = http.StatusBadGateway
	w.Settle()
	if got := w.get(i.ID); got.State != backfill.Fetching || !strings.Contains(got.Trouble, "goes on by itself") {
		t.Errorf("it is %+v", got)
	}
	w.sentry.refuse = 0
	w.Pass(tick)
	w.Settle()
	if got := w.get(i.ID); got.State != backfill.Ready || got.Read != 3 || got.Trouble != "" {
		t.Errorf("it is %+v", got)
	}
}

func TestFromWhatCannotBeAsked(t *testing.T) {
	w := newWorld(t, false)
	w.withSentry()
	var limit *backfill.LimitError
	for name, src := range map[string]*source.Source{
		"the plain API":     w.sources["api"],
		"no token":          {Installation: enginetest.Installation, ID: "x", Kind: source.Sentry, Repository: repository},
		"another's project": {Installation: enginetest.Installation, ID: "x", Kind: source.Sentry, Repository: "acme/other", API: &source.API{}},
		"no client":         {Installation: enginetest.Installation, ID: "x", Kind: source.Reddit, Repository: repository},
		"no subreddit":      {Installation: enginetest.Installation, ID: "x", Kind: source.Reddit, Repository: repository, Client: &source.Client{}},
	} {
		if _, err := w.b.From(t.Context(), w.space(), src, ann); !errors.As(err, &limit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Groups of which no webhook came are found, and fetched when somebody says so.
func TestLacking(t *testing.T) {
	w := newWorld(t, false)
	w.withSentry(groups(130)...)
	w.sentry.groups = append(w.sentry.groups, group{id: "777", project: "secret", function: "s"})
	src := w.sources["errors"]
	for _, id := range []string{"5000", "5001"} {
		readings, err := w.Reader("errors").SentryGroup([]byte(fmt.Sprintf(`{"id":%q,"title":"T","project":{"slug":"web"}}`, id)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Intake.Take(t.Context(), src, readings); err != nil {
			t.Fatal(err)
		}
	}
	lacking := func() backfill.Lacking {
		t.Helper()
		l, err := backfill.LackingOf(t.Context(), w.home(), "errors")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if err := w.b.FetchLacking(t.Context(), w.home(), "errors", ann); err != nil { // there is nothing yet
		t.Fatal(err)
	}
	w.Settle()
	if err := w.b.Compare(t.Context(), w.home(), "errors", ann); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	l := lacking()
	if l.Busy || l.Compared != 144 || l.Unrouted != 1 || len(l.Groups) != 141 || l.Groups[0].ID != "9000" || l.More || l.Groups[1].Title != "KeyError: 'work1'" || l.Groups[1].Count != 3 {
		t.Fatalf("compared: %d lacking, %+v", len(l.Groups), l)
	}
	if n := len(w.keys("fb/")); n != 2 {
		t.Errorf("comparing stored %d", n-2)
	}
	w.sentry.groups = w.sentry.groups[3:] // some are gone meanwhile
	w.sentry.limit = 30
	if err := w.b.FetchLacking(t.Context(), w.home(), "errors", ann); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if l := lacking(); !l.Fetch || !strings.Contains(l.Trouble, "slowly") || l.Fetched == 0 {
		t.Errorf("while Sentry asks to wait: %+v", l)
	}
	w.Restart()
	w.Pass(tick)
	w.Settle()
	if l := lacking(); l.Fetch || len(l.Groups) > 0 || l.Fetched != 140 || l.Failed != 1 || l.Trouble != "" {
		t.Errorf("fetched: %d left, %+v", len(l.Groups), l)
	}
	if n := len(w.keys("fb/")); n != 130 {
		t.Errorf("%d are stored in the project", n)
	}
	if err := w.b.Compare(t.Context(), w.home(), "errors", ann); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if l := lacking(); len(l.Groups) != 0 || l.Compared != 141 {
		t.Errorf("compared again: %+v", l)
	}
	src.API.Token = "another_token"
	if err := w.b.Compare(t.Context(), w.home(), "errors", ann); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if l := lacking(); l.Busy || !strings.Contains(l.Trouble, "the token is refused") {
		t.Errorf("a wrong token: %+v", l)
	}
	delete(w.sources, "errors")
	if err := w.b.Compare(t.Context(), w.home(), "errors", ann); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if l := lacking(); !l.Asked.IsZero() {
		t.Errorf("of a removed source: %+v", l)
	}
}

func TestReddit(t *testing.T) {
	w := newWorld(t, false)
	w.withReddit(230)
	i := w.from("posts")
	w.Settle()
	r := w.result(i.ID)
	if got := w.get(i.ID); got.Read != 229 || len(got.Skipped) != 1 || got.Skipped[0] != "r/nobody" {
		t.Errorf("it is %+v", got)
	}
	if r.Reports != 229 || r.Clusters == 0 {
		t.Errorf("the result is %+v", r)
	}
	w.agree(i.ID)
	w.Settle()
	if watched, err := w.home().Scan(t.Context(), "reddit-post/posts/", "", 1000); err != nil || len(watched) != 229 {
		t.Errorf("%d are looked at again, %v", len(watched), err)
	}
	if n := len(w.keys("fb/")); n != 229 {
		t.Errorf("%d are stored", n)
	}
}
