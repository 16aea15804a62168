// Package task is what a run needs of wherever its agent is started: Amazon ECS
// (package ecs), or this machine (package local). Package tasktest holds what
// both must do.
package task

import (
	"context"
	"encoding/json"
	"errors"
)

// The environment of the agent's container.
const (
	EnvURL   = "SOULCASTER_URL"   // where the container reaches the app
	EnvRun   = "SOULCASTER_RUN"   // the run's id
	EnvClaim = "SOULCASTER_CLAIM" // the secret that the brief is given for, once
	// EnvTask is the task's id where no metadata service tells it: set by package
	// local, never by ECS.
	EnvTask = "SOULCASTER_TASK"
)

var (
	// ErrCapacity says that there is no room for the task now. Nothing was
	// started; the same plan may be launched again, or one that is not Spot.
	ErrCapacity = errors.New("task: no capacity")
	// ErrRefused says that this launcher's settings are wrong: the cluster, the
	// task definition or a permission is missing. Nothing was started. Its text is
	// for the operator.
	ErrRefused = errors.New("task: refused")
	// ErrOtherPlan says that the token of the plan was used for another one.
	ErrOtherPlan = errors.New("task: the token belongs to another plan")
)

// Spec says what is to be started.
type Spec struct {
	Run     string // id of the run: lower-case letters and digits, at most 20
	Attempt int    // of the run, from 1; a launch is done once per run and attempt
	URL     string // where the container reaches the app
	Spot    bool   // on capacity that can be taken away, if the launcher has any
}

// Launcher starts tasks and looks after them. All methods are safe for
// concurrent use and keep to the deadline of their context. An error that is a
// *work.Later says that the service is away or wants to be left alone; for
// Launch, an error for which action.IsUnknown holds says that the task may have
// been started, and the same plan may be launched again: that starts no second.
type Launcher interface {
	Starter
	Watcher
}

// Starter starts tasks.
type Starter interface {
	// Plan returns the exact request that Launch sends, but for the claim: what it
	// says stays what it says when the launcher's settings change.
	Plan(s Spec) (json.RawMessage, error)
	// Launch starts the task of a plan, unless that was done before, and returns
	// it. claim goes into its environment and nowhere else.
	Launch(ctx context.Context, plan json.RawMessage, claim string) (Task, error)
}

// Watcher knows what became of tasks.
type Watcher interface {
	// Describe returns the tasks of the ids, in their order. One that the service
	// does not know (yet, or any more) is Missing.
	Describe(ctx context.Context, ids ...string) ([]Task, error)
	// Find returns all tasks of a run that the service knows, running or stopped.
	Find(ctx context.Context, run string) ([]Task, error)
	// Stop has a task end: SIGTERM, and SIGKILL some time later. One that ended
	// already, or is not known, is stopped.
	Stop(ctx context.Context, id, reason string) error
}

// Phase says how far a task is.
type Phase string

// The phases of a task.
const (
	Missing Phase = "missing"
	Pending Phase = "pending" // from provisioning to activating
	Running Phase = "running"
	Ending  Phase = "ending" // it was told to stop, or its container ended
	Stopped Phase = "stopped"
)

// Cause says why a task stopped.
type Cause string

// The causes.
const (
	Exited      Cause = "exited"      // its container ended: see Exit
	Asked       Cause = "asked"       // Stop
	Interrupted Cause = "interrupted" // Spot capacity was taken away
	NotStarted  Cause = "not started" // the image, the network or a secret was missing
	Trouble     Cause = "trouble"     // the machine below it failed, or there was none left
)

// Task is a task as the service knows it.
type Task struct {
	ID      string `json:"id"`
	Run     string `json:"run,omitempty"` // that it was started for
	Phase   Phase  `json:"phase"`
	Cause   Cause  `json:"cause,omitempty"`   // of a stopped task
	Exit    *int   `json:"exit,omitempty"`    // of its container; nil: it never ran. 137: killed, 143: SIGTERM
	Reason  string `json:"reason,omitempty"`  // the service's words, for the operator
	Version int64  `json:"version,omitempty"` // grows; of two answers the larger is the later
}
