package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// What the environment may say. The first three are what a launcher sets; the
// others are for images and developers.
const (
	envURL   = "SOULCASTER_URL"   // where the app is
	envRun   = "SOULCASTER_RUN"   // the run's id
	envClaim = "SOULCASTER_CLAIM" // the secret that the brief is given for, once
	envKilo  = "SOULCASTER_KILO"  // Kilo's path, or a JSON list of a path and arguments
	envCoder = "SOULCASTER_CODER" // UID:GID of the coder's user, if the supervisor is root
)

var (
	// ErrTerminated says that the agent was told to end by a signal. What there was
	// then has been handed over, if the app took it.
	ErrTerminated = errors.New("agent: terminated")
	// ErrStopped says that the app ordered the agent to stop, or knows it no more.
	// Nothing was handed over.
	ErrStopped = errors.New("agent: stopped by the app")
)

// ExitCode is the status to exit with for what [Run] returned: 0 if a result was
// taken, 143 after a signal, like a process that SIGTERM ended, and 1 otherwise.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrTerminated):
		return 143
	}
	return 1
}

// Config says for which run the agent is, and with what it works. URL, Run and
// Claim are required.
type Config struct {
	URL   string // of the app, http or https
	Run   string
	Claim string

	// Kilo is the program and its leading arguments; what package agent adds is
	// Kilo's command line. Empty: the image's, or else kilo in the PATH.
	Kilo []string
	// UID and GID are the coder's user and group if the supervisor is root. 0: a
	// user that this agent has for itself, so that two on one machine, each of which
	// kills all that its user runs, do not get at each other.
	UID, GID int
	// Dir is where the agent works, "" for a new folder in [os.TempDir]. A folder in
	// it is removed at the end.
	Dir string
	// Log gets the supervisor's own lines; nothing of what the coder prints.
	// os.Stderr if nil.
	Log io.Writer

	times times
}

// times are how long things may take. Tests have less of it.
type times struct {
	claim    time.Duration // trying to get the brief
	answer   time.Duration // for one answer of the app
	back     time.Duration // first wait between two tries; doubles up to 30 of it
	unknown  time.Duration // the app says that it does not know us: then stop
	away     time.Duration // the app does not answer: then stop
	clone    time.Duration
	silence  time.Duration // of Kilo and its model
	ship     time.Duration // between two pieces of log
	collect  time.Duration
	handover time.Duration // trying to hand the result over
	hurry    time.Duration // all that is left after a signal
}

func defaultTimes() times {
	return times{
		claim: 10 * time.Minute, answer: 30 * time.Second, back: time.Second,
		unknown: 2 * time.Minute, away: 15 * time.Minute,
		clone: 10 * time.Minute, silence: 10 * time.Minute, ship: 5 * time.Second,
		collect: 3 * time.Minute, handover: 10 * time.Minute,
		hurry: 90 * time.Second, // of the 120 s that Fargate gives
	}
}

// FromEnviron reads the settings from an environment of KEY=value. The error names
// what is missing or wrong, never the claim.
func FromEnviron(env []string) (Config, error) {
	of := map[string]string{}
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		of[k] = v
	}
	c := Config{URL: of[envURL], Run: of[envRun], Claim: of[envClaim]}
	for _, name := range []string{envURL, envRun, envClaim} {
		if of[name] == "" {
			return Config{}, fmt.Errorf("%s is not set: a launcher starts the agent, and sets it", name)
		}
	}
	if v := of[envKilo]; strings.HasPrefix(v, "[") {
		if err := json.Unmarshal([]byte(v), &c.Kilo); err != nil {
			return Config{}, fmt.Errorf("%s: not a JSON list of strings", envKilo)
		}
	} else if v != "" {
		c.Kilo = []string{v}
	}
	if v := of[envCoder]; v != "" {
		uid, gid, _ := strings.Cut(v, ":")
		u, uerr := strconv.ParseInt(uid, 10, 31)
		g, gerr := strconv.ParseInt(gid, 10, 31)
		if uerr != nil || gerr != nil || u <= 0 || g <= 0 {
			return Config{}, fmt.Errorf("%s: want UID:GID, two positive numbers", envCoder)
		}
		c.UID, c.GID = int(u), int(g)
	}
	return c, c.check()
}

func (c *Config) check() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%s: want an http or https URL without credentials or query", envURL)
	}
	if !plainName(c.Run) {
		return fmt.Errorf("%s: want letters, digits and dashes, at most 64", envRun)
	}
	if c.Claim == "" || len(c.Claim) > 1024 || strings.ContainsAny(c.Claim, " \r\n\t") {
		return fmt.Errorf("%s: not a claim", envClaim)
	}
	return nil
}

func plainName(s string) bool {
	for _, r := range s {
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// complete checks the settings and fills in what they leave open.
func (c *Config) complete() error {
	if err := c.check(); err != nil {
		return err
	}
	if c.times == (times{}) {
		c.times = defaultTimes()
	}
	if c.Log == nil {
		c.Log = os.Stderr
	}
	return nil
}
