package ecstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/local/child"
)

// task is a task and what became of it. The server guards it.
type task struct {
	s        *Server
	id, arn  string
	in       *runTask
	env      []string
	provider string

	last, desired   string
	version         int64
	code, reason    string // why it stopped
	exit            *int
	containerReason string
	created         time.Time
	stopped         time.Time
	unseen          int
	child           *child.Child
	killer          *time.Timer
}

// Task is a task as a test sees it.
type Task struct {
	ARN       string
	StartedBy string
	Provider  string   // FARGATE or FARGATE_SPOT
	Status    string   // its last
	StopCode  string   // why it stopped
	Exit      *int     // of its container
	PID       int      // of its process, 0 if there is none
	Env       []string // that its container was given
}

// Tasks are all that were ever started, in their order.
func (s *Server) Tasks() []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Task, len(s.order))
	for i, t := range s.order {
		all[i] = Task{ARN: t.arn, StartedBy: t.in.StartedBy, Provider: t.provider, Status: t.last, StopCode: t.code, Exit: t.exit, Env: slices.Clone(t.env)}
		if t.child != nil {
			all[i].PID = t.child.PID()
		}
	}
	return all
}

// start makes a task and has it started by and by.
func (s *Server) start(in *runTask, o overrides, f Fault) *task {
	s.serial++
	t := &task{s: s, id: fmt.Sprintf("%032x", s.serial), in: in, provider: "FARGATE", created: s.o.Now(), unseen: s.o.Unseen, desired: "RUNNING"}
	t.arn = s.arn("task/" + s.o.Cluster + "/" + t.id)
	if len(in.Strategy) > 0 {
		t.provider = in.Strategy[0].Provider
	}
	t.env = append(slices.Clone(s.o.Env), "ECS_CONTAINER_METADATA_URI_V4="+s.URL+"/v4/"+t.id)
	for _, c := range o.Containers {
		for _, e := range c.Environment {
			t.env = append(t.env, e.Name+"="+e.Value)
		}
	}
	s.tasks[t.id] = t
	s.order = append(s.order, t)
	t.become("PROVISIONING")
	select {
	case <-s.closed:
	default:
		if f.kind != never {
			s.alive.Go(func() { s.run(t, f) })
		}
	}
	return t
}

// become changes the status of a task, and tells the queue.
func (t *task) become(last string) {
	t.last = last
	t.version++
	if last == "STOPPED" {
		t.stopped = t.s.o.Now()
		if t.killer != nil {
			t.killer.Stop()
		}
	}
	t.s.emit(t)
}

// run is the life of a task.
func (s *Server) run(t *task, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return
	default:
	}
	if t.desired == "STOPPED" {
		return // it was stopped before it began
	}
	t.become("PENDING")
	if f.kind == unstarted {
		t.end("TaskFailedToStart", f.reason)
		return
	}
	if s.o.Command == nil {
		t.become("RUNNING")
		return
	}
	line := func(text string) {
		if s.o.Line != nil {
			s.o.Line(t.in.StartedBy, text)
		}
	}
	c, err := child.Start(child.Spec{Command: s.o.Command, Env: t.env, Dir: s.o.Dir, Line: line})
	if err != nil {
		t.containerReason = "CannotStartContainerError: " + err.Error()
		t.end("TaskFailedToStart", "Task failed to start")
		return
	}
	t.child = c
	t.become("RUNNING")
	s.alive.Go(func() {
		<-c.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		t.exited(c.Exit())
	})
}

// exited notes that the container ended.
func (t *task) exited(code int) {
	if t.last == "STOPPED" {
		return
	}
	t.exit = &code
	if t.code == "" {
		t.code, t.reason, t.desired = "EssentialContainerExited", "Essential container in task exited", "STOPPED"
	}
	t.become("DEPROVISIONING")
	t.become("STOPPED")
}

// end has a task stop, as StopTask does, unless it is told to already.
func (t *task) end(code, reason string) {
	if t.desired == "STOPPED" {
		return
	}
	t.desired, t.code, t.reason = "STOPPED", code, reason
	switch {
	case t.last != "RUNNING":
		t.become("STOPPED")
	case t.child == nil:
		t.exited(143)
	default:
		t.become("STOPPING")
		t.killer = time.AfterFunc(t.s.o.StopTimeout, t.child.Kill)
		t.child.Terminate()
	}
}

// End has the service stop a task for a reason of its own, such as
// "InfrastructureHealth".
func (s *Server) End(arn, code, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(arn); t != nil {
		t.end(code, reason)
	}
}

// Interrupt takes a task's Spot capacity away.
func (s *Server) Interrupt(arn string) {
	s.End(arn, "SpotInterruption", "Your Spot Task was interrupted.")
}

// Exit ends the container of a task without a process.
func (s *Server) Exit(arn string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(arn); t != nil && t.child == nil && t.last == "RUNNING" {
		t.exited(code)
	}
}

// find returns a task that is known still, by ARN or id.
func (s *Server) find(name string) *task {
	for _, t := range s.order {
		if (t.arn == name || t.id == name) && s.tasks[t.id] != nil {
			return t
		}
	}
	return nil
}

// How times are written: by the API as seconds since 1970, in events as text.
type clock func(time.Time) any

func number(t time.Time) any { return float64(t.UnixMilli()) / 1000 }
func text(t time.Time) any   { return t.UTC().Format(time.RFC3339Nano) }

// shape is the task as the API and events show it.
func (t *task) shape(tags bool, when clock) map[string]any {
	container := map[string]any{"name": t.s.o.Definition.Container, "taskArn": t.arn, "lastStatus": t.last}
	if t.exit != nil {
		container["exitCode"] = *t.exit
	}
	if t.containerReason != "" {
		container["reason"] = t.containerReason
	}
	out := map[string]any{
		"taskArn": t.arn, "clusterArn": t.s.clusterARN(), "taskDefinitionArn": t.s.definitionARN(),
		"lastStatus": t.last, "desiredStatus": t.desired, "startedBy": t.in.StartedBy, "group": t.in.Group,
		"capacityProviderName": t.provider, "launchType": "FARGATE", "version": t.version,
		"cpu": t.s.o.Definition.CPU, "memory": t.s.o.Definition.Memory, "createdAt": when(t.created),
		"containers": []any{container}, "overrides": json.RawMessage(t.in.Overrides), "attachments": []any{}, "enableExecuteCommand": t.in.EnableExecuteCommand,
	}
	if t.code != "" {
		out["stopCode"], out["stoppedReason"] = t.code, t.reason
	}
	if !t.stopped.IsZero() {
		out["stoppedAt"] = when(t.stopped)
	}
	if tags {
		out["tags"] = t.in.Tags
	}
	if len(t.in.Overrides) == 0 {
		delete(out, "overrides")
	}
	return out
}

// metadata is the endpoint that a container asks about itself: see "Amazon ECS
// task metadata endpoint version 4" in its documentation.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	t := s.tasks[r.PathValue("task")]
	s.mu.Unlock()
	if t == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"Cluster": s.clusterARN(), "TaskARN": t.arn, "Family": s.o.Definition.Family, "Revision": "1", "LaunchType": "FARGATE"})
}
