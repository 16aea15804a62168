package ecstest

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
)

type describeTasks struct {
	Cluster string   `json:"cluster"`
	Tasks   []string `json:"tasks"`
	Include []string `json:"include"`
}

type stopTask struct {
	Cluster string `json:"cluster"`
	Task    string `json:"task"`
	Reason  string `json:"reason"`
}

type listTasks struct {
	Cluster           string `json:"cluster"`
	StartedBy         string `json:"startedBy"`
	DesiredStatus     string `json:"desiredStatus"`
	Family            string `json:"family"`
	ServiceName       string `json:"serviceName"`
	LaunchType        string `json:"launchType"`
	ContainerInstance string `json:"containerInstance"`
	MaxResults        *int   `json:"maxResults"`
	NextToken         string `json:"nextToken"`
}

var taskForm = regexp.MustCompile(`^(?:arn:aws[a-z-]*:ecs:([a-z0-9-]+):(\d{12}):task/([A-Za-z0-9_-]+)/)?[0-9a-f]{32}$`)

// checkTask refuses an id that could not be a task's of the cluster.
func (s *Server) checkTask(id string) error {
	m := taskForm.FindStringSubmatch(id)
	if m == nil {
		return invalid("taskId length should be one of [32,36]")
	}
	if m[1] != "" && (m[1] != s.o.Region || m[2] != account || m[3] != s.o.Cluster) {
		return invalid("Invalid identifier: Unexpected region, account or cluster in %s", id)
	}
	return nil
}

// forget forgets tasks that stopped long ago.
func (s *Server) forget() {
	for id, t := range s.tasks {
		if !t.stopped.IsZero() && s.o.Now().Sub(t.stopped) >= s.o.Keep {
			delete(s.tasks, id)
		}
	}
}

// sees reports whether a task is seen by those who read, which takes a while.
func (t *task) sees() bool {
	if t.unseen == 0 {
		return true
	}
	t.unseen--
	return false
}

func (s *Server) describeTasks(in *describeTasks) (any, error) {
	if err := s.checkCluster(in.Cluster); err != nil {
		return nil, err
	}
	if len(in.Tasks) == 0 || len(in.Tasks) > 100 {
		return nil, invalid("Tasks cannot be empty, nor more than 100.")
	}
	for _, id := range in.Tasks {
		if err := s.checkTask(id); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	tasks, failures := []any{}, []any{}
	// Nothing says that the answer is in the order of the question.
	for _, id := range slices.Backward(in.Tasks) {
		if t := s.find(id); t != nil && t.sees() {
			tasks = append(tasks, t.shape(slices.Contains(in.Include, "TAGS"), number))
		} else {
			failures = append(failures, map[string]any{"arn": id, "reason": "MISSING"})
		}
	}
	return map[string]any{"tasks": tasks, "failures": failures}, nil
}

func (s *Server) listTasks(in *listTasks) (any, error) {
	if err := s.checkCluster(in.Cluster); err != nil {
		return nil, err
	}
	if in.StartedBy != "" && cmp.Or(in.Family, in.ServiceName, in.LaunchType, in.ContainerInstance) != "" {
		return nil, invalid("startedBy must be the only filter")
	}
	if in.Family != "" || in.ServiceName != "" || in.LaunchType != "" || in.ContainerInstance != "" {
		return nil, invalid("this server filters by startedBy alone")
	}
	most := 100
	if in.MaxResults != nil {
		most = *in.MaxResults
	}
	from := 0
	if in.NextToken != "" {
		n, err := strconv.Atoi(in.NextToken)
		if err != nil {
			return nil, invalid("Invalid token")
		}
		from = n
	}
	if most < 1 || most > 100 || from < 0 {
		return nil, invalid("maxResults must be 1 to 100")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	arns := []string{}
	for _, t := range s.order {
		if s.tasks[t.id] != nil && t.desired == cmp.Or(in.DesiredStatus, "RUNNING") && (in.StartedBy == "" || t.in.StartedBy == in.StartedBy) && t.sees() {
			arns = append(arns, t.arn)
		}
	}
	arns = arns[min(from, len(arns)):]
	out := map[string]any{"taskArns": arns[:min(most, len(arns))]}
	if len(arns) > most {
		out["nextToken"] = strconv.Itoa(from + most)
	}
	return out, nil
}

func (s *Server) stopTask(in *stopTask) (any, error) {
	if err := s.checkCluster(in.Cluster); err != nil {
		return nil, err
	}
	if err := s.checkTask(in.Task); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	t := s.find(in.Task)
	if t == nil {
		return nil, invalid("The referenced task was not found.")
	}
	t.end("UserInitiated", in.Reason)
	return map[string]any{"task": t.shape(false, number)}, nil
}

func (s *Server) describeClusters(in *struct {
	Clusters []string `json:"clusters"`
	Include  []string `json:"include"`
}) (any, error) {
	clusters, failures := []any{}, []any{}
	for _, name := range in.Clusters {
		if s.checkCluster(name) != nil {
			failures = append(failures, map[string]any{"arn": s.arn("cluster/" + name), "reason": "MISSING"})
			continue
		}
		clusters = append(clusters, map[string]any{"clusterArn": s.clusterARN(), "clusterName": s.o.Cluster, "status": "ACTIVE", "capacityProviders": s.o.Providers})
	}
	return map[string]any{"clusters": clusters, "failures": failures}, nil
}

func (s *Server) describeDefinition(in *struct {
	TaskDefinition string   `json:"taskDefinition"`
	Include        []string `json:"include"`
}) (any, error) {
	if !s.isDefinition(in.TaskDefinition) {
		return nil, client("Unable to describe task definition.")
	}
	d := s.o.Definition
	out := map[string]any{
		"taskDefinitionArn": s.definitionARN(), "family": d.Family, "revision": 1, "status": "ACTIVE",
		"cpu": d.CPU, "memory": d.Memory, "networkMode": "awsvpc", "compatibilities": []string{"EC2", "FARGATE"}, "requiresCompatibilities": []string{"FARGATE"},
		"containerDefinitions": []any{map[string]any{"name": d.Container, "image": "agent", "essential": !d.Unessential}},
	}
	if d.Inactive {
		out["status"] = "INACTIVE"
	}
	if d.NotFargate {
		out["networkMode"], out["compatibilities"], out["requiresCompatibilities"] = "bridge", []string{"EC2"}, []string{"EC2"}
	}
	if d.TaskRole != "" {
		out["taskRoleArn"] = d.TaskRole
	}
	return map[string]any{"taskDefinition": out}, nil
}
