package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/signin"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// viewer is who looks at a page, and what they may see.
type viewer struct {
	operator bool // sees everything: with the operator's token, or at the machine of a preview
	who      github.Person
	key      bool                   // a program of theirs asks, with a key
	through  string                 // what a program of theirs brings, in words; "" if it is themselves
	reach    map[int64]github.Reach // by installation
	session  signin.Session         // of a browser
}

// needs is what people must be allowed at GitHub to do something here.
var needs = struct{ see, command, configure github.Permission }{github.Read, github.Write, github.Admin}

// name is what the audit calls whoever this is.
func (v *viewer) name() string {
	if v.operator {
		return "the operator"
	}
	return action.By("@"+v.who.Login, v.through)
}

// installations are those that the viewer may see something of, all being the app's.
func (v *viewer) installations(all []int64) (some []int64) {
	for _, id := range all {
		if _, reaches := v.reach[id]; v.operator || reaches {
			some = append(some, id)
		}
	}
	return some
}

// may reports whether the viewer may do as much in a project as a permission says. Of a
// repository that GitHub has not told about yet nobody but the operator may anything.
func (v *viewer) may(p project.Project, what github.Permission) bool {
	return v.operator || p.Repo.ID != 0 && v.reach[p.Installation].Repositories[p.Repo.ID] >= what
}

// administers reports whether the viewer may see what belongs to an installation as a
// whole.
func (v *viewer) administers(installation int64) bool {
	r := v.reach[installation]
	if v.operator || r.Owner {
		return true
	}
	for _, p := range r.Repositories {
		if p >= github.Admin {
			return true
		}
	}
	return false
}

// Access knows what people may see, for a minute after GitHub was asked, or until any
// replica was told of something that may change it. It is safe for concurrent use.
//
// Key in the app's space:
//
//	access      nothing; its version is another one after each such event
type Access struct {
	ask func(ctx context.Context, t github.PersonToken, who github.Person) ([]github.Reach, error)
	app storage.Space
	now func() time.Time

	makers *memory[github.Permission] // what who made a key may do

	flights singleflight.Group

	mu    sync.Mutex
	known map[holder]reached
	age   int    // grows with everything that may have changed an answer
	told  uint64 // of accessKey, when it was looked at last
}

const accessKey = "access"

// holder is a person with one of their tokens. What one token shows says nothing of
// another: it may be narrower, or one that they gave to another App.
type holder struct {
	person int64
	token  [sha256.Size]byte
}

type reached struct {
	by map[int64]github.Reach
	at time.Time
}

const (
	accessLife = time.Minute
	maxKnown   = 5000
)

// NewAccess returns what is asked through a function such as [github.Login.Reach].
func NewAccess(ask func(ctx context.Context, t github.PersonToken, who github.Person) ([]github.Reach, error), app storage.Space, now func() time.Time) *Access {
	return &Access{ask: ask, app: app, now: now, makers: newMemory[github.Permission](now), known: make(map[holder]reached)}
}

// Forget has GitHub asked anew for everybody, by all replicas: something was told that
// changes what people may see.
func (a *Access) Forget(ctx context.Context) error {
	var b storage.Batch
	b.Set(accessKey, nil)
	if err := a.app.Apply(ctx, &b); err != nil {
		return fmt.Errorf("note that people may see something else: %w", err)
	}
	return nil
}

// heed forgets what was known before something was told, here or to another replica.
func (a *Access) heed(ctx context.Context) error {
	entries, err := a.app.Get(ctx, accessKey)
	if err != nil {
		return fmt.Errorf("ask whether people may see something else: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if entries[0].Version != a.told {
		a.told = entries[0].Version
		a.makers.forget()
		clear(a.known)
		a.age++
	}
	return nil
}

// forget has GitHub asked anew for one person.
func (a *Access) forget(person int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.known, func(of holder, _ reached) bool { return of.person == person })
	a.age++
}

// of returns what somebody may see. There is no answer from memory that is older than a
// minute: if GitHub cannot be asked, nobody sees anything.
func (a *Access) of(ctx context.Context, t github.PersonToken, who github.Person) (map[int64]github.Reach, error) {
	if err := a.heed(ctx); err != nil {
		return nil, err
	}
	of := holder{who.ID, sha256.Sum256([]byte(t.Value))}
	a.mu.Lock()
	got, ok := a.known[of]
	age := a.age
	a.mu.Unlock()
	if ok && a.now().Sub(got.at) < accessLife {
		return got.by, nil
	}
	// All who ask for one person with one token at a time wait for one answer, unless
	// something was told meanwhile that may change it.
	one := a.flights.DoChan(fmt.Sprintf("%d/%d/%x", who.ID, age, of.token), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageWithin)
		defer cancel()
		return a.find(ctx, t, who, of, age)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-one:
		by, _ := r.Val.(map[int64]github.Reach)
		return by, r.Err
	}
}

// find asks GitHub. The answer is remembered unless it was overtaken.
func (a *Access) find(ctx context.Context, t github.PersonToken, who github.Person, of holder, age int) (map[int64]github.Reach, error) {
	asked := a.now()
	all, err := a.ask(ctx, t, who)
	if err != nil {
		return nil, err
	}
	by := make(map[int64]github.Reach, len(all))
	for _, r := range all {
		by[r.Installation] = r
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.age != age {
		return by, nil
	}
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[of] = reached{by, asked}
	return by, nil
}

// errSignIn says that nobody is signed in.
var errSignIn = errors.New("nobody is signed in")
