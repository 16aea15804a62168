package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/erasure"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
)

// description is what the API says of itself. It is held against every answer that the
// tests in this package get of the API.
type description struct {
	doc        *openapi3.T
	operations *http.ServeMux // finds which one a request is

	mu   sync.Mutex
	seen map[string]bool // properties of schemas, "Project.id", and answers by name, "NotFound"
}

// described reads the description, which has to be a valid one.
func described(t *testing.T) *description {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../handlers/web/assets/openapi.yaml")
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil {
		t.Fatalf("the API's description: %v", err)
	}
	d := &description{doc: doc, operations: http.NewServeMux(), seen: make(map[string]bool)}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			d.operations.Handle(method+" "+path, http.NotFoundHandler())
		}
	}
	return d
}

// holds fails the test if the API answered a request with what its description does not
// say.
func (d *description) holds(t *testing.T, r *http.Request, sent string, answer *http.Response, body []byte) {
	t.Helper()
	what := fmt.Sprintf("%s %s: %d", r.Method, r.URL.Path, answer.StatusCode)
	_, pattern := d.operations.Handler(r)
	method, path, _ := strings.Cut(pattern, " ")
	if pattern == "" {
		if answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s, and there is no such operation", what)
		}
		d.fits(t, what, d.doc.Components.Schemas["Error"], "Error", decoded(t, what, body))
		return
	}
	op := d.doc.Paths.Value(path).GetOperation(method)
	said := op.Responses.Status(answer.StatusCode)
	if said == nil {
		t.Errorf("%s is not described: %.300s", what, body)
		return
	}
	d.note(strings.TrimPrefix(said.Ref, "#/components/responses/"))
	for name := range said.Value.Headers {
		if answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get(name) == "" {
			t.Errorf("%s has no %s", what, name)
		}
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	content := said.Value.Content[media]
	switch {
	case content == nil:
		t.Errorf("%s is answered with %q, which is not described: %.300s", what, media, body)
		return
	case media == "text/event-stream":
		_, data, ok := strings.Cut(string(body), "data: ")
		if !ok {
			t.Errorf("%s: the stream begins with %q", what, body)
			return
		}
		d.fits(t, what, content.Schema.Value.ContentSchema, "", decoded(t, what, []byte(data)))
	case media == "application/json":
		d.fits(t, what, content.Schema, "", decoded(t, what, body))
	}
	if answer.StatusCode < 300 && op.RequestBody != nil && r.Header.Get("Content-Type") == "application/json" {
		d.fits(t, what+" to "+sent, op.RequestBody.Value.Content["application/json"].Schema, "", decoded(t, what, []byte(sent)))
	}
}

func decoded(t *testing.T, what string, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Errorf("%s: %v: %.300s", what, err, text)
	}
	return value
}

// fits fails the test if a value is not as a schema says.
func (d *description) fits(t *testing.T, what string, schema *openapi3.SchemaRef, name string, value any) {
	t.Helper()
	if err := schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s does not fit: %v", what, err)
	}
	d.walk(schema, name, value)
}

// walk notes which properties a value has.
func (d *description) walk(schema *openapi3.SchemaRef, name string, value any) {
	if schema == nil || schema.Value == nil {
		return
	}
	if schema.Ref != "" {
		name = strings.TrimPrefix(schema.Ref, "#/components/schemas/")
	}
	for _, part := range schema.Value.AllOf {
		d.walk(part, name, value)
	}
	switch value := value.(type) {
	case map[string]any:
		for key, v := range value {
			property := schema.Value.Properties[key]
			if property == nil {
				continue
			}
			d.note(name + "." + key)
			d.walk(property, name+"."+key, v)
		}
	case []any:
		for _, v := range value {
			d.walk(schema.Value.Items, name+"[]", v)
		}
	}
}

func (d *description) note(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[name] = true
}

// answerOf reads an answer; of a stream, its first event.
func answerOf(r io.Reader, media string) ([]byte, error) {
	if !strings.HasPrefix(media, "text/event-stream") {
		return io.ReadAll(io.LimitReader(r, 4<<20))
	}
	var all []byte
	for b := make([]byte, 1); !bytes.HasSuffix(all, []byte("\n\n")) && len(all) < 1<<20; {
		if _, err := io.ReadFull(r, b); err != nil {
			return all, err
		}
		all = append(all, b[0])
	}
	return all, nil
}

