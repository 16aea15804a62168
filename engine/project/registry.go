package project

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in an installation's space:
//
//	installation            InstallationState
//	uninstalled             is there once GitHub told that the App was uninstalled
//	repo/<owner/name>       id of the project that the name (lower case) means
//	repo-id/<GitHub's id>   id of the project of that repository
//
// and in a project's space:
//
//	project                 Project
const (
	installationKey = "installation"
	projectKey      = "project"
	uninstalledKey  = "uninstalled"
)

// InstallationState is what is remembered of an installation as a whole.
type InstallationState struct {
	ID        int64     `json:"id"`
	Account   string    `json:"account,omitempty"`
	Suspended bool      `json:"suspended,omitempty"`
	Missing   time.Time `json:"missing,omitzero"`       // since when GitHub does not know it, though nothing was told of that
	Lacks     []string  `json:"lacks,omitempty"`        // permissions that the App needs there and does not have: "issues: write"
	Looked    time.Time `json:"looked,omitzero"`        // when GitHub was last asked
	Covers    []int64   `json:"repositories,omitempty"` // GitHub's ids; none while they are not known, or too many to be
}

// Project is one repository of an installation. Its identity here is ID, made
// of the name that it was first called by; Repo follows the repository through
// renames once GitHub's id is known.
type Project struct {
	ID           string `json:"id"`
	Installation int64  `json:"installation"`
	Repo         Repo   `json:"repo"`
	Alias        string `json:"alias"` // the name it was first called by, lower case

	Borrowed      bool        `json:"borrowed,omitempty"` // Repo was first another project's, which settings still mean by it
	Private       bool        `json:"private"`
	DefaultBranch string      `json:"default_branch,omitempty"`
	Unavailable   string      `json:"unavailable,omitempty"` // why nothing can be written there: gone, archived, issues off
	Gone          bool        `json:"gone,omitempty"`        // GitHub shows it to this installation no more
	File          policy.File `json:"file"`                  // the last good .github/soulcaster.yml
	FileError     string      `json:"file_error,omitempty"`  // what is wrong with the present one
	Chosen        policy.File `json:"chosen,omitzero"`       // what a person said on the pages
	ChosenBy      string      `json:"chosen_by,omitempty"`
	ChosenAt      time.Time   `json:"chosen_at,omitzero"`
	Looked        time.Time   `json:"looked,omitzero"`    // when GitHub was last asked
	Restated      string      `json:"restated,omitempty"` // a hash of what held when the issues were last gone through
	Tidied        time.Time   `json:"tidied,omitzero"`    // when what is not kept was last thrown away
}

// ErrNoProject says that a space holds no project: its making was cut short, and
// the next feedback for it will end that.
var ErrNoProject = errors.New("no project is in it")

// Load returns the project that a space belongs to, with the entry it was read
// from, so that a change can require it unchanged; ErrNoProject if there is none.
func Load(ctx context.Context, space storage.Space) (Project, storage.Entry, error) {
	entries, err := space.Get(ctx, projectKey)
	if err != nil {
		return Project{}, storage.Entry{}, fmt.Errorf("read project: %w", err)
	}
	var p Project
	if !entries[0].Exists() {
		return p, entries[0], fmt.Errorf("read project of space %s: %w", space.Name(), ErrNoProject)
	}
	return p, entries[0], storage.GetJSON(entries[0], &p)
}

// Save adds to the batch that the project is now p, unless someone changed it
// since it was read.
func Save(b *storage.Batch, was storage.Entry, p Project) {
	b.RequireEntry(was)
	b.SetJSON(projectKey, p)
}

// ErrTwin says that another project stands for the same repository already:
// settings named it by its old and by its new name.
var ErrTwin = errors.New("the repository belongs to another project already: name it the same way in all sources")

// Registry finds and makes projects. It is safe for concurrent use.
type Registry struct {
	db     storage.DB
	server Settings
	begin  func(b *storage.Batch)

	mu    sync.Mutex
	known map[string]storage.Space // by installation and lower-case name
}

// maxKnown bounds the handles kept; settings name far fewer repositories.
const maxKnown = 10_000

// Settings is what the server's operator says of repositories: by installation,
// then by name in lower case.
type Settings map[int64]map[string]policy.File

// NewRegistry returns a registry over the store. begin, which may be nil, adds the
// work that a new project begins with to the batch that makes it.
func NewRegistry(db storage.DB, server Settings, begin func(b *storage.Batch)) *Registry {
	return &Registry{db: db, server: server, begin: begin, known: make(map[string]storage.Space)}
}

// Policy is what holds for a project: its own file over what was chosen on the pages
// over the operator's word.
func (r *Registry) Policy(p Project) policy.Policy {
	return policy.Resolve(p.Private, r.operators(p), p.Chosen, p.File)
}

// Explain says what holds for a project, and who says so.
func (r *Registry) Explain(p Project) []policy.Explained {
	return policy.Explain(p.Private,
		policy.Layer{Name: "the server's file", File: r.operators(p)},
		policy.Layer{Name: "these pages", File: p.Chosen},
		policy.Layer{Name: "the repository's file", File: p.File})
}

