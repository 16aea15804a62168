package ecs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/ecs"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/fix/task/tasktest"
	"github.com/soulcaster/soulcaster/engine/work"
)

func TestMain(m *testing.M) {
	tasktest.Main()
	os.Exit(m.Run())
}

// environ guards the environment, which New reads.
var environ sync.Mutex

// open opens a launcher on a server of its own, in a region and account that no
// setting of this machine leads to.
func open(t *testing.T, o ecstest.Options, change func(*ecs.Config)) (*ecs.Launcher, *ecstest.Server) {
	t.Helper()
	s, err := ecstest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return connect(t, s, change), s
}

func connect(t *testing.T, s *ecstest.Server, change func(*ecs.Config)) *ecs.Launcher {
	t.Helper()
	return connectWith(t, s.Environ(), change)
}

// connectWith makes a launcher in an environment.
func connectWith(t *testing.T, env []string, change func(*ecs.Config)) *ecs.Launcher {
	t.Helper()
	c := ecs.Config{
		Cluster: "soulcaster", TaskDefinition: "soulcaster-agent:1",
		Subnets: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-1"}, Spot: true,
	}
	if change != nil {
		change(&c)
	}
	environ.Lock()
	defer environ.Unlock()
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
	}
	l, err := ecs.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLauncher(t *testing.T) {
	tasktest.Test(t, func(t *testing.T, w tasktest.Wants) tasktest.Place {
		l, s := open(t, ecstest.Options{Command: w.Command, StopTimeout: w.StopTimeout}, nil)
		// The SDK tries three times, and each answer gets lost.
		return tasktest.Place{Launcher: l, Lose: func() { s.Fault("RunTask", 3, ecstest.Lost()) }}
	})
}

var spec = task.Spec{Run: "abcdefghij234567", Attempt: 1, URL: "https://app.example/x?a=1&b=<2>", Spot: true}

const secret = "c1a1m-0123456789abcdef"

func mustPlan(t *testing.T, l *ecs.Launcher, s task.Spec) json.RawMessage {
	t.Helper()
	plan, err := l.Plan(s)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// The plan is the request, to the byte, but for the claim.
func TestPlanIsTheRequest(t *testing.T) {
	l, s := open(t, ecstest.Options{}, nil)
	plan := mustPlan(t, l, spec)
	const want = `{"cluster":"soulcaster","taskDefinition":"soulcaster-agent:1","count":1,` +
		`"capacityProviderStrategy":[{"capacityProvider":"FARGATE_SPOT","weight":1}],` +
		`"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1","subnet-2"],"securityGroups":["sg-1"],"assignPublicIp":"DISABLED"}},` +
		`"overrides":{"containerOverrides":[{"name":"agent","environment":[{"name":"SOULCASTER_URL","value":"https://app.example/x?a=1&b=<2>"},` +
		`{"name":"SOULCASTER_RUN","value":"abcdefghij234567"},{"name":"SOULCASTER_CLAIM","value":"[claim]"}]}]},` +
		`"clientToken":"abcdefghij234567-1","startedBy":"abcdefghij234567","group":"soulcaster","propagateTags":"TASK_DEFINITION",` +
		`"tags":[{"key":"soulcaster:run","value":"abcdefghij234567"}]}`
	if string(plan) != want {
		t.Errorf("the plan is\n%s\nwant\n%s", plan, want)
	}
	for range 2 {
		if _, err := l.Launch(t.Context(), plan, secret); err != nil {
			t.Fatal(err)
		}
	}
	// The settings have changed, the plan has not.
	other := connect(t, s, func(c *ecs.Config) {
		c.TaskDefinition, c.Subnets, c.AssignPublicIP, c.Spot = "soulcaster-agent", []string{"subnet-9"}, true, false
	})
	if _, err := other.Launch(t.Context(), plan, secret); err != nil {
		t.Fatal(err)
	}
	calls := s.Calls("RunTask")
	if len(calls) != 3 || len(s.Tasks()) != 1 {
		t.Fatalf("%d calls started %d tasks, want 3 and 1", len(calls), len(s.Tasks()))
	}
	for _, c := range calls {
		if c.Body != calls[0].Body {
			t.Errorf("requests differ:\n%s\n%s", c.Body, calls[0].Body)
		}
	}
	if got, want := sorted(t, calls[0].Body), sorted(t, strings.Replace(want, "[claim]", secret, 1)); got != want {
		t.Errorf("the request is\n%s\nwant\n%s", got, want)
	}
}

// sorted is JSON with its members in order.
func sorted(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPlanFollowsTheSettings(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*ecs.Config)
		spot   bool
		want   string
	}{
		{"Spot where there is none", func(c *ecs.Config) { c.Spot = false }, true, `"capacityProvider":"FARGATE","weight":1`},
		{"on demand", nil, false, `"capacityProvider":"FARGATE","weight":1`},
		{"public address", func(c *ecs.Config) { c.AssignPublicIP = true }, true, `"assignPublicIp":"ENABLED"`},
		{"container", func(c *ecs.Config) { c.Container = "main" }, true, `"containerOverrides":[{"name":"main"`},
	} {
		l, _ := open(t, ecstest.Options{}, c.change)
		s := spec
		s.Spot = c.spot
		if plan := mustPlan(t, l, s); !strings.Contains(string(plan), c.want) {
			t.Errorf("%s: %s is not in %s", c.name, c.want, plan)
		}
	}
}