const ofReddit = "Reddit itself would be asked"

// unseen is what this test does not see, and why.
var unseen = map[string]string{
	"Installations.next": "takes who sees more than one: handlers/web tries it",
	"Projects.next":      "takes who sees more than one: handlers/web tries it",
	"Broken":             "an answer 500 is a mistake of ours",
	"Unavailable":        "the store is away: handlers/web tries it",

	"ProblemParts.joins":    "takes an issue that somebody opened: handlers/web tries it",
	"Issue.unknown":         "takes a GitHub that does not answer: handlers/web tries it",
	"IssueNow.state_reason": "takes an issue that was closed: handlers/web tries it",
	"RunParts.through":      "takes a run that a program asked for: handlers/web tries it",
	"Quota.message":         "takes what comes near a limit: engine/quota tries it",
	"UncountedReport.id":    "takes a report that counts for nothing: handlers/web tries it",
	"UncountedReport.why":   "takes a report that counts for nothing: handlers/web tries it",

	"Held.why": "takes feedback that who asks cannot let in: handlers/web tries it",

	"Source.client":     ofReddit,
	"GivenClient.id":    ofReddit,
	"GivenClient.made":  ofReddit,
	"Subreddit.name":    ofReddit,
	"Subreddit.looked":  ofReddit,
	"Subreddit.trouble": ofReddit,
}

// The router has the operations that are described, and no others below the API's path.
func TestOpenAPIRoutes(t *testing.T) {
	d, s := described(t), newStreet(t)
	routes := make(map[string]bool)
	for _, r := range s.machine.routes {
		if !strings.HasPrefix(r.Path, "/api/v1/") {
			continue
		}
		routes[r.Method+" "+r.Path] = true
		item := d.doc.Paths.Value(r.Path)
		if item == nil || item.GetOperation(r.Method) == nil {
			t.Errorf("%s %s is not described", r.Method, r.Path)
		}
	}
	ids := make(map[string]string)
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !routes[method+" "+path] {
				t.Errorf("%s %s is described, and there is no such route", method, path)
			}
			if other := ids[op.OperationID]; op.OperationID == "" || other != "" {
				t.Errorf("%s %s has the operationId %q, as has %q", method, path, op.OperationID, other)
			}
			ids[op.OperationID] = method + " " + path
		}
	}
	if len(ids) < 20 {
		t.Errorf("%d operations are described", len(ids))
	}
}

// Nothing that an answer could have unseen: what is not described does not pass.
func TestOpenAPIIsClosed(t *testing.T) {
	d := described(t)
	inParts := make(map[string]bool) // what others are made of is closed there
	for _, ref := range d.doc.Components.Schemas {
		for _, part := range ref.Value.AllOf {
			inParts[strings.TrimPrefix(part.Ref, "#/components/schemas/")] = true
		}
	}
	for name, ref := range d.doc.Components.Schemas {
		s := ref.Value
		object := len(s.Properties) > 0 || len(s.AllOf) > 0
		closed := s.AdditionalProperties.Has != nil && !*s.AdditionalProperties.Has || s.UnevaluatedProperties.Has != nil && !*s.UnevaluatedProperties.Has
		if object && !closed && !inParts[name] {
			t.Errorf("%s lets pass what is not described", name)
		}
	}
	one := d.doc.Components.Schemas["ProblemInList"].Value
	if err := one.VisitJSON(map[string]any{"id": "1", "more": true}, openapi3.EnableJSONSchema2020()); err == nil || !strings.Contains(err.Error(), "more") {
		t.Errorf("a field that is not described passes: %v", err)
	}
}