// operators is the operator's word for a project, which is found by the name that
// settings first used or by today's, if that is no other's.
func (r *Registry) operators(p Project) policy.File {
	said := r.server[p.Installation]
	file, ok := said[p.Alias]
	if !ok && !p.Borrowed {
		file = said[strings.ToLower(p.Repo.String())]
	}
	return file
}

// Install makes the space of an installation, if there is none yet.
func (r *Registry) Install(ctx context.Context, installation int64) (storage.Space, error) {
	space, err := r.db.Create(ctx, InstallationSpace(installation))
	if err != nil {
		return nil, fmt.Errorf("make installation %d: %w", installation, err)
	}
	return space, nil
}

// Space opens the space of an installation; storage.ErrNoSpace if it is not
// installed.
func (r *Registry) Space(ctx context.Context, installation int64) (storage.Space, error) {
	return r.db.Open(ctx, InstallationSpace(installation))
}

// Uninstall erases all that belongs to an installation.
func (r *Registry) Uninstall(ctx context.Context, installation int64) error {
	r.mu.Lock()
	clear(r.known)
	r.mu.Unlock()
	// The installation goes first, so that nobody makes a project in it while
	// its projects go.
	if err := r.db.Drop(ctx, InstallationSpace(installation)); err != nil {
		return fmt.Errorf("erase installation %d: %w", installation, err)
	}
	return eachProject(ctx, r.db, installation, func(name string) error {
		if err := r.db.Drop(ctx, name); err != nil {
			return fmt.Errorf("erase project %s: %w", name, err)
		}
		return nil
	})
}

// Installations returns those that are there.
func (r *Registry) Installations(ctx context.Context) (ids []int64, err error) {
	const prefix, page = "i/", 500
	for after := ""; ; {
		names, err := r.db.List(ctx, prefix, after, page)
		if err != nil {
			return nil, fmt.Errorf("list installations: %w", err)
		}
		for _, name := range names {
			after = name
			if id := Installation(name); id > 0 {
				ids = append(ids, id)
			}
		}
		if len(names) < page {
			return ids, nil
		}
	}
}

// Projects returns the names of the spaces of an installation's projects.
func (r *Registry) Projects(ctx context.Context, installation int64) ([]string, error) {
	var names []string
	err := eachProject(ctx, r.db, installation, func(name string) error {
		names = append(names, name)
		return nil
	})
	return names, err
}

func eachProject(ctx context.Context, db storage.DB, installation int64, do func(name string) error) error {
	prefix, after := Space(installation, ""), ""
	for {
		names, err := db.List(ctx, prefix, after, 500)
		if err != nil {
			return fmt.Errorf("list projects of installation %d: %w", installation, err)
		}
		for _, name := range names {
			if err := do(name); err != nil {
				return err
			}
			after = name
		}
		if len(names) < 500 {
			return nil
		}
	}
}

// Ensure returns the space of the project that the name means in the
// installation, making the project if there is none. It is ErrNoSpace when the
// installation is not there.
func (r *Registry) Ensure(ctx context.Context, installation int64, repo Repo) (storage.Space, error) {
	alias := strings.ToLower(repo.String())
	cacheKey := fmt.Sprintf("%d/%s", installation, alias)
	r.mu.Lock()
	space := r.known[cacheKey]
	r.mu.Unlock()
	if space != nil {
		return space, nil
	}

	home, err := r.Space(ctx, installation)
	if err != nil {
		return nil, err
	}
	entries, err := home.Get(ctx, "repo/"+alias)
	if err != nil {
		return nil, fmt.Errorf("look up project %s: %w", alias, err)
	}
	if entries[0].Exists() {
		space, err = r.db.Open(ctx, Space(installation, string(entries[0].Value)))
	} else {
		space, err = r.make(ctx, home, installation, repo, alias)
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	if len(r.known) >= maxKnown {
		clear(r.known)
	}
	r.known[cacheKey] = space
	r.mu.Unlock()
	return space, nil
}

// make creates a project. Its id follows from the name, so that two replicas
// that make it at once make the same one, and a crash in between is mended by
// the next call.
func (r *Registry) make(ctx context.Context, home storage.Space, installation int64, repo Repo, alias string) (storage.Space, error) {
	id := projectID(alias)
	space, err := r.db.Create(ctx, Space(installation, id))
	if err != nil {
		return nil, fmt.Errorf("make project %s: %w", alias, err)
	}
	var b storage.Batch
	b.Require(projectKey, 0)
	b.SetJSON(projectKey, Project{ID: id, Installation: installation, Repo: Repo{Owner: repo.Owner, Name: repo.Name}, Alias: alias})
	if r.begin != nil {
		r.begin(&b)
	}
	if err := space.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
		return nil, fmt.Errorf("make project %s: %w", alias, err)
	}
	var names storage.Batch
	names.Set("repo/"+alias, []byte(id))
	if err := home.Apply(ctx, &names); err != nil {
		return nil, fmt.Errorf("make project %s: %w", alias, err)
	}
	return space, nil
}

