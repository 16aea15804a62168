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
	v := keysView{frame: p.inside(r, at, "Keys", link{Text: "Keys"}), At: at, Names: at.repositories(needs.see), Roles: keyRoles(), Lives: keyLives(), Person: at.person()}
	all, err := apikey.List(r.Context(), at.home)
	if err != nil {
		return v, err
	}
	for _, k := range all {
		if k.ByID == at.who.who.ID || at.whole() {
			v.Keys = append(v.Keys, p.keyLine(at, k))
		}
	}
	return v, nil
}

// person reports whether a person asks: a key stands for one, and a key that got into
// wrong hands is not to make itself another.
func (at *place) person() bool { return !at.who.operator && !at.who.key }

func (p *Pages) keyLine(at *place, k apikey.Key) keyLine {
	line := keyLine{Key: k, Over: !p.now().Before(k.Until)}
	for _, role := range keyRoles() {
		if role.May == k.May {
			line.Role = role.Name
		}
	}
	for _, id := range k.Repositories {
		if name := at.who.reach[at.installation].Names[id]; name != "" {
			line.Names = append(line.Names, name)
		}
	}
	return line
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

// keyWanted is what is said of a key that is to be made.
type keyWanted struct {
	Name         string   `json:"name"`
	Role         string   `json:"role"`
	Days         int      `json:"days"`
	Repositories []string `json:"repositories"`
}

// makeKey makes a key and shows it, once.
func (p *Pages) makeKey(w http.ResponseWriter, r *http.Request, at *place) {
	days, _ := strconv.Atoi(r.PostFormValue("days"))
	text, _, problem, err := p.makesKey(r, at, keyWanted{r.PostFormValue("name"), r.PostFormValue("role"), days, r.PostForm["repository"]})
	if err != nil {
		p.fail(w, r, err)
		return
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

// makesKey makes a key, unless problem says what is wrong with what is wanted.
func (p *Pages) makesKey(r *http.Request, at *place, wanted keyWanted) (text string, k apikey.Key, problem string, err error) {
	if k, problem = p.wantedKey(at, wanted); problem != "" {
		return "", k, problem, nil
	}
	err = again(func() (err error) {
		var b storage.Batch
		if text, k, err = apikey.Make(r.Context(), &b, at.home, at.installation, k); err != nil {
			return err
		}
		if err := p.noteKey(r, at, &b, "key.make", k); err != nil {
			return err
		}
		return at.home.Apply(r.Context(), &b)
	})
	if errors.Is(err, apikey.ErrFull) {
		return "", k, "There are as many keys as there may be. Revoke one first; none was made.", nil
	}
	return text, k, "", err
}

// noteKey adds to the audit what was done to a key.
func (p *Pages) noteKey(r *http.Request, at *place, b *storage.Batch, kind string, k apikey.Key) error {
	return p.actions.Note(b, action.Action{Key: kind, Kind: kind, Subject: "key " + k.ID, By: at.who.name(), Why: k.Name, RequestID: handlers.RequestID(r.Context())})
}

// wantedKey is the key that is wanted; problem says what is wrong with it.
func (p *Pages) wantedKey(at *place, wanted keyWanted) (k apikey.Key, problem string) {
	if !at.person() {
		return k, "A key stands for a person: sign in with GitHub to make one."
	}
	k = apikey.Key{Name: strings.TrimSpace(wanted.Name), By: at.who.who.Login, ByID: at.who.who.ID, Made: p.now().UTC()}
	if n := utf8.RuneCountInString(k.Name); n == 0 || n > apikey.MaxName || strings.ContainsFunc(k.Name, unicode.IsControl) {
		return k, "Give the key a name of 1 to 80 characters that says what it is for. None was made."
	}
	role := slices.IndexFunc(keyRoles(), func(role keyRole) bool { return role.Name == wanted.Role })
	if role < 0 || !slices.Contains(keyLives(), wanted.Days) {
		return k, "Choose what the key may do, and for how long. None was made."
	}
	k.May, k.Until = keyRoles()[role].May, k.Made.Add(time.Duration(wanted.Days)*24*time.Hour)
	reach := at.who.reach[at.installation]
	for _, name := range wanted.Repositories {
		for id, called := range reach.Names {
			if called == name && reach.Repositories[id] >= k.May && !slices.Contains(k.Repositories, id) {
				k.Repositories = append(k.Repositories, id)
			}
		}
	}
	if n := len(k.Repositories); n == 0 || n > apikey.MaxRepositories || n != len(wanted.Repositories) {
		return k, "Choose 1 to 20 repositories in which you may do as much yourself. None was made."
	}
	return k, ""
}

// revokeKey makes a key open nothing any more.
func (p *Pages) revokeKey(w http.ResponseWriter, r *http.Request, at *place) {
	if err := p.revokesKey(r, at, r.PostFormValue("id")); err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, installationPath(at.installation)+"/keys?done=revoked", http.StatusSeeOther)
}

func (p *Pages) revokesKey(r *http.Request, at *place, id string) error {
	return again(func() error {
		var b storage.Batch
		k, err := apikey.Revoke(r.Context(), &b, at.home, id)
		if errors.Is(err, apikey.ErrNone) || err == nil && k.ByID != at.who.who.ID && !at.whole() {
			return errNone
		}
		if err != nil {
			return err
		}
		if err := p.noteKey(r, at, &b, "key.revoke", k); err != nil {
			return err
		}
		return at.home.Apply(r.Context(), &b)
	})
}

// keyTold is what the API tells of a key.
type keyTold struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	By           string    `json:"by"`
	Role         string    `json:"role"`
	Repositories []string  `json:"repositories"`
	Made         time.Time `json:"made"`
	Until        time.Time `json:"until"`
	Over         bool      `json:"over"`
	Key          string    `json:"key,omitempty"` // its text, when it was made this very moment
}

func (l keyLine) told() keyTold {
	return keyTold{ID: l.ID, Name: l.Name, By: l.By, Role: l.Role, Repositories: append([]string{}, l.Names...), Made: l.Made, Until: l.Until, Over: l.Over}
}

// tellKeys is the API's way to the keys, of which there are few.
func (p *Pages) tellKeys(w http.ResponseWriter, r *http.Request, at *place) {
	v, err := p.keysView(r, at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	list := make([]keyTold, len(v.Keys))
	for i, line := range v.Keys {
		list[i] = line.told()
	}
	handlers.JSON(w, http.StatusOK, map[string][]keyTold{"keys": list})
}

// makeKeyTold is a program's way to make one, with a token of a person.
func (p *Pages) makeKeyTold(w http.ResponseWriter, r *http.Request, at *place) {
	if !at.person() {
		handlers.Error(w, r, http.StatusForbidden, "a key is made with a token of GitHub, which stands for a person: none was made")
		return
	}
	var wanted keyWanted
	if !decode(w, r, &wanted) {
		return
	}
	text, k, problem, err := p.makesKey(r, at, wanted)
	switch {
	case err != nil:
		p.fail(w, r, err)
	case problem != "":
		handlers.Error(w, r, http.StatusUnprocessableEntity, problem)
	default:
		told := p.keyLine(at, k).told()
		told.Key = text
		handlers.JSON(w, http.StatusCreated, told)
	}
}

// revokeKeyTold is a program's way to revoke one.
func (p *Pages) revokeKeyTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		ID string `json:"id"`
	}
	if !decode(w, r, &wanted) {
		return
	}
	if err := p.revokesKey(r, at, wanted.ID); err != nil {
		p.fail(w, r, err)
		return
	}
	p.tellKeys(w, r, at)
}