// What the API answers is what its description says: to who may, to who may not, to right
// requests and wrong ones.
func TestOpenAPI(t *testing.T) {
	s := newStreet(t)
	s.send("acme-api", "acme-key-0123456789", `[{"title": "The export of invoices fails at night", "body": "It stops at 99 %.", "author": "mona", "url": "https://help.example/1"},
		{"title": "The export of invoices fails at night", "body": "It stops at 99 % here too.", "author": "lisa"}]`)
	s.sendSentry()
	s.send("other-api", "other-key-0123456789", `{"title": "The greeting is misspelt", "author": "hubot"}`)
	s.hub.Allow("acme/web", "reader-of-acme", "read")
	acme, other, reader := s.signs("admin-of-acme"), s.signs("admin-of-other"), s.signs("reader-of-acme")
	ours, theirs := map[string]string{"{installation}": "101"}, map[string]string{"{installation}": "202"}
	acme.fill("acme", 2, ours)
	other.fill("other", 1, theirs)
	s.furnish(ours)

	const P, I = "/api/v1/projects/{installation}/{project}", "/api/v1/installations/{installation}"
	want := func(who *passer, status int, method, path, body string) string {
		t.Helper()
		got, text := who.asks(method, put(path, ours), put(body, ours))
		if got != status {
			t.Errorf("%s %s %s: %d, want %d: %.400s", method, path, body, got, status, text)
		}
		return text
	}
	nobody := &passer{street: s, client: http.DefaultClient, token: "ghu_nobodys"}
	want(acme, 200, "POST", I+"/sources/{source}", `{"name": "reports", "repository": "acme/web"}`)
	var homeless struct{ ID, Key string }
	if err := json.Unmarshal([]byte(want(acme, 201, "POST", I+"/sources", `{"kind": "feedback", "name": "of nowhere"}`)), &homeless); err != nil {
		t.Fatal(err)
	}
	s.send(homeless.ID, homeless.Key, `{"title": "It belongs nowhere", "author": "mona"}`)
	// Everybody, about everything.
	for _, r := range s.machine.routes {
		switch {
		case !strings.HasPrefix(r.Path, "/api/v1/") || r.Path == "/api/v1/openapi.yaml":
			continue
		case r.Path == "/api/v1/checks": // is the operator's
			want(acme, 404, r.Method, r.Path, "")
			want(&passer{street: s, client: http.DefaultClient, token: operatorToken}, 200, r.Method, r.Path, "")
		case strings.HasSuffix(r.Path, "/remove"): // is tried at the end
		case r.Method == http.MethodPost && strings.Contains(r.Path, "/lacking"): // reads no body
			want(other, 404, r.Method, r.Path, "")
			want(reader, 403, r.Method, r.Path, "")
			want(acme, 422, r.Method, r.Path, "")
		case r.Method == http.MethodGet:
			want(acme, 200, r.Method, r.Path, "")
			if strings.Contains(r.Path, "/imports") || strings.Contains(r.Path, "/lacking") || r.Path == I+"/audit" || r.Path == I+"/work" || r.Path == I+"/quotas" || r.Path == I+"/keys" || strings.HasSuffix(r.Path, "/erase") { // who administers it alone
				want(reader, 403, r.Method, r.Path, "")
			} else {
				want(reader, 200, r.Method, r.Path, "")
			}
			if strings.Contains(r.Path, "{installation}") {
				want(other, 404, r.Method, r.Path, "")
			}
		default:
			want(other, 404, r.Method, r.Path, "{}")
			want(reader, 403, r.Method, r.Path, "{}")
			want(acme, 400, r.Method, r.Path, `{"nonsense": true}`)
			want(acme, 400, r.Method, r.Path, `{} {}`)
			if !strings.HasSuffix(r.Path, "/imports") { // which takes files
				want(acme, 413, r.Method, r.Path, `{"key": "`+strings.Repeat("x", 70_000)+`"}`)
			}
			form := *acme
			form.media = "application/x-www-form-urlencoded"
			want(&form, 415, r.Method, r.Path, "form=1")
		}
	}
	want(nobody, 401, "GET", P, "")
	answer, err := http.Get(s.address + "/api/v1/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if s.api.holds(t, answer.Request, "", answer, text); err != nil || !strings.HasPrefix(string(text), "openapi: 3.1") {
		t.Errorf("the description is answered with %d %.100s (%v)", answer.StatusCode, text, err)
	}

	// Lists, a page at a time.
	for _, path := range []string{P + "/clusters", P + "/clusters/{grown}/reports", P + "/runs", P + "/audit", P + "/work", I + "/audit", I + "/work"} {
		seen := make(map[string]bool)
		for next, pages := "", 0; ; pages++ {
			text := want(acme, 200, "GET", path+"?limit=1&cursor="+next, "")
			if seen[text] || pages > 200 {
				t.Fatalf("%s comes again: %s", path, text)
			}
			seen[text] = true
			var page struct{ Next string }
			if err := json.Unmarshal([]byte(text), &page); err != nil {
				t.Fatal(err)
			}
			if next = strings.ReplaceAll(page.Next, "/", "%2F"); next == "" {
				break
			}
		}
		if len(seen) < 2 {
			t.Errorf("%s has one page alone", path)
		}
		for _, wrong := range []string{"limit=0", "limit=201", "limit=x"} {
			want(acme, 400, "GET", path+"?"+wrong, "")
		}
		if !strings.HasSuffix(path, "/reports") { // which then begins anew: see memberIDs
			want(acme, 400, "GET", path+"?cursor="+strings.Repeat("x", 2000), "")
		}
	}
	for _, wrong := range []string{"cursor=x", "limit=0", "limit=201", "limit=x"} {
		want(acme, 400, "GET", "/api/v1/projects?"+wrong, "")
	}
	want(acme, 200, "GET", "/api/v1/projects?limit=1", "")
	for _, wrong := range []string{"state", "kind", "sort"} {
		want(acme, 400, "GET", P+"/clusters?"+wrong+"=x", "")
	}
	want(acme, 200, "GET", P+"/clusters?q=invoices&state=held&kind=feedback&sort=newest", "")
	want(acme, 200, "GET", P+"/audit?subject={cluster}", "")
	want(acme, 200, "GET", P+"/clusters/{grown}", "")

	// What is ordered.
	want(acme, 200, "POST", P+"/settings", `{"mode": "live"}`)
	want(acme, 400, "POST", P+"/settings", `{"mode": "loud"}`)
	want(acme, 200, "POST", P+"/work/retry", `{"key": "{job}"}`)
	want(acme, 404, "POST", P+"/work/retry", `{"key": "of/nobody"}`)
	want(acme, 200, "POST", I+"/work/retry", `{"key": "{job}"}`)
	within(t, "an issue is filed, and GitHub says how it is", func() bool {
		var is struct {
			Written any
			Issue   struct{ Now any }
		}
		json.Unmarshal([]byte(want(acme, 200, "GET", P+"/clusters/{grown}", "")), &is)
		return is.Written != nil && is.Issue.Now != nil
	})
	want(acme, 202, "POST", P+"/clusters/{grown}/commands", `{"command": "fix", "words": "look at the clock"}`)
	want(acme, 400, "POST", P+"/clusters/{grown}/commands", `{"command": "dance"}`)
	within(t, "the command is answered", func() bool {
		var is struct{ Orders []struct{ State string } }
		json.Unmarshal([]byte(want(acme, 200, "GET", P+"/clusters/{grown}/commands", "")), &is)
		return len(is.Orders) == 1 && is.Orders[0].State == "answered"
	})
	want(acme, 200, "GET", P+"/clusters/{grown}/events", "")

	// Keys.
	want(acme, 201, "POST", I+"/keys", `{"name": "z", "role": "read", "days": 30, "repositories": ["acme/web"]}`)
	want(acme, 422, "POST", I+"/keys", `{"name": "z", "role": "owner", "days": 30, "repositories": ["acme/web"]}`)
	want(acme, 200, "GET", I+"/keys", "")
	want(acme, 200, "POST", I+"/keys/revoke", `{"id": "{opener}"}`)
	want(acme, 404, "POST", I+"/keys/revoke", `{"id": "{opener}"}`)

	// Sources.
	made := func(body string) string {
		t.Helper()
		var is struct{ ID string }
		if err := json.Unmarshal([]byte(want(acme, 201, "POST", I+"/sources", body)), &is); err != nil {
			t.Fatal(err)
		}
		return is.ID
	}
	ours["{sentry}"] = made(`{"kind": "sentry", "name": "errors", "routes": {"api": "acme/web"}, "public": true}`)
	ours["{reddit}"] = made(`{"kind": "reddit", "name": "posts", "repository": "acme/web", "subreddits": ["acme"]}`)
	want(acme, 422, "POST", I+"/sources", `{"kind": "telex", "name": "x"}`)
	want(acme, 422, "POST", I+"/sources", `{"kind": "feedback", "name": "x", "repository": "other/web"}`)
	want(acme, 201, "POST", I+"/sources/{sentry}/secrets", `{"secret": "0123456789abcdef0123"}`)
	want(acme, 201, "POST", I+"/sources/{source}/secrets", `{"overlap": "168h"}`)
	want(acme, 422, "POST", I+"/sources/{source}/secrets", `{"overlap": "2h"}`)
	want(acme, 200, "GET", I+"/sources/{source}", "")
	want(acme, 200, "POST", I+"/sources/{source}/secrets/end", `{"id": "{ended}"}`)
	want(acme, 404, "POST", I+"/sources/{source}/secrets/end", `{"id": "nobodys"}`)
	want(acme, 200, "POST", I+"/sources/{reddit}/client", `{"id": "", "secret": ""}`) // with another, Reddit would be asked
	want(acme, 422, "POST", I+"/sources/{source}/client", `{"id": "client", "secret": "0123456789abcdef0123"}`)
	want(acme, 409, "POST", I+"/sources/{source}", `{"version": 1, "name": "x"}`)
	var is struct{ Version uint64 }
	json.Unmarshal([]byte(want(acme, 200, "GET", I+"/sources/{sentry}", "")), &is)
	want(acme, 200, "POST", I+"/sources/{sentry}", fmt.Sprintf(`{"version": %d, "name": "errors of all", "repository": "acme/web", "routes": {"api": "acme/web"}}`, is.Version))
	want(acme, 200, "POST", I+"/sources/{reddit}", `{"name": "posts", "public": true, "subreddits": ["acme", "acmehelp"]}`)
	want(acme, 409, "POST", I+"/sources/acme-api", `{"name": "x"}`)
	want(reader, 403, "POST", I+"/sources/{source}/remove", "{}")
	want(other, 404, "POST", I+"/sources/{source}/remove", "{}")
	want(acme, 400, "POST", I+"/sources/{source}/remove", "{}")
	// What Sentry has. Nobody answers there.
	want(acme, 200, "POST", I+"/sources/{sentry}/api", `{"url": "https://sentry.invalid", "organisation": "acme", "token": "0123456789abcdef0123"}`)
	want(acme, 422, "POST", I+"/sources/{sentry}/api", `{"url": "ftp://sentry.invalid"}`)
	want(acme, 200, "POST", I+"/sources/{sentry}/lacking", "")
	want(acme, 200, "GET", P+"/imports", "")
	s.lacks(ours["{sentry}"])
	want(acme, 200, "GET", I+"/sources/{sentry}/lacking", "")
	want(acme, 200, "GET", I+"/sources/{sentry}/events", "")
	want(acme, 200, "POST", I+"/sources/{sentry}/lacking/fetch", "")

	// Imports.
	begun := func(who *passer, body string) (id string) {
		t.Helper()
		var is struct{ ID string }
		if err := json.Unmarshal([]byte(want(who, 201, "POST", P+"/imports", body)), &is); err != nil {
			t.Fatal(err)
		}
		return is.ID
	}
	want(acme, 404, "POST", P+"/imports", `{"source": "nobodys"}`)
	ours["{asked}"] = begun(acme, `{"source": "{sentry}"}`)
	want(acme, 409, "POST", P+"/imports/{asked}/agree", "{}")
	want(acme, 200, "POST", P+"/imports/{asked}/drop", "{}")
	file := *acme
	file.media = "application/x-ndjson"
	ours["{file}"] = begun(&file, `{"id": "1", "title": "The export of invoices fails at night", "body": "It stops at 99 % once more."}`+"\n"+`{"id": 7`+"\n")
	within(t, "it was tried out", func() bool {
		return strings.Contains(want(acme, 200, "GET", P+"/imports/{file}", ""), `"state":"ready"`)
	})
	want(acme, 200, "GET", P+"/imports/{file}/events", "")
	want(acme, 200, "POST", P+"/imports/{file}/again", "{}")
	within(t, "it was tried out again", func() bool {
		return strings.Contains(want(acme, 200, "GET", P+"/imports/{file}", ""), `"state":"ready"`)
	})
	want(acme, 200, "POST", P+"/imports/{file}/agree", "{}")
	want(acme, 200, "GET", P+"/imports", "")

	want(acme, 200, "GET", I+"/sources", "")
	want(acme, 200, "POST", I+"/sources/{source}/remove", `{"sure": true}`)
	want(acme, 404, "GET", I+"/sources/{source}", "")

	want(acme, 200, "POST", I+"/export", "{}")
	want(acme, 202, "POST", I+"/erase", `{"person": "mona"}`)
	want(acme, 202, "POST", I+"/erase", `{"report": "nobodys"}`)
	want(acme, 422, "POST", I+"/erase", `{}`)

	// Wrong tokens, too many.
	for range 30 {
		if status, _ := nobody.asks("GET", "/api/v1/projects", ""); status == http.StatusTooManyRequests {
			break
		}
	}
	var missing []string
	for name, ref := range s.api.doc.Components.Schemas {
		for key := range ref.Value.Properties {
			missing = append(missing, name+"."+key)
		}
	}
	for name := range s.api.doc.Components.Responses {
		missing = append(missing, name)
	}
	slices.Sort(missing)
	for _, name := range missing {
		if s.api.seen[name] == (unseen[name] != "") {
			t.Errorf("%s: seen is %v, and unseen says %q", name, s.api.seen[name], unseen[name])
		}
	}
}

