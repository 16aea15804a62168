package enginetest

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
)

// GitHub is a stateful stand-in for the adapter to GitHub: what issues, command
// and upkeep ask of it. Tests read and change its state through its methods.
type GitHub struct {
	Now func() time.Time
	// Fault is called before every write lands and after it did; what it returns
	// is what the caller gets. It may be nil.
	Fault   func(call string, landed bool) error
	Commits Commits
	Asked   int // how often it was asked what somebody may do

	mu          sync.Mutex
	repos       map[int64]*repo
	names       map[string]int64
	permissions map[int64]github.Permission // by person
	suspended   map[int64]bool
	granted     map[int64]map[string]string
	gone        map[int64]bool
	proposals   map[int64]*proposals // by repository
	nextComment int64
	deleted     map[int64]bool // comments of people
	writes      []string
}

type repo struct {
	github.Repository
	file     string
	issues   []*github.Issue
	comments map[int][]github.Comment
	seen     map[int64][]string // reactions
}

// App is the login of the App on this GitHub.
const App = "soulcaster[bot]"

// NewGitHub returns a GitHub without repositories.
func NewGitHub(now func() time.Time) *GitHub {
	return &GitHub{Now: now, repos: make(map[int64]*repo), names: make(map[string]int64),
		permissions: make(map[int64]github.Permission), suspended: make(map[int64]bool), granted: make(map[int64]map[string]string), gone: make(map[int64]bool)}
}

// Add makes a repository.
func (g *GitHub) Add(id int64, name string, private bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := project.ParseRepo(name)
	if err != nil {
		panic(err)
	}
	r.ID = id
	g.repos[id] = &repo{
		Repository: github.Repository{Repo: r, Private: private, DefaultBranch: "main", HasIssues: true},
		comments:   make(map[int][]github.Comment), seen: make(map[int64][]string),
	}
	g.names[name] = id
}

// Rename gives a repository another name.
func (g *GitHub) Rename(id int64, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.repos[id]
	delete(g.names, r.Repo.String())
	named, err := project.ParseRepo(name)
	if err != nil {
		panic(err)
	}
	named.ID = id
	r.Repo = named
	g.names[name] = id
}

// Archive archives a repository: it can be read, and not written to.
func (g *GitHub) Archive(id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.repos[id].Archived = true
}

// SetFile sets the content of .github/soulcaster.yml; "" removes it.
func (g *GitHub) SetFile(id int64, content string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.repos[id].file = content
}

// Allow sets what a person may do everywhere.
func (g *GitHub) Allow(login string, p github.Permission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.permissions[ID(login)] = p
}

// ID is the id of the person who has a login from the beginning.
func ID(login string) int64 { return int64(crc32.ChecksumIEEE([]byte(strings.ToLower(login)))) }

// Person is the same person.
func Person(login string) github.Person { return github.Person{ID: ID(login), Login: login} }

// Suspend suspends an installation, or resumes it.
func (g *GitHub) Suspend(id int64, on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.suspended[id] = on
}

// Grant sets what an installation lets the App do; without it, it is what issues need.
func (g *GitHub) Grant(id int64, permissions map[string]string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.granted[id] = permissions
}

// Uninstall removes an installation.
func (g *GitHub) Uninstall(id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone[id] = true
}

// Issues returns copies of a repository's issues.
func (g *GitHub) Issues(id int64) []github.Issue {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []github.Issue
	for _, i := range g.repos[id].issues {
		all = append(all, *i)
	}
	return all
}

// Comments returns the bodies of an issue's comments.
func (g *GitHub) Comments(id int64, number int) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, c := range g.repos[id].comments[number] {
		all = append(all, c.Body)
	}
	return all
}

// Reactions returns the reactions on a comment.
func (g *GitHub) Reactions(id, comment int64) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.repos[id].seen[comment])
}

// Change lets a person change an issue.
func (g *GitHub) Change(id int64, number int, change func(i *github.Issue)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g.repos[id].issues[number-1])
}

// Close lets a person close an issue.
func (g *GitHub) Close(id int64, number int, reason string) {
	g.Change(id, number, func(i *github.Issue) {
		i.State, i.StateReason, i.ClosedAt = "closed", reason, g.Now()
	})
}

// Writes returns what was written so far, a word each.
func (g *GitHub) Writes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.writes)
}

