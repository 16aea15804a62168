package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/apikey"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// tooMany says that an address brings too many wrong tokens.
type tooMany struct{ after time.Duration }

func (e *tooMany) Error() string { return "too many wrong tokens" }

// program says who a program is that brings a token: a person's own at GitHub, or a key
// that one made here. Neither is worth more than its person is.
func (p *Pages) program(r *http.Request, token string) (*viewer, error) {
	var who *viewer
	err := errSignIn
	switch _, isKey := apikey.Installation(token); {
	case !strings.HasPrefix(r.URL.Path, api+"/"):
		// Pages are for people.
	case isKey:
		who, err = p.keyHolder(r.Context(), token)
	case strings.HasPrefix(token, "ghu_") && p.cfg.SignIn != nil: // tokens of other kinds are not for this App
		who, err = p.tokenHolder(r.Context(), github.PersonToken{Value: token})
	}
	return who, err
}

// token says whose a token is that a request carries. Who brought too many wrong ones is
// told to wait, before the next one is looked at; but one that was right lately is, so that
// strangers behind the same proxy lock nobody out.
func (p *Pages) token(r *http.Request, token string) (*viewer, error) {
	from, sum := handlers.GuesserOf(r, "tokens"), sha256.Sum256([]byte(token))
	if wait := p.guesses.Wait(from); wait > 0 {
		if lately, _ := p.guesses.Proofs(from); !lately(sum) {
			return nil, &tooMany{wait}
		}
	}
	who, err := &viewer{operator: true}, error(nil)
	switch {
	case same(token, p.cfg.AdminToken):
	case p.cfg.Preview:
		who, err = nil, errElsewhere
	default:
		who, err = p.program(r, token)
	}
	switch {
	case err == nil:
		p.guesses.Proved(from, sum)
	case errors.Is(err, errSignIn), errors.Is(err, errElsewhere):
		p.guesses.Failed(from)
	}
	return who, err
}

// tokenHolder says whose a token of GitHub is. It has to be one that they gave to this
// App: GitHub lists no installations for any other.
func (p *Pages) tokenHolder(ctx context.Context, t github.PersonToken) (*viewer, error) {
	s := p.cfg.SignIn
	who, age, known := p.tokens.of(t.Value)
	asked := p.now()
	if !known {
		var err error
		if who, err = s.Login.Who(ctx, t); err != nil {
			return nil, refused(err)
		}
	}
	reach, err := s.Access.of(ctx, t, who)
	if err != nil {
		return nil, refused(err)
	}
	if !known {
		p.tokens.keep(t.Value, who, age, asked)
	}
	return &viewer{who: who, through: "a token of theirs", reach: reach}, nil
}

// errWorthless says that a key is good, and stands for nothing any more.
var errWorthless = errors.New("the key opens nothing: whoever made it may do nothing in its repositories any more, says GitHub")

// refused is errSignIn where GitHub does not take a token.
func refused(err error) error {
	if errors.Is(err, github.ErrNotSignedIn) || errors.Is(err, github.ErrForbidden) || errors.Is(err, github.ErrNotFound) {
		return errSignIn
	}
	return err
}

// keyHolder says what a key of an installation stands for: what its maker may do now, in
// the repositories and up to the permission that were chosen.
func (p *Pages) keyHolder(ctx context.Context, text string) (*viewer, error) {
	if p.cfg.Permission == nil || p.cfg.SignIn == nil {
		return nil, errSignIn
	}
	id, _ := apikey.Installation(text)
	home, err := p.projects.Space(ctx, id)
	if errors.Is(err, storage.ErrNoSpace) {
		return nil, errSignIn
	}
	if err != nil {
		return nil, err
	}
	k, err := apikey.Find(ctx, home, text, p.now())
	if errors.Is(err, apikey.ErrNone) || errors.Is(err, storage.ErrNoSpace) {
		return nil, errSignIn
	}
	if err != nil {
		return nil, err
	}
	if err := p.cfg.SignIn.Access.heed(ctx); err != nil {
		return nil, err
	}
	reach := github.Reach{Installation: id, Repositories: make(map[int64]github.Permission), Names: make(map[int64]string)}
	maker := github.Person{ID: k.ByID, Login: k.By}
	for _, repository := range k.Repositories {
		may, name, err := p.makerMay(ctx, id, repository, maker)
		if err != nil {
			return nil, err
		}
		if may = min(may, k.May); may > github.None {
			reach.Repositories[repository], reach.Names[repository] = may, name
		}
	}
	if len(reach.Repositories) == 0 {
		return nil, errWorthless
	}
	return &viewer{who: maker, key: true, through: "the key " + strconv.Quote(k.Name), reach: map[int64]github.Reach{id: reach}}, nil
}

// makerMay asks what whoever made a key may do in a repository now; for a minute GitHub is
// not asked again. Where everybody may read, reading alone counts for nothing: nobody could
// tell who was let go.
func (p *Pages) makerMay(ctx context.Context, installation, repository int64, maker github.Person) (github.Permission, string, error) {
	space, err := p.projects.Find(ctx, installation, repository, "")
	if errors.Is(err, storage.ErrNoSpace) {
		return github.None, "", nil
	}
	if err != nil {
		return github.None, "", err
	}
	known, _, err := project.Load(ctx, space)
	if errors.Is(err, project.ErrNoProject) || errors.Is(err, storage.ErrNoSpace) {
		return github.None, "", nil
	}
	if err != nil {
		return github.None, "", err
	}
	name := fmt.Sprintf("%d/%d/%d", installation, repository, maker.ID)
	makers := p.cfg.SignIn.Access.makers
	may, age, ok := makers.of(name)
	if !ok {
		asked := p.now()
		may, err = p.cfg.Permission(ctx, github.At{Installation: installation, Repo: known.Repo}, maker)
		if err != nil && !errors.Is(err, github.ErrNotFound) && !errors.Is(err, github.ErrForbidden) {
			return github.None, "", err
		}
		makers.keep(name, may, age, asked)
	}
	// Of a public repository GitHub says of everybody that they may read it.
	if !known.Private && may < github.Triage {
		may = github.None
	}
	return may, known.Repo.String(), nil
}

// memory remembers what GitHub said, as long as that is believed, under a text that is not
// kept itself. It is safe for concurrent use.
type memory[T any] struct {
	now func() time.Time

	mu  sync.Mutex
	all map[[sha256.Size]byte]remembered[T]
	age int // grows with everything that may have changed an answer
}

type remembered[T any] struct {
	value T
	at    time.Time
}

func newMemory[T any](now func() time.Time) *memory[T] {
	return &memory[T]{now: now, all: make(map[[sha256.Size]byte]remembered[T])}
}

// of returns what is remembered, and how old the memory is: what is asked now is kept only
// if nothing was forgotten meanwhile.
func (m *memory[T]) of(text string) (value T, age int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.all[sha256.Sum256([]byte(text))]
	if !ok || m.now().Sub(got.at) >= accessLife {
		return value, m.age, false
	}
	return got.value, m.age, true
}

// keep remembers something that was asked at a time, and at an age of the memory.
func (m *memory[T]) keep(text string, value T, age int, asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if age != m.age {
		return
	}
	if len(m.all) >= maxKnown {
		clear(m.all)
	}
	m.all[sha256.Sum256([]byte(text))] = remembered[T]{value, asked}
}

// forget has GitHub asked anew about everything.
func (m *memory[T]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.all)
	m.age++
}