func TestLaunchErrors(t *testing.T) {
	t.Parallel()
	const (
		capacity = "capacity"
		refused  = "refused"
		later    = "later" // and definitely not done
		unknown  = "unknown"
	)
	fault := func(n int, f ecstest.Fault) func(*ecstest.Server) {
		return func(s *ecstest.Server) { s.Fault("RunTask", n, f) }
	}
	for _, c := range []struct {
		name   string
		faults func(*ecstest.Server)
		want   string // "": none
		says   string
		tries  int
	}{
		{"no capacity", func(s *ecstest.Server) { s.Capacity(1) }, capacity, "Capacity is unavailable", 1},
		{"unknown failure", fault(1, ecstest.Lacking("RESOURCE:ENI")), capacity, "RESOURCE:ENI", 1},
		{"failure MISSING", fault(1, ecstest.Lacking("MISSING")), refused, "MISSING", 1},
		{"quota, client's error", fault(1, ecstest.Error(400, "ClientException", "You’ve reached the limit on the number of vCPUs you can run concurrently")), capacity, "vCPUs", 1},
		{"quota, throttled", fault(3, ecstest.Error(400, "ThrottlingException", "You've reached the limit on the number of tasks you can run concurrently")), capacity, "tasks", 3},
		{"throttled once", fault(1, ecstest.Throttle()), "", "", 2},
		{"throttled", fault(3, ecstest.Throttle()), later, "Rate exceeded", 3},
		{"away", fault(3, ecstest.Away()), later, "503", 3},
		{"broken", fault(3, ecstest.Broken()), unknown, "ServerException", 3},
		{"lost once", fault(1, ecstest.Lost()), "", "", 2},
		{"lost", fault(3, ecstest.Lost()), unknown, "EOF", 3},
		{"lost, then throttled", func(s *ecstest.Server) {
			s.Fault("RunTask", 1, ecstest.Lost())
			s.Fault("RunTask", 2, ecstest.Throttle())
		}, unknown, "Rate exceeded", 3},
		{"lost, then denied", func(s *ecstest.Server) {
			s.Fault("RunTask", 1, ecstest.Lost())
			s.Fault("RunTask", 1, ecstest.Deny())
		}, unknown, "AccessDenied", 2},
		{"denied", fault(1, ecstest.Deny()), refused, "iam:PassRole", 1},
		{"no cluster", fault(1, ecstest.Error(400, "ClusterNotFoundException", "Cluster not found.")), refused, "SOULCASTER_ECS_CLUSTER", 1},
		{"bad parameter", fault(1, ecstest.Error(400, "InvalidParameterException", "Error retrieving subnet information for [subnet-1]")), refused, "subnet", 1},
		{"no task definition", fault(1, ecstest.Error(400, "ClientException", "TaskDefinition not found.")), refused, "TaskDefinition not found", 1},
		{"credentials", fault(1, ecstest.Error(400, "UnrecognizedClientException", "The security token included in the request is invalid.")), refused, "credentials", 1},
		{"error that repeats the claim", fault(1, ecstest.Error(400, "InvalidParameterException", "bad value "+secret+" in environment")), refused, "bad value [claim]", 1},
		{"failure that repeats the claim", fault(1, ecstest.Lacking("ATTRIBUTE "+secret)), refused, "ATTRIBUTE [claim]", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, s := open(t, ecstest.Options{}, nil)
			c.faults(s)
			got, err := l.Launch(t.Context(), mustPlan(t, l, spec), secret)
			if n := len(s.Calls("RunTask")); n != c.tries {
				t.Errorf("%d requests, want %d", n, c.tries)
			}
			var put *work.Later
			is := map[string]bool{
				"": err == nil, capacity: errors.Is(err, task.ErrCapacity), refused: errors.Is(err, task.ErrRefused),
				later: errors.As(err, &put) && !action.IsUnknown(err), unknown: action.IsUnknown(err),
			}
			for kind, holds := range is {
				if holds != (kind == c.want) {
					t.Errorf("%v: is %q: %v", err, kind, holds)
				}
			}
			if err == nil {
				if got.Run != spec.Run || got.ID != s.Tasks()[0].ARN {
					t.Errorf("launched %+v", got)
				}
				return
			}
			if strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 1000 {
				t.Errorf("the error says %q, want %q in it and no claim", err, c.says)
			}
			// Whatever it was, the same plan can be launched, and is launched once.
			s.Mend()
			if _, err := l.Launch(t.Context(), mustPlan(t, l, spec), secret); err != nil {
				t.Errorf("launched again: %v", err)
			}
			if n := len(s.Tasks()); n != 1 {
				t.Errorf("%d tasks were started, want 1", n)
			}
		})
	}
}

