package hub

import "fmt"

// Gone is the content of a file that goes.
const Gone = "\x00"

// Person does on GitHub what people do there. What GitHub would not let them do
// fails the test.
type Person struct {
	h *Hub
	a *account
}

// As returns a person, who is made if there is none of that name, and is a stranger
// everywhere until [Hub.Allow].
func (h *Hub) As(login string) Person {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Person{h, h.account(login, "User")}
}

// AsBot returns another App's bot, "dependabot[bot]".
func (h *Hub) AsBot(login string) Person {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Person{h, h.account(login, "Bot")}
}

// in does something in a repository where the person has at least a permission.
func (p Person) in(fullName, permission string, do func(r *repository) error) {
	p.h.t.Helper()
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	r := p.h.must(fullName)
	if has := r.permission(p.a.login); ranks[has] < ranks[permission] {
		p.h.t.Fatalf("hub: %s may %s in %s and needs %s", p.a.login, has, fullName, permission)
	}
	if err := do(r); err != nil {
		p.h.t.Fatalf("hub: %s in %s: %v", p.a.login, fullName, err)
	}
}

// on does something to an issue or a pull request.
func (p Person) on(fullName string, number int, permission string, do func(r *repository, i *issue) error) {
	p.h.t.Helper()
	p.in(fullName, permission, func(r *repository) error {
		i := r.numbered(number)
		if i == nil {
			return fmt.Errorf("no issue or pull request %d", number)
		}
		return do(r, i)
	})
}

// Open opens an issue and returns its number.
func (p Person) Open(fullName, title, body string) (number int) {
	p.h.t.Helper()
	p.in(fullName, "read", func(r *repository) error {
		i := p.h.add(r, p.a, title, body)
		number = i.number
		p.h.aboutIssue(r, i, "opened", p.a, nil)
		return nil
	})
	return number
}

// Comment says something on an issue or a pull request.
func (p Person) Comment(fullName string, number int, body string) (said Comment) {
	p.h.t.Helper()
	p.on(fullName, number, "read", func(r *repository, i *issue) error {
		c, err := p.h.say(r, i, p.a, body)
		if err == nil {
			said = c.view(p.h)
		}
		return err
	})
	return said
}

// EditComment changes a comment: a person's own, or with write anybody's.
func (p Person) EditComment(fullName string, id int64, body string) {
	p.h.t.Helper()
	p.in(fullName, "read", func(r *repository) error {
		i, c := r.commentByID(id)
		switch {
		case c == nil:
			return notFound
		case c.author != p.a && ranks[r.permission(p.a.login)] < ranks["write"]:
			return refuse(403, "not your comment")
		}
		return p.h.amend(r, i, c, p.a, body)
	})
}

// Close closes an issue, as "completed" or "not_planned", or a pull request. Their
// authors may, and who has triage.
func (p Person) Close(fullName string, number int, reason string) {
	p.h.t.Helper()
	p.change(fullName, number, func(r *repository, i *issue) { p.h.end(r, i, p.a, reason) })
}

// Reopen opens one again.
func (p Person) Reopen(fullName string, number int) {
	p.h.t.Helper()
	p.change(fullName, number, func(r *repository, i *issue) { p.h.reopen(r, i, p.a) })
}

func (p Person) change(fullName string, number int, do func(r *repository, i *issue)) {
	p.h.t.Helper()
	p.on(fullName, number, "read", func(r *repository, i *issue) error {
		if i.author != p.a && ranks[r.permission(p.a.login)] < ranks["triage"] {
			return refuse(403, "neither its author nor triage")
		}
		do(r, i)
		return nil
	})
}

// Lock locks a conversation, or unlocks it.
func (p Person) Lock(fullName string, number int, locked bool) {
	p.h.t.Helper()
	p.on(fullName, number, "write", func(r *repository, i *issue) error {
		i.locked = locked
		p.h.aboutIssue(r, i, map[bool]string{true: "locked", false: "unlocked"}[locked], p.a, nil)
		return nil
	})
}