// write lets a change land, with the faults around it.
func (g *GitHub) write(call string, land func() error) error {
	if g.Fault != nil {
		if err := g.Fault(call, false); err != nil {
			return err
		}
	}
	g.mu.Lock()
	g.writes = append(g.writes, call)
	err := land()
	g.mu.Unlock()
	if err == nil && g.Fault != nil {
		if err := g.Fault(call, true); err != nil {
			return action.Unknown(err)
		}
	}
	return err
}

// at finds a repository as an installation names it.
func (g *GitHub) at(at github.At) (*repo, error) {
	switch {
	case g.gone[at.Installation]:
		return nil, github.ErrUninstalled
	case g.suspended[at.Installation]:
		return nil, github.ErrSuspended
	}
	id := at.Repo.ID
	if id == 0 {
		id = g.names[at.Repo.String()]
	}
	if r := g.repos[id]; r != nil {
		return r, nil
	}
	return nil, github.ErrNotFound
}

func (g *GitHub) issue(at github.At, number int) (*repo, *github.Issue, error) {
	r, err := g.at(at)
	if err != nil {
		return nil, nil, err
	}
	if number < 1 || number > len(r.issues) {
		return nil, nil, github.ErrNotFound
	}
	i := r.issues[number-1]
	if i.State == "deleted" {
		return nil, nil, github.ErrGone
	}
	return r, i, nil
}

// CreateIssue makes an issue.
func (g *GitHub) CreateIssue(_ context.Context, at github.At, n github.NewIssue) (issue github.Issue, err error) {
	err = g.write("create issue", func() error {
		r, err := g.at(at)
		if err != nil {
			return err
		}
		i := r.open(App, n.Title, n.Body, g.Now())
		i.Labels = slices.Clone(n.Labels)
		issue = *i
		return nil
	})
	return issue, err
}

// GetIssue returns an issue.
func (g *GitHub) GetIssue(_ context.Context, at github.At, number int) (github.Issue, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, i, err := g.issue(at, number)
	if err != nil {
		return github.Issue{}, err
	}
	return *i, nil
}

// EditIssue changes an issue.
func (g *GitHub) EditIssue(_ context.Context, at github.At, number int, e github.Edit) (issue github.Issue, err error) {
	call := "edit issue"
	if e.State != nil {
		call = "set issue " + *e.State
	}
	err = g.write(call, func() error {
		_, i, err := g.issue(at, number)
		if err != nil {
			return err
		}
		if e.Title != nil {
			i.Title = *e.Title
		}
		if e.Body != nil {
			i.Body = *e.Body
		}
		if e.State != nil {
			i.State, i.StateReason, i.ClosedAt = *e.State, "", time.Time{}
			if *e.State == "closed" {
				i.ClosedAt = g.Now()
			}
			if e.StateReason != nil {
				i.StateReason = *e.StateReason
			}
		}
		issue = *i
		return nil
	})
	return issue, err
}

// Revise changes an issue as revise says.
func (g *GitHub) Revise(ctx context.Context, at github.At, number int, revise func(now github.Issue) (github.Edit, error)) (github.Issue, error) {
	i, err := g.GetIssue(ctx, at, number)
	if err != nil {
		return i, err
	}
	e, err := revise(i)
	if err != nil || e == (github.Edit{}) {
		return i, err
	}
	return g.EditIssue(ctx, at, number, e)
}

// OwnIssuesSince lists the App's issues.
func (g *GitHub) OwnIssuesSince(_ context.Context, at github.At, since time.Time) ([]github.Issue, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.at(at)
	if err != nil {
		return nil, err
	}
	var own []github.Issue
	for _, i := range r.issues {
		if i.Author == App && !i.CreatedAt.Before(since) && !isPull(i) {
			own = append(own, *i)
		}
	}
	return own, nil
}

// OpenIssues lists the open issues.
func (g *GitHub) OpenIssues(_ context.Context, at github.At) (open []github.Issue, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.at(at)
	if err != nil {
		return nil, err
	}
	for _, i := range r.issues {
		if i.State == "open" && !isPull(i) && !i.PullRequest {
			open = append(open, *i)
		}
	}
	return open, nil
}

// Open has somebody open an issue, and returns its number.
func (g *GitHub) Open(id int64, by, title, body string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.repos[id].open(by, title, body, g.Now()).Number
}

