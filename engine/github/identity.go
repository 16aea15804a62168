package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-github/v66/github"
)

// Identity is who the App is.
type Identity struct {
	ID          int64             `json:"id"`
	Slug        string            `json:"slug"` // its comments are by "<slug>[bot]"
	Name        string            `json:"name"`
	URL         string            `json:"html_url"`
	Permissions map[string]string `json:"permissions"` // "issues": "write"
	Events      []string          `json:"events"`
}

// Login is the name that the App's issues and comments carry.
func (i Identity) Login() string { return i.Slug + "[bot]" }

// InstallURL is the page on GitHub on which people install the App; "" until GitHub said
// who the App is.
func (a *App) InstallURL() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.identity.URL == "" {
		return ""
	}
	return a.identity.URL + "/installations/new"
}

// App asks GitHub who the App is. It fails if the credentials are not good.
func (a *App) App(ctx context.Context) (Identity, error) {
	var id Identity
	err := a.ask(ctx, At{}, "ask who the App is", get(ctx, "app", &id))
	if err != nil {
		return Identity{}, err
	}
	if id.Slug == "" {
		return Identity{}, errors.New("ask who the App is: the answer has no slug")
	}
	a.mu.Lock()
	a.identity, a.known = id, a.now()
	a.mu.Unlock()
	return id, nil
}

// login is the App's own login, asked at most once an hour: an App can be
// renamed while it runs.
func (a *App) login(ctx context.Context) (string, error) {
	a.mu.Lock()
	id, fresh := a.identity, !a.known.IsZero() && a.now().Sub(a.known) < time.Hour
	a.mu.Unlock()
	if fresh {
		return id.Login(), nil
	}
	id, err := a.App(ctx)
	return id.Login(), err
}

// Installation is one installation of the App, as GitHub knows it.
type Installation struct {
	ID          int64
	Account     string // login of the user or the organization
	Suspended   bool
	Selection   string            // "all" or "selected" repositories
	Permissions map[string]string // what was granted, which may be less than what the App asks for
}

// installation is one as GitHub tells of it.
type installation struct {
	ID      int64 `json:"id"`
	Account struct {
		Login string `json:"login"`
	} `json:"account"`
	Selection   string            `json:"repository_selection"`
	Permissions map[string]string `json:"permissions"`
	SuspendedAt *time.Time        `json:"suspended_at"`
}

func (in installation) read() Installation {
	return Installation{
		ID:          in.ID,
		Account:     in.Account.Login,
		Suspended:   in.SuspendedAt != nil && !in.SuspendedAt.IsZero(),
		Selection:   in.Selection,
		Permissions: in.Permissions,
	}
}

// Installation asks for an installation; ErrUninstalled if there is none.
func (a *App) Installation(ctx context.Context, id int64) (Installation, error) {
	var in installation
	what := fmt.Sprintf("ask for installation %d", id)
	err := a.ask(ctx, At{}, what, get(ctx, fmt.Sprintf("app/installations/%d", id), &in))
	if errors.Is(err, ErrNotFound) {
		return Installation{}, fmt.Errorf("%s: %w", what, ErrUninstalled)
	}
	if err != nil {
		return Installation{}, err
	}
	return in.read(), nil
}

// MaxCovered is how many repositories of an installation are listed, as many as of a
// person: see [Login.Reach].
const MaxCovered = maxReachedPages * perPage

// Covered lists the ids of the repositories that an installation covers; nil if they are
// more than MaxCovered.
// https://docs.github.com/en/rest/apps/installations#list-repositories-accessible-to-the-app-installation
func (a *App) Covered(ctx context.Context, installation int64) ([]int64, error) {
	var ids []int64
	total := 0
	for page := 1; page <= maxReachedPages; page++ {
		var got struct {
			Total        int `json:"total_count"`
			Repositories []struct {
				ID int64 `json:"id"`
			} `json:"repositories"`
		}
		path := fmt.Sprintf("installation/repositories?per_page=%d&page=%d", perPage, page)
		if err := a.ask(ctx, At{Installation: installation}, fmt.Sprintf("list the repositories of installation %d", installation), get(ctx, path, &got)); err != nil {
			return nil, err
		}
		for _, r := range got.Repositories {
			ids = append(ids, r.ID)
		}
		if total = got.Total; total > MaxCovered {
			return nil, nil
		}
		if len(got.Repositories) < perPage {
			break
		}
	}
	if len(ids) != total { // one that leaves between two pages shifts another out of sight
		return nil, fmt.Errorf("list the repositories of installation %d: they changed meanwhile", installation)
	}
	slices.Sort(ids)
	return ids, nil
}

// Installations lists those of the App, a hundred at most, the oldest first.
func (a *App) Installations(ctx context.Context) ([]Installation, error) {
	var all []installation
	if err := a.ask(ctx, At{}, "list the App's installations", get(ctx, "app/installations?per_page=100", &all)); err != nil {
		return nil, err
	}
	list := make([]Installation, len(all))
	for i, in := range all {
		list[i] = in.read()
	}
	slices.SortFunc(list, func(a, b Installation) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// get reads what go-github has a type for that hides something we need:
// permissions that it does not know of.
func get(ctx context.Context, path string, into any) func(*github.Client) (*github.Response, error) {
	return func(c *github.Client) (*github.Response, error) {
		req, err := c.NewRequest("GET", path, nil)
		if err != nil {
			return nil, err
		}
		return c.Do(ctx, req, into)
	}
}
