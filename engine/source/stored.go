package source

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Stored is a source that people connected on the pages, as it was read. A change
// names the Stored that it was decided on, and fails with [storage.ErrConflict] if
// there was another since.
type Stored struct {
	Source // without its secrets, which only [Store.Source] opens

	Made time.Time
	By   string   // who connected it
	ByID int64    // GitHub's id of the person, 0 if that is not known
	Keys []Secret // those that are good, the newest first

	ClientMade time.Time // when Reddit's client was given; zero if it was not
	APIMade    time.Time // when the token of Sentry's API was given; zero if it was not

	entry storage.Entry
	rec   record
}

// Version changes with every change of the source.
func (s *Stored) Version() uint64 { return s.entry.Version }

// Maker is who connected it.
func (s *Stored) Maker() By { return By{Who: s.By, ID: s.ByID} }

// Setting is what people set of the source, besides secrets.
func (s *Stored) Setting() Setting {
	set := s.rec.Setting
	set.Routes = copyRoutes(set.Routes)
	set.Subreddits = slices.Clone(set.Subreddits)
	return set
}

// Secret is what is told of a client secret or an API key.
type Secret struct {
	ID    string    `json:"id"`
	Made  time.Time `json:"made"`
	By    string    `json:"by"`
	Last  string    `json:"last"`           // its last characters, to tell it by
	Until time.Time `json:"until,omitzero"` // when it ends; zero: it was not replaced
}

// good reports whether a secret is accepted.
func (s Secret) good(now time.Time) bool { return s.Until.IsZero() || now.Before(s.Until) }

// record is a source as it is kept.
type record struct {
	Kind Kind `json:"kind"`
	Setting
	Secrets []kept     `json:"secrets,omitempty"` // the newest first
	Client  *keptOAuth `json:"client,omitempty"`
	API     *keptAPI   `json:"api,omitempty"`
	Made    time.Time  `json:"made"`
	By      string     `json:"by"`
	ByID    int64      `json:"by_id,omitempty"`
}

// kept is a secret: sealed if it has to be known, as a digest if not.
type kept struct {
	Secret
	Sealed []byte `json:"sealed,omitempty"`
	Digest []byte `json:"digest,omitempty"`
}

type keptOAuth struct {
	ID     string    `json:"id"`
	Sealed []byte    `json:"sealed"`
	Made   time.Time `json:"made"`
}

type keptAPI struct {
	URL          string    `json:"url"`
	Organisation string    `json:"organisation"`
	Sealed       []byte    `json:"sealed"`
	Made         time.Time `json:"made"`
}

// idForm is what the ids of stored sources look like. The installation in it says
// where to look, so that there is nothing that all tenants share to look it up in.
var idForm = regexp.MustCompile(`^(sentry|reddit|feedback)-([1-9][0-9]{0,18})-[a-z0-9]{10}$`)

// Owner returns the kind and the installation that the id of a stored source names,
// false if no stored source has such an id.
func Owner(id string) (kind Kind, installation int64, ok bool) {
	part := idForm.FindStringSubmatch(id)
	if part == nil {
		return "", 0, false
	}
	installation, err := strconv.ParseInt(part[2], 10, 64)
	return Kind(part[1]), installation, err == nil
}

// newID returns an id that no source has.
func newID(kind Kind, installation int64) string {
	return fmt.Sprintf("%s-%d-%s", kind, installation, randomText(10))
}

// randomText returns n random characters of a–z and 2–7.
func randomText(n int) string { return strings.ToLower(rand.Text()[:n]) }

// read decodes a source of an installation. What has ended is left out.
func read(e storage.Entry, installation int64, now time.Time) (Stored, error) {
	s := Stored{entry: e}
	if err := storage.GetJSON(e, &s.rec); err != nil {
		return Stored{}, err
	}
	r := &s.rec
	s.Source = Source{
		Installation: installation, ID: strings.TrimPrefix(e.Key, prefix), Kind: r.Kind, Name: r.Name,
		Repository: r.Repository, Routes: r.Routes, Public: r.Public, Subreddits: r.Subreddits,
	}
	s.Made, s.By, s.ByID = r.Made, r.By, r.ByID
	r.Secrets = slices.DeleteFunc(r.Secrets, func(k kept) bool { return !k.good(now) })
	for _, k := range r.Secrets {
		s.Keys = append(s.Keys, k.Secret)
	}
	if r.Client != nil {
		s.Client, s.ClientMade = &Client{ID: r.Client.ID}, r.Client.Made
	}
	if r.API != nil {
		s.API, s.APIMade = &API{URL: r.API.URL, Organisation: r.API.Organisation}, r.API.Made
	}
	return s, nil
}

// open puts the secrets into the source.
func (s *Stored) open(keys *secret.Keyring, space string) error {
	unseal := func(part string, sealed []byte) (string, error) {
		plain, err := keys.Open(space, sealedAs(s.ID, part), sealed)
		return string(plain), err
	}
	for _, k := range s.rec.Secrets {
		if len(k.Digest) == 32 {
			s.Digests = append(s.Digests, [32]byte(k.Digest))
			continue
		}
		plain, err := unseal(k.ID, k.Sealed)
		if err != nil {
			return err
		}
		s.Secrets = append(s.Secrets, plain)
	}
	var err error
	if c := s.rec.Client; c != nil {
		if s.Client.Secret, err = unseal(clientPart, c.Sealed); err != nil {
			return err
		}
	}
	if a := s.rec.API; a != nil {
		if s.API.Token, err = unseal(apiPart, a.Sealed); err != nil {
			return err
		}
	}
	return nil
}

// The names under which a source's other secrets are sealed; no secret's id is one.
const (
	clientPart = "client"
	apiPart    = "api"
)

// sealedAs is the name under which a part of a source is sealed, which ties it to
// that place.
func sealedAs(id, part string) string { return prefix + id + "/" + part }
