package erasure_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/erasure"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const installation = enginetest.Installation

// street is a world with two repositories, one live and one in preview.
type street struct {
	*enginetest.World
	eraser *erasure.Eraser
}

func hash(author string) string { return "hash of " + author }

func newStreet(t *testing.T) *street {
	t.Helper()
	live, err := policy.Parse([]byte("mode: live\npublish: full\nfile_after: {reports: 1, posts: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	preview, err := policy.Parse([]byte("publish: full\nfile_after: {reports: 1, posts: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := &street{World: enginetest.New(t, true, project.Settings{installation: {"acme/web": live, "acme/shy": preview}},
		source.Source{Installation: installation, ID: "web", Kind: source.Feedback, Repository: "acme/web"},
		source.Source{Installation: installation, ID: "shy", Kind: source.Feedback, Repository: "acme/shy"},
		source.Source{Installation: installation, ID: "lost", Kind: source.Feedback},
		source.Source{Installation: installation, ID: "sentry", Kind: source.Sentry, Repository: "acme/web"},
		source.Source{Installation: installation, ID: "reddit", Kind: source.Reddit, Repository: "acme/web"})}
	s.GitHub.Add(7, "acme/web", true)
	s.GitHub.Add(8, "acme/shy", true)
	s.Begin = s.begin
	s.Restart()
	return s
}

func (s *street) begin() {
	s.eraser = &erasure.Eraser{Projects: s.Projects, Intake: s.Intake, Log: s.Actions, Now: s.Now, Wake: func(...string) {},
		Hash: func(_ int64, author string) string { return hash(author) }}
	s.Handle(erasure.Work, s.eraser.Handle)
}

func (s *street) home() storage.Space {
	s.T.Helper()
	home, err := s.Projects.Space(s.T.Context(), installation)
	if err != nil {
		s.T.Fatal(err)
	}
	return home
}

func (s *street) report(source, author, id, title, body string) string {
	s.T.Helper()
	return s.Take(source, s.Report(source, fmt.Sprintf(`{"external_id": %q, "title": %q, "body": %q, "author": %q}`, id, title, body, author))...)[0].ID
}

// fill has mona and lisa write everywhere; what mona writes holds the word zanzibar.
func (s *street) fill() {
	s.T.Helper()
	s.report("web", "Mona@Example.com", "1", "The export of orders to CSV times out", "zanzibar: it never ends, says the export of orders to CSV")
	s.report("web", "lisa", "2", "The export of orders to CSV times out", "quagga: it never ends, says the export of orders to CSV")
	s.report("web", "mona@example.com", "3", "Dark mode zanzibar flickers on the settings page", "zanzibar alone")
	s.report("shy", "mona@example.com", "4", "Invoices in zanzibar yen are rounded wrongly", "zanzibar shy")
	s.report("lost", "mona@example.com", "5", "Nobody's zanzibar", "zanzibar held")
	s.report("lost", "lisa", "6", "Nobody's quagga", "quagga held")
	for i, person := range []string{"mona@example.com", "lisa"} {
		readings, err := s.Reader("sentry").Sentry("event_alert", fmt.Appendf(nil,
			`{"action": "triggered", "data": {"event": {"event_id": "e%d", "issue_id": "77", "title": "E: m", "project_slug": "api", "user": {"email": %q}}}}`, i, person))
		if err != nil {
			s.T.Fatal(err)
		}
		s.Take("sentry", readings...)
	}
	readings, err := s.Reader("reddit").Reddit([]byte(`{"kind": "t3", "data": {"name": "t3_abc", "author": "mona@example.com", "subreddit_type": "public", "title": "Password reset zanzibar mail never arrives"}}`))
	if err != nil {
		s.T.Fatal(err)
	}
	s.Take("reddit", readings...)
}

// grep returns where a text is in the store.
func (s *street) grep(text string) (found []string) {
	s.T.Helper()
	names, err := s.DB.List(s.T.Context(), "", "", 1000)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, name := range names {
		space, err := s.DB.Open(s.T.Context(), name)
		if err != nil {
			s.T.Fatal(err)
		}
		entries, err := space.Scan(s.T.Context(), "", "", 100_000)
		if err != nil {
			s.T.Fatal(err)
		}
		for _, e := range entries {
			if strings.Contains(strings.ToLower(e.Key+" "+string(e.Value)), text) {
				found = append(found, name+" "+e.Key)
			}
		}
	}
	return found
}

// gone fails unless nothing of mona is anywhere, and all of lisa is.
func (s *street) gone() {
	s.T.Helper()
	for _, mark := range []string{"zanzibar", "mona"} {
		if found := s.grep(mark); len(found) != 0 {
			s.T.Errorf("%q is still in %q", mark, found)
		}
	}
	for _, repo := range []int64{7, 8} {
		for _, i := range s.GitHub.Issues(repo) {
			if strings.Contains(strings.ToLower(i.Title+i.Body), "zanzibar") {
				s.T.Errorf("issue %d still says %s\n%s", i.Number, i.Title, i.Body)
			}
		}
	}
	for _, mark := range []string{"quagga: it never ends", "quagga held", "hash of report:lisa", "hash of sentry:email:lisa"} {
		if len(s.grep(mark)) == 0 {
			s.T.Errorf("%q is gone too", mark)
		}
	}
}

func TestOnePersonsFeedback(t *testing.T) {
	s := newStreet(t)
	s.fill()
	s.Settle()
	if n := len(s.grep("zanzibar")); n < 10 {
		t.Fatalf("next to nothing is stored: %d", n)
	}
	id, err := s.eraser.Order(t.Context(), s.home(), " mona@EXAMPLE.com ", "", "@ann", "r-1")
	if err != nil {
		t.Fatal(err)
	}
	if list, err := erasure.List(t.Context(), s.home()); err != nil || len(list) != 1 || list[0].ID != id || list[0].By != "@ann" {
		t.Errorf("under way: %+v, %v", list, err)
	}
	s.Settle()
	s.gone()
	if list, err := erasure.List(t.Context(), s.home()); err != nil || len(list) != 0 {
		t.Errorf("under way: %+v, %v", list, err)
	}
	entries, err := s.Actions.List(t.Context(), s.home(), "erasure "+id, "", 10)
	if err != nil || len(entries) != 2 || !strings.HasPrefix(entries[0].Why, "done: all that one person wrote; reports: 5, error groups that they were taken out of: 1") ||
		entries[1].By != "@ann" || entries[1].RequestID != "r-1" {
		t.Errorf("the audit: %+v, %v", entries, err)
	}
	// What is left is what it would be without her.
	space := s.Space("acme/web")
	clusters, err := cluster.List(t.Context(), space, "", 10)
	if err != nil || len(clusters) != 2 { // lisa's, and the error group's
		t.Errorf("clusters: %+v, %v", clusters, err)
	}
	l, ok, err := issue.LineOf(t.Context(), space, clusters[0].ID)
	if err != nil || !ok || l.People != 1 || l.Reports != 1 || l.State != issue.Filed {
		t.Errorf("lisa's problem: %+v, %v", l, err)
	}
	group, _, err := intake.Load(t.Context(), space, feedback.ID("sentry", "77"))
	if err != nil || group[0].Users != 2 || group[0].Count != 2 || group[0].Removed {
		t.Errorf("the error group: %+v, %v", group[0], err)
	}
	// What she sent is known, and not taken in again; what she writes later is hers to write.
	if a := s.Take("web", s.Report("web", `{"external_id": "3", "title": "zanzibar again", "author": "mona@example.com"}`)...)[0]; !strings.HasPrefix(a.State, "taken out") {
		t.Errorf("sent once more: %+v", a)
	}
	s.Settle()
	s.gone()
}

func TestOneReport(t *testing.T) {
	s := newStreet(t)
	one := s.report("web", "lisa", "1", "The zanzibar export times out", "zanzibar")
	s.report("web", "lisa", "2", "Dark mode flickers on the settings page", "quagga: it never ends")
	s.Settle()
	if _, err := s.eraser.Order(t.Context(), s.home(), "", one, "@ann", ""); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	if found := s.grep("zanzibar"); len(found) != 0 {
		t.Errorf("still in %q", found)
	}
	if len(s.grep("quagga")) == 0 {
		t.Error("the other report is gone too")
	}
}

// What is worked out from texts is, after an erasure, what it would be had that person never
// written: the clusters, how alike their members are, the sums of vectors, the vectors, and
// what stands on the issues.
func TestNothingOfThemIsLeftInTheSums(t *testing.T) {
	texts := []string{
		"The export of orders to CSV times out", "The export of orders to CSV times out again", "The export of orders to CSV times out at night",
	}
	made := func(with bool) (s *street, sums map[string]string, body string) {
		s = newStreet(t)
		for i, text := range texts {
			s.report("web", fmt.Sprint("person ", i), fmt.Sprint(i), text, "it never ends, says the export of orders to CSV")
		}
		s.Settle()
		if with { // last: why the others joined is from when they did
			s.report("web", "mona", "9", "The export of orders to CSV times out in zanzibar", "zanzibar: it never ends, says the export of orders to CSV")
		}
		s.Settle()
		s.Pass(25 * time.Hour) // when the issue says it at the latest
		s.Settle()
		return s, s.sums(), s.GitHub.Issues(7)[0].Body
	}
	s, before, said := made(true)
	without, want, never := made(false)
	if len(want) < 5 || maps.Equal(before, want) || said == never {
		t.Fatalf("she changes nothing: %v", want)
	}
	if _, err := s.eraser.Order(t.Context(), s.home(), "mona", "", "@ann", ""); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	got := s.sums()
	for key := range want {
		if got[key] != want[key] {
			t.Errorf("%s is %s, and without her %s", key, got[key], want[key])
		}
	}
	for key := range got {
		if want[key] == "" {
			t.Errorf("%s is left", key)
		}
	}
	if is, want := s.GitHub.Issues(7)[0], without.GitHub.Issues(7)[0]; is.Body != want.Body || is.Title != want.Title {
		t.Errorf("the issue is\n%s\n%s\nand without her\n%s\n%s", is.Title, is.Body, want.Title, want.Body)
	}
}

// sums is what is worked out from the texts of acme/web, in numbers of six digits.
func (s *street) sums() map[string]string {
	s.T.Helper()
	space, all := s.Space("acme/web"), make(map[string]string)
	for _, prefix := range []string{"cluster/", "sum/", "vec/", "member/", "fp/"} {
		entries, err := space.Scan(s.T.Context(), prefix, "", 1000)
		if err != nil {
			s.T.Fatal(err)
		}
		for _, e := range entries {
			var c cluster.Cluster
			switch prefix {
			case "cluster/":
				if err := storage.GetJSON(e, &c); err != nil {
					s.T.Fatal(err)
				}
				all[e.Key] = fmt.Sprintf("%d members, %d traces, %.6f", c.Size, c.Traces, c.Cohesion)
			case "sum/", "vec/":
				all[e.Key] = fmt.Sprintf("%x", e.Value)
			default:
				all[e.Key] = "there " + string(e.Value)
			}
		}
	}
	return all
}

// A text that was filed while the project was live, and is erased while it is a preview
// again, is not kept here either.
func TestBackInPreview(t *testing.T) {
	s := newStreet(t)
	s.fill()
	s.Settle()
	preview := policy.Preview
	file := s.Settings[installation]["acme/web"]
	file.Mode = &preview
	s.Settings[installation]["acme/web"] = file
	s.Restart()
	if _, err := s.eraser.Order(t.Context(), s.home(), "mona@example.com", "", "@ann", ""); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	for _, mark := range []string{"zanzibar", "mona"} {
		if found := s.grep(mark); len(found) != 0 {
			t.Errorf("%q is still in %q", mark, found)
		}
	}
}

// Wherever the process dies, the erasure comes to its end.
func TestCrashes(t *testing.T) {
	for n := 1; ; n += 3 {
		s := newStreet(t)
		s.fill()
		s.Settle()
		if _, err := s.eraser.Order(t.Context(), s.home(), "mona@example.com", "", "@ann", ""); err != nil {
			t.Fatal(err)
		}
		died := errors.New("the process died")
		passed := 0
		s.Hook = func(string) error {
			if passed++; passed == n {
				return died
			}
			return nil
		}
		err := s.TrySettle()
		s.Hook = nil
		if err == nil {
			if n < 20 {
				t.Fatalf("only %d points were passed", n)
			}
			return
		}
		s.Restart()
		s.Pass(2 * time.Minute)
		s.Settle()
		s.gone()
		if t.Failed() {
			t.Fatalf("it died at point %d (%v)", n, err)
		}
	}
}

// What an import has read may be taken in until it has gone, so that it is waited for.
func TestWaitsForImports(t *testing.T) {
	s := newStreet(t)
	s.report("web", "lisa", "1", "Dark mode flickers on the settings page", "quagga")
	s.Settle()
	asked, late := 0, false
	s.eraser.Imports = func(_ context.Context, space storage.Space, by, requestID string) (bool, error) {
		if by != "@ann" || requestID != "r-1" {
			t.Errorf("asked for by %s in %s", by, requestID)
		}
		asked++
		return !late, nil
	}
	if _, err := s.eraser.Order(t.Context(), s.home(), "mona", "", "@ann", "r-1"); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	s.report("web", "mona", "2", "The zanzibar export times out", "it came with an import")
	late = true
	s.Pass(time.Minute)
	s.Settle()
	if found := s.grep("zanzibar"); len(found) != 0 || asked < 2 {
		t.Errorf("still in %q; asked %d times", found, asked)
	}
	if list, err := erasure.List(t.Context(), s.home()); err != nil || len(list) != 0 {
		t.Errorf("under way: %+v, %v", list, err)
	}
}

func TestOrders(t *testing.T) {
	s := newStreet(t)
	for _, bad := range [][2]string{{"", ""}, {"  ", ""}, {"mona", "x"}, {strings.Repeat("m", 301), ""}, {"", strings.Repeat("x", 301)}} {
		if _, err := s.eraser.Order(t.Context(), s.home(), bad[0], bad[1], "@ann", ""); !errors.Is(err, erasure.ErrNobody) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	for range erasure.MaxOrders {
		if _, err := s.eraser.Order(t.Context(), s.home(), "mona", "", "@ann", ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.eraser.Order(t.Context(), s.home(), "mona", "", "@ann", ""); !errors.Is(err, erasure.ErrMany) {
		t.Errorf("one more: %v", err)
	}
	if again, err := s.eraser.Handle(t.Context(), work.Item{Space: s.home(), Subject: "none"}); err != nil || !again.IsZero() {
		t.Errorf("one that is not there: %v, %v", again, err)
	}
}
