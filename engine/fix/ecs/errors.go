package ecs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/work"
)

// maxWords bounds the text of an error, in bytes.
const maxWords = 500

// hints say what to do about an error code, beyond what the service says.
var hints = map[string]string{
	"AccessDeniedException":                          "allow this to the role that the app runs as; RunTask also needs iam:PassRole for the task's execution role",
	"ClusterNotFoundException":                       "see SOULCASTER_ECS_CLUSTER and AWS_REGION",
	"UnrecognizedClientException":                    "see the AWS credentials that the app runs with",
	"InvalidClientTokenId":                           "see the AWS credentials that the app runs with",
	"InvalidSignatureException":                      "see the AWS credentials that the app runs with, and the clock of this machine",
	"IncompleteSignature":                            "see the AWS credentials that the app runs with",
	"MissingAuthenticationToken":                     "see the AWS credentials that the app runs with",
	"ExpiredTokenException":                          "the AWS credentials that the app runs with have expired",
	"PlatformUnknownException":                       "the task definition asks for a platform that Fargate does not have",
	"PlatformTaskDefinitionIncompatibilityException": "the task definition asks for what Fargate cannot do",
}

// sorted says what the error of a call means that nothing came of.
func sorted(err error, claim string) error {
	said := words(err, claim)
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	code, status := "", 0
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case noRoom(err.Error()):
		return fmt.Errorf("%w: %w", task.ErrCapacity, said)
	case code == "ConflictException":
		return fmt.Errorf("%w: %w", task.ErrOtherPlan, said)
	case throttled || status >= 500 || status == http.StatusTooManyRequests:
		return &work.Later{Err: said}
	case code == "" && away(err):
		return &work.Later{Err: said}
	case hints[code] != "":
		return fmt.Errorf("%w: %w: %s", task.ErrRefused, said, hints[code])
	}
	return fmt.Errorf("%w: %w", task.ErrRefused, said)
}

// away reports whether an error without an answer is one of the network, or of
// time.
func away(err error) bool {
	var network net.Error // also the SDK's own time-outs
	var send *smithyhttp.RequestSendError
	var response *smithyhttp.ResponseError
	return errors.As(err, &network) || errors.As(err, &send) || errors.As(err, &response) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// noRoom reports whether a text of the service is about capacity or the account's
// quota of it. There is no code for that: it comes as a failure's reason, as a
// ClientException and as a ThrottlingException.
func noRoom(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "capacity is unavailable") ||
		strings.Contains(text, "reached the limit on the number of") || // tasks, or vCPUs, run concurrently
		strings.Contains(text, "capacity error") // tasks in PROVISIONING
}

// words is an error as text for the operator: one line, not endless, without the
// claim, which a service might repeat.
func words(err error, claim string) error {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	if claim != "" {
		text = strings.ReplaceAll(text, claim, placeholder)
	}
	return errors.New(cut(text, maxWords))
}

// cut returns the longest prefix of s of at most n bytes that ends on a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// trip is what became of the requests of one call, of which there may be several.
type trip struct {
	// landed is set when one left and was not answered, or was answered in a way
	// that says nothing of what was done.
	landed atomic.Bool
}

type tripKey struct{}

func (t *trip) in(ctx context.Context) context.Context { return context.WithValue(ctx, tripKey{}, t) }

// traced notes in the call's trip whether a request may have been carried out.
type traced struct{ next aws.HTTPClient }

func (c traced) Do(req *http.Request) (*http.Response, error) {
	t, ok := req.Context().Value(tripKey{}).(*trip)
	if !ok {
		return c.next.Do(req)
	}
	var left atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { left.Store(true) }})
	resp, err := c.next.Do(req.WithContext(ctx))
	// A 4xx is a no. So is a 503: the service turned it away. Of any other answer
	// that ends in an error, such as a 200 that breaks off, nobody knows.
	if left.Load() && (err != nil || resp.StatusCode < 400 || resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable) {
		t.landed.Store(true)
	}
	return resp, err
}
