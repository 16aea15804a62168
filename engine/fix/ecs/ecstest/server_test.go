package ecstest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
)

func open(t *testing.T, o ecstest.Options) *ecstest.Server {
	t.Helper()
	s, err := ecstest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

const signed = "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/eu-test-1/ecs/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=" +
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// post sends a request as the SDK does, changed by change, and returns the status,
// the error's code if there is one, and the body.
func post(t *testing.T, s *ecstest.Server, operation, body string, change func(*http.Request)) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	req.Header.Set("Authorization", signed)
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var failure struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(data, &failure); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return resp.StatusCode, failure.Type, string(data)
}

const request = `{"cluster": "soulcaster", "taskDefinition": "soulcaster-agent", "count": 1, "clientToken": "t-1", "startedBy": "run",
	"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
	"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"], "securityGroups": ["g"]}},
	"overrides": {"containerOverrides": [{"name": "agent", "environment": [{"name": "A", "value": "b"}]}]}}`

// What ECS refuses is refused, and starts nothing.
func TestRefusals(t *testing.T) {
	s := open(t, ecstest.Options{Providers: []string{"FARGATE"}})
	for _, c := range []struct{ name, old, new, code string }{
		{"another cluster", `"soulcaster"`, `"other"`, "ClusterNotFoundException"},
		{"another definition", `"soulcaster-agent"`, `"other"`, "ClientException"},
		{"unknown member", `"count": 1`, `"count": 1, "x": 1`, "SerializationException"},
		{"launch type too", `"count": 1`, `"count": 1, "launchType": "FARGATE"`, "InvalidParameterException"},
		{"no strategy", `"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],`, ``, "InvalidParameterException"},
		{"no weight", `, "weight": 1`, ``, "InvalidParameterException"},
		{"provider that the cluster lacks", `"FARGATE"`, `"FARGATE_SPOT"`, "InvalidParameterException"},
		{"no network", `"awsvpcConfiguration"`, `"x"`, "SerializationException"},
		{"empty network", `{"awsvpcConfiguration": {"subnets": ["s"], "securityGroups": ["g"]}}`, `{}`, "InvalidParameterException"},
		{"no subnet", `"subnets": ["s"]`, `"subnets": []`, "InvalidParameterException"},
		{"many groups", `["g"]`, `["1","2","3","4","5","6"]`, "InvalidParameterException"},
		{"no token", `"t-1"`, `""`, "InvalidParameterException"},
		{"long token", `"t-1"`, `"` + strings.Repeat("t", 65) + `"`, "InvalidParameterException"},
		{"token with a blank", `"t-1"`, `"t 1"`, "InvalidParameterException"},
		{"startedBy with a colon", `"run"`, `"run:1"`, "InvalidParameterException"},
		{"several tasks", `"count": 1`, `"count": 2`, "InvalidParameterException"},
		{"tags of a service", `"count": 1`, `"count": 1, "propagateTags": "SERVICE"`, "InvalidParameterException"},
		{"exec without a role", `"count": 1`, `"count": 1, "enableExecuteCommand": true`, "InvalidParameterException"},
		{"reserved tag", `"count": 1`, `"count": 1, "tags": [{"key": "aws:x", "value": ""}]`, "InvalidParameterException"},
		{"another container", `"name": "agent"`, `"name": "other"`, "InvalidParameterException"},
		{"unknown override", `"name": "agent"`, `"name": "agent", "comand": []`, "SerializationException"},
		{"long overrides", `"value": "b"`, `"value": "` + strings.Repeat("b", 8192) + `"`, "InvalidParameterException"},
	} {
		body := strings.Replace(request, c.old, c.new, 1)
		if body == request {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if status, code, text := post(t, s, "RunTask", body, nil); status != 400 || code != c.code {
			t.Errorf("%s: %d %s, want %s: %s", c.name, status, code, c.code, text)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"not signed":      func(r *http.Request) { r.Header.Del("Authorization") },
		"signed by a key": func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") },
		"signed for SQS":  func(r *http.Request) { r.Header.Set("Authorization", strings.Replace(signed, "/ecs/", "/sqs/", 1)) },
		"signed for other region": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(signed, "eu-test-1", "us-east-1", 1))
		},
		"another protocol": func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"unknown operation": func(r *http.Request) {
			r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.CreateService")
		},
	} {
		if status, code, _ := post(t, s, "RunTask", request, change); status < 400 || code == "" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	if tasks := s.Tasks(); len(tasks) != 0 {
		t.Fatalf("%d tasks were started", len(tasks))
	}
	if status, _, text := post(t, s, "RunTask", request, nil); status != 200 || len(s.Tasks()) != 1 {
		t.Errorf("what is in order: %d: %s", status, text)
	}
}

// A client token stands for one request for a day, and then for nothing.
func TestClientToken(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := open(t, ecstest.Options{Now: func() time.Time { return now }})
	for range 2 {
		if status, _, text := post(t, s, "RunTask", request, nil); status != 200 {
			t.Fatal(text)
		}
	}
	other := strings.Replace(request, `"b"`, `"c"`, 1)
	status, code, text := post(t, s, "RunTask", other, nil)
	if status != 400 || code != "ConflictException" || !strings.Contains(text, s.Tasks()[0].ARN) || len(s.Tasks()) != 1 {
		t.Errorf("another request with the token: %d %s: %s", status, code, text)
	}
	now = now.Add(24 * time.Hour)
	if status, _, text := post(t, s, "RunTask", other, nil); status != 200 || len(s.Tasks()) != 2 {
		t.Errorf("a day later: %d: %s", status, text)
	}
}

// A container finds out which task it is.
func TestMetadata(t *testing.T) {
	s := open(t, ecstest.Options{})
	post(t, s, "RunTask", request, nil)
	made := s.Tasks()[0]
	var base string
	for _, entry := range made.Env {
		if value, ok := strings.CutPrefix(entry, "ECS_CONTAINER_METADATA_URI_V4="); ok {
			base = value
		}
	}
	resp, err := http.Get(base + "/task")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct{ TaskARN string }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.TaskARN != made.ARN {
		t.Errorf("the task is told that it is %q, %v; want %s", got.TaskARN, err, made.ARN)
	}
}
