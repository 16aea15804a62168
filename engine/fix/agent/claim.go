package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// metadataURL is where Amazon ECS tells a container about its task: see
// "Amazon ECS task metadata endpoint version 4" in its documentation.
const metadataURL = "ECS_CONTAINER_METADATA_URI_V4"

// claim trades the claim for the brief. The app gives it to the same task again if
// the first answer was lost.
func claim(ctx context.Context, a *app, cfg *Config, task string) (*brief.Brief, error) {
	in := brief.Claim{Run: cfg.Run, Claim: cfg.Claim, Task: task}
	b := new(brief.Brief)
	err := a.insist(ctx, cfg.times.claim, func(ctx context.Context) error {
		*b = brief.Brief{}
		return a.send(ctx, http.MethodPost, a.base+"/agent/claim", in, b)
	})
	if err != nil {
		return nil, fmt.Errorf("claim the brief: %w", err)
	}
	if err := checkBrief(b, cfg.Run); err != nil {
		return nil, fmt.Errorf("claim the brief: %w", err)
	}
	return b, nil
}

// envTask is how a launcher on this machine tells the agent which task it is.
const envTask = "SOULCASTER_TASK"

// taskName is what the launcher knows this task by: its ARN if Amazon ECS runs it,
// what the environment says, or else a name of this process's own.
func taskName(ctx context.Context) string {
	if name := os.Getenv(envTask); name != "" && len(name) <= 2048 {
		return name
	}
	if base := os.Getenv(metadataURL); base != "" {
		if arn := taskARN(ctx, base); arn != "" {
			return arn
		}
	}
	return "process-" + strings.ToLower(rand.Text())
}

// taskARN asks three times: without the ARN the claim may be refused.
func taskARN(ctx context.Context, base string) string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}} // link-local: never through a proxy
	for range 3 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/task", nil)
		if err != nil {
			return ""
		}
		res, err := client.Do(req)
		if err != nil {
			continue
		}
		var answer struct{ TaskARN string }
		err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer)
		res.Body.Close()
		if err == nil && len(answer.TaskARN) > 0 && len(answer.TaskARN) <= 2048 {
			return answer.TaskARN
		}
	}
	return ""
}

var (
	commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)
	modelForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,127}$`)
	repoForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$`)
)

// checkBrief checks what ends up in command lines and limits. What is too large is
// brought down; what has another form than ours is refused.
func checkBrief(b *brief.Brief, run string) error {
	r := &b.Repository
	clone, err := url.Parse(r.CloneURL)
	switch {
	case b.Run != run:
		return errors.New("the brief is another run's")
	case b.Token == "" || strings.ContainsAny(b.Token, " \r\n"):
		return errors.New("the brief has no token")
	case !repoForm.MatchString(r.Name):
		return errors.New("the repository's name is not owner/name")
	case err != nil || !safeTarget(clone):
		return errors.New("the clone URL is neither https nor on this machine")
	case !commitForm.MatchString(r.Commit) || !commitForm.MatchString(r.DefaultCommit):
		return errors.New("a commit is not 40 hexadecimal digits")
	case !modelForm.MatchString(b.Model.Name):
		return errors.New("the model's name has characters that no model's has")
	case len(b.Test) > 4096 || strings.ContainsRune(b.Test, 0):
		return errors.New("the test command is longer than 4,096 bytes")
	case b.Seconds <= 0:
		return errors.New("the brief gives no time")
	}
	if revoke, err := url.Parse(r.RevokeURL); err != nil || r.RevokeURL != "" && !safeTarget(revoke) {
		return errors.New("the revocation URL is neither https nor on this machine")
	}
	b.Seconds = min(b.Seconds, 6*60*60)
	b.Heartbeat = min(max(b.Heartbeat, 1), 60)
	b.Model.Context = min(max(b.Model.Context, 8_000), 10_000_000)
	b.Model.Output = min(max(b.Model.Output, 1_000), b.Model.Context)
	l := &b.Limits
	l.Files = min(max(l.Files, 0), 3_000)
	l.FileBytes = min(max(l.FileBytes, 0), 64<<20)
	l.Bytes = min(max(l.Bytes, 0), 64<<20)
	l.LogBytes = min(max(l.LogBytes, 0), 64<<20)
	return nil
}

// safeTarget reports whether a token may be sent to where u points: it goes over
// TLS or stays on this machine.
func safeTarget(u *url.URL) bool {
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}
