// Package run is the record of runs: what is kept of one, and where.
//
// A run is one attempt by the agent to fix a cluster. It goes through rounds: the
// first makes a proposal, each later one takes a review of it back to the agent.
// A round goes through attempts: a task that was taken away is started again.
// Package fix moves runs on; everybody else reads.
package run

import (
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// State says how far a run is.
type State string

// The states of a run. From Queued to Proposed it is alive.
const (
	Queued     State = "queued"     // waits for a place
	Launching  State = "launching"  // its task is being started
	Working    State = "working"    // its task was started
	Publishing State = "publishing" // its result is checked and proposed
	Proposed   State = "proposed"   // its pull request is open

	Merged    State = "merged"    // its pull request was merged
	NoChange  State = "no_change" // the agent changed nothing
	Failed    State = "failed"    // see Reason
	Cancelled State = "cancelled" // by a person, or because what it was for went away
	TimedOut  State = "timed_out" // it had its time and nothing to show
)

// States is every state.
func States() []State {
	return []State{Queued, Launching, Working, Publishing, Proposed, Merged, NoChange, Failed, Cancelled, TimedOut}
}

// Alive reports whether a run in this state goes on by itself or by a person.
func (s State) Alive() bool {
	switch s {
	case Queued, Launching, Working, Publishing, Proposed:
		return true
	}
	return false
}

// Busy reports whether a run in this state holds a place among the runs that go
// on at once, or waits for one.
func (s State) Busy() bool { return s.Alive() && s != Proposed }

// Reason says why a run ended or a round came to nothing, as a name that texts,
// metrics and tests go by. Its words are in package tell.
type Reason string

// The reasons.
const (
	ReasonNone        Reason = ""
	ReasonNoLauncher  Reason = "no_launcher"  // none is configured
	ReasonRefused     Reason = "refused"      // the launcher's settings are wrong
	ReasonCapacity    Reason = "capacity"     // no room for the task, also on demand
	ReasonNotStarted  Reason = "not_started"  // the task never ran
	ReasonKilled      Reason = "killed"       // the agent was killed: out of memory, or a signal
	ReasonCrashed     Reason = "crashed"      // the agent ended without a result
	ReasonInterrupted Reason = "interrupted"  // taken away more often than it is tried again
	ReasonSilent      Reason = "silent"       // no heartbeat for too long
	ReasonTime        Reason = "time"         // its time was up
	ReasonBudget      Reason = "budget"       // the model's budget was used up
	ReasonClone       Reason = "clone"        // the repository could not be fetched
	ReasonCoder       Reason = "coder"        // Kilo did not start, or crashed
	ReasonModel       Reason = "model"        // the model did not answer
	ReasonCollect     Reason = "collect"      // the change could not be read
	ReasonUnsafe      Reason = "unsafe"       // the publisher refused the change: see Refused
	ReasonMoved       Reason = "moved"        // the branch holds commits that are not ours, or is gone
	ReasonForbidden   Reason = "forbidden"    // GitHub does not allow to propose
	ReasonPermission  Reason = "permission"   // who asked may not write any more
	ReasonCommand     Reason = "command"      // /soulcaster cancel
	ReasonClosed      Reason = "issue_closed" // the issue was closed under way
	ReasonPullClosed  Reason = "pull_closed"  // the pull request was closed
	ReasonUninstalled Reason = "uninstalled"  // the App was uninstalled or suspended
	ReasonHidden      Reason = "hidden"       // the evidence could not be shown before
	ReasonGone        Reason = "gone"         // the issue or the repository is gone or cannot be written to any more, or the problem left the issue
	ReasonOff         Reason = "off"          // the repository wants no runs any more: it is in preview, or allows none
)

// Reasons is every reason but ReasonNone.
func Reasons() []Reason {
	return []Reason{ReasonNoLauncher, ReasonRefused, ReasonCapacity, ReasonNotStarted, ReasonKilled, ReasonCrashed, ReasonInterrupted,
		ReasonSilent, ReasonTime, ReasonBudget, ReasonClone, ReasonCoder, ReasonModel, ReasonCollect, ReasonUnsafe, ReasonMoved,
		ReasonForbidden, ReasonPermission, ReasonCommand, ReasonClosed, ReasonPullClosed, ReasonUninstalled, ReasonHidden, ReasonGone, ReasonOff}
}

// Run is the record of one run.
type Run struct {
	ID      string `json:"id"` // lower-case letters and digits, unique in the whole app
	Cluster string `json:"cluster"`
	Issue   int    `json:"issue"` // its number
	State   State  `json:"state"`
	Reason  Reason `json:"reason,omitempty"` // of the end, or of the last round's
	Detail  string `json:"detail,omitempty"` // for the operator: never on GitHub
	Live    bool   `json:"live"`             // false: nothing is written to GitHub

	By         string    `json:"by"`              // login of who asked
	ByID       int64     `json:"by_id,omitempty"` // GitHub's id of the same
	Comment    int64     `json:"comment"`
	CommentURL string    `json:"comment_url,omitempty"` // where that comment is
	RequestID  string    `json:"request_id,omitempty"`
	Created    time.Time `json:"created"`
	Ended      time.Time `json:"ended,omitzero"`
	Changed    time.Time `json:"changed"` // when State became what it is

	EvidenceHash string  `json:"evidence_hash"` // of what was shown, and what the agent gets
	Rounds       []Round `json:"rounds"`        // at least one; the last is the present one

	Attempts int       `json:"attempts"`          // over all rounds
	Attempt  *Attempt  `json:"attempt,omitempty"` // the present or last one
	Again    time.Time `json:"again,omitzero"`    // Launching: not before
	Wish     *Wish     `json:"wish,omitempty"`    // that it end
	Ordered  int64     `json:"ordered,omitempty"` // the newest comment that was obeyed, but for those that asked for a round
	// OrderedAt is when the newest order that was obeyed was given, in a comment or on a
	// page.
	OrderedAt time.Time `json:"ordered_at,omitzero"`
	Place     int       `json:"place,omitempty"`  // Queued: in the queue, from 1
	Waits     string    `json:"waits,omitempty"`  // Queued: for what, in words
	Status    int64     `json:"status,omitempty"` // id of the status comment
	Told      string    `json:"told,omitempty"`   // hash of what it says
	ToldAt    time.Time `json:"told_at,omitzero"`
	Branch    string    `json:"branch"`         // soulcaster/issue-<n>-<run>
	Head      string    `json:"head,omitempty"` // our last commit on it, recorded before the ref moves
	Pull      *Pull     `json:"pull,omitempty"`
	Let       *Let      `json:"let,omitempty"`      // that the proposal's checks may run
	Shown     *Shown    `json:"shown,omitempty"`    // the head that people were told to look at since it was proposed
	Looked    time.Time `json:"looked,omitzero"`    // when the pull request was last asked for without being told of
	Reviewed  *Reviewed `json:"reviewed,omitempty"` // the last review that was heeded
	Released  bool      `json:"released,omitempty"` // it holds no place any more, and its task is stopped
}

// Round is one turn of the agent.
type Round struct {
	N       int          `json:"n"`
	By      string       `json:"by"`                // login of who asked; "" if checks did
	ByID    int64        `json:"by_id,omitempty"`   // GitHub's id of the same
	Through string       `json:"through,omitempty"` // what a program brought that asked in their name, in words
	Comment int64        `json:"comment,omitempty"` // that asked for it
	Order   string       `json:"order,omitempty"`   // that asked for it, if it was given on a page
	Review  int64        `json:"review,omitempty"`  // that asked for it
	Checks  string       `json:"checks,omitempty"`  // commit whose checks asked for it
	Base    string       `json:"base,omitempty"`    // commit that the agent works on, known at launch
	Default string       `json:"default,omitempty"` // head of the default branch at launch, whose AGENTS.md counts
	Asked   time.Time    `json:"asked"`
	Ended   time.Time    `json:"ended,omitzero"`
	Ending  brief.Ending `json:"ending,omitempty"`
	Reason  Reason       `json:"reason,omitempty"` // why it came to nothing
	Refused []Refusal    `json:"refused,omitempty"`
	Commit  string       `json:"commit,omitempty"` // what came of it
	Diff    *Diff        `json:"diff,omitempty"`   // what it changed, if that was to be proposed
	Said    string       `json:"said,omitempty"`   // why the agent changed nothing, in its words: foreign, at most 4,000 runes
	Tasks   int          `json:"tasks,omitempty"`  // that were started for it
	Tight   time.Time    `json:"tight,omitzero"`   // since when there is no room for its task
}

// Diff sums up a change.
type Diff struct {
	Files int `json:"files"`
	Lines
}

// Lines of text that were added and cut.
type Lines struct {
	Added int `json:"added"`
	Cut   int `json:"cut"`
}

// Refusal is one thing that the publisher refused in a change.
type Refusal struct {
	Path string `json:"path"` // foreign
	Rule string `json:"rule"` // ours: "workflow", "secret", …
	Why  string `json:"why"`  // ours, in words, without foreign text
}

// Attempt is one task.
type Attempt struct {
	N         int        `json:"n"` // over all rounds
	Round     int        `json:"round"`
	Spot      bool       `json:"spot,omitempty"`
	Intended  time.Time  `json:"intended"`             // when the launch was recorded
	Task      string     `json:"task,omitempty"`       // its id, once known
	Claimed   time.Time  `json:"claimed,omitzero"`     // when its brief was given first
	ClaimedBy string     `json:"claimed_by,omitempty"` // the task that got it
	Spoken    bool       `json:"spoken,omitempty"`     // it has sent a heartbeat: the claim is void
	Deadline  time.Time  `json:"deadline,omitzero"`    // for the agent; the app stops it a grace later
	Seen      *task.Task `json:"seen,omitempty"`       // as the launcher described it last
	SeenAt    time.Time  `json:"seen_at,omitzero"`     // when it was first seen to be at that phase
	Quiet     time.Time  `json:"quiet,omitzero"`       // since when it is watched because it should have been heard of
	Listened  time.Time  `json:"listened,omitzero"`    // when it was last looked at since then
	Result    bool       `json:"result,omitempty"`     // it was handed over
	Stop      Reason     `json:"stop,omitempty"`       // it is to be stopped, and why
	Stopping  time.Time  `json:"stopping,omitzero"`    // since when it is told to stop at the end of its round
}

// Let is that the repository's workflows may run on the proposal as it is.
type Let struct {
	By      string `json:"by"` // login
	Through string `json:"through,omitempty"`
	Comment int64  `json:"comment,omitempty"`
	Order   string `json:"order,omitempty"`  // if it was given on a page
	From    string `json:"from"`             // the head that it was said of
	Commit  string `json:"commit,omitempty"` // that starts them, recorded before the ref moves
	Done    bool   `json:"done,omitempty"`   // the ref was moved
}

// Shown is a head of the run's branch that people were told to look at.
type Shown struct {
	Head string    `json:"head"`
	At   time.Time `json:"at"`
}

// Reviewed is a review of the proposal.
type Reviewed struct {
	ID int64     `json:"id"`
	At time.Time `json:"at"` // when it was submitted
}

// Before reports whether a review is later than this one; any is later than none.
func (r *Reviewed) Before(other Reviewed) bool {
	return r == nil || r.At.Before(other.At) || r.At.Equal(other.At) && r.ID < other.ID
}

// Wish is that a run end.
type Wish struct {
	Reason  Reason    `json:"reason"`
	By      string    `json:"by,omitempty"` // login
	Through string    `json:"through,omitempty"`
	At      time.Time `json:"at"`
}

// Pull is the run's pull request.
type Pull struct {
	Number   int       `json:"number"`
	URL      string    `json:"url"`
	Checks   string    `json:"checks,omitempty"` // login of who let the checks run
	Merge    string    `json:"merge,omitempty"`  // the commit that merged it
	Merged   time.Time `json:"merged,omitzero"`
	MergedBy string    `json:"merged_by,omitempty"`
	Into     string    `json:"into,omitempty"` // branch that it was merged into, if that is not the default one: foreign
}

// Proposal returns when what is proposed now was, and by which commit; the time is
// zero if nothing is.
func (r *Run) Proposal() (at time.Time, commit string) {
	for _, round := range r.Rounds {
		if round.Commit != "" {
			at, commit = round.Ended, round.Commit
		}
	}
	return at, commit
}

// Diff returns what the last round that came to a change changed, nil if none did.
func (r *Run) Diff() (d *Diff) {
	for _, round := range r.Rounds {
		if round.Diff != nil {
			d = round.Diff
		}
	}
	return d
}

// Round returns the present round.
func (r *Run) Round() *Round { return &r.Rounds[len(r.Rounds)-1] }

// Usage is what a run's model has cost so far.
type Usage struct {
	Requests int64 `json:"requests"`
	Input    int64 `json:"input"`  // tokens
	Cached   int64 `json:"cached"` // of them, from the provider's cache
	Output   int64 `json:"output"` // tokens
	// Micros is the cost in millionths of a US dollar, if Priced.
	Micros int64  `json:"micros"`
	Priced bool   `json:"priced"`          // the model's price is known
	Held   int64  `json:"held,omitempty"`  // requests under way
	Spent  string `json:"spent,omitempty"` // which budget is used up: "requests", "tokens", "money"
}

// Budget is what the model of one run may use; 0 is no limit.
type Budget struct {
	Requests int64
	Tokens   int64 // in and out
	Micros   int64 // millionths of a US dollar
}

// Live is the agent's last heartbeat.
type Live struct {
	At      time.Time   `json:"at"`
	Attempt int         `json:"attempt"`
	Phase   brief.Phase `json:"phase"`
	Note    string      `json:"note,omitempty"` // foreign
	Steps   int         `json:"steps"`
}
