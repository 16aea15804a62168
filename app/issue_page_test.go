package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

// TestIssueOnThePage: the page of a problem shows its issue as it is on GitHub, and what
// somebody changes there as soon as GitHub tells of it.
func TestIssueOnThePage(t *testing.T) {
	s := newStreet(t)
	s.send("acme-api", "acme-key-0123456789", `{"title": "The export of invoices fails at night", "author": "mona"}`)
	acme := s.signs("admin-of-acme")
	ids := map[string]string{"{installation}": "101"}
	acme.fill("acme", 1, ids)
	page := func() string {
		_, page := acme.asks("GET", put("/projects/{installation}/{project}/clusters/{cluster}", ids), "")
		return page
	}
	acme.asks("POST", put("/projects/{installation}/{project}/settings/mode", ids), "mode=live")
	within(t, "the issue is on the page", func() bool { return strings.Contains(page(), "As it is on GitHub") })
	number := s.hub.Issues("acme/web")[0].Number
	s.hub.As("admin-of-acme").Comment("acme/web", number, "I see this too.")
	s.hub.Settle()
	told := s.hub.Deliveries("issue_comment")
	if len(told) != 1 {
		t.Fatalf("GitHub told %v", told)
	}
	if status := s.delivers("issue_comment", "d-1", told[0].Body); status != http.StatusAccepted || !strings.Contains(page(), "1 comment,") {
		t.Errorf("told of a comment (%d), the page shows\n%s", status, page())
	}
}

// delivers tells the app something as GitHub does, and returns the status of its answer.
func (s *street) delivers(event, id string, body []byte) (status int) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.address+"/api/github/hook", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(benchSecret))
	mac.Write(body)
	for name, value := range map[string]string{"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": id,
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))} {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}
