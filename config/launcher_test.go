package config_test

import (
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/config"
)

func TestLauncher(t *testing.T) {
	ecs := []string{"GEMINI_API_KEY=g", "SOULCASTER_LAUNCHER=ecs", "SOULCASTER_ECS_CLUSTER=soulcaster", "SOULCASTER_ECS_TASK_DEFINITION=soulcaster-agent",
		"SOULCASTER_ECS_SUBNETS=subnet-0a1b, subnet-2c3d", "SOULCASTER_ECS_SECURITY_GROUPS=sg-0f", "SOULCASTER_PUBLIC_URL=https://soulcaster.example.com"}
	c, err := config.Load(ecs)
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Launcher; l.Kind != config.LauncherECS || len(l.Subnets) != 2 || l.Subnets[1] != "subnet-2c3d" || !l.Spot {
		t.Errorf("launcher %+v", l)
	}
	for _, tt := range []struct {
		env  []string
		want string // in the message; "": no error
	}{
		{nil, ""},
		{[]string{"SOULCASTER_LAUNCHER=docker"}, "SOULCASTER_LAUNCHER"},
		{[]string{"SOULCASTER_LAUNCHER=local", "GEMINI_API_KEY=g"}, ""},
		{[]string{"SOULCASTER_LAUNCHER=local", "SOULCASTER_MODEL_URL=http://127.0.0.1:9/v1"}, ""},
		{[]string{"SOULCASTER_LAUNCHER=local"}, "no model"},
		{append([]string{"SOULCASTER_LAUNCHER=local", "GEMINI_API_KEY=g"}, environ(app)...), "SOULCASTER_ALLOW_LOCAL_AGENT"},
		{append([]string{"SOULCASTER_LAUNCHER=local", "GEMINI_API_KEY=g", "SOULCASTER_ALLOW_LOCAL_AGENT=true"}, environ(app)...), ""},
		{append(ecs, "SOULCASTER_ECS_CLUSTER="), "SOULCASTER_ECS_CLUSTER"},
		{append(ecs, "SOULCASTER_ECS_SUBNETS="), "SOULCASTER_ECS_SUBNETS"},
		{append(ecs, "SOULCASTER_ECS_SUBNETS=sg-0a"), "SOULCASTER_ECS_SUBNETS"},
		{append(ecs, "SOULCASTER_ECS_SECURITY_GROUPS=sg-1,sg-2,sg-3,sg-4,sg-5,sg-6"), "SOULCASTER_ECS_SECURITY_GROUPS"},
		{append(ecs, "SOULCASTER_PUBLIC_URL="), "SOULCASTER_PUBLIC_URL"},
	} {
		_, err := config.Load(tt.env)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v", tt.env, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: %v, want %s named", tt.env, err, tt.want)
		}
	}
}

func TestModel(t *testing.T) {
	for _, tt := range []struct {
		env      []string
		url, key string
	}{
		{nil, "", ""},
		{[]string{"GEMINI_API_KEY=g"}, config.DefaultModelURL, "g"},
		{[]string{"SOULCASTER_MODEL_KEY=k", "GEMINI_API_KEY=g"}, config.DefaultModelURL, "k"},
		// A key that was made for Google goes nowhere else.
		{[]string{"SOULCASTER_MODEL_URL=http://127.0.0.1:9/v1", "GEMINI_API_KEY=g"}, "http://127.0.0.1:9/v1", ""},
	} {
		c, err := config.Load(tt.env)
		if err != nil {
			t.Fatal(err)
		}
		if c.Model.URL != tt.url || c.Model.Key.Reveal() != tt.key {
			t.Errorf("%q: %s with key %q", tt.env, c.Model.URL, c.Model.Key.Reveal())
		}
	}
	for _, tt := range []struct {
		price string
		want  config.Price
	}{
		{"0.30/2.50", config.Price{Input: 300_000, Cached: 300_000, Output: 2_500_000}},
		{" 2 / 0.2 / 12", config.Price{Input: 2_000_000, Cached: 200_000, Output: 12_000_000}},
		{"0/0", config.Price{}},
		{"2", config.Price{Input: -1}},
		{"-1/2", config.Price{Input: -1}},
		{"NaN/2", config.Price{Input: -1}},
		{"1/2/3/4", config.Price{Input: -1}},
	} {
		c, err := config.Load([]string{"SOULCASTER_MODEL_PRICE=" + tt.price})
		if bad := tt.want.Input < 0; bad != (err != nil) || !bad && (!c.Model.Priced || c.Model.Price != tt.want) {
			t.Errorf("%q: %+v, %v", tt.price, c.Model.Price, err)
		}
	}
}

func TestLimitsOfRuns(t *testing.T) {
	c, err := load(t, "installations: [{id: 1, runs: {at_once: 5}}, {id: 2}]\nruns: {at_once: 3, per_month: 9, per_installation: {per_day: 7}}\n")
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int64]config.RunLimits{
		1: {AtOnce: 5, PerDay: 7, PerMonth: 200, Dollars: 100},
		2: {AtOnce: 2, PerDay: 7, PerMonth: 200, Dollars: 100},
		3: {AtOnce: 2, PerDay: 7, PerMonth: 200, Dollars: 100},
	} {
		if got := c.RunLimits(id); got != want {
			t.Errorf("installation %d: %v, want %v", id, got, want)
		}
	}
	if want := (config.RunLimits{AtOnce: 3, PerDay: 100, PerMonth: 9, Dollars: 500}); c.Runs.All != want {
		t.Errorf("over all %v, want %v", c.Runs.All, want)
	}
	for _, bad := range []string{"runs: {at_once: -1}", "runs: {at_once: many}", "runs: {atonce: 1}", "runs: {per_run: {dollars: 0}}",
		"installations: [{id: 1, runs: {dollars: 1}}]"} {
		if _, err := load(t, bad+"\n"); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
