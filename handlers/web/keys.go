package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/apikey"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// keysView is what the page of an installation's keys shows.
type keysView struct {
	frame
	At     *place
	Keys   []keyLine
	Made   string   // the text of the key that was made a moment ago, and will never be shown again
	Curl   string   // a line that uses it
	Names  []string // repositories that a key may be made for
	Roles  []keyRole
	Lives  []int // days
	Person bool  // who looks can make one: a key stands for a person
}

type keyLine struct {
	apikey.Key
	Role  string
	Names []string
	Over  bool
}

// keyRole is how much a key may do at most.
type keyRole struct {
	Name string
	May  github.Permission
	Text string
}

func keyRoles() []keyRole {
	return []keyRole{
		{"read", needs.see, "see what the pages show"},
		{"write", needs.command, "give commands too"},
		{"admin", needs.configure, "change settings and sources too"},
	}
}

// keyLives are how long a key may live, in days.
func keyLives() []int { return []int{30, 90, 365} }

func (p *Pages) keysView(r *http.Request, at *place) (keysView, error) {
	v := keysView{frame: p.inside(r, at, "Keys", link{Text: "Keys"}), At: at, Names: at.repositories(needs.see), Roles: keyRoles(), Lives: keyLives(), Person: !at.who.operator && !at.who.key}
	all, err := apikey.List(r.Context(), at.home)
	if err != nil {
		return v, err
	}
	reach := at.who.reach[at.installation]
	for _, k := range all {
		if k.ByID != at.who.who.ID && !at.whole() {
			continue
		}
		line := keyLine{Key: k, Over: !p.now().Before(k.Until)}
		for _, role := range keyRoles() {
			if role.May == k.May {
				line.Role = role.Name
			}
		}
		for _, id := range k.Repositories {
			if name := reach.Names[id]; name != "" {
				line.Names = append(line.Names, name)
			}
		}
		v.Keys = append(v.Keys, line)
	}
	return v, nil
}

// keys serves the keys of an installation.
func (p *Pages) keys(w http.ResponseWriter, r *http.Request, at *place) {
	v, err := p.keysView(r, at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, p.keysPage, v)
}

// makeKey makes a key and shows it, once.
func (p *Pages) makeKey(w http.ResponseWriter, r *http.Request, at *place) {
	k, problem := p.wantedKey(r, at)
	text := ""
	if problem == "" {
		err := again(func() (err error) {
			var b storage.Batch
			if text, k, err = apikey.Make(r.Context(), &b, at.home, at.installation, k); err != nil {
				return err
			}
			if err := p.actions.Note(&b, action.Action{
				Key: "key.make", Kind: "key.make", Subject: "key " + k.ID, By: at.who.name(), Why: k.Name, RequestID: handlers.RequestID(r.Context()),
			}); err != nil {
				return err
			}
			return at.home.Apply(r.Context(), &b)
		})
		if errors.Is(err, apikey.ErrFull) {
			problem, text = "There are as many keys as there may be. Revoke one first; none was made.", ""
		} else if err != nil {
			p.fail(w, r, err)
			return
		}
	}
	v, err := p.keysView(r, at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if v.Problem = problem; problem != "" {
		status = http.StatusUnprocessableEntity
	} else {
		v.Made, v.Curl = text, "curl -H 'Authorization: Bearer "+text+"' "+p.cfg.PublicURL+api+"/projects"
	}
	p.write(w, r, status, p.keysPage, v)
}

// wantedKey reads the form; problem says what is wrong with it.
func (p *Pages) wantedKey(r *http.Request, at *place) (k apikey.Key, problem string) {
	if at.who.operator || at.who.key {
		return k, "A key stands for a person: sign in with GitHub to make one."
	}
	k = apikey.Key{Name: strings.TrimSpace(r.PostFormValue("name")), By: at.who.who.Login, ByID: at.who.who.ID, Made: p.now().UTC()}
	if n := utf8.RuneCountInString(k.Name); n == 0 || n > apikey.MaxName || strings.ContainsFunc(k.Name, unicode.IsControl) {
		return k, "Give the key a name of 1 to 80 characters that says what it is for. None was made."
	}
	role := slices.IndexFunc(keyRoles(), func(role keyRole) bool { return role.Name == r.PostFormValue("role") })
	days := slices.IndexFunc(keyLives(), func(days int) bool { return r.PostFormValue("days") == strconv.Itoa(days) })
	if role < 0 || days < 0 {
		return k, "Choose what the key may do, and for how long. None was made."
	}
	k.May, k.Until = keyRoles()[role].May, k.Made.Add(time.Duration(keyLives()[days])*24*time.Hour)
	reach := at.who.reach[at.installation]
	for _, name := range r.PostForm["repository"] {
		for id, called := range reach.Names {
			if called == name && reach.Repositories[id] >= k.May && !slices.Contains(k.Repositories, id) {
				k.Repositories = append(k.Repositories, id)
			}
		}
	}
	if n := len(k.Repositories); n == 0 || n > apikey.MaxRepositories || n != len(r.PostForm["repository"]) {
		return k, "Choose 1 to 20 repositories in which you may do as much yourself. None was made."
	}
	return k, ""
}

// revokeKey makes a key open nothing any more.
func (p *Pages) revokeKey(w http.ResponseWriter, r *http.Request, at *place) {
	err := again(func() error {
		var b storage.Batch
		k, err := apikey.Revoke(r.Context(), &b, at.home, r.PostFormValue("id"))
		if errors.Is(err, apikey.ErrNone) || err == nil && k.ByID != at.who.who.ID && !at.whole() {
			return errNone
		}
		if err != nil {
			return err
		}
		if err := p.actions.Note(&b, action.Action{
			Key: "key.revoke", Kind: "key.revoke", Subject: "key " + k.ID, By: at.who.name(), Why: k.Name, RequestID: handlers.RequestID(r.Context()),
		}); err != nil {
			return err
		}
		return at.home.Apply(r.Context(), &b)
	})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, installationPath(at.installation)+"/keys?done=revoked", http.StatusSeeOther)
}
