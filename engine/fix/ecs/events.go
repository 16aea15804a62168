package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// poll is how long SQS waits for a message, in seconds: its longest.
	poll = 20
	// pollTimeout bounds a request to SQS.
	pollTimeout = (poll + 10) * time.Second
	// perPoll is the most messages that SQS hands over at once.
	perPoll = 10
	// The backoff while SQS is away.
	minAway, maxAway = time.Second, time.Minute
	// maxSeen bounds how many tasks are remembered with the version seen last.
	maxSeen = 4096
	// maxMessage bounds what is parsed: SQS takes a mebibyte.
	maxMessage = 1 << 20
)

// Events reads ECS's task state changes from the events queue until ctx ends,
// whose error it returns, and hands over the ids of tasks that changed. It only
// hurries things up: events get lost, repeat and overtake each other, and each
// goes to one of several apps. What holds is what Describe says.
//
// A message is deleted when changed has returned. One that is no event at all is
// logged and left: with a dead-letter queue, SQS moves it there, where an operator
// sees that the rule or the queue is not set up as it should be.
//
// Without an events queue it returns nil at once.
func (l *Launcher) Events(ctx context.Context, changed func(taskIDs ...string)) error {
	if l.c.EventsQueue == "" {
		return nil
	}
	r := reader{l: l, versions: map[string]int64{}, unread: map[string]bool{}}
	for away := time.Duration(0); ; {
		err := r.round(ctx, changed)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if away > 0 {
				l.c.Log.Info().Msg("the queue of ECS events answers again")
			}
			away = 0
			continue
		case away == 0:
			l.c.Log.Warn().Err(words(err, "")).Msg("the queue of ECS events does not answer; tasks are looked at all the same")
		}
		away = min(max(2*away, minAway), maxAway)
		if err := l.c.Wait(ctx, away/2+rand.N(away/2)); err != nil {
			return ctx.Err()
		}
	}
}

// reader reads the queue.
type reader struct {
	l        *Launcher
	versions map[string]int64 // the newest that was seen, by task
	unread   map[string]bool  // ids of messages that could not be read and were logged
}

// round waits for messages and deals with them.
func (r *reader) round(ctx context.Context, changed func(taskIDs ...string)) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	out, err := r.l.queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(r.l.c.EventsQueue), MaxNumberOfMessages: perPoll, WaitTimeSeconds: poll,
	})
	if err != nil {
		return fmt.Errorf("receive ECS events: %w", err)
	}
	var ids []string
	var done []types.DeleteMessageBatchRequestEntry
	for i, m := range out.Messages {
		e, err := parseEvent([]byte(aws.ToString(m.Body)))
		if err != nil {
			r.leave(aws.ToString(m.MessageId), err)
			continue
		}
		if e.task != "" && r.isNew(e) {
			ids = append(ids, e.task)
		}
		done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	if len(ids) > 0 {
		changed(ids...)
	}
	if len(done) == 0 {
		return nil
	}
	// What is not deleted comes again, and is known then.
	if _, err := r.l.queue.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(r.l.c.EventsQueue), Entries: done}); err != nil {
		return fmt.Errorf("delete ECS events: %w", err)
	}
	return nil
}

// isNew reports whether an event is later than all that were seen of its task.
func (r *reader) isNew(e event) bool {
	if was, ok := r.versions[e.task]; ok && e.version <= was {
		return false
	}
	if len(r.versions) >= maxSeen {
		clear(r.versions) // forgetting costs a look too many
	}
	r.versions[e.task] = e.version
	return true
}

// leave logs once that a message cannot be read.
func (r *reader) leave(id string, err error) {
	if r.unread[id] {
		return
	}
	if len(r.unread) >= maxSeen {
		clear(r.unread)
	}
	r.unread[id] = true
	r.l.c.Log.Warn().Err(err).Str("message", cut(id, 100)).
		Msg("the queue of ECS events holds something else: see which rules write to it")
}

// event is a change of a task; one without a task is about something else.
type event struct {
	task    string
	version int64
}

// parseEvent reads an event of EventBridge. Its detail is a task as DescribeTasks
// tells it, to which fields may be added ("Amazon ECS events" in its
// documentation).
func parseEvent(data []byte) (event, error) {
	if len(data) > maxMessage {
		return event{}, errors.New("it is too long")
	}
	var in struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return event{}, errors.New("it is no JSON object of EventBridge's form")
	}
	if in.Source == "" || in.DetailType == "" {
		return event{}, errors.New("it is not an event of EventBridge")
	}
	if in.Source != "aws.ecs" || in.DetailType != "ECS Task State Change" {
		return event{}, nil
	}
	var detail struct {
		TaskARN string `json:"taskArn"`
		Version int64  `json:"version"`
	}
	if err := json.Unmarshal(in.Detail, &detail); err != nil || !arnForm.MatchString(detail.TaskARN) {
		return event{}, errors.New("it does not say which task changed")
	}
	return event{task: detail.TaskARN, version: detail.Version}, nil
}
