package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Launch sends the request of a plan with the claim in it. Within a day of the
// first time, ECS answers it with the task that it started then.
func (l *Launcher) Launch(ctx context.Context, request json.RawMessage, claim string) (task.Task, error) {
	if err := ctx.Err(); err != nil {
		return task.Task{}, &work.Later{Err: err}
	}
	p, err := read(request)
	if err == nil {
		err = task.CheckClaim(claim)
	}
	if err == nil {
		*p.claim() = claim
		err = p.fits(0)
	}
	if err != nil {
		return task.Task{}, fmt.Errorf("launch an ECS task: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var t trip
	out, err := l.api.RunTask(t.in(ctx), p.input())
	switch {
	case err != nil && t.landed.Load():
		// Whatever the last answer said: an earlier request may have been carried out.
		return task.Task{}, action.Unknown(&work.Later{Err: words(err, claim)})
	case err != nil:
		return task.Task{}, sorted(err, claim)
	case len(out.Tasks) > 0 && aws.ToString(out.Tasks[0].TaskArn) != "":
		return l.task(&out.Tasks[0]), nil
	case len(out.Failures) > 0:
		return task.Task{}, refused(out.Failures, claim)
	}
	return task.Task{}, action.Unknown(&work.Later{Err: errors.New("RunTask answered with neither a task nor a failure")})
}

// refused is what an answer without a task, but with reasons, means. It comes with
// status 200 and nothing was started. Reasons that say that something is wrong with
// what was asked for are those of "API failure reasons" in ECS's documentation; the
// others pass, as lack of capacity does.
func refused(failures []types.Failure, claim string) error {
	var texts []string
	kind := task.ErrCapacity
	for _, f := range failures {
		reason := aws.ToString(f.Reason)
		texts = append(texts, strings.TrimSpace(reason+" "+aws.ToString(f.Arn)+" "+aws.ToString(f.Detail)))
		switch word, _, _ := strings.Cut(reason, " "); word {
		case "MISSING", "INACTIVE", "ATTRIBUTE", "LOCATION", "MemberOf":
			kind = task.ErrRefused
		}
	}
	return fmt.Errorf("%w: %w", kind, words(errors.New(strings.Join(texts, "; ")), claim))
}
