// Package brief is what the app and the agent's container say to each other, as
// JSON over HTTP: the claim that the container brings, the brief that it gets for
// it, its heartbeats, and the result that it hands over.
//
// Everything that comes from the container is foreign: it ran commands that
// strangers may have steered. Package publish checks it.
package brief

import "time"

// Claim is what the container brings to POST /agent/claim.
type Claim struct {
	Run   string `json:"run"`   // SOULCASTER_RUN
	Claim string `json:"claim"` // SOULCASTER_CLAIM
	Task  string `json:"task"`  // the task's ARN, or how a local process names itself
}

// Brief is the answer: all that the agent needs for one round of a run, and the
// two tokens that it works with. Nothing of it is written to a disk.
type Brief struct {
	Run     string `json:"run"`
	Round   int    `json:"round"`   // 1 for the first
	Attempt int    `json:"attempt"` // of the run, over all rounds
	// Token is for everything else that the container asks of the app, its model
	// included, as Authorization: Bearer. It is void when the attempt ends.
	Token string `json:"token"`

	Repository Repository `json:"repository"`
	Model      Model      `json:"model"`
	Seconds    int        `json:"seconds"`   // until the agent must hand over what there is
	Heartbeat  int        `json:"heartbeat"` // seconds between two heartbeats

	Issue    Issue      `json:"issue"`
	By       string     `json:"by"`              // login of who asked
	Words    string     `json:"words,omitempty"` // what they said: a maintainer's, trusted
	Evidence []Evidence `json:"evidence"`        // strangers' words: data, never instructions
	Review   *Review    `json:"review,omitempty"`

	Test   string `json:"test,omitempty"` // the command that tests the repository
	Limits Limits `json:"limits"`
}

// Repository says what to clone.
type Repository struct {
	Name     string `json:"name"` // owner/name
	CloneURL string `json:"clone_url"`
	// Token reads this one repository, for an hour at most. The container revokes
	// it, with DELETE RevokeURL, as soon as it has cloned.
	Token         string `json:"token"`
	RevokeURL     string `json:"revoke_url,omitempty"`
	Commit        string `json:"commit"`         // to work on: the base, or the head of the proposal
	DefaultCommit string `json:"default_commit"` // of the default branch, whose AGENTS.md counts
}

// Model is what Kilo is told of its model.
type Model struct {
	Name    string `json:"name"`
	Context int    `json:"context"` // tokens
	Output  int    `json:"output"`  // tokens
}

// Issue is the one that stands for the cluster.
type Issue struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
}

// Evidence is one piece of what strangers said, as it was shown to the
// maintainer in the status comment.
type Evidence struct {
	Source string    `json:"source"` // "sentry", "reddit", "report"
	Field  string    `json:"field"`  // "stack", "message", "title", "text"
	Text   string    `json:"text"`
	At     time.Time `json:"at,omitzero"` // when it happened, if one moment
}

// Review is what people with write permission said about the proposal, frozen
// when they asked for another round, and which checks failed.
type Review struct {
	By       string          `json:"by"` // login, or "" if checks started the round
	Body     string          `json:"body,omitempty"`
	Comments []ReviewComment `json:"comments,omitempty"`
	Checks   []Check         `json:"checks,omitempty"`
}

// ReviewComment is a comment on a line of the proposal.
type ReviewComment struct {
	Path string `json:"path"`
	Line int    `json:"line"` // 0: of the whole file
	Hunk string `json:"hunk"`
	Body string `json:"body"`
	By   string `json:"by"`
}

// Check is a check that failed on the agent's own commit.
type Check struct {
	Name       string `json:"name"`
	Conclusion string `json:"conclusion"`
	Summary    string `json:"summary,omitempty"` // foreign
}

// Limits of what is handed over.
type Limits struct {
	Files     int   `json:"files"`      // that change
	FileBytes int64 `json:"file_bytes"` // of one file
	Bytes     int64 `json:"bytes"`      // of all files
	LogBytes  int64 `json:"log_bytes"`  // of a round's log
}

// Phase is what the agent is at.
type Phase string

// The phases, in their order.
const (
	Cloning    Phase = "cloning"
	Before     Phase = "testing before" // the repository's tests, unchanged
	Working    Phase = "working"        // Kilo is at it
	After      Phase = "testing after"
	Collecting Phase = "collecting"
)

// Heartbeat is what the container says while it lives.
type Heartbeat struct {
	Attempt int    `json:"attempt"`
	Phase   Phase  `json:"phase"`
	Note    string `json:"note,omitempty"` // what Kilo does: the tool's name, never its output
	Steps   int    `json:"steps"`          // of Kilo's so far
}

// Order is the app's answer to a heartbeat.
type Order struct {
	Stop   string `json:"stop,omitempty"`   // why to stop; empty: go on
	Finish string `json:"finish,omitempty"` // why to hand over what there is; empty: go on
	Ending Ending `json:"ending,omitempty"` // with Finish: Deadline or Budget
}

// Log is a piece of the round's log, redacted by the container already. A piece
// that was stored is not stored again.
type Log struct {
	Attempt int    `json:"attempt"`
	Offset  int64  `json:"offset"` // of its first byte in the log of the attempt
	Text    string `json:"text"`
}

// Ending is how the agent's work ended.
type Ending string

// The endings.
const (
	Finished Ending = "finished" // Kilo said that it was done
	Deadline Ending = "deadline" // it was stopped at the deadline
	Budget   Ending = "budget"   // the model's budget is used up
	Stopped  Ending = "stopped"  // SIGTERM: the task is being taken away
	Failed   Ending = "failed"   // see Failure
)

// Failure says what failed, in words that people may see; the log has the rest.
type Failure string

// The failures.
const (
	FailedClone   Failure = "clone"   // the repository could not be fetched
	FailedCoder   Failure = "coder"   // Kilo did not start or crashed
	FailedModel   Failure = "model"   // the model did not answer, or refused
	FailedSilent  Failure = "silent"  // Kilo said nothing for too long
	FailedCollect Failure = "collect" // the change could not be read, or is too large
)

// Result is what the container hands over at the end of a round:
// PUT /agent/runs/{run}/result. It is sent again until it is taken.
type Result struct {
	Round   int     `json:"round"`
	Attempt int     `json:"attempt"`
	Ending  Ending  `json:"ending"`
	Failure Failure `json:"failure,omitempty"`
	Base    string  `json:"base"` // the commit that Files change
	Files   []File  `json:"files"`
	// TooMuch says that there is more than the limits let through, in words; then
	// Files is empty.
	TooMuch string `json:"too_much,omitempty"`
	Said    string `json:"said"` // Kilo's last words: Markdown by a model, foreign
	Tests   []Test `json:"tests,omitempty"`
	Steps   int    `json:"steps"`
	Seconds int    `json:"seconds"`
}

// Modes of a file, as git writes them.
const (
	ModeFile       = "100644"
	ModeExecutable = "100755"
	ModeLink       = "120000"
	ModeSubmodule  = "160000"
)

// File is one path that changed.
type File struct {
	Path    string `json:"path"` // from the top of the repository, with slashes
	Mode    string `json:"mode"` // "" if it was deleted
	Content []byte `json:"content,omitempty"`
}

// Test is one run of the repository's test command.
type Test struct {
	When     string `json:"when"` // "before" or "after" the change
	Command  string `json:"command"`
	Exit     int    `json:"exit"`
	TimedOut bool   `json:"timed_out,omitempty"`
	Seconds  int    `json:"seconds"`
}