// What the documentation sends to the API is what its description says.
func TestDocsAPI(t *testing.T) {
	d := described(t)
	where := strings.NewReplacer("$API", "/api/v1", "$PROJECT", "/api/v1/projects/101/acme.web-86f279ce", "$INSTALLATION", "/api/v1/installations/101")
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
				to := regexp.MustCompile(`\$(?:API|PROJECT|INSTALLATION)[^\s"']*`).FindString(line)
				if !strings.HasPrefix(line, "curl") || to == "" {
					continue
				}
				found++
				method := http.MethodGet
				body := regexp.MustCompile(` -d '([^']*)'`).FindStringSubmatch(line)
				if body != nil || strings.Contains(line, "--data-binary") {
					method = http.MethodPost
				}
				r, err := http.NewRequestWithContext(t.Context(), method, where.Replace(to), nil)
				if err != nil {
					t.Fatal(err)
				}
				_, pattern := d.operations.Handler(r)
				if pattern == "" {
					t.Errorf("%s: the API has no %s %s", p.path, method, to)
					continue
				}
				_, path, _ := strings.Cut(pattern, " ")
				op := d.doc.Paths.Value(path).GetOperation(method)
				for name := range r.URL.Query() {
					if op.Parameters.GetByInAndName("query", name) == nil {
						t.Errorf("%s: %s takes no %s", p.path, pattern, name)
					}
				}
				if body != nil {
					d.fits(t, p.path+": "+pattern, op.RequestBody.Value.Content["application/json"].Schema, "", decoded(t, line, []byte(body[1])))
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("%d lines ask the API: are they looked for in the right way?", found)
	}
}

