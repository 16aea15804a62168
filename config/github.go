package config

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strconv"
	"strings"
)

// GitHubState says whether the app can speak to GitHub.
type GitHubState string

// The states of the GitHub App's settings.
const (
	GitHubNone     GitHubState = "none"     // not one is set
	GitHubComplete GitHubState = "complete" // all are, and can be read
	GitHubPart     GitHubState = "part"     // the App's id is missing: what is set stands in for what was kept of an App that was registered here, if one was; else see Err
	GitHubBroken   GitHubState = "broken"   // some are missing or malformed: see Err
)

// GitHub is the App and where its GitHub is. The App's fields are to be used only
// in the state GitHubComplete.
type GitHub struct {
	State             GitHubState
	IntegrationID     int64
	PrivateKey        Secret   // PEM, with real line ends
	WebhookSecrets    []Secret // one, or several while rotating; each is accepted
	OAuthClientID     string
	OAuthClientSecret Secret

	APIURL string // without a slash at the end
	WebURL string // without a slash at the end

	problems []error
}

// Err joins a [*Problem] for each of the App's settings that is missing or
// malformed; nil unless the state is GitHubPart or GitHubBroken.
func (g GitHub) Err() error { return errors.Join(g.problems...) }

// decide settles the state, and adds what is missing to the problems.
func (g *GitHub) decide(env map[string]string) {
	var missing []error
	set := 0
	for _, s := range settings {
		switch {
		case !s.app:
		case env[s.Name] == "":
			missing = append(missing, &Problem{s.Name, "is missing", "set it, or unset all of the GitHub App's settings: " + s.where})
		default:
			set++
		}
	}
	switch {
	case set == 0:
		g.State = GitHubNone
	case len(missing) == 0 && len(g.problems) == 0:
		g.State = GitHubComplete
	case env[integrationSetting] == "" && len(g.problems) == 0:
		g.State = GitHubPart
		g.problems = missing
	default:
		g.State = GitHubBroken
		g.problems = append(g.problems, missing...)
	}
}

func setIntegrationID(c *Config, value string) error {
	id, err := strconv.ParseInt(value, 10, 64)
	if err != nil || id <= 0 {
		return wrong("is not a number greater than 0", "take the App ID from the App's page, not its client id")
	}
	c.GitHub.IntegrationID = id
	return nil
}

// setPrivateKey takes a PEM file's text with real line ends or with \n written
// out, as many secret stores and .env files need it, or base64 of either.
func setPrivateKey(c *Config, value string) error {
	const do = "give the text of the .pem file that GitHub made for the App"
	if !strings.Contains(value, "-----BEGIN") {
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
		if err != nil || !bytes.Contains(raw, []byte("-----BEGIN")) {
			return wrong("is neither PEM nor base64 of PEM", do+", not its path")
		}
		value = strings.TrimSpace(string(raw))
	}
	if !strings.Contains(value, "\n") {
		value = strings.NewReplacer(`\r`, "", `\n`, "\n").Replace(value)
	}
	block, _ := pem.Decode([]byte(value))
	if block == nil {
		return wrong("begins like PEM and cannot be read", do+"; its lines may have been joined or cut")
	}
	if err := checkRSA(block); err != nil {
		return wrong(err.Error(), do)
	}
	c.GitHub.PrivateKey = Secret(pem.EncodeToMemory(block))
	return nil
}

func checkRSA(block *pem.Block) error {
	switch block.Type {
	case "RSA PRIVATE KEY":
		if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return errors.New("holds a damaged RSA key")
		}
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return errors.New("holds a damaged key")
		}
		if _, ok := key.(*rsa.PrivateKey); !ok {
			return errors.New("holds a key that is not RSA")
		}
	default:
		return errors.New("holds no private key in the clear")
	}
	return nil
}

func setWebhookSecrets(c *Config, value string) error {
	for _, s := range strings.Split(value, ",") {
		if s = strings.TrimSpace(s); s == "" {
			// An empty secret would let unsigned deliveries in.
			return wrong("holds an empty secret", "separate secrets by single commas")
		}
		c.GitHub.WebhookSecrets = append(c.GitHub.WebhookSecrets, Secret(s))
	}
	return nil
}
