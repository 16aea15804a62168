// Package ecstest is a small Amazon ECS for tests, on loopback, with the SQS queue
// that EventBridge would write task state changes to. Tasks are real processes, or
// none at all. It speaks the SDK's protocols (awsjson 1.1 and 1.0) and is strict: a
// request that ECS would refuse, or that has members which this server does not
// know, is refused.
package ecstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	account  = "123456789012"
	maxBody  = 1 << 20
	maxCalls = 100_000 // that are remembered

	ecsTarget = "AmazonEC2ContainerServiceV20141113."
	sqsTarget = "AmazonSQS."
)

// Options say what there is. The zero value is a cluster "soulcaster" with both
// Fargate capacity providers, and a task definition "soulcaster-agent" that is in
// order.
type Options struct {
	Command     []string      // what a task runs; nil: nothing, it runs until Exit or StopTask
	Env         []string      // the image's environment, NAME=value
	Dir         string        // where it runs
	StopTimeout time.Duration // from SIGTERM to SIGKILL; 0: 30 s
	Line        func(run, line string)

	Region     string   // "": eu-test-1
	Cluster    string   // "": soulcaster
	Providers  []string // capacity providers of the cluster; nil: FARGATE and FARGATE_SPOT
	Definition Definition

	Keep       time.Duration // how long a stopped task is known; 0: an hour
	Unseen     int           // how often DescribeTasks and ListTasks do not know a new task yet
	Visibility time.Duration // of a message that was received; 0: 30 s
	Receives   int           // after which a message goes to the dead letters; 0: 3
	Now        func() time.Time
}

// Definition is a task definition.
type Definition struct {
	Family      string // "": soulcaster-agent; its only revision is 1
	Container   string // "": agent
	CPU, Memory string // "": 2048, 8192
	TaskRole    string
	Inactive    bool
	NotFargate  bool
	Unessential bool // the container
}

// Server is ECS and SQS. It is safe for concurrent use.
type Server struct {
	URL      string // of both
	QueueURL string // of the events queue

	o      Options
	http   *http.Server
	served sync.WaitGroup
	alive  sync.WaitGroup // processes
	closed chan struct{}

	mu     sync.Mutex
	tasks  map[string]*task   // by id
	order  []*task            // as they were started
	tokens map[string]*launch // by client token
	faults map[string][]Fault // by operation
	calls  []Call
	serial int
	queue  queue
}

// Call is one request that came in, with what was in it.
type Call struct {
	Operation string
	Body      string
	At        time.Time // when it had come
}

// New starts a server.
func New(o Options) (*Server, error) {
	o.fill()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start ECS for tests: %w", err)
	}
	url := "http://" + listener.Addr().String()
	s := &Server{
		URL: url, QueueURL: url + "/" + account + "/soulcaster-events",
		o: o, closed: make(chan struct{}),
		tasks: map[string]*task{}, tokens: map[string]*launch{}, faults: map[string][]Fault{},
	}
	s.queue.changed = make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", s.serve)
	mux.HandleFunc("GET /v4/{task}", s.metadata)
	mux.HandleFunc("GET /v4/{task}/task", s.metadata)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.served.Go(func() { _ = s.http.Serve(listener) }) // until Close
	return s, nil
}

func (o *Options) fill() {
	def := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	def(&o.Region, "eu-test-1")
	def(&o.Cluster, "soulcaster")
	def(&o.Definition.Family, "soulcaster-agent")
	def(&o.Definition.Container, "agent")
	def(&o.Definition.CPU, "2048")
	def(&o.Definition.Memory, "8192")
	if o.Providers == nil {
		o.Providers = []string{"FARGATE", "FARGATE_SPOT"}
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 30 * time.Second
	}
	if o.Keep == 0 {
		o.Keep = time.Hour
	}
	if o.Visibility == 0 {
		o.Visibility = 30 * time.Second
	}
	if o.Receives == 0 {
		o.Receives = 3
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Environ is what a program needs in its environment to take the server for AWS.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL_ECS=" + s.URL, "AWS_ENDPOINT_URL_SQS=" + s.URL, "AWS_REGION=" + s.o.Region,
		"AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=not-a-secret", "AWS_SESSION_TOKEN=",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

// Calls are the requests for an operation so far, those that failed included; ""
// is for all.
func (s *Server) Calls(operation string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c Call) bool { return operation != "" && c.Operation != operation })
}