// lacks puts down what a source was found to lack.
func (s *street) lacks(source string) {
	s.t.Helper()
	home, err := s.machine.db.Open(s.t.Context(), project.InstallationSpace(101))
	if err != nil {
		s.t.Fatal(err)
	}
	now := time.Now().UTC()
	var b storage.Batch
	b.SetJSON("lacking/"+source, backfill.Lacking{Asked: now, Looked: now, By: "mona", Compared: 1, Trouble: "nobody answers",
		Groups: []backfill.Group{{ID: "77", Title: "KeyError", Project: "api", URL: "https://sentry.invalid/77", Count: 3, Last: now}}})
	if err := home.Apply(s.t.Context(), &b); err != nil {
		s.t.Fatal(err)
	}
}

// sendSentry sends an error as Sentry does.
func (s *street) sendSentry() {
	s.t.Helper()
	body, err := os.ReadFile("../docs/examples/sentry-error.json")
	if err != nil {
		s.t.Fatal(err)
	}
	sum := hmac.New(sha256.New, []byte("acme-key-0123456789"))
	sum.Write(body)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.address+"/ingest/sentry/acme-sentry", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sentry-Hook-Resource", "error")
	r.Header.Set("Sentry-Hook-Signature", hex.EncodeToString(sum.Sum(nil)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(answer.Body)
		s.t.Fatalf("Sentry's error: %d %s", answer.StatusCode, text)
	}
}

// furnish gives a project what takes days, an agent or bad luck to come about.
func (s *street) furnish(ids map[string]string) {
	t := s.t
	t.Helper()
	now := time.Now().UTC()
	open := func(name string) storage.Space {
		space, err := s.machine.db.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return space
	}
	space, home := open(project.Space(101, ids["{project}"])), open(project.InstallationSpace(101))

	lines, err := issue.Lines(t.Context(), space, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Reports == 2 {
			ids["{grown}"] = l.Cluster
		}
	}
	if ids["{grown}"] == "" {
		t.Fatalf("no problem has two reports: %+v", lines)
	}

	r := &fixrun.Run{ID: fixrun.NewID(), Cluster: ids["{grown}"], Issue: 7, State: fixrun.TimedOut, Reason: fixrun.ReasonTime, Detail: "the task did not answer", By: "mona", Created: now, Changed: now, Ended: now,
		Place: 2, Waits: "a place", Attempts: 1, Attempt: &fixrun.Attempt{N: 1, Round: 1, Intended: now}, Pull: &fixrun.Pull{Number: 8, URL: "https://github.example/acme/web/pull/8"},
		Rounds: []fixrun.Round{{N: 1, By: "mona", Asked: now, Ended: now, Commit: "0123456789abcdef0123456789abcdef01234567", Diff: &fixrun.Diff{Files: 1, Lines: fixrun.Lines{Added: 1}}}}}
	_, of, err := fixrun.Of(t.Context(), space, r.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	fixrun.Begin(&b, of, r, nil, fixrun.Words{By: "mona"})
	fixrun.SetLive(&b, r.ID, fixrun.Live{At: now, Attempt: 1, Phase: brief.Working, Note: "reads", Steps: 3})
	fixrun.SaveUsage(&b, storage.Entry{Key: "run-usage/" + r.ID}, fixrun.Usage{Requests: 3, Input: 1000, Output: 20, Micros: 17, Priced: true, Spent: "money"})
	request, err := json.Marshal(publish.CommitRequest{Files: []publish.FileRequest{{Path: "a.go", Note: "it is new", Lines: &fixrun.Lines{Added: 1}, After: "package a\n"}}})
	if err != nil {
		t.Fatal(err)
	}
	key := publish.CommitKey(r.ID, 1)
	b.SetJSON("action/"+key, map[string]any{"key": key, "kind": "commit.create", "subject": r.ID, "state": action.Done, "request": string(request)})
	if request, err = json.Marshal(github.NewPull{Title: "A clock", Body: "It is *new*."}); err != nil {
		t.Fatal(err)
	}
	key = publish.PullKey(r.ID)
	b.SetJSON("action/"+key, map[string]any{"key": key, "kind": "pull.create", "subject": r.ID, "state": action.Done, "request": string(request)})
	// A problem that came back, and whose first text was another.
	issue.SetLine(&b, issue.Line{Cluster: "000090", Title: "Parcels to Norway", Culprit: "parcels.to", State: issue.Filed, Number: 3, URL: "https://github.example/acme/web/issues/3",
		Text: "issue #3", Regressed: now, Made: now, First: now, Last: now, At: now})
	b.SetJSON("audit/0000000000000001-00000000", action.Entry{At: now, What: "failed", Key: "x", Kind: "issue.create", Subject: "000090", By: "soulcaster", Why: "new", Attempt: 2, Error: "GitHub said no"})
	b.SetJSON("import/20250101000000-cccccccc", backfill.Import{ID: "20250101000000-cccccccc", Kind: backfill.File, Name: "x", By: "mona", Started: now, Changed: now, Expires: now, State: backfill.Failed, Trouble: "it could not be read"})
	b.SetJSON("work/dead/issue/000090", map[string]any{"attempts": 3, "died": now, "error": "GitHub said no"})
	known, entry, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	known.FileError, known.Unavailable = "line 1: no such key", "the repository is archived"
	project.Save(&b, entry, known)
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := fixrun.AddLog(t.Context(), space, r.ID, brief.Log{Attempt: 1, Text: "it reads\n"}, 9, 1<<20); err != nil {
		t.Fatal(err)
	}
	ids["{run}"] = r.ID

	rec := traffic.Record{First: now.AddDate(0, 0, -9), Last: now, Rejections: []traffic.Rejection{{Reason: "not JSON", Status: 400, Count: 1, First: now, Last: now, RequestID: "x"}}}
	for i := range 9 {
		rec.Days = append(rec.Days, traffic.Span{Start: now.Truncate(24*time.Hour).AddDate(0, 0, i-8).Unix(), Counts: traffic.Counts{Accepted: 1}})
	}
	var h storage.Batch
	h.SetJSON("traffic/"+ids["{source}"], rec)
	h.SetJSON("erasure/of-nobody", erasure.Status{By: "@mona", At: now}) // no work is due for it
	if err := home.Apply(t.Context(), &h); err != nil {
		t.Fatal(err)
	}
}
