package hub

import (
	"maps"
	"slices"
	"time"
)

// Issue is an issue or a pull request as it is.
type Issue struct {
	Number      int
	Title, Body string
	Author      string
	State       string // open, closed
	StateReason string // completed, not_planned, reopened or empty
	ClosedBy    string
	Labels      []string
	Locked      bool
	IsPull      bool
}

// Comment is a comment as it is.
type Comment struct {
	ID               int64
	Author           string
	Body             string
	ByApp            bool // the App wrote it
	Reactions        []string
	Created, Updated time.Time
}

// Pull is a pull request as it is.
type Pull struct {
	Issue
	Head, Base string // branches
	HeadSHA    string
	Draft      bool
	Merged     bool
	MergeSHA   string
	MergedBy   string
	Files      []string // that it changes
	Reviews    []Review
}

// Review is a review as it is.
type Review struct {
	ID          int64
	Author      string
	State, Body string
	SHA         string
}

// Commit is a commit as it is.
type Commit struct {
	SHA, Tree         string
	Parents           []string
	Message           string
	Author, Committer string // "Name <address>"
	Verified          bool
}

func (c *comment) view(h *Hub) Comment {
	v := Comment{ID: c.id, Author: c.author.login, Body: c.body, ByApp: c.author == h.bot(), Created: c.created, Updated: c.updated}
	for _, x := range c.reactions {
		v.Reactions = append(v.Reactions, x.content)
	}
	return v
}

func (v *review) view() Review { return Review{v.id, v.author.login, v.state, v.body, v.commit} }

func (i *issue) view() Issue {
	v := Issue{Number: i.number, Title: i.title, Body: i.body, Author: i.author.login, State: i.state, StateReason: i.reason,
		Labels: slices.Clone(i.labels), Locked: i.locked, IsPull: i.pull != nil}
	if i.closedBy != nil {
		v.ClosedBy = i.closedBy.login
	}
	return v
}

func (h *Hub) viewPull(r *repository, i *issue) Pull {
	p := i.pull
	v := Pull{Issue: i.view(), Head: p.head, Base: p.base, HeadSHA: p.headSHA, Draft: p.draft, Merged: !p.mergedAt.IsZero(), MergeSHA: p.mergeSHA}
	if p.mergedBy != nil {
		v.MergedBy = p.mergedBy.login
	}
	files, err := h.pullFiles(r, p)
	if err != nil {
		h.t.Errorf("hub: %v", err)
	}
	for _, f := range files {
		v.Files = append(v.Files, f.(object)["filename"].(string))
	}
	for _, x := range p.reviews {
		v.Reviews = append(v.Reviews, x.view())
	}
	return v
}

// look reads something of a repository.
func look[T any](h *Hub, fullName string, do func(r *repository) T) T {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	return do(h.must(fullName))
}

// Issues returns all issues of a repository, oldest first, without pull requests.
func (h *Hub) Issues(fullName string) []Issue {
	h.t.Helper()
	return look(h, fullName, func(r *repository) (all []Issue) {
		for _, i := range r.issues {
			if i.pull == nil {
				all = append(all, i.view())
			}
		}
		return all
	})
}

// Pulls returns all pull requests of a repository, oldest first.
func (h *Hub) Pulls(fullName string) []Pull {
	h.t.Helper()
	return look(h, fullName, func(r *repository) (all []Pull) {
		for _, i := range r.issues {
			if i.pull != nil {
				all = append(all, h.viewPull(r, i))
			}
		}
		return all
	})
}

// Issue returns an issue or a pull request; its Number is 0 if there is none.
func (h *Hub) Issue(fullName string, number int) Issue {
	h.t.Helper()
	return look(h, fullName, func(r *repository) (v Issue) {
		if i := r.numbered(number); i != nil {
			v = i.view()
		}
		return v
	})
}

// Pull returns a pull request; its Number is 0 if there is none.
func (h *Hub) Pull(fullName string, number int) Pull {
	h.t.Helper()
	return look(h, fullName, func(r *repository) (v Pull) {
		if i := r.numbered(number); i != nil && i.pull != nil {
			v = h.viewPull(r, i)
		}
		return v
	})
}

// Comments returns the comments on an issue or a pull request, oldest first.
func (h *Hub) Comments(fullName string, number int) []Comment {
	h.t.Helper()
	return look(h, fullName, func(r *repository) (all []Comment) {
		if i := r.numbered(number); i != nil {
			for _, c := range i.comments {
				all = append(all, c.view(h))
			}
		}
		return all
	})
}

// Branches returns the commit of every branch.
func (h *Hub) Branches(fullName string) map[string]string {
	h.t.Helper()
	return look(h, fullName, func(r *repository) map[string]string { return maps.Clone(r.heads) })
}

// Log returns the commits that a branch or a commit has and another has not ("" for
// all), newest first.
func (h *Hub) Log(fullName, ref, without string) []Commit {
	h.t.Helper()
	return look(h, fullName, func(r *repository) (all []Commit) {
		args := []string{"rev-list", "--topo-order", ref}
		if without != "" {
			args = append(args, "^"+without)
		}
		shas, err := r.git.lines(args...)
		if err != nil {
			h.t.Errorf("hub: %v", err)
		}
		for _, sha := range shas {
			c, err := r.git.revision(sha)
			if err != nil {
				h.t.Errorf("hub: %v", err)
			}
			name := func(p person) string { return p.name + " <" + p.email + ">" }
			all = append(all, Commit{sha, c.tree, c.parents, c.message, name(c.author), name(c.committer), h.signed[sha]})
		}
		return all
	})
}

// File returns a file of a branch or a commit; ok says whether it is there.
func (h *Hub) File(fullName, ref, path string) (content string, ok bool) {
	h.t.Helper()
	content = look(h, fullName, func(r *repository) string {
		content, err := r.git.run(nil, "cat-file", "blob", ref+":"+path)
		ok = err == nil
		return content
	})
	return content, ok
}

// GitDir is the folder of a repository's git, for what the getters do not tell.
func (h *Hub) GitDir(fullName string) string {
	h.t.Helper()
	return look(h, fullName, func(r *repository) string { return string(r.git) })
}
