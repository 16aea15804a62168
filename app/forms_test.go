package main

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
)

// TestFormsOfOtherSites: whatever a page of another site has the browser of somebody send
// who is signed in is refused, at every route that takes a form, and changes nothing.
func TestFormsOfOtherSites(t *testing.T) {
	s := newStreet(t)
	s.send("acme-api", "acme-key-0123456789", `{"title": "The export of invoices fails at night", "author": "mona"}`)
	acme := s.signs("admin-of-acme")
	ids := map[string]string{"{installation}": "101"}
	acme.fill("acme", 1, ids)
	before := s.rests()
	tried := 0
	for _, route := range s.machine.routes {
		name := route.Method + " " + route.Path
		whose, known := routesOf[name]
		// What is no page's is sent with a secret that no browser brings by itself.
		if route.Method != http.MethodPost || known && whose != nobodys {
			continue
		}
		tried++
		body := put(bodies[name], ids)
		if body == "" && strings.HasPrefix(route.Path, "/api/") {
			body = "{}"
		}
		for _, from := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}},
		} {
			acme.header = from
			if status, text := acme.asks(route.Method, put(route.Path, ids), body); status != http.StatusForbidden {
				t.Errorf("%s with %v is answered %d: %.300s", name, from, status, text)
			}
		}
	}
	if tried < 20 {
		t.Errorf("%d forms were tried", tried)
	}
	if after := s.rests(); !maps.EqualFunc(before, after, bytes.Equal) {
		for key := range after {
			if !bytes.Equal(before[key], after[key]) {
				t.Errorf("%s was changed", key)
			}
		}
		for key := range before {
			if after[key] == nil {
				t.Errorf("%s is gone", key)
			}
		}
	}
	acme.header = nil
	if status, _ := acme.asks(http.MethodGet, "/", ""); status != http.StatusOK {
		t.Errorf("somebody was signed out: %d", status)
	}
}

// rests waits until nothing changes any more, and returns all that is stored.
func (s *street) rests() (all map[string][]byte) {
	s.t.Helper()
	within(s.t, "nothing changes", func() bool {
		all = s.stored()
		time.Sleep(time.Second)
		return maps.EqualFunc(all, s.stored(), bytes.Equal)
	})
	return all
}

// tallied is what keys look like under which is written, some time later, how much was
// used and arrived.
var tallied = regexp.MustCompile(`^(traffic|quota|work/[a-z]+/quota)(/|-|$)`)

// stored is all that is stored, but for counters, by space and key.
func (s *street) stored() map[string][]byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	all := make(map[string][]byte)
	names := []string{project.AppSpace}
	for _, prefix := range []string{project.InstallationSpace(101), project.Space(101, "")} {
		some, err := s.machine.db.List(ctx, prefix, "", 100)
		if err != nil {
			s.t.Fatal(err)
		}
		names = append(names, some...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		space, err := s.machine.db.Open(ctx, name)
		if err != nil {
			s.t.Fatal(err)
		}
		for after := ""; ; {
			page, err := space.Scan(ctx, "", after, 500)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, e := range page {
				if after = e.Key; !tallied.MatchString(e.Key) {
					all[name+" "+e.Key] = e.Value
				}
			}
			if len(page) < 500 {
				break
			}
		}
	}
	return all
}
