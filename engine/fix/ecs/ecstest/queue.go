package ecstest

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// queue is the events queue. The server guards it.
type queue struct {
	messages []*message
	dead     []string
	serial   int
	changed  chan struct{} // closed, and made anew, when a message came
}

type message struct {
	id, body string
	receipt  string    // of the last time that it was received
	visible  time.Time // again
	received int
}

type receive struct {
	QueueURL    string `json:"QueueUrl"`
	Most        int    `json:"MaxNumberOfMessages"`
	WaitSeconds int    `json:"WaitTimeSeconds"`
	Visibility  *int   `json:"VisibilityTimeout"`
}

type deleteMessages struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []struct {
		ID      string `json:"Id"`
		Receipt string `json:"ReceiptHandle"`
	} `json:"Entries"`
}

type queueAttributes struct {
	QueueURL string   `json:"QueueUrl"`
	Names    []string `json:"AttributeNames"`
}

// Send puts a message into the events queue.
func (s *Server) Send(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(body)
}

func (s *Server) send(body string) {
	q := &s.queue
	q.serial++
	q.messages = append(q.messages, &message{id: fmt.Sprintf("message-%d", q.serial), body: body})
	close(q.changed)
	q.changed = make(chan struct{})
}

// Event is what EventBridge writes about a task as it is now.
func (s *Server) Event(arn string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(arn); t != nil {
		return s.event(t)
	}
	return ""
}

func (s *Server) event(t *task) string {
	data, err := json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("event-%s-%d", t.id, t.version), "detail-type": "ECS Task State Change", "source": "aws.ecs",
		"account": account, "time": text(s.o.Now()), "region": s.o.Region, "resources": []string{t.arn}, "detail": t.shape(false, text),
	})
	if err != nil {
		panic(err) // it is made of what was JSON
	}
	return string(data)
}

func (s *Server) emit(t *task) { s.send(s.event(t)) }

// Waiting is how many messages the events queue holds, those that were received
// and not deleted included.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue.messages)
}

// Dead are the dead letters of the events queue.
func (s *Server) Dead() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queue.dead)
}

func (s *Server) checkQueue(url string) error {
	if url != s.QueueURL {
		return &failure{status: 400, code: "com.amazonaws.sqs#QueueDoesNotExist", message: "The specified queue does not exist."}
	}
	return nil
}

func (s *Server) receive(ctx context.Context, in *receive) (any, error) {
	if err := s.checkQueue(in.QueueURL); err != nil {
		return nil, err
	}
	if in.Most < 0 || in.Most > 10 || in.WaitSeconds < 0 || in.WaitSeconds > 20 {
		return nil, &failure{status: 400, code: "com.amazonaws.sqs#InvalidParameterValue", message: "at most 10 messages, and 20 seconds"}
	}
	hidden := s.o.Visibility
	if in.Visibility != nil {
		hidden = time.Duration(*in.Visibility) * time.Second
	}
	end := time.NewTimer(time.Duration(in.WaitSeconds) * time.Second)
	defer end.Stop()
	for {
		got, next, changed := s.take(max(in.Most, 1), hidden)
		if len(got) > 0 {
			return map[string]any{"Messages": got}, nil
		}
		again := time.NewTimer(next)
		select {
		case <-changed:
		case <-again.C:
		case <-end.C:
			again.Stop()
			return map[string]any{}, nil
		case <-ctx.Done():
			again.Stop()
			return nil, ctx.Err()
		case <-s.closed:
			again.Stop()
			return map[string]any{}, nil
		}
		again.Stop()
	}
}

// take receives up to so many messages. next is when one may be visible again, and
// changed tells of new ones.
func (s *Server) take(most int, hidden time.Duration) (got []any, next time.Duration, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, now := &s.queue, time.Now()
	next = time.Minute
	for _, m := range slices.Clone(q.messages) {
		switch {
		case len(got) == most:
		case now.Before(m.visible):
			next = min(next, m.visible.Sub(now))
		case m.received == s.o.Receives:
			q.dead = append(q.dead, m.body)
			q.messages = slices.DeleteFunc(q.messages, func(o *message) bool { return o == m })
		default:
			m.received++
			m.visible = now.Add(hidden)
			m.receipt = fmt.Sprintf("%s/%d", m.id, m.received)
			sum := md5.Sum([]byte(m.body))
			got = append(got, map[string]any{"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:])})
		}
	}
	return got, next, q.changed
}

func (s *Server) deleteMessages(in *deleteMessages) (any, error) {
	if err := s.checkQueue(in.QueueURL); err != nil {
		return nil, err
	}
	if len(in.Entries) == 0 || len(in.Entries) > 10 {
		return nil, &failure{status: 400, code: "com.amazonaws.sqs#EmptyBatchRequest", message: "1 to 10 entries"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	done := []any{}
	for _, e := range in.Entries {
		s.queue.messages = slices.DeleteFunc(s.queue.messages, func(m *message) bool { return m.receipt == e.Receipt })
		done = append(done, map[string]any{"Id": e.ID})
	}
	return map[string]any{"Successful": done, "Failed": []any{}}, nil
}

func (s *Server) queueAttributes(in *queueAttributes) (any, error) {
	if err := s.checkQueue(in.QueueURL); err != nil {
		return nil, err
	}
	all := map[string]any{
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:%s:%s:dead","maxReceiveCount":%d}`, s.o.Region, account, s.o.Receives),
		"VisibilityTimeout": fmt.Sprint(int(s.o.Visibility.Seconds())),
	}
	for name := range all {
		if !slices.Contains(in.Names, name) && !slices.Contains(in.Names, "All") {
			delete(all, name)
		}
	}
	return map[string]any{"Attributes": all}, nil
}
