package ecs

import (
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

const arn = "arn:aws:ecs:us-east-1:123456789012:task/soulcaster/0123456789abcdef0123456789abcdef"

func TestParseEvent(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       event
		bad        bool
	}{
		{"change", `{"version":"0","source":"aws.ecs","detail-type":"ECS Task State Change","detail":{"taskArn":"` + arn + `","version":5,"new":{"field":[1]}},"more":1}`, event{arn, 5}, false},
		{"no version", `{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":{"taskArn":"` + arn + `"}}`, event{arn, 0}, false},
		{"other type", `{"source":"aws.ecs","detail-type":"ECS Deployment State Change","detail":{}}`, event{}, false},
		{"other source", `{"source":"aws.ec2","detail-type":"ECS Task State Change","detail":{}}`, event{}, false},
		{"no detail", `{"source":"aws.ecs","detail-type":"ECS Task State Change"}`, event{}, true},
		{"no task", `{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":{"taskArn":"arn:aws:s3:::x"}}`, event{}, true},
		{"no event", `{"taskArn":"` + arn + `"}`, event{}, true},
		{"no JSON", `hello`, event{}, true},
		{"nothing", ``, event{}, true},
		{"too long", `{"source":"` + strings.Repeat("x", maxMessage) + `"}`, event{}, true},
	} {
		got, err := parseEvent([]byte(c.data))
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(`{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":{"taskArn":"` + arn + `","version":5}}`)
	f.Add(`{"source":"aws.ecs","detail-type":"x","detail":null}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, data string) {
		e, err := parseEvent([]byte(data))
		if err != nil && e != (event{}) {
			t.Errorf("%+v with %v", e, err)
		}
		if e.task != "" && !arnForm.MatchString(e.task) {
			t.Errorf("%q is no task", e.task)
		}
	})
}

func FuzzRead(f *testing.F) {
	l := &Launcher{c: Config{Cluster: "c", TaskDefinition: "d", Subnets: []string{"s"}, SecurityGroups: []string{"g"}, Container: "agent"}}
	plan, err := l.Plan(task.Spec{Run: "run1", Attempt: 1, URL: "https://app.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(plan))
	f.Add(string(plan) + "{}")
	f.Add(`{"count":1}`)
	f.Fuzz(func(t *testing.T, data string) {
		p, err := read([]byte(data))
		if err == nil && (p.claim() == nil || p.ClientToken == "" || p.input() == nil) {
			t.Errorf("%q was read as %+v", data, p)
		}
	})
}
