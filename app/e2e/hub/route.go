package hub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// call is one request to the REST API. Its handler runs with the hub's lock held.
type call struct {
	hub    *Hub
	r      *http.Request
	params map[string]string
	token  *token      // nil on routes of the App itself
	repo   *repository // that the path names
	body   []byte
	header http.Header // of the answer
}

// route is a way into the API.
type route struct {
	method string
	path   *regexp.Regexp
	needs  string // "nothing" the hub knows, "app" for its JWT, "" for any token, else permissions of which one is enough
	status int    // of success
	do     func(*call) (any, error)
}

// table is the API.
func (h *Hub) table() []route {
	const repo = "/repos/{owner}/{repo}"
	var all []route
	add := func(method, path, needs string, status int, do func(*call) (any, error)) {
		all = append(all, route{method, pattern(path), needs, status, do})
	}
	add("POST", "/app-manifests/{code}/conversions", "nothing", 201, (*call).convert)
	add("DELETE", "/applications/{client}/token", "nothing", 204, (*call).deleteGrant)
	add("GET", "/user", "nothing", 200, (*call).getUser)
	add("GET", "/user/installations", "nothing", 200, (*call).getUserInstallations)
	add("GET", "/user/installations/{id}/repositories", "nothing", 200, (*call).getUserRepositories)
	add("GET", "/user/{id}", "", 200, (*call).getUserByID)
	add("GET", "/app", "app", 200, (*call).getApp)
	add("GET", "/app/installations", "app", 200, (*call).getInstallations)
	add("GET", "/app/installations/{id}", "app", 200, (*call).getInstallation)
	add("POST", "/app/installations/{id}/access_tokens", "app", 201, (*call).postToken)
	add("GET", "/app/hook/config", "app", 200, (*call).getHookConfig)
	add("GET", "/app/hook/deliveries", "app", 200, (*call).getDeliveries)
	add("POST", "/app/hook/deliveries/{id}/attempts", "app", 202, (*call).postAttempt)
	add("GET", "/installation/repositories", "", 200, (*call).getCovered)
	add("DELETE", "/installation/token", "", 204, (*call).deleteToken)
	add("GET", "/rate_limit", "", 200, (*call).getRateLimit)
	add("GET", "/repositories/{repository}", "metadata:read", 200, (*call).getRepository)
	add("GET", repo, "metadata:read", 200, (*call).getRepository)
	add("GET", repo+"/contents", "contents:read", 200, (*call).getContents)
	add("GET", repo+"/contents/", "contents:read", 200, (*call).getContents)
	add("GET", repo+"/contents/{path...}", "contents:read", 200, (*call).getContents)
	add("GET", repo+"/collaborators/{user}/permission", "metadata:read", 200, (*call).getPermission)

	add("POST", repo+"/git/blobs", "contents:write", 201, (*call).postBlob)
	add("GET", repo+"/git/blobs/{sha}", "contents:read", 200, (*call).getBlob)
	add("POST", repo+"/git/trees", "contents:write", 201, (*call).postTree)
	add("GET", repo+"/git/trees/{sha}", "contents:read", 200, (*call).getTree)
	add("POST", repo+"/git/commits", "contents:write", 201, (*call).postCommit)
	add("GET", repo+"/git/commits/{sha}", "contents:read", 200, (*call).getGitCommit)
	add("GET", repo+"/git/ref/{ref...}", "contents:read", 200, (*call).getRef)
	add("POST", repo+"/git/refs", "contents:write", 201, (*call).postRef)
	add("PATCH", repo+"/git/refs/{ref...}", "contents:write", 200, (*call).patchRef)
	add("DELETE", repo+"/git/refs/{ref...}", "contents:write", 204, (*call).deleteRef)
	add("GET", repo+"/commits/{ref}/check-runs", "checks:read", 200, (*call).getCheckRuns)
	add("GET", repo+"/commits/{ref}/check-suites", "checks:read", 200, (*call).getCheckSuites)
	add("GET", repo+"/commits/{ref}", "contents:read", 200, (*call).getCommit)
	add("GET", repo+"/compare/{range...}", "contents:read", 200, (*call).getCompare)

	const talk = "issues:%s|pull_requests:%[1]s"
	reads, writes := fmt.Sprintf(talk, "read"), fmt.Sprintf(talk, "write")
	add("GET", repo+"/issues", "issues:read", 200, (*call).getIssues)
	add("POST", repo+"/issues", "issues:write", 201, (*call).postIssue)
	add("GET", repo+"/issues/comments/{id}", reads, 200, (*call).getComment)
	add("PATCH", repo+"/issues/comments/{id}", writes, 200, (*call).patchComment)
	add("DELETE", repo+"/issues/comments/{id}", writes, 204, (*call).deleteComment)
	add("GET", repo+"/issues/comments/{id}/reactions", reads, 200, (*call).getReactions)
	add("POST", repo+"/issues/comments/{id}/reactions", writes, 201, (*call).postReaction)
	add("GET", repo+"/issues/{number}", reads, 200, (*call).getIssue)
	add("PATCH", repo+"/issues/{number}", writes, 200, (*call).patchIssue)
	add("GET", repo+"/issues/{number}/comments", reads, 200, (*call).getComments)
	add("POST", repo+"/issues/{number}/comments", writes, 201, (*call).postComment)

	add("GET", repo+"/pulls", "pull_requests:read", 200, (*call).getPulls)
	add("POST", repo+"/pulls", "pull_requests:write", 201, (*call).postPull)
	add("GET", repo+"/pulls/{number}", "pull_requests:read", 200, (*call).getPull)
	add("PATCH", repo+"/pulls/{number}", "pull_requests:write", 200, (*call).patchPull)
	add("GET", repo+"/pulls/{number}/files", "pull_requests:read", 200, (*call).getPullFiles)
	add("PUT", repo+"/pulls/{number}/merge", "contents:write", 200, (*call).putMerge)
	add("GET", repo+"/pulls/{number}/reviews", "pull_requests:read", 200, (*call).getReviews)
	add("POST", repo+"/pulls/{number}/reviews", "pull_requests:write", 200, (*call).postReview)
	add("GET", repo+"/pulls/{number}/reviews/{id}", "pull_requests:read", 200, (*call).getReview)
	add("GET", repo+"/pulls/{number}/comments", "pull_requests:read", 200, (*call).getReviewComments)
	add("POST", repo+"/pulls/{number}/comments", "pull_requests:write", 201, (*call).postReviewComment)
	return all
}

