// Package ecs starts agents as tasks of Amazon ECS on Fargate. A launch is done
// once per client token, which is the run and the attempt; the token lives for a
// day. Package ecstest is a server for tests.
package ecs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"
	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

const (
	// callTimeout bounds a call with its retries, tryTimeout each of them: a
	// connection that went dead must not use up all of the time.
	callTimeout = 10 * time.Second
	tryTimeout  = 5 * time.Second
	// A repeated call is the same call: launches carry a client token, stopping
	// twice is stopping once, the others read.
	maxTries = 3
	firstGap = 300 * time.Millisecond // before the second try; three times that before the third

	// The most that one task takes: AwsVpcConfiguration in the API's reference.
	maxSubnets = 16
	maxGroups  = 5
)

// Config says where tasks run. Region, credentials and endpoints are found by the
// SDK, in its own environment variables and files.
type Config struct {
	Cluster        string // name or ARN
	TaskDefinition string // family, family:revision or ARN
	Subnets        []string
	SecurityGroups []string
	Container      string // that gets the claim; "": agent
	AssignPublicIP bool   // needed in a subnet without a NAT
	Spot           bool   // the cluster has FARGATE_SPOT too
	EventsQueue    string // URL of the SQS queue that EventBridge writes to; "": none
	Log            zerolog.Logger
	// Wait waits, or returns the context's error before; nil for a timer. Tests set
	// it.
	Wait func(ctx context.Context, d time.Duration) error
}

// Launcher is a [task.Launcher] on ECS.
type Launcher struct {
	c      Config
	region string
	api    *sdk.Client
	queue  *sqs.Client
}

var _ task.Launcher = (*Launcher)(nil)

// New returns a launcher. It calls nothing outside; see [Launcher.Check] for that.
func New(ctx context.Context, c Config) (*Launcher, error) {
	if c.Container == "" {
		c.Container = "agent"
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("ECS launcher: %w", err)
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logger(c.Log)))
	if err != nil {
		return nil, fmt.Errorf("ECS launcher: load the SDK's settings: %w", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("ECS launcher: no region is set: see AWS_REGION")
	}
	return &Launcher{
		c:      c,
		region: cfg.Region,
		api: sdk.NewFromConfig(cfg, func(o *sdk.Options) {
			o.Retryer = retryer()
			o.HTTPClient = traced{timed(cfg.HTTPClient, tryTimeout)}
		}),
		queue: sqs.NewFromConfig(cfg, func(o *sqs.Options) {
			o.Retryer = aws.NopRetryer{} // Events has a backoff of its own
			o.HTTPClient = timed(cfg.HTTPClient, pollTimeout)
		}),
	}, nil
}

func (c *Config) check() error {
	switch {
	case c.Cluster == "":
		return errors.New("there is no cluster")
	case c.TaskDefinition == "":
		return errors.New("there is no task definition")
	case len(c.Subnets) == 0 || len(c.Subnets) > maxSubnets:
		return fmt.Errorf("%d subnets, want 1 to %d", len(c.Subnets), maxSubnets)
	// Without one, tasks would get the default group of the VPC, which mostly lets
	// everything out.
	case len(c.SecurityGroups) == 0 || len(c.SecurityGroups) > maxGroups:
		return fmt.Errorf("%d security groups, want 1 to %d", len(c.SecurityGroups), maxGroups)
	}
	return nil
}

// logger takes what the SDK would write to standard error.
func logger(log zerolog.Logger) logging.Logger {
	return logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		log.Debug().Str("said", words(fmt.Errorf(format, v...), "").Error()).Msg("AWS SDK")
	})
}

func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxTries
		o.Backoff = retry.BackoffDelayerFunc(func(n int, _ error) (time.Duration, error) {
			gap := firstGap
			for range n - 1 {
				gap *= 3
			}
			return gap/2 + rand.N(gap/2), nil
		})
	})
}

// timed bounds each request of the SDK's own client.
func timed(c aws.HTTPClient, d time.Duration) aws.HTTPClient {
	switch b := c.(type) {
	case nil:
		return awshttp.NewBuildableClient().WithTimeout(d)
	case *awshttp.BuildableClient:
		return b.WithTimeout(d)
	}
	return c
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
