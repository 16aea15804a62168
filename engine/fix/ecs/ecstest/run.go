package ecstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// tokenLife is how long a client token is remembered.
const tokenLife = 24 * time.Hour

type runTask struct {
	Cluster              string          `json:"cluster"`
	TaskDefinition       string          `json:"taskDefinition"`
	Count                *int            `json:"count"`
	LaunchType           string          `json:"launchType"`
	Strategy             []strategy      `json:"capacityProviderStrategy"`
	Network              *network        `json:"networkConfiguration"`
	Overrides            json.RawMessage `json:"overrides"`
	ClientToken          string          `json:"clientToken"`
	StartedBy            string          `json:"startedBy"`
	Group                string          `json:"group"`
	PlatformVersion      string          `json:"platformVersion"`
	PropagateTags        string          `json:"propagateTags"`
	EnableExecuteCommand bool            `json:"enableExecuteCommand"`
	EnableECSManagedTags bool            `json:"enableECSManagedTags"`
	Tags                 []tag           `json:"tags"`
}

type strategy struct {
	Provider string `json:"capacityProvider"`
	Weight   int    `json:"weight"`
	Base     int    `json:"base"`
}

type network struct {
	VPC *struct {
		Subnets        []string `json:"subnets"`
		SecurityGroups []string `json:"securityGroups"`
		AssignPublicIP string   `json:"assignPublicIp"`
	} `json:"awsvpcConfiguration"`
}

type overrides struct {
	Containers []struct {
		Name        string `json:"name"`
		Environment []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"environment"`
	} `json:"containerOverrides"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// launch is what was done for a client token.
type launch struct {
	request string
	task    *task
	until   time.Time
}

var (
	startedForm = regexp.MustCompile(`^[A-Za-z0-9/_-]{1,128}$`)
	tokenForm   = regexp.MustCompile(`^[!-~]{1,64}$`)
)

func (s *Server) runTask(in *runTask, f Fault) (any, error) {
	o, err := s.checkRun(in)
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if was := s.tokens[in.ClientToken]; was != nil && now.Before(was.until) {
		if was.request != string(request) {
			return nil, &failure{status: 400, code: "ConflictException", message: "The client token is in use with different parameters",
				members: map[string]any{"resourceIds": []string{was.task.arn}}}
		}
		return map[string]any{"tasks": []any{was.task.shape(false, number)}, "failures": []any{}}, nil
	}
	if f.kind == lacks {
		return map[string]any{"tasks": []any{}, "failures": []any{map[string]any{"reason": f.reason}}}, nil
	}
	t := s.start(in, o, f)
	s.tokens[in.ClientToken] = &launch{request: string(request), task: t, until: now.Add(tokenLife)}
	return map[string]any{"tasks": []any{t.shape(false, number)}, "failures": []any{}}, nil
}

// checkRun refuses what ECS refuses, and returns the overrides.
func (s *Server) checkRun(in *runTask) (o overrides, err error) {
	if err := s.checkCluster(in.Cluster); err != nil {
		return o, err
	}
	d := s.o.Definition
	if !s.isDefinition(in.TaskDefinition) {
		return o, client("TaskDefinition not found.")
	}
	if d.Inactive {
		return o, client("TaskDefinition is inactive")
	}
	if in.LaunchType != "" && in.Strategy != nil {
		return o, invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	if in.LaunchType != "" && in.LaunchType != "FARGATE" || in.LaunchType == "" && len(in.Strategy) == 0 {
		return o, invalid("No Container Instances were found in your cluster.")
	}
	weights := 0
	for _, p := range in.Strategy {
		if !slices.Contains(s.o.Providers, p.Provider) {
			return o, invalid("The specified capacity provider '%s' was not found. Specify a valid name or ARN and try again.", p.Provider)
		}
		weights += p.Weight
	}
	if len(in.Strategy) > 0 && weights == 0 {
		return o, invalid("The specified capacity provider strategy must have at least one provider with a weight greater than zero.")
	}
	switch n := in.Network; {
	case n == nil || n.VPC == nil:
		return o, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case len(n.VPC.Subnets) == 0 || len(n.VPC.Subnets) > 16:
		return o, invalid("subnets can have 1 to 16 items.")
	case len(n.VPC.SecurityGroups) > 5:
		return o, invalid("securityGroups can have at most 5 items.")
	case !slices.Contains([]string{"", "ENABLED", "DISABLED"}, n.VPC.AssignPublicIP):
		return o, invalid("assignPublicIp is ENABLED or DISABLED.")
	}
	switch {
	case in.Count != nil && *in.Count != 1:
		return o, invalid("this server starts one task at a time")
	case !startedForm.MatchString(in.StartedBy):
		return o, invalid("startedBy must be up to 128 letters, numbers, hyphens, slashes and underscores")
	case in.ClientToken == "":
		return o, invalid("without a client token a repeated request would start a second task: this server insists")
	case !tokenForm.MatchString(in.ClientToken):
		return o, invalid("clientToken must be up to 64 characters from ! to ~")
	case in.EnableExecuteCommand && d.TaskRole == "":
		return o, invalid("The service couldn't be updated because a valid taskRoleArn is not being used.")
	case in.PropagateTags != "" && in.PropagateTags != "TASK_DEFINITION" && in.PropagateTags != "NONE":
		return o, invalid("propagateTags is TASK_DEFINITION or NONE when a task is run")
	case len(in.Tags) > 50:
		return o, invalid("a task has at most 50 tags")
	}
	for _, t := range in.Tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return o, invalid("a tag has a key of 1 to 128 characters, not beginning with aws:, and a value of at most 256")
		}
	}
	return s.checkOverrides(in.Overrides)
}

func (s *Server) checkOverrides(data json.RawMessage) (o overrides, err error) {
	if len(data) > 8192 {
		return o, invalid("Container Overrides length must be at most 8192")
	}
	if len(data) == 0 {
		return o, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return o, &failure{status: 400, code: "SerializationException", message: err.Error()}
	}
	for _, c := range o.Containers {
		if c.Name != s.o.Definition.Container {
			return o, invalid("Override for container named %s is not a container in the TaskDefinition.", c.Name)
		}
	}
	return o, nil
}

func (s *Server) checkCluster(name string) error {
	if name != s.o.Cluster && name != s.clusterARN() {
		return &failure{status: 400, code: "ClusterNotFoundException", message: "Cluster not found."}
	}
	return nil
}

func (s *Server) clusterARN() string { return s.arn("cluster/" + s.o.Cluster) }

func (s *Server) definitionARN() string {
	return s.arn("task-definition/" + s.o.Definition.Family + ":1")
}

func (s *Server) arn(resource string) string {
	return fmt.Sprintf("arn:aws:ecs:%s:%s:%s", s.o.Region, account, resource)
}

func (s *Server) isDefinition(name string) bool {
	family := s.o.Definition.Family
	return slices.Contains([]string{family, family + ":1", s.definitionARN(), strings.TrimSuffix(s.definitionARN(), ":1")}, name)
}
