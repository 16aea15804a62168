package config

import (
	"regexp"
	"strconv"
	"strings"
)

// The kinds of launchers.
const (
	LauncherNone  = ""
	LauncherECS   = "ecs"
	LauncherLocal = "local"
)

// Launcher says where the agent runs.
type Launcher struct {
	Kind       string // "": nowhere, and `/soulcaster fix` says so
	AllowLocal bool   // local beside live GitHub credentials is meant

	// With "ecs".
	Cluster        string
	TaskDefinition string
	Subnets        []string
	SecurityGroups []string
	EventsQueue    string // URL of the SQS queue with the tasks' events; "" if there is none
	Spot           bool   // try capacity that can be taken away first
}

// checkLauncher says what is wrong with the launcher together with the rest.
func (c *Config) checkLauncher() (problems []error) {
	l := c.Launcher
	switch l.Kind {
	case LauncherECS:
		for _, s := range []struct {
			name string
			set  bool
		}{
			{clusterSetting, l.Cluster != ""},
			{definitionSetting, l.TaskDefinition != ""},
			{subnetsSetting, len(l.Subnets) > 0},
			{groupsSetting, len(l.SecurityGroups) > 0},
		} {
			if !s.set {
				problems = append(problems, &Problem{s.name, "is required with " + launcherSetting + "=ecs",
					"take it from the outputs of the stack: see docs/deploying.md"})
			}
		}
		if c.PublicURL == "" {
			problems = append(problems, &Problem{publicSetting, "is required with " + launcherSetting + "=ecs",
				"give the address at which the agent's container reaches the app"})
		}
	case LauncherLocal:
		if c.GitHub.State == GitHubComplete && !l.AllowLocal {
			problems = append(problems, &Problem{launcherSetting, "local would let strangers' text steer a process on this host, beside the App's credentials",
				"use ecs, or set " + allowLocalSetting + "=true if that is meant"})
		}
	}
	if l.Kind != LauncherNone && c.Model.URL == "" {
		problems = append(problems, &Problem{launcherSetting, "has an agent started, and no model is there for it",
			"set " + geminiSetting + ", or " + modelURLSetting + " and " + modelKeySetting})
	}
	return problems
}

func setLauncher(c *Config, value string) error {
	switch value {
	case LauncherECS, LauncherLocal:
		c.Launcher.Kind = value
		return nil
	}
	return wrong("names no launcher", "set ecs or local, or leave it out")
}

var awsID = regexp.MustCompile(`^[a-z]{1,10}-[0-9a-f]{1,40}$`)

// setIDs reads ids of AWS, separated by commas.
func setIDs(to *[]string, value, prefix string, most int) error {
	ids := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	if len(ids) > most {
		return wrong("names more than "+strconv.Itoa(most), "ECS takes no more")
	}
	for _, id := range ids {
		if !awsID.MatchString(id) || !strings.HasPrefix(id, prefix) {
			return wrong("is not a list of ids that begin with "+prefix, "separate them by commas")
		}
	}
	*to = ids
	return nil
}

// DefaultModelURL is the part of Gemini's API that speaks as OpenAI's does.
const DefaultModelURL = "https://generativelanguage.googleapis.com/v1beta/openai"

// Model is the language model that works on fixes, behind the app's gateway.
type Model struct {
	URL  string // of an OpenAI-compatible API, up to the part before /chat/completions; "" if there is none
	Key  Secret
	Name string
	// Price is what a million tokens cost, in millionths of a US dollar, if Priced.
	Price   Price
	Priced  bool
	Context int // tokens that it takes
}

// Price is what a million tokens cost, in millionths of a US dollar.
type Price struct{ Input, Cached, Output int64 }

// decide lets Gemini's key and address stand where nothing else is said. A key
// that was made for Google goes nowhere else.
func (m *Model) decide(g Gemini) {
	if m.URL == "" && (m.Key != "" || g.APIKey != "") {
		m.URL = DefaultModelURL
	}
	if m.Key == "" && m.URL == DefaultModelURL {
		m.Key = g.APIKey
	}
}

// setPrice reads "INPUT/OUTPUT" or "INPUT/CACHED/OUTPUT", in dollars for a million
// tokens.
func setPrice(c *Config, value string) error {
	parts := strings.Split(value, "/")
	micros := make([]int64, len(parts))
	for i, p := range parts {
		dollars, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil || !(dollars >= 0 && dollars < 100_000) {
			return wrong("is not a price", "write dollars for a million tokens as INPUT/OUTPUT or INPUT/CACHED/OUTPUT, as in 0.30/2.50")
		}
		micros[i] = int64(dollars*1e6 + 0.5)
	}
	switch len(micros) {
	case 2:
		c.Model.Price = Price{micros[0], micros[0], micros[1]}
	case 3:
		c.Model.Price = Price{micros[0], micros[1], micros[2]}
	default:
		return wrong("is not a price", "write dollars for a million tokens as INPUT/OUTPUT or INPUT/CACHED/OUTPUT, as in 0.30/2.50")
	}
	c.Model.Priced = true
	return nil
}
