package ecs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// What the agent needs at least: the coder alone takes 850 MB and all of a core
	// to start, and the repository's tests come on top.
	minCPU    = 1024 // units, of which a core has 1,024
	minMemory = 4096 // MiB
)

// Problem is one thing that is not as runs need it.
type Problem struct {
	What string
	Todo string // what to do about it
}

// Check looks at the cluster, the task definition and the events queue and returns
// what is wrong with them, nothing if all is well. It changes nothing.
func (l *Launcher) Check(ctx context.Context) []Problem {
	return slices.Concat(l.checkCluster(ctx), l.checkDefinition(ctx), l.checkQueue(ctx))
}

func problem(todo, format string, args ...any) Problem {
	return Problem{What: fmt.Sprintf(format, args...), Todo: todo}
}

func (l *Launcher) checkCluster(ctx context.Context) (found []Problem) {
	const setting = "see SOULCASTER_ECS_CLUSTER and AWS_REGION"
	out, err := call(ctx, l.api.DescribeClusters, &sdk.DescribeClustersInput{Clusters: []string{l.c.Cluster}})
	if err != nil {
		return []Problem{problem("allow ecs:DescribeClusters, or "+setting, "the cluster cannot be looked at: %v", sorted(err, ""))}
	}
	if len(out.Clusters) == 0 {
		return []Problem{problem(setting, "there is no cluster %s in %s", l.c.Cluster, l.region)}
	}
	c := out.Clusters[0]
	if status := aws.ToString(c.Status); status != "ACTIVE" {
		found = append(found, problem(setting, "cluster %s is %s", l.c.Cluster, status))
	}
	needed := []string{"FARGATE"}
	if l.c.Spot {
		needed = append(needed, "FARGATE_SPOT")
	}
	for _, p := range needed {
		if !slices.Contains(c.CapacityProviders, p) {
			found = append(found, problem("aws ecs put-cluster-capacity-providers associates it", "cluster %s lacks the capacity provider %s", l.c.Cluster, p))
		}
	}
	return found
}

func (l *Launcher) checkDefinition(ctx context.Context) (found []Problem) {
	const setting = "see SOULCASTER_ECS_TASK_DEFINITION"
	out, err := call(ctx, l.api.DescribeTaskDefinition, &sdk.DescribeTaskDefinitionInput{TaskDefinition: aws.String(l.c.TaskDefinition)})
	if err != nil || out.TaskDefinition == nil {
		text := "no answer"
		if err != nil {
			text = sorted(err, "").Error()
		}
		return []Problem{problem("allow ecs:DescribeTaskDefinition, or "+setting, "the task definition cannot be looked at: %s", text)}
	}
	d := out.TaskDefinition
	const register = "register another revision"
	say := func(todo, format string, args ...any) { found = append(found, problem(todo, format, args...)) }
	if d.Status != types.TaskDefinitionStatusActive {
		say(setting, "task definition %s is %s", l.c.TaskDefinition, d.Status)
	}
	if !slices.Contains(d.Compatibilities, types.CompatibilityFargate) || d.NetworkMode != types.NetworkModeAwsvpc {
		say(register+" with requiresCompatibilities FARGATE and networkMode awsvpc", "task definition %s does not run on Fargate", l.c.TaskDefinition)
	}
	if aws.ToString(d.TaskRoleArn) != "" {
		say(register+" without taskRoleArn", "task definition %s has a task role: its credentials would be the agent's", l.c.TaskDefinition)
	}
	cpu, _ := strconv.Atoi(aws.ToString(d.Cpu))
	memory, _ := strconv.Atoi(aws.ToString(d.Memory))
	if cpu < minCPU || memory < minMemory {
		say(register+" with 1 vCPU and 4 GB at least", "task definition %s has %d CPU units and %d MiB", l.c.TaskDefinition, cpu, memory)
	}
	i := slices.IndexFunc(d.ContainerDefinitions, func(c types.ContainerDefinition) bool { return aws.ToString(c.Name) == l.c.Container })
	if i < 0 {
		say(register+" whose container has that name", "task definition %s has no container %s", l.c.TaskDefinition, l.c.Container)
	} else if e := d.ContainerDefinitions[i].Essential; e != nil && !*e {
		say(register+" where it is", "container %s of task definition %s is not essential: its end would not end the task", l.c.Container, l.c.TaskDefinition)
	}
	return found
}

func (l *Launcher) checkQueue(ctx context.Context) []Problem {
	if l.c.EventsQueue == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := l.queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(l.c.EventsQueue),
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameRedrivePolicy, sqstypes.QueueAttributeNameVisibilityTimeout}})
	if err != nil {
		return []Problem{problem("allow sqs:GetQueueAttributes, sqs:ReceiveMessage and sqs:DeleteMessage, or see the setting of the queue",
			"the events queue cannot be looked at: %v", sorted(err, ""))}
	}
	if strings.TrimSpace(out.Attributes[string(sqstypes.QueueAttributeNameRedrivePolicy)]) == "" {
		return []Problem{problem("give it one: what cannot be read stays in it otherwise, and comes again and again",
			"the events queue has no dead-letter queue")}
	}
	return nil
}
