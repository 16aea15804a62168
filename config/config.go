package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/source"
)

// Config is every setting, checked. Printing or encoding it shows no secret.
type Config struct {
	Addr        string // host:port to listen on
	PublicURL   string // where the outside reaches Addr, without a slash at the end; "" if not said
	MetricsAddr string // host:port
	AdminToken  Secret // "" if nobody gets in with one
	Socket      string // path, for the commands on this machine; "" if there is none
	SocketSet   bool   // somebody named it: it must be there

	PrivateHosts   []string       // that sources may name although they are not public
	TrustedProxies []netip.Prefix // that say who a request is from

	GitHub     GitHub
	Store      Store
	SecretKeys []secret.Key // current first; none: make one beside the bolt file
	Gemini     Gemini
	Launcher   Launcher
	Model      Model

	Runs          Runs           // from the YAML file
	Quotas        Quotas         // from the YAML file; where an installation's entry says nothing else
	Installations []Installation // from the YAML file

	// Warnings are what is odd but no reason to stop, for the log.
	Warnings []string
}

// Store says where the app keeps what it knows: in Path or behind URL.
type Store struct {
	Path          string // of the bolt file; "" for Redis
	URL           Secret // redis:// or rediss://, with its password; "" for bolt
	AllowVolatile bool   // a Redis that may forget is meant
}

// Gemini says how to reach Google's models. Without a key nothing does.
type Gemini struct {
	APIKey       Secret
	BaseURL      string // "" is Google's
	EmbedModel   string
	SummaryModel string
}

// Installation is what the YAML file says of one installation.
type Installation struct {
	ID           int64
	Sources      []source.Source
	Repositories map[string]policy.File // by owner/name, checked
	Runs         RunLimits
	Quotas       Quotas
}

// Load reads the settings from an environment, as os.Environ gives it: entries
// of the form NAME=value, the last of a name counts. A value of white space is as
// good as none.
//
// The error joins a [*Problem] for everything that is wrong, but for the GitHub
// App's settings: they have three states, and what is wrong with them matters
// only to who needs GitHub. Ask [GitHub.Err]. The Config is never nil; beside an
// error it holds what could be read.
func Load(environ []string) (*Config, error) {
	env := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = strings.TrimSpace(value)
		}
	}
	c := &Config{Warnings: unknown(env), Runs: defaultRuns(), Quotas: defaultQuotas()}
	var problems []error
	for _, s := range settings {
		value := cmp.Or(env[s.Name], s.Default)
		if value == "" {
			continue
		}
		if err := s.set(c, value); err != nil {
			if s.app {
				c.GitHub.problems = append(c.GitHub.problems, named(s.Name, err))
			} else {
				problems = append(problems, named(s.Name, err))
			}
		}
	}
	if !c.SocketSet && c.Store.Path != "" {
		c.Socket = c.Store.Path + ".sock"
	}
	c.GitHub.decide(env)
	problems = append(problems, c.checkStore(env)...)
	if path := env[fileSetting]; path != "" {
		problems = append(problems, c.readFile(path, env)...)
	}
	c.Model.decide(c.Gemini)
	problems = append(problems, c.checkLauncher()...)
	c.warn(env)
	return c, errors.Join(problems...)
}

// Sources returns the sources of all installations.
func (c *Config) Sources() []source.Source {
	var all []source.Source
	for _, i := range c.Installations {
		all = append(all, i.Sources...)
	}
	return all
}

// checkStore says what is wrong with the store together with its surroundings.
func (c *Config) checkStore(env map[string]string) (problems []error) {
	if c.Store.Path != "" && env[ecsMetadata] != "" {
		problems = append(problems, &Problem{storeSetting, "the app runs on ECS, where a file does not survive the next deployment",
			"name a Redis: rediss://…"})
	}
	if c.Store.URL != "" && env[keySetting] == "" {
		problems = append(problems, &Problem{keySetting, "is required with Redis, so that all replicas have the same key",
			"make one with: openssl rand -base64 32"})
	}
	return problems
}

// ecsMetadata is set in every container that ECS starts on Fargate, and on EC2
// with a current agent.
const ecsMetadata = "ECS_CONTAINER_METADATA_URI_V4"

// warn adds what is odd about settings that are each right.
func (c *Config) warn(env map[string]string) {
	if c.Gemini.APIKey == "" {
		for _, name := range []string{embedSetting, summarySetting, geminiURLSetting} {
			if env[name] != "" {
				c.Warnings = append(c.Warnings, name+" has no effect without "+geminiSetting)
			}
		}
	}
	if t := c.AdminToken.Reveal(); t != "" && len(t) < 16 {
		c.Warnings = append(c.Warnings, tokenSetting+" is short: who can guess it sees everything; make one with: openssl rand -hex 32")
	}
	if (env[apiURLSetting] == "") != (env[webURLSetting] == "") {
		c.Warnings = append(c.Warnings, apiURLSetting+" and "+webURLSetting+" belong together, and only one of them is set")
	}
}

// String is one line for the log.
func (c Config) String() string {
	store := "bolt:" + c.Store.Path
	if c.Store.URL != "" {
		store = "redis"
	}
	gemini := "none"
	if c.Gemini.APIKey != "" {
		gemini = c.Gemini.EmbedModel + " " + c.Gemini.SummaryModel
	}
	return fmt.Sprintf("addr=%s store=%s github=%s gemini=%s installations=%d sources=%d",
		c.Addr, store, c.GitHub.State, gemini, len(c.Installations), len(c.Sources()))
}

// Format is String for every verb.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// MarshalText is String for JSON and logs.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String counts what the installation has.
func (i Installation) String() string {
	return fmt.Sprintf("installation %d: %d sources, %d repositories", i.ID, len(i.Sources), len(i.Repositories))
}

// Format is String for every verb: a source holds its secrets in the clear.
func (i Installation) Format(f fmt.State, _ rune) { fmt.Fprint(f, i.String()) }

// MarshalText is String for JSON and logs.
func (i Installation) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