// open adds an open issue.
func (r *repo) open(by, title, body string, at time.Time) *github.Issue {
	number := len(r.issues) + 1
	i := &github.Issue{
		Number: number, NodeID: fmt.Sprintf("I_%d", number), URL: fmt.Sprintf("https://github.example/%s/issues/%d", r.Repo, number),
		Title: title, Body: body, Author: by, AuthorID: ID(by), AuthorBot: strings.HasSuffix(by, "[bot]"), State: "open", CreatedAt: at,
	}
	r.issues = append(r.issues, i)
	return i
}

// CreateComment adds a comment of the App.
func (g *GitHub) CreateComment(_ context.Context, at github.At, number int, body string) (comment github.Comment, err error) {
	err = g.write("comment", func() error {
		r, i, err := g.issue(at, number)
		if err != nil {
			return err
		}
		if i.Locked {
			return github.ErrLocked
		}
		g.nextComment++
		comment = github.Comment{ID: g.nextComment, Author: App, Body: body, CreatedAt: g.Now()}
		r.comments[number] = append(r.comments[number], comment)
		return nil
	})
	return comment, err
}

// DeleteComment removes a comment.
func (g *GitHub) DeleteComment(_ context.Context, at github.At, id int64) error {
	return g.write("delete comment", func() error {
		r, err := g.at(at)
		if err != nil {
			return err
		}
		for number, all := range r.comments {
			r.comments[number] = slices.DeleteFunc(all, func(c github.Comment) bool { return c.ID == id })
		}
		return nil
	})
}

// OwnCommentsSince lists the App's comments on an issue.
func (g *GitHub) OwnCommentsSince(_ context.Context, at github.At, number int, since time.Time) ([]github.Comment, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.at(at)
	if err != nil {
		return nil, err
	}
	var own []github.Comment
	for _, c := range r.comments[number] {
		if !c.CreatedAt.Before(since) {
			own = append(own, c)
		}
	}
	return own, nil
}

// GetComment finds every comment of a person's but those that were deleted.
func (g *GitHub) GetComment(_ context.Context, at github.At, id int64) (github.Comment, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := g.at(at); err != nil {
		return github.Comment{}, err
	}
	if g.deleted[id] {
		return github.Comment{}, github.ErrNotFound
	}
	return github.Comment{ID: id}, nil
}

// Delete has a person delete their comment.
func (g *GitHub) Delete(id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deleted == nil {
		g.deleted = make(map[int64]bool)
	}
	g.deleted[id] = true
}

// React puts a reaction on a comment.
func (g *GitHub) React(_ context.Context, at github.At, comment int64, content string) error {
	return g.write("react", func() error {
		r, err := g.at(at)
		if err != nil {
			return err
		}
		if !slices.Contains(r.seen[comment], content) {
			r.seen[comment] = append(r.seen[comment], content)
		}
		return nil
	})
}

// Permission returns what a person may do, whatever they are called.
func (g *GitHub) Permission(_ context.Context, _ github.At, who github.Person) (github.Permission, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Asked++
	return g.permissions[who.ID], nil
}

// Repository returns a repository by its name.
func (g *GitHub) Repository(_ context.Context, at github.At) (github.Repository, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at.Repo.ID = 0
	r, err := g.at(at)
	if err != nil {
		return github.Repository{}, err
	}
	return r.Repository, nil
}

// RepositoryByID returns a repository by its id.
func (g *GitHub) RepositoryByID(_ context.Context, installation, id int64) (github.Repository, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.at(github.At{Installation: installation, Repo: project.Repo{ID: id}})
	if err != nil {
		return github.Repository{}, err
	}
	return r.Repository, nil
}

// File returns the repository's settings file.
func (g *GitHub) File(_ context.Context, at github.At, _, _ string) ([]byte, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.at(at)
	if err != nil {
		return nil, false, err
	}
	return []byte(r.file), r.file != "", nil
}

// Installation returns an installation.
func (g *GitHub) Installation(_ context.Context, id int64) (github.Installation, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone[id] {
		return github.Installation{}, github.ErrUninstalled
	}
	granted := g.granted[id]
	if granted == nil {
		granted = map[string]string{"issues": "write", "metadata": "read"}
	}
	return github.Installation{ID: id, Account: "acme", Suspended: g.suspended[id], Permissions: granted}, nil
}

// Covered lists all repositories: every installation covers them.
func (g *GitHub) Covered(_ context.Context, id int64) ([]int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.suspended[id] {
		return nil, github.ErrSuspended
	}
	return slices.Sorted(maps.Keys(g.repos)), nil
}
