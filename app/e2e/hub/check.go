package hub

import (
	"fmt"
	"time"
)

// Check is how a check of a commit stands.
type Check struct {
	Name       string
	App        string // slug of the App that runs it; "github-actions" if empty
	Conclusion string // "" while it runs
	Title      string
	Summary    string
}

// suite is the checks of one App for one commit.
type suite struct {
	id      int64
	sha     string
	app     string
	runs    []*run
	created time.Time
}

// run is one run of a check.
type run struct {
	Check
	id             int64
	started, ended time.Time
}

// Check reports a check of a commit, as a CI does: a new run, or the end of the one
// of that name that still runs. When nothing of the App runs any more, its suite is
// completed.
func (h *Hub) Check(fullName, sha string, k Check) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.must(fullName)
	if r.git.kind(sha) != "commit" {
		h.t.Fatalf("hub: no commit %s in %s", sha, fullName)
	}
	if k.App == "" {
		k.App = "github-actions"
	}
	s := r.suite(sha, k.App)
	if s == nil {
		s = &suite{id: h.id(), sha: sha, app: k.App, created: now()}
		r.suites = append(r.suites, s)
	}
	x := s.latest()[k.Name]
	if x == nil || x.Conclusion != "" {
		x = &run{id: h.id(), started: now()}
		s.runs = append(s.runs, x)
	}
	x.Check = k
	if k.Conclusion == "" {
		return
	}
	x.ended = now()
	sender := h.account(k.App+"[bot]", "Bot")
	h.announce(r, "check_run", object{"action": "completed", "check_run": h.runOf(r, s, x)}, sender)
	if status, _ := s.state(); status == "completed" {
		h.announce(r, "check_suite", object{"action": "completed", "check_suite": h.suiteOf(r, s)}, sender)
	}
}

func (r *repository) suite(sha, app string) *suite {
	for _, s := range r.suites {
		if s.sha == sha && s.app == app {
			return s
		}
	}
	return nil
}

// latest is the last run of each check.
func (s *suite) latest() map[string]*run {
	last := make(map[string]*run)
	for _, x := range s.runs {
		last[x.Name] = x
	}
	return last
}

func (s *suite) state() (status, conclusion string) {
	conclusion = "success"
	for _, x := range s.latest() {
		switch x.Conclusion {
		case "":
			return "in_progress", ""
		case "success", "neutral", "skipped":
		default:
			conclusion = x.Conclusion
		}
	}
	return "completed", conclusion
}

// pullsAt are the open pull requests of a commit.
func (h *Hub) pullsAt(r *repository, sha string) []any {
	list := []any{}
	for _, i := range r.issues {
		if i.pull != nil && i.open() && i.pull.headSHA == sha {
			at := func(ref, sha string) object {
				return object{"ref": ref, "sha": sha, "repo": object{"id": r.id, "url": h.api(r, ""), "name": r.name}}
			}
			list = append(list, object{"url": h.api(r, fmt.Sprintf("/pulls/%d", i.number)), "id": i.id, "number": i.number,
				"head": at(i.pull.head, sha), "base": at(i.pull.base, r.heads[i.pull.base])})
		}
	}
	return list
}

// ci is the App that runs checks.
func (h *Hub) ci(slug string) object {
	return object{"id": 15368, "node_id": "A_15368", "slug": slug, "name": slug, "owner": object{"login": "github"}, "description": "",
		"external_url": "https://ci.example", "html_url": h.URL + "/apps/" + slug}
}

func (h *Hub) suiteOf(r *repository, s *suite) object {
	var branch any
	for name, sha := range r.heads {
		if sha == s.sha && (branch == nil || name != r.branch) {
			branch = name
		}
	}
	status, conclusion := s.state()
	rev, err := r.git.revision(s.sha)
	if err != nil {
		h.t.Errorf("hub: %v", err)
	}
	sign := func(p person) object { return object{"name": p.name, "email": p.email} }
	head := object{"id": rev.sha, "tree_id": rev.tree, "message": rev.message, "timestamp": moment(rev.committer.at), "author": sign(rev.author), "committer": sign(rev.committer)}
	var before any
	if len(rev.parents) > 0 {
		before = rev.parents[0]
	}
	return object{
		"id": s.id, "node_id": fmt.Sprintf("CS_%d", s.id), "head_branch": branch, "head_sha": s.sha, "status": status, "conclusion": text(conclusion),
		"url": h.api(r, fmt.Sprintf("/check-suites/%d", s.id)), "before": before, "after": s.sha, "pull_requests": h.pullsAt(r, s.sha),
		"app": h.ci(s.app), "created_at": moment(s.created), "updated_at": moment(now()), "latest_check_runs_count": len(s.latest()),
		"check_runs_url": h.api(r, fmt.Sprintf("/check-suites/%d/check-runs", s.id)), "head_commit": head,
	}
}

func (h *Hub) runOf(r *repository, s *suite, x *run) object {
	status := "in_progress"
	if x.Conclusion != "" {
		status = "completed"
	}
	within := h.suiteOf(r, s)
	for _, name := range []string{"latest_check_runs_count", "check_runs_url", "head_commit"} {
		delete(within, name)
	}
	url := h.api(r, fmt.Sprintf("/check-runs/%d", x.id))
	page := h.page(r, fmt.Sprintf("/runs/%d", x.id))
	return object{
		"id": x.id, "node_id": fmt.Sprintf("CR_%d", x.id), "head_sha": s.sha, "external_id": "", "url": url, "html_url": page, "details_url": page,
		"status": status, "conclusion": text(x.Conclusion), "started_at": moment(x.started), "completed_at": moment(x.ended), "name": x.Name,
		"output":      object{"title": text(x.Title), "summary": text(x.Summary), "text": nil, "annotations_count": 0, "annotations_url": url + "/annotations"},
		"check_suite": within, "app": h.ci(s.app), "pull_requests": h.pullsAt(r, s.sha),
	}
}

// getCheckRuns is GET commits/{ref}/check-runs. filter=latest, which is usual, leaves
// out what ran again, suite by suite.
func (c *call) getCheckRuns() (any, error) {
	sha := c.repo.git.resolve(c.param("ref"))
	if sha == "" {
		return nil, refuse(422, "No commit found for SHA: "+c.param("ref"))
	}
	q := c.r.URL.Query()
	var list []any
	for _, s := range c.repo.suites {
		for _, x := range s.runs {
			o := c.hub.runOf(c.repo, s, x)
			if s.sha == sha && (q.Get("filter") == "all" || s.latest()[x.Name] == x) && (q.Get("status") == "" || q.Get("status") == o["status"]) {
				list = append(list, o)
			}
		}
	}
	return object{"total_count": len(list), "check_runs": append([]any{}, paged(c, list)...)}, nil
}

// getCheckSuites is GET commits/{ref}/check-suites.
func (c *call) getCheckSuites() (any, error) {
	sha := c.repo.git.resolve(c.param("ref"))
	list := []any{}
	for _, s := range c.repo.suites {
		if s.sha == sha {
			list = append(list, c.hub.suiteOf(c.repo, s))
		}
	}
	return object{"total_count": len(list), "check_suites": list}, nil
}
