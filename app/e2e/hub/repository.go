package hub

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// api is an address in the API, page is one for people.
func (h *Hub) api(r *repository, path string) string { return h.URL + "/repos/" + r.fullName() + path }

func (h *Hub) page(r *repository, path string) string { return h.URL + "/" + r.fullName() + path }

// brief is a repository as deliveries about installations name it.
func (r *repository) brief() object {
	return object{"id": r.id, "node_id": fmt.Sprintf("R_%d", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private}
}

func (h *Hub) repository(r *repository) object {
	o := r.brief()
	for name, value := range (object{
		"owner": h.user(r.owner), "html_url": h.page(r, ""), "description": nil, "fork": false, "url": h.api(r, ""),
		"git_url": h.page(r, ".git"), "clone_url": h.page(r, ".git"), "default_branch": r.branch, "archived": false, "disabled": false,
		"has_issues": true, "created_at": moment(r.created), "updated_at": moment(r.created), "pushed_at": moment(r.created),
	}) {
		o[name] = value
	}
	return o
}

// getRepository is GET of a repository, by name or by id.
func (c *call) getRepository() (any, error) { return c.hub.repository(c.repo), nil }

// getContents is GET contents/{path}: a file, or a list of what is in a folder.
func (c *call) getContents() (any, error) {
	ref := c.r.URL.Query().Get("ref")
	if ref == "" {
		ref = c.repo.branch
	}
	commit := c.repo.git.resolve(ref)
	if commit == "" {
		return nil, refuse(404, "No commit found for the ref "+ref)
	}
	path := strings.Trim(c.param("path"), "/")
	if path == "" {
		return c.folder(commit, "")
	}
	entries, err := c.repo.git.list(commit, false, "--", path)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, notFound
	}
	e := entries[0]
	if e.kind == "tree" {
		return c.folder(commit, path+"/")
	}
	o := c.entry(e)
	content, err := c.repo.git.run(nil, "cat-file", "blob", e.sha)
	if err != nil {
		return nil, err
	}
	o["encoding"], o["content"] = "base64", wrapped(content)
	return o, nil
}

func (c *call) folder(commit, path string) (any, error) {
	args := []string{}
	if path != "" {
		args = []string{"--", path}
	}
	entries, err := c.repo.git.list(commit, false, args...)
	list := []any{}
	for _, e := range entries {
		list = append(list, c.entry(e))
	}
	return list, err
}

func (c *call) entry(e treeEntry) object {
	kind := map[string]string{"blob": "file", "tree": "dir", "commit": "submodule"}[e.kind]
	if e.mode == "120000" {
		kind = "symlink"
	}
	name := e.path[strings.LastIndex(e.path, "/")+1:]
	return object{"type": kind, "name": name, "path": e.path, "sha": e.sha, "size": e.size, "url": c.hub.api(c.repo, "/contents/"+e.path)}
}

// wrapped is base64 with lines of sixty, as GitHub breaks it.
func wrapped(content string) string {
	coded := base64.StdEncoding.EncodeToString([]byte(content))
	var b strings.Builder
	for len(coded) > 60 {
		b.WriteString(coded[:60] + "\n")
		coded = coded[60:]
	}
	return b.String() + coded + "\n"
}
