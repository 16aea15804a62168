// Package publish checks what an agent made of a repository and proposes it: as one
// commit on the run's branch, in one draft pull request. It is the only part of a
// run that writes to the repository, and the agent has no part in it.
//
// # What is refused
//
// [Publisher.Check] lists everything in a change that must not be proposed, with the
// rule that it breaks. The rules are the same for everybody, but for `fix.paths`:
//
//	base        the change is of another commit than the one that the agent was given
//	too_much    the agent could not hand the change over
//	files       more files than the limit
//	size        a file, or all of them, longer than the limit
//	path        a path that is not clean, that Windows cannot have or reads as another one,
//	            that file systems read as git's own, or that another one stands in the way of
//	mode        what is no file, program or symbolic link
//	submodule   a submodule, changed or replaced, and .gitmodules
//	policy      fix.paths does not let it through
//	workflow    .github/workflows, .github/actions, an action of the repository's own and
//	            dependabot.yml, and what other build services read: they run with secrets
//	machine     .devcontainer, .vscode, .husky, .claude, .mcp.json, kilo.json, …: tools run
//	            what they say where the repository is opened
//	instructions AGENTS.md, CLAUDE.md, …, in any folder: agents obey them, the next
//	            round's too
//	owners      CODEOWNERS, in its three places
//	settings    .github/soulcaster.yml: a run does not change its own rules
//	attributes  .gitattributes: it can name programs that git runs
//	link        a symbolic link out of the repository, or into git's own folder
//	binary      what is not text in UTF-8
//	conversion  a file that git would convert on its way in: LFS, line endings, encodings
//	secret      something that looks like a secret and was not there before, in a file or in a path
//
// A file that is byte for byte what it was, and has the mode that it had, is no part
// of a change. What is left without a file is [ErrEmpty].
//
// # fix.paths
//
// A pattern is matched against the whole path from the top of the repository: * and ?
// stand for anything but a slash, ** for any folders, {a,b} for either, [a-z] for one
// of a class. A pattern without a slash matches a file or a folder of that name
// anywhere; a folder stands for all that is below it. With a leading ! it excludes,
// in upper and lower case alike and however accents are written, whatever other
// patterns say. If there is a pattern
// that does not exclude, only what one of them matches may be changed. A pattern that
// cannot be read lets nothing through.
//
// # Workflows
//
// Unless `fix.checks: run` is set, the message of every commit ends in the trailer
// skip-checks: GitHub then starts no workflow of the repository on push and
// pull_request for it. It holds for those two events only; a workflow on
// pull_request_target or create runs all the same, from the default branch's or its
// own file, which a run cannot have changed. [Publisher.Checks] makes a commit
// without the trailer. What is documented of it:
// https://docs.github.com/en/actions/managing-workflow-runs/skipping-workflow-runs
//
// A squash merge of a proposal that holds one commit takes over that commit's
// message, trailer and all, unless the repository is set to use the title and the
// description or somebody edits it: then the default branch's workflows are not
// started by the merge either. With a second commit GitHub proposes the title and a
// list of the messages, in which the trailer is not the end of the message any more.
// The pull request says so.
package publish

import (
	"context"
	"errors"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/github"
)

var (
	// ErrEmpty says that nothing is left to propose.
	ErrEmpty = errors.New("publish: the change is empty")
	// ErrMoved says that the branch is gone, or holds what the agent did not see.
	ErrMoved = errors.New("publish: the branch has moved")
	// ErrClosed says that the pull request was closed or merged.
	ErrClosed = errors.New("publish: the pull request is closed")
	// ErrTaken says that the branch has a pull request that is not ours.
	ErrTaken = errors.New("publish: the pull request of the branch is somebody else's")
)

// Host is what of GitHub is needed. All of it is as package github documents.
type Host interface {
	Objects
	Branches
	Pulls
}

// Objects are the repository's commits, trees and blobs.
type Objects interface {
	CommitOf(ctx context.Context, at github.At, sha string) (github.Commit, error)
	Tree(ctx context.Context, at github.At, sha string, recursive bool) (entries []github.TreeEntry, truncated bool, err error)
	Blob(ctx context.Context, at github.At, sha string) ([]byte, error)
	CreateTree(ctx context.Context, at github.At, base string, files []github.TreeFile) (sha string, err error)
	CreateCommit(ctx context.Context, at github.At, message, tree string, parents []string) (sha string, err error)
}

// Branches are the repository's branches.
type Branches interface {
	Ref(ctx context.Context, at github.At, branch string) (sha string, found bool, err error)
	CreateBranch(ctx context.Context, at github.At, branch, sha string) error
	MoveBranch(ctx context.Context, at github.At, branch, sha string) error
}

// Pulls are the repository's pull requests.
type Pulls interface {
	CreatePull(ctx context.Context, at github.At, n github.NewPull) (github.Pull, error)
	GetPull(ctx context.Context, at github.At, number int) (github.Pull, error)
	EditPull(ctx context.Context, at github.At, number int, title, body *string) (github.Pull, error)
	PullsByHead(ctx context.Context, at github.At, branch string) ([]github.Pull, error)
}

// Publisher checks and proposes changes. It is safe for concurrent use.
type Publisher struct {
	host    Host
	log     *action.Log
	mac     func(space, key string) string
	limits  brief.Limits
	scanner *scanner
}

// New returns a publisher. mac is the keyed hash of a key in a space: only we can
// make it, and by it a pull request is known to be ours. limits are those that the
// agent was told; see [Limits].
func New(host Host, log *action.Log, mac func(space, key string) string, limits brief.Limits) (*Publisher, error) {
	s, err := newScanner()
	if err != nil {
		return nil, err
	}
	return &Publisher{host: host, log: log, mac: mac, limits: limits, scanner: s}, nil
}

// Limits are what a change may hold unless something else is set. A person is to read
// it, so it is not much.
func Limits() brief.Limits {
	return brief.Limits{Files: 100, FileBytes: 512 << 10, Bytes: 2 << 20, LogBytes: 4 << 20}
}
