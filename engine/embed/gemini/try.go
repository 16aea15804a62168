package gemini

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genai"

	"github.com/soulcaster/soulcaster/engine/embed"
)

const (
	tries    = 3
	firstGap = time.Second
	// longestGap bounds what is waited on the spot. Asked to wait longer, the work
	// is given back with the moment until which it should rest.
	longestGap = 10 * time.Second
)

// SettingError says that Google refuses what a setting says, and that the
// operator has to change it.
type SettingError struct {
	Setting string // the environment variable
	Err     error
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("%s: %v: check or change this setting", e.Setting, e.Err)
}
func (e *SettingError) Unwrap() error { return e.Err }

// try calls up to three times, with exponential, jittered gaps or those that the
// server asks for, and sorts the last error. modelSetting names the setting of
// the model that is called.
func (c *Client) try(ctx context.Context, modelSetting string, call func(context.Context) error) error {
	gap := firstGap
	for n := 1; ; n++ {
		var said reply
		err := c.once(ctx, &said, call)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err() // the caller's, not the service's
		}
		err, again := c.sort(err, &said, modelSetting)
		if !again {
			return err
		}
		pause, until := time.Duration((0.5+c.options.Jitter()/2)*float64(gap)), time.Time{}
		if said.wait > 0 {
			until = c.options.Now().Add(said.wait)
			pause = said.wait + time.Duration(c.options.Jitter()*float64(firstGap)/4)
		}
		if n == tries || pause > longestGap {
			return &embed.UnavailableError{Until: until, Err: err}
		}
		if err := c.options.Wait(ctx, pause); err != nil {
			return err
		}
		gap *= 2
	}
}

func (c *Client) once(ctx context.Context, said *reply, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, replyKey{}, said), c.options.Timeout)
	defer cancel()
	return call(ctx)
}

// refusal is the server's no to what it was asked: the setting may be at fault,
// and so may the text.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// sort says what an error of the SDK means, in words of ours: the SDK's own can
// hold whole bodies, which are feedback's text. again is whether another try may
// help. Where none does, it is still no failure of the work: that waits for the
// service or for the operator, in an [*embed.UnavailableError].
func (c *Client) sort(err error, said *reply, modelSetting string) (sorted error, again bool) {
	var api genai.APIError
	var network *url.Error
	switch {
	case errors.As(err, &api):
		if said.status != 0 {
			api.Code = said.status // the body is the server's word, the status line HTTP's
		}
		if d := retryDelay(api.Details); d > said.wait {
			said.wait = d
		}
		sorted = fmt.Errorf("the server answered %d: %s", api.Code, c.clean(api.Message))
	case errors.As(err, &network):
		return fmt.Errorf("reach %s: %w", c.options.BaseURL, network.Err), true
	case said.status == http.StatusOK && said.err == nil:
		return &embed.UnavailableError{Err: errors.New("the server's answer could not be read")}, false
	default:
		return errors.New("the server's answer broke off"), true
	}

	switch {
	case api.Code == http.StatusTooManyRequests || api.Code == http.StatusRequestTimeout || api.Code >= 500:
		return sorted, true
	case api.Code == http.StatusUnauthorized || api.Code == http.StatusForbidden || hasReason(api.Details, "API_KEY_INVALID"):
		return &embed.UnavailableError{Err: &SettingError{Setting: keySetting, Err: sorted}}, false
	case api.Code == http.StatusNotFound:
		return &embed.UnavailableError{Err: &SettingError{Setting: modelSetting, Err: fmt.Errorf("the model is unknown or retired: %w", sorted)}}, false
	case api.Code == http.StatusBadRequest || api.Code == http.StatusRequestEntityTooLarge:
		return &embed.UnavailableError{Err: &SettingError{Setting: modelSetting,
			Err: refusal{fmt.Errorf("the model may be retired, or cannot do this: %w", sorted)}}}, false
	}
	return &embed.UnavailableError{Err: sorted}, false
}

// clean makes a server's message fit for a log: one short line without the key.
func (c *Client) clean(message string) string {
	message = strings.ReplaceAll(message, c.options.APIKey, "[key]")
	return cut(strings.Join(strings.Fields(message), " "), 200)
}

// retryDelay reads google.rpc.RetryInfo, as in {"@type": "…/google.rpc.RetryInfo",
// "retryDelay": "34.5s"}; 0 if there is none.
func retryDelay(details []map[string]any) time.Duration {
	for _, detail := range details {
		if kind, _ := detail["@type"].(string); !strings.HasSuffix(kind, "/google.rpc.RetryInfo") {
			continue
		}
		text, _ := detail["retryDelay"].(string)
		if d, err := time.ParseDuration(text); err == nil && d > 0 {
			return min(d, longestAsked)
		}
	}
	return 0
}

func hasReason(details []map[string]any, reason string) bool {
	for _, detail := range details {
		if detail["reason"] == reason {
			return true
		}
	}
	return false
}
