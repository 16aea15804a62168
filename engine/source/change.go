package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// By says who changes a source, and in which request.
type By struct {
	Who       string // as the audit calls them
	ID        int64  // GitHub's id of the person, 0 if it is nobody there
	RequestID string
}

// LimitError says that there are as many of something as there may be.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return e.Message }

// createTries is how often a source is made against others that are made at once.
const createTries = 20

// Create connects a source and returns its id. A source of the plain API has its
// first key from the beginning, which is returned and kept nowhere. A setting that
// cannot be is a [*FieldError], a source too many a [*LimitError]; ErrNone says that
// the installation is not there.
func (s *Store) Create(ctx context.Context, installation int64, kind Kind, set Setting, by By) (id, key string, err error) {
	switch kind {
	case Sentry, Reddit, Feedback:
	default:
		return "", "", wrong("kind", "want sentry, reddit or feedback")
	}
	if set, err = set.check(kind); err != nil {
		return "", "", err
	}
	home, err := s.home(ctx, installation)
	if err != nil {
		return "", "", err
	}
	id = newID(kind, installation)
	rec := record{Kind: kind, Setting: set, Made: s.c.Now().UTC(), By: by.Who, ByID: by.ID}
	if kind == Feedback {
		key = rec.addKey(by.Who, s.c.Now())
	}
	for n := range createTries {
		if err = s.create(ctx, home, id, rec, by); !errors.Is(err, storage.ErrConflict) {
			break
		}
		select {
		case <-time.After(rand.N(time.Duration(n+1) * time.Millisecond)):
		case <-ctx.Done():
			return "", "", fmt.Errorf("connect a source: %w", errors.Join(storage.ErrUnavailable, ctx.Err()))
		}
	}
	if err != nil {
		return "", "", err
	}
	return id, key, nil
}

func (s *Store) create(ctx context.Context, home storage.Space, id string, rec record, by By) error {
	turn, err := home.Get(ctx, turnKey)
	if err != nil {
		return fmt.Errorf("connect a source: %w", err)
	}
	have, err := home.Scan(ctx, prefix, "", MaxSources)
	if err != nil {
		return fmt.Errorf("connect a source: %w", err)
	}
	if len(have) >= MaxSources {
		return &LimitError{fmt.Sprintf("this installation has %d sources, which is the most: remove one first", len(have))}
	}
	var b storage.Batch
	b.RequireEntry(turn[0])
	b.SetJSON(turnKey, rec.Made)
	b.Require(prefix+id, 0)
	b.SetJSON(prefix+id, rec)
	if err := s.note(&b, id, "source.create", by, fmt.Sprintf("connected %q: %s", rec.Name, rec.Setting.told())); err != nil {
		return err
	}
	s.c.Rerouted(&b)
	if err := home.Apply(ctx, &b); err != nil {
		return fmt.Errorf("connect a source: %w", err)
	}
	s.c.Wake(home.Name())
	return nil
}

// Update changes what is set of a source. What was held is let in where it has a
// route now.
func (s *Store) Update(ctx context.Context, was Stored, set Setting, by By) error {
	set, err := set.check(was.Kind)
	if err != nil {
		return err
	}
	rec := was.rec
	rec.Setting = set
	return s.save(ctx, was, rec, "source.update", by, set.told(), func(b *storage.Batch) {
		before := was.rec.Setting
		if before.Repository != set.Repository || !maps.Equal(before.Routes, set.Routes) {
			s.c.Rerouted(b)
		}
		if before.Public != set.Public {
			s.c.Republished(b)
		}
		if !slices.Equal(before.Subreddits, set.Subreddits) {
			s.c.Asked(b, was.Kind, was.ID)
		}
	})
}

// Remove takes a source out. What it brought to a repository stays there; what was
// held of it goes, because there is nothing any more that could route it.
func (s *Store) Remove(ctx context.Context, was Stored, by By) error {
	home, err := s.home(ctx, was.Installation)
	if err != nil {
		return err
	}
	var b storage.Batch
	b.RequireEntry(was.entry)
	b.Delete(was.entry.Key)
	if err := s.note(&b, was.ID, "source.remove", by, fmt.Sprintf("removed %q", was.Name)); err != nil {
		return err
	}
	s.c.Rerouted(&b)
	if was.Public {
		s.c.Republished(&b)
	}
	s.c.Asked(&b, was.Kind, was.ID)
	return s.apply(ctx, home, &b, "remove source "+was.ID)
}

