package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/engine/fix/local/child"
)

// world is the app with a GitHub of its own.
type world struct {
	hub    *hub.Hub
	tester tester
	secret string // of webhooks and sources
	app    *child.Child

	mu      sync.Mutex
	address string // of the app, "" until it serves
	log     []string
}

// open starts both, and waits until the app serves.
func (w *world) open(ctx context.Context, s *suite, c *bug, as *account, dir string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make the App's key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	const appID = 4711
	w.hub, err = hub.New(hub.Options{T: &w.tester, Dir: filepath.Join(dir, "hub"), AppID: appID, Key: text, WebhookSecret: w.secret,
		WebhookURL: func() string {
			if at := w.at(); at != "" {
				return at + "/api/github/hook"
			}
			return ""
		}})
	if err != nil {
		return err
	}
	// Before the app starts: it asks GitHub about the installations that its file names,
	// and forgets those that GitHub does not know.
	w.hub.Install(installation, "acme")
	w.hub.Create(repository, hub.Repository{Private: true, Files: c.files["repo"]})
	w.hub.Allow(repository, maintainer, "write")
	home, file := filepath.Join(dir, "app"), filepath.Join(dir, "soulcaster.yml")
	yaml := fmt.Sprintf(`installations:
  - id: %d
    sources:
      - {id: api, kind: feedback, secrets: [%[2]q], repository: %[3]s}
      - {id: errors, kind: sentry, secrets: [%[2]q], repository: %[3]s}
    repositories:
      %[3]s: {mode: live, publish: full, file_after: {errors: 1, reports: 1}, fix: {minutes: %[4]d}}
`, installation, w.secret, repository, int(s.limit/time.Minute))
	// As root, the agent's coder is another user, who passes through.
	if err := errors.Join(os.Chmod(dir, 0o711), os.Mkdir(home, 0o711), os.WriteFile(file, []byte(yaml), 0o600)); err != nil {
		w.hub.Close()
		return fmt.Errorf("make the app's folder: %w", err)
	}
	command, err := json.Marshal(s.kilo.command)
	if err != nil {
		w.hub.Close()
		return fmt.Errorf("name kilo: %w", err)
	}
	env := append(surroundings(home),
		"GITHUB_APP_INTEGRATION_ID="+fmt.Sprint(appID), "GITHUB_APP_PRIVATE_KEY="+strings.ReplaceAll(string(text), "\n", `\n`),
		"GITHUB_APP_WEBHOOK_SECRET="+w.secret, "GITHUB_OAUTH_CLIENT_ID=Iv1.0123456789abcdef", "GITHUB_OAUTH_CLIENT_SECRET="+rand.Text(),
		"GITHUB_V3_API_URL="+w.hub.URL, "GITHUB_WEB_URL="+w.hub.URL,
		"SOULCASTER_ADDR=127.0.0.1:0", "SOULCASTER_METRICS_ADDR=127.0.0.1:0", "SOULCASTER_STORE=bolt:"+filepath.Join(home, "soulcaster.db"),
		"SOULCASTER_SECRET_KEY="+base64.StdEncoding.EncodeToString([]byte(rand.Text()[:24]+"01234567")), "SOULCASTER_CONFIG="+file,
		"SOULCASTER_LAUNCHER=local", "SOULCASTER_ALLOW_LOCAL_AGENT=true", "SOULCASTER_KILO="+string(command))
	env = append(env, s.model.settings(as.url())...)
	if w.app, err = child.Start(child.Spec{Command: s.cover.starts(s.binary, "serve"), Env: env, Dir: home, Line: w.line}); err != nil {
		w.hub.Close()
		return err
	}
	if err := eventually(ctx, time.Minute, "the app serves", func() bool { return w.at() != "" || w.ended() }); err != nil || w.at() == "" {
		defer w.close()
		return errors.Join(errors.New("the app does not start"), err, w.said())
	}
	return nil
}

// close ends the app, with the agents that it started, and GitHub.
func (w *world) close() {
	w.app.Terminate()
	select {
	case <-w.app.Done():
	case <-time.After(35 * time.Second):
		w.app.Kill()
		<-w.app.Done()
	}
	w.hub.Close()
}

func (w *world) ended() bool {
	select {
	case <-w.app.Done():
		return true
	default:
		return false
	}
}

// line takes a line of the app's log.
func (w *world) line(text string) {
	var l struct{ Level, Message, Address string }
	w.mu.Lock()
	defer w.mu.Unlock()
	if json.Unmarshal([]byte(text), &l) == nil {
		if l.Message == "serving" {
			w.address = "http://" + l.Address
		}
		if l.Level == "info" || l.Level == "debug" {
			return
		}
	}
	if w.log = append(w.log, text); len(w.log) > 20 {
		w.log = w.log[1:]
	}
}

func (w *world) at() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.address
}

// said is what the app complained about last, nil if it did not.
func (w *world) said() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.log) == 0 {
		return nil
	}
	return errors.New("the app said: " + strings.Join(w.log, "\n"))
}

// complaints are the hub's own.
func (w *world) complaints() error {
	w.tester.mu.Lock()
	defer w.tester.mu.Unlock()
	return errors.Join(w.tester.said...)
}

// send sends a report through the door that is for it.
func (w *world) send(ctx context.Context, r report) error {
	path, payload := "/ingest/feedback/api", any(map[string]any{"external_id": "1", "author": r.Author, "title": r.Title, "body": r.Body})
	if r.Kind == "sentry" {
		path, payload = "/ingest/sentry/errors", r.alert()
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("send the report: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.at()+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send the report: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(w.secret))
	mac.Write(body)
	for name, value := range map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + w.secret,
		"Sentry-Hook-Resource": "event_alert", "Sentry-Hook-Signature": hex.EncodeToString(mac.Sum(nil))} {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("send the report: %w", err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // for the error alone
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("send the report: %s: %s", answer.Status, text)
	}
	return nil
}

// alert is the report as Sentry sends it.
func (r report) alert() map[string]any {
	var frames []any
	for _, f := range r.Frames {
		frames = append(frames, map[string]any{"filename": f.File, "function": f.Function, "module": f.Module, "lineno": f.Line, "in_app": true})
	}
	id := strings.Repeat("0123456789abcdef", 2)
	return map[string]any{"action": "triggered", "installation": map[string]any{"uuid": "5b0a0c1e-0000-4000-8000-000000000000"},
		"actor": map[string]any{"type": "application", "id": "sentry", "name": "Sentry"},
		"data": map[string]any{"triggered_rule": "every error", "event": map[string]any{
			"event_id": id, "title": r.Type + ": " + r.Value, "level": "error", "platform": r.Platform, "environment": r.Environment, "release": r.Release,
			"culprit": r.Culprit, "project": 1, "issue_id": "1", "url": "https://sentry.io/api/0/projects/acme/web/events/" + id + "/",
			"issue_url": "https://sentry.io/api/0/issues/1/", "web_url": "https://acme.sentry.io/issues/1/events/" + id + "/",
			"datetime":  time.Now().UTC().Add(-time.Minute).Format(time.RFC3339),
			"exception": map[string]any{"values": []any{map[string]any{"type": r.Type, "value": r.Value, "stacktrace": map[string]any{"frames": frames}}}},
		}}}
}
