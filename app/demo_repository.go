package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
)

// shop is the sample repository, with the bug that the samples report.
//
//go:embed sample/shop
var shop embed.FS

// sampleRepository stands in for GitHub in the demo: a bare repository in the
// demo's folder, that can be read. Nothing is ever written to it: the demo is a
// preview.
type sampleRepository struct {
	dir     string
	url     string // where it is cloned from
	program string // that plays the agent
}

// errSample is what the demo's GitHub answers to what a preview does not do.
var errSample = errors.New("the demo writes nothing")

// newSampleRepository makes the repository below folder.
func newSampleRepository(ctx context.Context, folder string) (*sampleRepository, error) {
	tree := filepath.Join(folder, "shop")
	files, err := fs.Sub(shop, "sample/shop")
	if err == nil {
		err = os.CopyFS(tree, files)
	}
	if err != nil {
		return nil, fmt.Errorf("write the sample repository: %w", err)
	}
	r := &sampleRepository{dir: filepath.Join(folder, "shop.git")}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--template=", "--initial-branch=main", r.dir},
		{"--git-dir=" + r.dir, "--work-tree=" + tree, "add", "--all"},
		{"--git-dir=" + r.dir, "--work-tree=" + tree, "-c", "user.name=Demo", "-c", "user.email=demo@example.com", "commit", "--quiet", "--message=The shop"},
		{"--git-dir=" + r.dir, "config", "uploadpack.allowAnySHA1InWant", "true"},
	} {
		if _, err := runGit(ctx, args...); err != nil {
			return nil, fmt.Errorf("make the sample repository: %w", err)
		}
	}
	return r, os.RemoveAll(tree)
}

// runGit runs git without anybody's configuration.
func runGit(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[len(args)-1], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

func (r *sampleRepository) git(ctx context.Context, args ...string) ([]byte, error) {
	return runGit(ctx, append([]string{"--git-dir=" + r.dir}, args...)...)
}

// ServeHTTP lets the agent clone it, by git's own protocol.
func (r *sampleRepository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	git, err := exec.LookPath("git")
	if err != nil {
		http.Error(w, "git is not installed", http.StatusServiceUnavailable)
		return
	}
	(&cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.dir), "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}).ServeHTTP(w, req)
}

func (r *sampleRepository) Repository(_ context.Context, at github.At) (github.Repository, error) {
	return github.Repository{Repo: at.Repo, DefaultBranch: "main", HasIssues: true}, nil
}

func (r *sampleRepository) Permission(context.Context, github.At, github.Person) (github.Permission, error) {
	return github.Write, nil
}

func (r *sampleRepository) GetIssue(_ context.Context, _ github.At, number int) (github.Issue, error) {
	return github.Issue{Number: number, State: "open"}, nil
}

func (r *sampleRepository) ReadToken(context.Context, github.At) (github.Token, error) {
	return github.Token{Value: "none", Expires: time.Now().Add(time.Hour)}, nil
}

func (r *sampleRepository) Ref(ctx context.Context, _ github.At, branch string) (sha string, found bool, err error) {
	out, err := r.git(ctx, "for-each-ref", "--format=%(objectname)", "refs/heads/"+branch)
	sha = strings.TrimSpace(string(out))
	return sha, sha != "", err
}

func (r *sampleRepository) CommitOf(ctx context.Context, _ github.At, sha string) (github.Commit, error) {
	out, err := r.git(ctx, "show", "--no-patch", "--format=%H %T", sha)
	if err != nil {
		return github.Commit{}, err
	}
	commit, tree, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return github.Commit{SHA: commit, Tree: tree}, nil
}

func (r *sampleRepository) Tree(ctx context.Context, _ github.At, sha string, recursive bool) (entries []github.TreeEntry, truncated bool, err error) {
	args := []string{"ls-tree", "-z", "--long"}
	if recursive {
		args = append(args, "-r", "-t")
	}
	out, err := r.git(ctx, append(args, sha)...)
	if err != nil {
		return nil, false, err
	}
	for line := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		about, path, _ := strings.Cut(line, "\t")
		fields := strings.Fields(about)
		if len(fields) != 4 {
			return nil, false, fmt.Errorf("read tree %s: %q", sha, line)
		}
		size, _ := strconv.ParseInt(fields[3], 10, 64) // "-" for a folder
		entries = append(entries, github.TreeEntry{Path: path, Mode: fields[0], Type: fields[1], SHA: fields[2], Size: size})
	}
	return entries, false, nil
}

func (r *sampleRepository) Blob(ctx context.Context, _ github.At, sha string) ([]byte, error) {
	return r.git(ctx, "cat-file", "blob", sha)
}

// What follows is never asked in a preview.

func (r *sampleRepository) CreateComment(context.Context, github.At, int, string) (github.Comment, error) {
	return github.Comment{}, errSample
}

func (r *sampleRepository) EditComment(context.Context, github.At, int64, string) (github.Comment, error) {
	return github.Comment{}, errSample
}

func (r *sampleRepository) DeleteComment(context.Context, github.At, int64) error { return errSample }

func (r *sampleRepository) OwnCommentsSince(context.Context, github.At, int, time.Time) ([]github.Comment, error) {
	return nil, errSample
}

func (r *sampleRepository) GetPull(context.Context, github.At, int) (github.Pull, error) {
	return github.Pull{}, errSample
}

func (r *sampleRepository) ClosePull(context.Context, github.At, int) (github.Pull, error) {
	return github.Pull{}, errSample
}

func (r *sampleRepository) EditPull(context.Context, github.At, int, *string, *string) (github.Pull, error) {
	return github.Pull{}, errSample
}

func (r *sampleRepository) CreatePull(context.Context, github.At, github.NewPull) (github.Pull, error) {
	return github.Pull{}, errSample
}

func (r *sampleRepository) PullsByHead(context.Context, github.At, string) ([]github.Pull, error) {
	return nil, nil
}

func (r *sampleRepository) Review(context.Context, github.At, int, int64) (github.Review, error) {
	return github.Review{}, errSample
}

func (r *sampleRepository) Reviews(context.Context, github.At, int) ([]github.Review, error) {
	return nil, nil
}

func (r *sampleRepository) PullComments(context.Context, github.At, int) ([]github.ReviewComment, error) {
	return nil, nil
}

func (r *sampleRepository) FailedChecks(context.Context, github.At, string) ([]github.CheckRun, error) {
	return nil, nil
}

func (r *sampleRepository) CreateTree(context.Context, github.At, string, []github.TreeFile) (string, error) {
	return "", errSample
}

func (r *sampleRepository) CreateCommit(context.Context, github.At, string, string, []string) (string, error) {
	return "", errSample
}

func (r *sampleRepository) CreateBranch(context.Context, github.At, string, string) error {
	return errSample
}

func (r *sampleRepository) MoveBranch(context.Context, github.At, string, string) error {
	return errSample
}
