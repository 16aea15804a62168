package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/github"
	handlegithub "github.com/soulcaster/soulcaster/handlers/github"
	"github.com/soulcaster/soulcaster/handlers/web"
)

// checkSignIn asks GitHub whether it would let people sign in here.
func checkSignIn(ctx context.Context, cfg *config.Config) finding {
	f := finding{what: "signing in", err: login(cfg, clock).Check(ctx), todo: "can this machine reach GITHUB_WEB_URL?"}
	switch {
	case errors.Is(f.err, github.ErrNoClient):
		f.err, f.todo = errors.New("GitHub does not know the client id, or not with this client secret"), "take GITHUB_OAUTH_CLIENT_ID and GITHUB_OAUTH_CLIENT_SECRET from the App's page; a new secret can be made there"
	case errors.Is(f.err, github.ErrNoCallback):
		f.err, f.todo = errors.New("GitHub would not send browsers back here"), "add "+cfg.PublicURL+web.LoginReturn+" to the callback URLs on the App's page"
	}
	return f
}

// checkWebhook compares where GitHub delivers to with where this server is.
func checkWebhook(ctx context.Context, host *github.App, cfg *config.Config) finding {
	f := finding{what: "webhook", todo: "see Webhook on the App's page"}
	hook, err := host.Webhook(ctx)
	if errors.Is(err, github.ErrNotFound) {
		f.note = "GitHub does not say where it delivers to"
		return f
	}
	here := cfg.PublicURL + handlegithub.Route
	switch {
	case err != nil:
		f.err, f.todo = err, askAgain
	case hook.URL == "":
		f.err = errors.New("GitHub delivers nothing: the App has no webhook")
	case cfg.PublicURL != "" && !sameAddress(hook.URL, here):
		f.err, f.todo = fmt.Errorf("GitHub delivers to %s, and this server is at %s", hook.URL, here), "change one of them: the webhook's URL on the App's page, or SOULCASTER_PUBLIC_URL"
	case hook.ContentType != "json":
		f.err, f.todo = fmt.Errorf("GitHub delivers as %q, which is refused here", hook.ContentType), "set the webhook's content type to application/json on the App's page"
	case hook.Insecure:
		f.err, f.todo = errors.New("GitHub does not look at this server's certificate, so that anybody in between can read what it delivers"), "enable SSL verification on the App's page"
	default:
		f.note = hook.URL
	}
	return f
}

// sameAddress reports whether two addresses are one, however their hosts are written.
func sameAddress(a, b string) bool {
	one, err := url.Parse(a)
	other, err2 := url.Parse(b)
	if err != nil || err2 != nil {
		return false
	}
	one.Host, other.Host = strings.ToLower(one.Host), strings.ToLower(other.Host)
	return one.String() == other.String()
}

// reachWithin bounds the way from here to the public address, and back.
const reachWithin = 10 * time.Second

// checkAddress goes the way that GitHub's deliveries go.
func checkAddress(ctx context.Context, cfg *config.Config) finding {
	f := finding{what: "public address"}
	at, err := url.Parse(cfg.PublicURL)
	switch {
	case cfg.PublicURL == "":
		f.note = "SOULCASTER_PUBLIC_URL is not set, so it is not known where others reach this server"
		return f
	case err != nil:
		f.err, f.todo = err, "see SOULCASTER_PUBLIC_URL"
		return f
	case at.Scheme != "https" && at.Hostname() != "localhost" && !net.ParseIP(at.Hostname()).IsLoopback():
		f.err, f.todo = errors.New(cfg.PublicURL+" is no https: what people, GitHub and agents send could be read on the way"), "put a reverse proxy with TLS in front of this server, and its address into SOULCASTER_PUBLIC_URL"
		return f
	}
	f.note = cfg.PublicURL
	if f.err = reach(ctx, cfg.PublicURL+handlegithub.Route, cfg.GitHub.WebhookSecrets[0].Reveal()); f.err != nil {
		f.todo = "is the server running, and does SOULCASTER_PUBLIC_URL lead to it, with name resolution, certificate and reverse proxy? " +
			"If GitHub's deliveries are taken, it is this machine alone that has no way to its own public address"
	}
	return f
}

// reach sends what GitHub sends to see whether somebody listens, and asks for proof that
// this server does: it takes what is signed with the webhook's secret, and gives back the
// request's id.
func reach(ctx context.Context, hook, secret string) error {
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	body, id := []byte(`{"zen": "Is anybody there?"}`), rand.Text()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook, bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "soulcaster/" + buildVersion, "X-GitHub-Event": "ping", "X-GitHub-Delivery": id,
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)), "X-Request-Id": id,
	} {
		r.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusOK && answer.Header.Get("X-Request-Id") == id:
		return nil
	case answer.StatusCode == http.StatusBadRequest:
		return fmt.Errorf("at %s is a server that does not take what is signed with this webhook's secret", hook)
	}
	return fmt.Errorf("%s answers %d, and not as this server does", hook, answer.StatusCode)
}
