package ecs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

const (
	// group is how our tasks are told apart from others in the cluster.
	group = "soulcaster"
	// runTag is the key of the tag that says which run a task is for.
	runTag = "soulcaster:run"
	// placeholder stands in a plan where the claim will be.
	placeholder = "[claim]"
	// maxOverrides bounds the overrides as JSON, in characters: RunTaskRequest in
	// the API's reference.
	maxOverrides = 8192
	// claimRoom is left in the overrides of a plan for the claim.
	claimRoom = 256
)

// plan is a RunTask request, in the API's own form. Members that are not here keep
// the API's defaults: no launch type (which a strategy excludes), no task role of
// our own, no ECS Exec into the agent.
type plan struct {
	Cluster        string     `json:"cluster"`
	TaskDefinition string     `json:"taskDefinition"`
	Count          int32      `json:"count"`
	Strategy       []provider `json:"capacityProviderStrategy"`
	Network        network    `json:"networkConfiguration"`
	Overrides      overrides  `json:"overrides"`
	ClientToken    string     `json:"clientToken"`
	StartedBy      string     `json:"startedBy"`
	Group          string     `json:"group"`
	PropagateTags  string     `json:"propagateTags"`
	Tags           []tag      `json:"tags"`
}

type provider struct {
	Name   string `json:"capacityProvider"`
	Weight int32  `json:"weight"` // 0, the default, is never chosen
}

type network struct {
	VPC vpc `json:"awsvpcConfiguration"`
}

type vpc struct {
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"securityGroups"`
	AssignPublicIP string   `json:"assignPublicIp"`
}

type overrides struct {
	Containers []override `json:"containerOverrides"`
}

type override struct {
	Name        string `json:"name"`
	Environment []pair `json:"environment"`
}

type pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Plan returns the RunTask request that Launch sends, with a placeholder for the
// claim.
func (l *Launcher) Plan(s task.Spec) (json.RawMessage, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("plan an ECS task: %w", err)
	}
	p := plan{
		Cluster:        l.c.Cluster,
		TaskDefinition: l.c.TaskDefinition,
		Count:          1,
		Strategy:       []provider{{Name: "FARGATE", Weight: 1}},
		Network: network{VPC: vpc{Subnets: l.c.Subnets, SecurityGroups: l.c.SecurityGroups,
			AssignPublicIP: string(types.AssignPublicIpDisabled)}},
		Overrides: overrides{Containers: []override{{Name: l.c.Container, Environment: []pair{
			{task.EnvURL, s.URL}, {task.EnvRun, s.Run}, {task.EnvClaim, placeholder},
		}}}},
		ClientToken:   s.Token(),
		StartedBy:     s.Run,
		Group:         group,
		PropagateTags: string(types.PropagateTagsTaskDefinition),
		Tags:          []tag{{runTag, s.Run}},
	}
	if l.c.AssignPublicIP {
		p.Network.VPC.AssignPublicIP = string(types.AssignPublicIpEnabled)
	}
	if s.Spot && l.c.Spot {
		p.Strategy[0].Name = "FARGATE_SPOT"
	}
	if err := p.fits(claimRoom); err != nil {
		return nil, fmt.Errorf("plan an ECS task: %w", err)
	}
	return encode(p)
}

// encode writes JSON as the SDK does, which leaves &, < and > as they are.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a plan: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// fits checks the length of the overrides with so many more characters.
func (p *plan) fits(more int) error {
	data, err := encode(p.Overrides)
	if err != nil {
		return err
	}
	if len(data)+more > maxOverrides {
		return fmt.Errorf("the overrides are %d characters long, ECS takes %d", len(data)+more, maxOverrides)
	}
	return nil
}

// read reads a plan back. One with members that we do not know was made by another
// version and would not be the same request.
func read(data json.RawMessage) (*plan, error) {
	p := new(plan)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("read a plan: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read a plan: something follows it")
	}
	if p.ClientToken == "" || p.StartedBy == "" || p.Count != 1 || len(p.Strategy) == 0 || p.claim() == nil {
		return nil, errors.New("read a plan: it is not one of ours")
	}
	return p, nil
}

// claim is the place of the claim.
func (p *plan) claim() *string {
	for _, o := range p.Overrides.Containers {
		if i := slices.Index(o.Environment, pair{task.EnvClaim, placeholder}); i >= 0 {
			return &o.Environment[i].Value
		}
	}
	return nil
}

// input is the request as the SDK takes it.
func (p *plan) input() *sdk.RunTaskInput {
	in := &sdk.RunTaskInput{
		Cluster:        aws.String(p.Cluster),
		TaskDefinition: aws.String(p.TaskDefinition),
		Count:          aws.Int32(p.Count),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: p.Network.VPC.Subnets, SecurityGroups: p.Network.VPC.SecurityGroups,
			AssignPublicIp: types.AssignPublicIp(p.Network.VPC.AssignPublicIP),
		}},
		Overrides:     &types.TaskOverride{},
		ClientToken:   aws.String(p.ClientToken),
		StartedBy:     aws.String(p.StartedBy),
		Group:         aws.String(p.Group),
		PropagateTags: types.PropagateTags(p.PropagateTags),
	}
	for _, s := range p.Strategy {
		in.CapacityProviderStrategy = append(in.CapacityProviderStrategy,
			types.CapacityProviderStrategyItem{CapacityProvider: aws.String(s.Name), Weight: s.Weight})
	}
	for _, o := range p.Overrides.Containers {
		c := types.ContainerOverride{Name: aws.String(o.Name)}
		for _, e := range o.Environment {
			c.Environment = append(c.Environment, types.KeyValuePair{Name: aws.String(e.Name), Value: aws.String(e.Value)})
		}
		in.Overrides.ContainerOverrides = append(in.Overrides.ContainerOverrides, c)
	}
	for _, t := range p.Tags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return in
}