// projectID makes an id of a name: one that people recognise in a log, and that no
// other name has.
func projectID(alias string) string {
	sum := sha256.Sum256([]byte(alias))
	return strings.ReplaceAll(alias, "/", ".") + "-" + hex.EncodeToString(sum[:4])
}

// Forget drops the cached handle on a project whose space turned out to be
// gone, so that the next Ensure looks again.
func (r *Registry) Forget(installation int64, repo Repo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, fmt.Sprintf("%d/%s", installation, strings.ToLower(repo.String())))
}

// Find returns the space of the project of a repository, by GitHub's id first
// and by a name that settings used second; storage.ErrNoSpace if the
// installation has no such project.
func (r *Registry) Find(ctx context.Context, installation, repoID int64, fullName string) (storage.Space, error) {
	home, err := r.Space(ctx, installation)
	if err != nil {
		return nil, err
	}
	entries, err := home.Get(ctx, repoIDKey(repoID), "repo/"+strings.ToLower(fullName))
	if err != nil {
		return nil, fmt.Errorf("look up repository %d: %w", repoID, err)
	}
	if entries[0].Exists() {
		return r.db.Open(ctx, Space(installation, string(entries[0].Value)))
	}
	if !entries[1].Exists() {
		return nil, fmt.Errorf("repository %s: %w", fullName, storage.ErrNoSpace)
	}
	space, err := r.db.Open(ctx, Space(installation, string(entries[1].Value)))
	if err != nil {
		return nil, err
	}
	p, _, err := Load(ctx, space)
	if err != nil {
		return nil, err
	}
	if p.Repo.ID != 0 && repoID != 0 && p.Repo.ID != repoID {
		// The name was given to another repository after ours was renamed.
		return nil, fmt.Errorf("repository %s: %w", fullName, storage.ErrNoSpace)
	}
	return space, nil
}

// Bind remembers GitHub's id of the project's repository, and its present name,
// so that both mean this project from now on; but a name that meant another one before
// does so still, and is borrowed.
func (r *Registry) Bind(ctx context.Context, p Project) (borrowed bool, err error) {
	home, err := r.Space(ctx, p.Installation)
	if err != nil {
		return false, err
	}
	name := "repo/" + strings.ToLower(p.Repo.String())
	entries, err := home.Get(ctx, repoIDKey(p.Repo.ID), name)
	if err != nil {
		return false, fmt.Errorf("bind %s: %w", p.Repo, err)
	}
	if entries[0].Exists() && string(entries[0].Value) != p.ID {
		return false, fmt.Errorf("bind %s: %w", p.Repo, ErrTwin)
	}
	var b storage.Batch
	if !entries[0].Exists() {
		b.RequireEntry(entries[0])
		b.Set(repoIDKey(p.Repo.ID), []byte(p.ID))
	}
	if !entries[1].Exists() {
		b.RequireEntry(entries[1])
		b.Set(name, []byte(p.ID))
	}
	borrowed = entries[1].Exists() && string(entries[1].Value) != p.ID
	if len(b.Ops) == 0 {
		return borrowed, nil
	}
	if err := home.Apply(ctx, &b); err != nil {
		return false, fmt.Errorf("bind %s: %w", p.Repo, err)
	}
	return borrowed, nil
}

func repoIDKey(id int64) string { return fmt.Sprintf("repo-id/%d", id) }

// LoadInstallation returns what is remembered of an installation.
func LoadInstallation(ctx context.Context, home storage.Space) (InstallationState, storage.Entry, error) {
	entries, err := home.Get(ctx, installationKey)
	if err != nil {
		return InstallationState{}, storage.Entry{}, fmt.Errorf("read installation: %w", err)
	}
	in := InstallationState{ID: Installation(home.Name())}
	return in, entries[0], storage.GetJSON(entries[0], &in)
}

// SaveInstallation adds to the batch that the installation is now in, unless
// someone changed it since it was read.
func SaveInstallation(b *storage.Batch, was storage.Entry, in InstallationState) {
	b.RequireEntry(was)
	b.SetJSON(installationKey, in)
}

// NoteUninstalled adds to a batch, in an installation's space, that GitHub told that the
// App was uninstalled there.
func NoteUninstalled(b *storage.Batch) { b.Set(uninstalledKey, nil) }

// ToldUninstalled reports whether GitHub told that.
func ToldUninstalled(ctx context.Context, home storage.Space) (bool, error) {
	entries, err := home.Get(ctx, uninstalledKey)
	if err != nil {
		return false, fmt.Errorf("read installation: %w", err)
	}
	return entries[0].Exists(), nil
}

// Open opens a space by its name.
func (r *Registry) Open(ctx context.Context, name string) (storage.Space, error) {
	return r.db.Open(ctx, name)
}