// Close kills all tasks and ends the server.
func (s *Server) Close() {
	close(s.closed)
	s.mu.Lock()
	for _, t := range s.order {
		if t.child != nil {
			t.child.Kill()
		}
	}
	s.mu.Unlock()
	s.alive.Wait()
	_ = s.http.Close()
	s.served.Wait()
}

// failure is an answer that is an error.
type failure struct {
	status        int
	code, message string
	members       map[string]any
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func invalid(format string, args ...any) error {
	return &failure{status: 400, code: "InvalidParameterException", message: fmt.Sprintf(format, args...)}
}

func client(format string, args ...any) error {
	return &failure{status: 400, code: "ClientException", message: fmt.Sprintf(format, args...)}
}

// scope is the Authorization header of AWS's signature version 4.
var scope = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/, ]+/\d{8}/([a-z0-9-]+)/(ecs|sqs)/aws4_request, ?SignedHeaders=[^, ]*host[^, ]*, ?Signature=[0-9a-f]{64}$`)

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	target := r.Header.Get("X-Amz-Target")
	operation, service, version := target, "", ""
	if name, ok := strings.CutPrefix(target, ecsTarget); ok {
		operation, service, version = name, "ecs", "application/x-amz-json-1.1"
	} else if name, ok := strings.CutPrefix(target, sqsTarget); ok {
		operation, service, version = name, "sqs", "application/x-amz-json-1.0"
	}
	signed := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	f := s.called(operation, string(body))
	switch {
	case signed == nil || signed[2] != service || r.Header.Get("X-Amz-Date") == "":
		answer(w, nil, &failure{status: 403, code: "MissingAuthenticationTokenException", message: "the request is not signed for " + service})
	case signed[1] != s.o.Region:
		answer(w, nil, &failure{status: 403, code: "InvalidSignatureException", message: "Credential should be scoped to a valid region."})
	case r.Header.Get("Content-Type") != version:
		answer(w, nil, &failure{status: 400, code: "SerializationException", message: "the content type is not " + version})
	default:
		s.answer(w, r, operation, body, f)
	}
}

// called remembers a call and returns what is to go wrong with it.
func (s *Server) called(operation, body string) (f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) < maxCalls {
		s.calls = append(s.calls, Call{operation, body, time.Now()})
	}
	if next := s.faults[operation]; len(next) > 0 {
		f, s.faults[operation] = next[0], next[1:]
	}
	return f
}

// answer carries an operation out, or has it go wrong.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, operation string, body []byte, f Fault) {
	if f.kind == fails {
		answer(w, nil, &f.failure)
		return
	}
	out, err := s.do(r, operation, body, f)
	switch f.kind {
	case loses:
		panic(http.ErrAbortHandler)
	case hangs:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		panic(http.ErrAbortHandler)
	case breaks:
		answer(w, nil, &failure{status: 500, code: "ServerException", message: "Service Unavailable. Please try again later."})
		return
	}
	answer(w, out, err)
}

func (s *Server) do(r *http.Request, operation string, body []byte, f Fault) (any, error) {
	switch operation {
	case "RunTask":
		return decoded(body, func(in *runTask) (any, error) { return s.runTask(in, f) })
	case "DescribeTasks":
		return decoded(body, s.describeTasks)
	case "ListTasks":
		return decoded(body, s.listTasks)
	case "StopTask":
		return decoded(body, s.stopTask)
	case "DescribeClusters":
		return decoded(body, s.describeClusters)
	case "DescribeTaskDefinition":
		return decoded(body, s.describeDefinition)
	case "ReceiveMessage":
		return decoded(body, func(in *receive) (any, error) { return s.receive(r.Context(), in) })
	case "DeleteMessageBatch":
		return decoded(body, s.deleteMessages)
	case "GetQueueAttributes":
		return decoded(body, s.queueAttributes)
	}
	return nil, &failure{status: 400, code: "UnknownOperationException", message: "there is no operation " + operation}
}

// decoded reads a request whose members are all known.
func decoded[In any](body []byte, do func(*In) (any, error)) (any, error) {
	in := new(In)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return nil, &failure{status: 400, code: "SerializationException", message: err.Error()}
	}
	return do(in)
}

func answer(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "00000000-0000-4000-8000-000000000000")
	if f, ok := err.(*failure); ok {
		body := map[string]any{"__type": f.code, "message": f.message}
		for k, v := range f.members {
			body[k] = v
		}
		w.WriteHeader(f.status)
		out = body
	}
	_ = json.NewEncoder(w).Encode(out) // a client that is gone does not mind
}