var wildcard = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

// pattern reads a path with {parts}, the last of which may be {all...}.
func pattern(path string) *regexp.Regexp {
	return regexp.MustCompile("^" + wildcard.ReplaceAllStringFunc(path, func(part string) string {
		m := wildcard.FindStringSubmatch(part)
		if m[2] != "" {
			return "(?P<" + m[1] + ">.+)"
		}
		return "(?P<" + m[1] + ">[^/]+)"
	}) + "$")
}

// match finds the route of a request and what its path says.
func (h *Hub) match(method, path string) (*route, map[string]string) {
	for i, r := range h.routes {
		m := r.path.FindStringSubmatch(path)
		if m == nil || r.method != method {
			continue
		}
		params := make(map[string]string)
		for j, name := range r.path.SubexpNames() {
			if name != "" {
				params[name], _ = url.PathUnescape(m[j])
			}
		}
		return &h.routes[i], params
	}
	return nil, nil
}

func (c *call) param(name string) string { return c.params[name] }

// decode reads the body, if there is one.
func (c *call) decode(into any) error {
	if len(c.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return refuse(400, "Problems parsing JSON")
	}
	return nil
}

// paged returns the page of a list that a request asks for, and says where the next
// one is.
func paged[T any](c *call, all []T) []T {
	q := c.r.URL.Query()
	size, _ := strconv.Atoi(q.Get("per_page"))
	if size < 1 || size > 100 {
		size = 30
	}
	page, _ := strconv.Atoi(q.Get("page"))
	page = max(page, 1)
	from, to := min((page-1)*size, len(all)), min(page*size, len(all))
	if to < len(all) {
		q.Set("page", strconv.Itoa(page+1))
		c.header.Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, c.hub.URL, c.r.URL.EscapedPath(), q.Encode()))
	}
	return all[from:to]
}

// refusal is an answer that is none of success.
type refusal struct {
	status  int
	message string
	errors  []any
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s %v", e.status, e.message, e.errors) }

func refuse(status int, message string) *refusal { return &refusal{status: status, message: message} }

// invalid is a 422 with one complaint, whose message may be empty.
func invalid(resource, field, code, message string) *refusal {
	complaint := object{"resource": resource, "code": code}
	if field != "" {
		complaint["field"] = field
	}
	if message != "" {
		complaint["message"] = message
	}
	return &refusal{422, "Validation Failed", []any{complaint}}
}

var (
	notFound      = refuse(404, "Not Found")
	notAccessible = refuse(403, "Resource not accessible by integration")
)

// answered is a success with another status than the route's, or no JSON.
type answered struct {
	status int
	body   any
	raw    []byte // instead of body
}

// number is the issue that the path names.
func (c *call) number() int {
	n, _ := strconv.Atoi(strings.TrimSpace(c.param("number")))
	return n
}
