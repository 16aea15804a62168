package redis

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Timeouts of one attempt, where the URL does not say otherwise.
const (
	dialTimeout = 2 * time.Second
	ioTimeout   = 3 * time.Second
)

// connect makes the client that the URL asks for, without connecting yet, and
// returns the secrets that are in the URL.
func connect(raw string) (client redis.UniversalClient, secrets []string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, nil, badURL(raw, errors.New("it is no URL"))
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" {
		return nil, nil, badURL(raw, fmt.Errorf("its scheme is %q", u.Scheme))
	}
	query := u.Query()
	if password, ok := u.User.Password(); ok && password != "" {
		secrets = append(secrets, password)
	}
	if password := query.Get("password"); password != "" {
		secrets = append(secrets, password)
	}

	// Retries are ours to do: only we know how to find out what became of a batch.
	const retries = -1
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch {
	case query.Has("master_name"):
		o, err := redis.ParseFailoverURL(raw)
		if err != nil {
			return nil, nil, badURL(raw, err)
		}
		o.MaxRetries, o.ContextTimeoutEnabled, o.DialerRetries = retries, true, 1
		o.DisableIdentity = true
		timeouts(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		return redis.NewFailoverClient(o), secrets, nil
	case query.Has("addr"):
		o, err := redis.ParseClusterURL(raw)
		if err != nil {
			return nil, nil, badURL(raw, err)
		}
		o.MaxRetries, o.ContextTimeoutEnabled, o.DialerRetries = retries, true, 1
		o.DisableIdentity, o.MaintNotificationsConfig = true, quiet
		timeouts(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		return redis.NewClusterClient(o), secrets, nil
	default:
		o, err := redis.ParseURL(raw)
		if err != nil {
			return nil, nil, badURL(raw, err)
		}
		o.MaxRetries, o.ContextTimeoutEnabled, o.DialerRetries = retries, true, 1
		o.DisableIdentity, o.MaintNotificationsConfig = true, quiet
		timeouts(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		return redis.NewClient(o), secrets, nil
	}
}

func timeouts(dial, read, write *time.Duration) {
	for _, t := range []struct {
		set  *time.Duration
		want time.Duration
	}{{dial, dialTimeout}, {read, ioTimeout}, {write, ioTimeout}} {
		if *t.set == 0 {
			*t.set = t.want
		}
	}
}

// badURL says what is wrong with a URL. A password with a special character in
// it is easily read as a port or a path, and then it is in the parser's error; so
// that error is shown only for a URL that has no password.
func badURL(raw string, err error) error {
	const want = "want redis://[user:password@]host:port[/db], or rediss:// for TLS"
	if strings.ContainsAny(raw, "@%") || strings.Contains(raw, "password") {
		return fmt.Errorf("read Redis URL: %s; in a password, characters such as / ? # @ : must be percent-encoded", want)
	}
	return fmt.Errorf("read Redis URL: %w: %s", err, want)
}
