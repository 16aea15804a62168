package ecs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

const (
	// batch is the most tasks that DescribeTasks takes.
	batch = 100
	// maxPages bounds what is read of a list, of a hundred tasks each: a run has a
	// handful.
	maxPages = 10
	// maxReason is ours: ECS names no limit for the reason of a stop.
	maxReason = 255
)

// arnForm is the ARN of a task with its region and cluster. Accounts that still
// have the short form, without a cluster, cannot run tasks with tags, as ours are.
var arnForm = regexp.MustCompile(`^arn:aws[a-z-]*:ecs:([a-z0-9-]+):\d{12}:task/([A-Za-z0-9_-]{1,255})/([0-9a-f]{32,64})$`)

// cluster returns the cluster of a task of this region: that of the settings may
// have changed since it was started.
func (l *Launcher) cluster(id string) (string, bool) {
	m := arnForm.FindStringSubmatch(id)
	if m == nil || m[1] != l.region {
		return "", false
	}
	return m[2], true
}

// Describe returns the tasks of the ids, which are ARNs, in their order. ECS knows
// a stopped task for an hour at least, and may not know one that was started just
// now.
func (l *Launcher) Describe(ctx context.Context, ids ...string) ([]task.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	clusters := map[string][]string{}
	for _, id := range ids {
		if cluster, ok := l.cluster(id); ok && !slices.Contains(clusters[cluster], id) {
			clusters[cluster] = append(clusters[cluster], id)
		}
	}
	known := map[string]task.Task{}
	for _, cluster := range slices.Sorted(maps.Keys(clusters)) {
		for some := range slices.Chunk(clusters[cluster], batch) {
			if err := l.describe(ctx, cluster, some, known); err != nil {
				return nil, fmt.Errorf("describe ECS tasks: %w", err)
			}
		}
	}
	tasks := make([]task.Task, len(ids))
	for i, id := range ids {
		tasks[i] = task.Task{ID: id, Phase: task.Missing}
		if t, ok := known[id]; ok {
			tasks[i] = t
		}
	}
	return tasks, nil
}

// describe adds to known what ECS knows of tasks of one cluster.
func (l *Launcher) describe(ctx context.Context, cluster string, ids []string, known map[string]task.Task) error {
	out, err := call(ctx, l.api.DescribeTasks, &sdk.DescribeTasksInput{Cluster: aws.String(cluster), Tasks: ids})
	var bad *types.InvalidParameterException
	var gone *types.ClusterNotFoundException
	switch {
	case errors.As(err, &gone):
		return nil // its tasks went with it
	case errors.As(err, &bad) && len(ids) > 1:
		// One that cannot be asked for, such as another account's, must not hide
		// the others.
		if err := l.describe(ctx, cluster, ids[:len(ids)/2], known); err != nil {
			return err
		}
		return l.describe(ctx, cluster, ids[len(ids)/2:], known)
	case errors.As(err, &bad):
		return nil
	case err != nil:
		return sorted(err, "")
	}
	for i := range out.Tasks {
		keepNewest(known, l.task(&out.Tasks[i]))
	}
	return nil
}

func keepNewest(known map[string]task.Task, t task.Task) {
	if was, ok := known[t.ID]; !ok || t.Version >= was.Version {
		known[t.ID] = t
	}
}

// Find returns all tasks of a run in the configured cluster, as long as ECS knows
// them.
func (l *Launcher) Find(ctx context.Context, run string) ([]task.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var arns []string
	// The status that is asked for is the desired one; both are needed for all.
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		// No other filter: ECS takes startedBy alone.
		in := &sdk.ListTasksInput{Cluster: aws.String(l.c.Cluster), StartedBy: aws.String(run), DesiredStatus: status}
		for page := 0; ; page++ {
			if page == maxPages {
				return nil, fmt.Errorf("find ECS tasks of run %s: there are more than %d", run, maxPages*batch)
			}
			out, err := call(ctx, l.api.ListTasks, in)
			if err != nil {
				return nil, fmt.Errorf("find ECS tasks of run %s: %w", run, sorted(err, ""))
			}
			arns = append(arns, out.TaskArns...)
			if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
				break
			}
		}
	}
	slices.Sort(arns)
	tasks, err := l.Describe(ctx, slices.Compact(arns)...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(tasks, func(t task.Task) bool { return t.Run != run }), nil
}

// Stop has ECS end a task.
func (l *Launcher) Stop(ctx context.Context, id, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cluster, ok := l.cluster(id)
	if !ok {
		return nil
	}
	_, err := call(ctx, l.api.StopTask, &sdk.StopTaskInput{Cluster: aws.String(cluster), Task: aws.String(id), Reason: aws.String(cut(reason, maxReason))})
	var api smithy.APIError
	var gone *types.ClusterNotFoundException
	switch {
	case err == nil || errors.As(err, &gone):
		return nil
	case errors.As(err, &api) && api.ErrorCode() == "InvalidParameterException" && strings.Contains(strings.ToLower(api.ErrorMessage()), "not found"):
		return nil
	}
	return fmt.Errorf("stop an ECS task: %w", sorted(err, ""))
}

// call is one operation of the API within its time.
func call[In, Out any](ctx context.Context, operation func(context.Context, *In, ...func(*sdk.Options)) (*Out, error), in *In) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return operation(ctx, in)
}
