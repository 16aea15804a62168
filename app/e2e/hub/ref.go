package hub

import (
	"strconv"
	"strings"
)

// getRef is GET git/ref/{ref}: that one, and no other that begins like it.
func (c *call) getRef() (any, error) {
	name := "refs/" + c.param("ref")
	if len(c.repo.heads) == 0 {
		return nil, refuse(409, "Git Repository is empty.")
	}
	sha, err := c.repo.git.line(nil, "show-ref", "--verify", "--hash", name)
	if err != nil {
		return nil, notFound
	}
	return c.ref(name, sha), nil
}

func (c *call) ref(name, sha string) object {
	return object{"ref": name, "node_id": "REF_" + sha[:8], "url": c.hub.api(c.repo, "/git/"+name),
		"object": object{"sha": sha, "type": "commit", "url": c.hub.api(c.repo, "/git/commits/"+sha)}}
}

// postRef is POST git/refs.
func (c *call) postRef() (any, error) {
	g := c.repo.git
	var ask struct{ Ref, SHA string }
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(ask.Ref, "refs/") || strings.Count(ask.Ref, "/") < 2 {
		return nil, refuse(422, "Reference name must start with 'refs/' and contain at least three components.")
	}
	if _, err := g.run(nil, "check-ref-format", ask.Ref); err != nil {
		return nil, refuse(422, ask.Ref+" is not a valid ref name.")
	}
	if _, err := g.run(nil, "show-ref", "--verify", "--quiet", ask.Ref); err == nil {
		return nil, refuse(422, "Reference already exists")
	}
	return c.setRef(ask.Ref, ask.SHA, strings.Repeat("0", 40))
}

// patchRef is PATCH git/refs/{ref}.
func (c *call) patchRef() (any, error) {
	g := c.repo.git
	var ask struct {
		SHA   string
		Force bool
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	name := "refs/" + c.param("ref")
	old, err := g.line(nil, "show-ref", "--verify", "--hash", name)
	if err != nil {
		return nil, refuse(422, "Reference does not exist")
	}
	if g.kind(ask.SHA) == "commit" && !ask.Force && !g.isAncestor(old, ask.SHA) {
		return nil, refuse(422, "Update is not a fast forward")
	}
	return c.setRef(name, ask.SHA, old)
}

func (c *call) setRef(name, sha, old string) (any, error) {
	g := c.repo.git
	if g.kind(sha) != "commit" {
		return nil, refuse(422, "Object does not exist")
	}
	if !c.token.allows("workflows:write") {
		touched, err := g.lines("log", "--format=", "--name-only", "-m", sha, "--not", "--all", "--", ".github/workflows")
		if err != nil {
			return nil, err
		}
		if len(touched) > 0 {
			return nil, refuse(422, "refusing to allow a GitHub App to create or update workflow `"+touched[0]+"` without `workflows` permission")
		}
	}
	if _, err := g.run(nil, "update-ref", name, sha, old); err != nil {
		return nil, err
	}
	c.hub.pushed(c.repo, c.hub.bot())
	return c.ref(name, sha), nil
}

// deleteRef is DELETE git/refs/{ref}.
func (c *call) deleteRef() (any, error) {
	name := "refs/" + c.param("ref")
	if _, err := c.repo.git.run(nil, "show-ref", "--verify", "--quiet", name); err != nil {
		return nil, refuse(422, "Reference does not exist")
	}
	if _, err := c.repo.git.run(nil, "update-ref", "-d", name); err != nil {
		return nil, err
	}
	c.hub.pushed(c.repo, c.hub.bot())
	return nil, nil
}

// getCompare is GET compare/{base}...{head}.
func (c *call) getCompare() (any, error) {
	g := c.repo.git
	from, to, ok := strings.Cut(c.param("range"), "...")
	base, head := g.resolve(from), g.resolve(to)
	if !ok || base == "" || head == "" {
		return nil, notFound
	}
	fork, err := g.line(nil, "merge-base", base, head)
	if err != nil {
		return nil, refuse(404, "No common ancestor between "+from+" and "+to+".")
	}
	behind, ahead, err := g.distance(base, head)
	if err != nil {
		return nil, err
	}
	status := "diverged"
	switch {
	case ahead == 0 && behind == 0:
		status = "identical"
	case behind == 0:
		status = "ahead"
	case ahead == 0:
		status = "behind"
	}
	shas, err := g.lines("rev-list", "--reverse", base+".."+head)
	if err != nil {
		return nil, err
	}
	commits := []any{}
	for _, sha := range paged(c, shas) {
		rev, err := g.revision(sha)
		if err != nil {
			return nil, err
		}
		commits = append(commits, c.hub.commitOf(c.repo, rev))
	}
	files, err := c.hub.changed(c.repo, fork, head)
	return object{"status": status, "ahead_by": ahead, "behind_by": behind, "total_commits": ahead, "commits": commits, "files": files}, err
}

// distance counts the commits that each of two has and the other has not.
func (g git) distance(base, head string) (behind, ahead int, err error) {
	line, err := g.line(nil, "rev-list", "--left-right", "--count", base+"..."+head)
	left, right, _ := strings.Cut(line, "\t")
	behind, _ = strconv.Atoi(left)
	ahead, _ = strconv.Atoi(right)
	return behind, ahead, err
}