// A launch that gets no answer ends with its context, and may have been done.
func TestLaunchThatHangs(t *testing.T) {
	t.Parallel()
	l, s := open(t, ecstest.Options{}, nil)
	s.Fault("RunTask", 1, ecstest.Hanging())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		eventually(t, "the request is there", func() bool { return len(s.Tasks()) == 1 })
		cancel()
	}()
	if got, err := l.Launch(ctx, mustPlan(t, l, spec), secret); !action.IsUnknown(err) {
		t.Errorf("Launch = %+v, %v; want an unknown end", got, err)
	}
}

// With nobody at the address, nothing was started.
func TestLaunchWithoutService(t *testing.T) {
	t.Parallel()
	_, s := open(t, ecstest.Options{}, nil)
	// The port of a server that was closed might be another test's by now; that of
	// tcpmux is nobody's.
	l := connectWith(t, append(s.Environ(), "AWS_ENDPOINT_URL_ECS=http://127.0.0.1:1"), nil)
	plan := mustPlan(t, l, spec)
	_, err := l.Launch(t.Context(), plan, secret)
	var later *work.Later
	if !errors.As(err, &later) || action.IsUnknown(err) {
		t.Errorf("Launch: %v; want it to be put off", err)
	}
	arn := "arn:aws:ecs:eu-test-1:123456789012:task/soulcaster/00000000000000000000000000000001"
	if _, err := l.Describe(t.Context(), arn); !errors.As(err, &later) {
		t.Errorf("Describe: %v; want it to be put off", err)
	}
	if _, err := l.Find(t.Context(), "run"); !errors.As(err, &later) {
		t.Errorf("Find: %v; want it to be put off", err)
	}
	if err := l.Stop(t.Context(), arn, "x"); !errors.As(err, &later) {
		t.Errorf("Stop: %v; want it to be put off", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*ecs.Config){
		"no cluster":         func(c *ecs.Config) { c.Cluster = "" },
		"no task definition": func(c *ecs.Config) { c.TaskDefinition = "" },
		"no subnet":          func(c *ecs.Config) { c.Subnets = nil },
		"many subnets":       func(c *ecs.Config) { c.Subnets = make([]string, 17) },
		"no security group":  func(c *ecs.Config) { c.SecurityGroups = nil },
		"many groups":        func(c *ecs.Config) { c.SecurityGroups = make([]string, 6) },
	} {
		c := ecs.Config{Cluster: "c", TaskDefinition: "t", Subnets: []string{"s"}, SecurityGroups: []string{"g"}}
		change(&c)
		if _, err := ecs.New(t.Context(), c); err == nil {
			t.Errorf("%s: New made a launcher", name)
		}
	}
}

// patience is how long tests wait for what must happen.
const patience = 30 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Errorf("waited in vain until %s", what)
			return
		}
	}
}