// Push commits files to a branch and pushes it, and returns the commit. A branch
// that is not there is made where the default one is. The content [Gone] deletes.
func (p Person) Push(fullName, branch string, files map[string]string, message string) (sha string) {
	p.h.t.Helper()
	p.in(fullName, "write", func(r *repository) (err error) {
		sha, err = r.commit(p.a, branch, files, message)
		p.h.pushed(r, p.a)
		return err
	})
	return sha
}

// Force makes a branch be at a commit, whatever it was at.
func (p Person) Force(fullName, branch, sha string) {
	p.h.t.Helper()
	p.in(fullName, "write", func(r *repository) error {
		_, err := r.git.run(nil, "update-ref", "refs/heads/"+branch, sha)
		p.h.pushed(r, p.a)
		return err
	})
}

// DeleteBranch deletes a branch, which closes its pull requests.
func (p Person) DeleteBranch(fullName, branch string) {
	p.h.t.Helper()
	p.in(fullName, "write", func(r *repository) error {
		_, err := r.git.run(nil, "update-ref", "-d", "refs/heads/"+branch)
		p.h.pushed(r, p.a)
		return err
	})
}

// Tag gives a commit a name, as a release does.
func (p Person) Tag(fullName, name, sha string) {
	p.h.t.Helper()
	p.in(fullName, "write", func(r *repository) error {
		_, err := r.git.run(nil, "update-ref", "refs/tags/"+name, sha, "")
		return err
	})
}

// Propose opens a pull request for a branch and returns its number.
func (p Person) Propose(fullName, head, base, title, body string) (number int) {
	p.h.t.Helper()
	p.in(fullName, "read", func(r *repository) error {
		i, err := p.h.propose(r, p.a, title, body, head, base, false)
		if err == nil {
			number = i.number
		}
		return err
	})
	return number
}

// Ready makes a draft a pull request that can be merged.
func (p Person) Ready(fullName string, number int) {
	p.h.t.Helper()
	p.on(fullName, number, "write", func(r *repository, i *issue) error {
		if i.pull == nil || !i.pull.draft {
			return refuse(422, "it is no draft")
		}
		i.pull.draft, i.updated = false, now()
		p.h.aboutPull(r, i, "ready_for_review", p.a, nil)
		return nil
	})
}

// Retarget has a pull request go into another branch.
func (p Person) Retarget(fullName string, number int, base string) {
	p.h.t.Helper()
	p.on(fullName, number, "write", func(r *repository, i *issue) error {
		if i.pull == nil || r.heads[base] == "" {
			return refuse(422, "no pull request, or no such branch")
		}
		was := i.pull.base
		i.pull.base, i.updated = base, now()
		p.h.aboutPull(r, i, "edited", p.a, object{"changes": object{"base": object{"ref": object{"from": was}, "sha": object{"from": r.heads[was]}}}})
		return nil
	})
}

// Merge merges a pull request that is no draft, by "merge" or "squash", and returns
// the commit.
func (p Person) Merge(fullName string, number int, method string) (sha string) {
	p.h.t.Helper()
	p.on(fullName, number, "write", func(r *repository, i *issue) (err error) {
		if i.pull == nil {
			return refuse(404, "it is no pull request")
		}
		sha, err = p.h.merge(r, i, p.a, method)
		return err
	})
	return sha
}

// LineComment is a comment on a line of a pull request's new files.
type LineComment struct {
	Path string
	Line int
	Body string
}

// Review submits a review: [Approved], [ChangesRequested] or [Commented].
func (p Person) Review(fullName string, number int, state, body string, lines ...LineComment) (done Review) {
	p.h.t.Helper()
	p.on(fullName, number, "read", func(r *repository, i *issue) error {
		if i.pull == nil {
			return refuse(404, "it is no pull request")
		}
		v, err := p.h.judge(r, i, p.a, state, body, lines)
		if err == nil {
			done = v.view()
		}
		return err
	})
	return done
}

// Reply answers a comment on a line and returns the answer's id.
func (p Person) Reply(fullName string, number int, to int64, body string) (id int64) {
	p.h.t.Helper()
	p.on(fullName, number, "read", func(r *repository, i *issue) error {
		l, err := p.h.reply(r, i, p.a, to, body)
		if err == nil {
			id = l.id
		}
		return err
	})
	return id
}
