package ecs

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// task is a task of ECS in our words.
func (l *Launcher) task(t *types.Task) task.Task {
	out := task.Task{
		ID:      aws.ToString(t.TaskArn),
		Run:     aws.ToString(t.StartedBy),
		Phase:   phase(aws.ToString(t.LastStatus), aws.ToString(t.DesiredStatus)),
		Version: t.Version,
	}
	c := l.container(t.Containers)
	if c != nil && c.ExitCode != nil {
		exit := int(*c.ExitCode)
		out.Exit = &exit
	}
	out.Reason = aws.ToString(t.StoppedReason)
	if c != nil && aws.ToString(c.Reason) != "" {
		out.Reason = strings.TrimPrefix(out.Reason+"; ", "; ") + *c.Reason
	}
	out.Reason = cut(strings.Join(strings.Fields(out.Reason), " "), maxWords)
	if out.Phase == task.Stopped {
		out.Cause = cause(t.StopCode, out)
	}
	return out
}

// container is the agent's among a task's containers.
func (l *Launcher) container(all []types.Container) *types.Container {
	for i := range all {
		if aws.ToString(all[i].Name) == l.c.Container || len(all) == 1 {
			return &all[i]
		}
	}
	return nil
}

// phase is what a task's last and desired status mean ("Amazon ECS task lifecycle"
// in its documentation).
func phase(last, desired string) task.Phase {
	switch last {
	case "STOPPED":
		return task.Stopped
	case "DELETED":
		return task.Missing
	case "DEACTIVATING", "STOPPING", "DEPROVISIONING":
		return task.Ending
	}
	switch {
	case desired == "STOPPED":
		return task.Ending
	case last == "RUNNING":
		return task.Running
	}
	return task.Pending
}

// cause is why a task stopped.
func cause(code types.TaskStopCode, t task.Task) task.Cause {
	switch code {
	case types.TaskStopCodeEssentialContainerExited:
		return task.Exited
	case types.TaskStopCodeUserInitiated:
		return task.Asked
	case types.TaskStopCodeSpotInterruption, types.TaskStopCodeTerminationNotice:
		return task.Interrupted
	case types.TaskStopCodeTaskFailedToStart:
		if noRoom(t.Reason) {
			return task.Trouble // nothing is wrong with the task: another try may do
		}
		return task.NotStarted
	case types.TaskStopCodeInfrastructureHealth, types.TaskStopCodeServiceSchedulerInitiated:
		return task.Trouble
	}
	if t.Exit != nil {
		return task.Exited
	}
	return task.Trouble
}
