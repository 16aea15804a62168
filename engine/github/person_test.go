package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// people is GitHub as a person's token sees it.
func people(t *testing.T, answer http.HandlerFunc) (*Login, PersonToken) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return NewLogin(LoginConfig{API: server.URL, Web: server.URL, ClientID: "id", ClientSecret: "secret-of-the-app", Redirect: "https://soul.test/back"}), PersonToken{Value: "ghu_secret-of-ann"}
}

func TestReach(t *testing.T) {
	page := func(r *http.Request, n int, item func(i int) any) (list []any) {
		var at, size int
		fmt.Sscan(r.URL.Query().Get("page"), &at)
		fmt.Sscan(r.URL.Query().Get("per_page"), &size)
		for i := (at - 1) * size; i < min(at*size, n); i++ {
			list = append(list, item(i))
		}
		return list
	}
	l, token := people(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer ghu_secret-of-ann" {
			t.Errorf("asked with %q", r.Header.Get("Authorization"))
		}
		flags := []map[string]bool{{"pull": true}, {"pull": true, "triage": true}, {"push": true, "pull": true}, {"maintain": true, "push": true}, {"admin": true}, {}}
		switch r.URL.Path {
		case "/user/installations":
			_ = json.NewEncoder(w).Encode(map[string]any{"installations": page(r, 3, func(i int) any {
				return map[string]any{"id": 100 + i, "account": map[string]any{"id": i + 1, "login": fmt.Sprint("org", i)}}
			})})
		case "/user/installations/100/repositories":
			_ = json.NewEncoder(w).Encode(map[string]any{"repositories": page(r, 250, func(i int) any {
				return map[string]any{"id": 1000 + i, "permissions": flags[i%len(flags)]}
			})})
		case "/user/installations/101/repositories":
			_, _ = w.Write([]byte(`{"repositories": []}`))
		default: // it went meanwhile
			w.WriteHeader(http.StatusNotFound)
		}
	})
	all, err := l.Reach(t.Context(), token, Person{ID: 2, Login: "ann"})
	if err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	first, own := all[0], all[1]
	if first.Installation != 100 || first.Account != "org0" || first.Owner || len(first.Repositories) != 250 {
		t.Errorf("%+v", first)
	}
	for i, want := range []Permission{Read, Triage, Write, Maintain, Admin, None} {
		if got := first.Repositories[int64(1000+i)]; got != want {
			t.Errorf("repository %d: %s, want %s", i, got, want)
		}
	}
	if own.Installation != 101 || !own.Owner {
		t.Errorf("her own account: %+v", own)
	}
}

func TestTokensOfPeopleAreRefused(t *testing.T) {
	for status, want := range map[int]error{401: ErrNotSignedIn, 403: ErrForbidden, 404: ErrNotFound, 500: nil, 302: nil} {
		l, token := people(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://evil.test/")
			w.WriteHeader(status)
		})
		_, who := l.Who(t.Context(), token)
		_, reach := l.Reach(t.Context(), token, Person{ID: 1, Login: "ann"})
		for _, err := range []error{who, reach} {
			if err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
	if s := fmt.Sprintf("%v %+v %#v %s", PersonToken{Value: "ghu_x"}, PersonToken{Value: "ghu_x"}, PersonToken{Value: "ghu_x"}, PersonToken{Value: "ghu_x"}); strings.Contains(s, "ghu_") {
		t.Errorf("a token is printed: %s", s)
	}
}

func TestExchange(t *testing.T) {
	answer, status := `{"error": "bad_verification_code", "error_description": "The code passed is incorrect: code-1"}`, 200
	l, _ := people(t, func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("code") != "code-1" || r.PostFormValue("code_verifier") == "" || r.PostFormValue("client_secret") != "secret-of-the-app" || r.PostFormValue("redirect_uri") != "https://soul.test/back" {
			t.Errorf("asked with %v", r.PostForm)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	})
	exchange := func() (PersonToken, error) { return l.Exchange(t.Context(), "code-1", NewVerifier()) }
	if _, err := exchange(); !errors.Is(err, ErrNotSignedIn) || strings.Contains(err.Error(), "code-1") {
		t.Errorf("a code that is refused: %v", err)
	}
	answer, status = `nonsense code-1`, 502
	if _, err := exchange(); err == nil || errors.Is(err, ErrNotSignedIn) || strings.Contains(err.Error(), "code-1") || strings.Contains(err.Error(), "secret") {
		t.Errorf("GitHub in trouble: %v", err)
	}
	answer, status = `{"access_token": "ghu_1", "expires_in": 28800, "token_type": "bearer"}`, 200
	if got, err := exchange(); err != nil || got.Value != "ghu_1" || got.Expires.IsZero() {
		t.Errorf("%v %v", got, err)
	}
	answer = `{"access_token": "ghu_2", "token_type": "bearer"}` // the App's tokens do not expire
	if got, err := exchange(); err != nil || got.Value != "ghu_2" || !got.Expires.IsZero() {
		t.Errorf("%v %v", got, err)
	}
}

// Whether people could sign in is asked without anybody who does.
func TestLoginCheck(t *testing.T) {
	answer, status := "", 200
	l, _ := people(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/login/oauth/access_token" || r.PostFormValue("client_id") != "id" || r.PostFormValue("client_secret") != "secret-of-the-app" || r.PostFormValue("redirect_uri") != "https://soul.test/back" {
			t.Errorf("asked %s with %v", r.URL, r.PostForm)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	})
	any := errors.New("any")
	for _, tt := range []struct {
		answer string
		status int
		want   error
	}{
		{`{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}`, 200, nil},
		{`{"error": "incorrect_client_credentials"}`, 200, ErrNoClient},
		{`{"error": "redirect_uri_mismatch"}`, 200, ErrNoCallback},
		{`{"error": "application_suspended"}`, 200, any},
		{`{"message": "Not Found"}`, 404, any},
		{`secret-of-the-app`, 502, any},
		{`{"access_token": "ghu_1", "token_type": "bearer"}`, 200, any}, // of a code that is none
	} {
		answer, status = tt.answer, tt.status
		switch err := l.Check(t.Context()); {
		case (err == nil) != (tt.want == nil), tt.want != any && !errors.Is(err, tt.want):
			t.Errorf("%s: %v", tt.answer, err)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("it tells the secret: %v", err)
		}
	}
}