// Overlaps are how long the secrets before a new one may go on being good.
func Overlaps() []time.Duration {
	return []time.Duration{0, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
}

// AddSecret gives a source a new secret: for Sentry the client secret that value is;
// for others value is empty, and the API key that is made is returned and kept
// nowhere. The secrets before it end after overlap, one of [Overlaps], unless they
// end earlier. One too many is a [*LimitError].
func (s *Store) AddSecret(ctx context.Context, was Stored, value string, overlap time.Duration, by By) (key string, err error) {
	if !slices.Contains(Overlaps(), overlap) {
		return "", wrong("overlap", "want one of %v", Overlaps())
	}
	now := s.c.Now().UTC()
	rec := was.rec
	rec.Secrets = nil
	for _, k := range was.rec.Secrets {
		if end := now.Add(overlap); k.Until.IsZero() || end.Before(k.Until) {
			k.Until = end
		}
		if k.good(now) {
			rec.Secrets = append(rec.Secrets, k)
		}
	}
	if len(rec.Secrets) >= MaxSecrets {
		return "", &LimitError{fmt.Sprintf("%d secrets are good at once, which is the most: end one first", len(rec.Secrets))}
	}
	if was.Kind == Sentry {
		value = strings.TrimSpace(value)
		if err := checkSecret("secret", value); err != nil {
			return "", err
		}
		k := kept{Secret: newSecret(value, by.Who, now)}
		if k.Sealed, err = s.seal(was, k.ID, value); err != nil {
			return "", err
		}
		rec.Secrets = append([]kept{k}, rec.Secrets...)
	} else if key = rec.addKey(by.Who, now); value != "" {
		return "", wrong("secret", "API keys are made here")
	}
	why := "new " + rec.Secrets[0].called(was.Kind)
	if len(rec.Secrets) > 1 {
		why += fmt.Sprintf("; older ones end by %s", now.Add(overlap).Format(time.RFC3339))
	}
	if err := s.save(ctx, was, rec, "source.secret.add", by, why, nil); err != nil {
		return "", err
	}
	return key, nil
}

// EndSecret ends a secret at once. One that is not there, or has ended, is a
// [*FieldError].
func (s *Store) EndSecret(ctx context.Context, was Stored, id string, by By) error {
	rec := was.rec
	at := slices.IndexFunc(rec.Secrets, func(k kept) bool { return k.ID == id })
	if at < 0 {
		return wrong("secret", "there is no such secret any more")
	}
	why := "ended " + rec.Secrets[at].called(was.Kind)
	rec.Secrets = slices.Delete(slices.Clone(rec.Secrets), at, at+1)
	return s.save(ctx, was, rec, "source.secret.end", by, why, nil)
}

// SetClient gives a Reddit source the tenant's own OAuth client; the zero Client
// takes it away.
func (s *Store) SetClient(ctx context.Context, was Stored, c Client, by By) error {
	c.ID, c.Secret = strings.TrimSpace(c.ID), strings.TrimSpace(c.Secret)
	rec := was.rec
	rec.Client = nil
	why := "took the OAuth client away"
	if c != (Client{}) {
		switch {
		case was.Kind != Reddit:
			return wrong("client", "only Reddit has one")
		case !clientID.MatchString(c.ID):
			return wrong("client", "want the id that Reddit shows under the app's name")
		}
		if err := checkSecret("secret", c.Secret); err != nil {
			return err
		}
		sealed, err := s.seal(was, clientPart, c.Secret)
		if err != nil {
			return err
		}
		rec.Client = &keptOAuth{ID: c.ID, Sealed: sealed, Made: s.c.Now().UTC()}
		why = "gave the OAuth client " + c.ID
	}
	return s.save(ctx, was, rec, "source.client", by, why, func(b *storage.Batch) { s.c.Asked(b, was.Kind, was.ID) })
}

// SetAPI lets a Sentry source ask Sentry's API; the zero API takes that away. An
// empty URL is [SentryURL].
func (s *Store) SetAPI(ctx context.Context, was Stored, a API, by By) (err error) {
	a.Organisation, a.Token = strings.TrimSpace(a.Organisation), strings.TrimSpace(a.Token)
	rec := was.rec
	rec.API = nil
	why := "took the token of Sentry's API away"
	if a != (API{}) {
		switch {
		case was.Kind != Sentry:
			return wrong("token", "only Sentry is asked with one")
		case !organisation.MatchString(a.Organisation):
			return wrong("organisation", "want the slug of the organisation at Sentry")
		}
		if a.URL, err = checkURL(a.URL, s.c.Private); err != nil {
			return err
		}
		if err := checkSecret("token", a.Token); err != nil {
			return err
		}
		sealed, err := s.seal(was, apiPart, a.Token)
		if err != nil {
			return err
		}
		rec.API = &keptAPI{URL: a.URL, Organisation: a.Organisation, Sealed: sealed, Made: s.c.Now().UTC()}
		why = fmt.Sprintf("gave a token for the organisation %s at %s", a.Organisation, a.URL)
	}
	return s.save(ctx, was, rec, "source.api", by, why, func(b *storage.Batch) { s.c.Asked(b, was.Kind, was.ID) })
}

// save writes a source in the place of what it was. also adds what is due then.
func (s *Store) save(ctx context.Context, was Stored, rec record, kind string, by By, why string, also func(b *storage.Batch)) error {
	home, err := s.home(ctx, was.Installation)
	if err != nil {
		return err
	}
	var b storage.Batch
	b.RequireEntry(was.entry)
	b.SetJSON(was.entry.Key, rec)
	if err := s.note(&b, was.ID, kind, by, why); err != nil {
		return err
	}
	if also != nil {
		also(&b)
	}
	return s.apply(ctx, home, &b, "change source "+was.ID)
}

func (s *Store) apply(ctx context.Context, home storage.Space, b *storage.Batch, what string) error {
	err := home.Apply(ctx, b)
	switch {
	case errors.Is(err, storage.ErrNoSpace):
		return ErrNone
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	s.c.Wake(home.Name())
	return nil
}

// note adds a change to the audit.
func (s *Store) note(b *storage.Batch, id, kind string, by By, why string) error {
	return s.c.Log.Note(b, action.Action{Key: kind + "/" + id, Kind: kind, Subject: id, By: by.Who, Why: why, RequestID: by.RequestID})
}

func (s *Store) seal(was Stored, part, plain string) ([]byte, error) {
	sealed, err := s.c.Keys.Seal(project.InstallationSpace(was.Installation), sealedAs(was.ID, part), []byte(plain))
	if err != nil {
		return nil, fmt.Errorf("change source %s: %w", was.ID, err)
	}
	return sealed, nil
}

// addKey makes an API key, the newest of the source's, and returns it.
func (r *record) addKey(by string, now time.Time) string {
	key := "scs_" + randomText(26) // 130 bits
	sum := sha256.Sum256([]byte(key))
	r.Secrets = append([]kept{{Secret: newSecret(key, by, now.UTC()), Digest: sum[:]}}, r.Secrets...)
	return key
}

// shown is how many characters of a secret are told.
const shown = 4

func newSecret(value, by string, now time.Time) Secret {
	return Secret{ID: randomText(8), Made: now, By: by, Last: value[len(value)-shown:]}
}

// called is what a secret is called in the audit.
func (k kept) called(kind Kind) string {
	if kind == Sentry {
		return "client secret …" + k.Last
	}
	return "API key …" + k.Last
}

// told is what the audit says of a setting.
func (set Setting) told() string {
	var parts []string
	if set.Repository != "" {
		parts = append(parts, "repository "+set.Repository)
	}
	for _, slug := range slices.Sorted(maps.Keys(set.Routes)) {
		parts = append(parts, slug+" → "+set.Routes[slug])
	}
	for _, name := range set.Subreddits {
		parts = append(parts, "r/"+name)
	}
	if set.Public {
		parts = append(parts, "may be quoted in public")
	}
	if len(parts) == 0 {
		return "no repository: everything is held"
	}
	return strings.Join(parts, ", ")
}
