package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/ecs"
	"github.com/soulcaster/soulcaster/engine/fix/kilo"
	"github.com/soulcaster/soulcaster/engine/fix/local"
	"github.com/soulcaster/soulcaster/engine/fix/model"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/session"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/project"
)

// fixHost is where the repositories are that the agent works on: GitHub or, in the
// demo, a sample of its own.
type fixHost interface {
	fix.Host
	publish.Host
	session.Tokens
}

// launcher is where agents are started, as the settings say.
type launcher struct {
	task.Launcher               // nil: nowhere
	tasks         session.Tasks // is asked who it is that claims a brief
	// events tells of tasks that changed until ctx ends; nil: nobody tells.
	events func(ctx context.Context, changed func(ids ...string)) error
	close  func(ctx context.Context) // stops the tasks that cannot outlive the app; nil: there are none
}

func newLauncher(ctx context.Context, cfg *config.Config, m mode, log zerolog.Logger) (launcher, error) {
	l := cfg.Launcher
	switch l.Kind {
	case config.LauncherECS:
		on, err := ecs.New(ctx, ecs.Config{
			Cluster: l.Cluster, TaskDefinition: l.TaskDefinition, Subnets: l.Subnets, SecurityGroups: l.SecurityGroups,
			Spot: l.Spot, EventsQueue: l.EventsQueue, Log: log,
		})
		if err != nil {
			return launcher{}, err
		}
		made := launcher{Launcher: on, tasks: on}
		if l.EventsQueue != "" {
			made.events = on.Events
		}
		return made, nil
	case config.LauncherLocal:
		self, err := os.Executable()
		if err != nil {
			return launcher{}, fmt.Errorf("find the agent's program: %w", err)
		}
		if err := local.Hide(); err != nil {
			return launcher{}, err
		}
		command := []string{self, "agent"}
		if m.sample != nil {
			command = []string{m.sample.program, "agent", "--stand-in"}
		}
		here, err := local.New(local.Config{Command: command, Env: []string{"SOULCASTER_KILO", "SOULCASTER_CODER"}, Log: log})
		if err != nil {
			return launcher{}, err
		}
		return launcher{Launcher: here, tasks: here, close: here.Close}, nil
	}
	return launcher{}, nil
}

// heartbeat is how often an agent says that it lives.
const heartbeat = 10 * time.Second

// sessions lets the agents' containers in.
func sessions(c session.Config, cfg *config.Config) *session.Sessions {
	c.Model = kilo.Model(cfg.Model.Name, cfg.Model.Context)
	c.Limits = publish.Limits()
	c.Beat = heartbeat
	return session.New(c)
}

// gateway passes on what agents ask of their model.
func gateway(cfg *config.Config) (*model.Gateway, error) {
	per := cfg.Runs.PerRun
	return model.New(model.Config{
		URL: cfg.Model.URL, Key: cfg.Model.Key.Reveal(), Models: []string{cfg.Model.Name}, Price: price(cfg.Model),
		Budget: fixrun.Budget{Requests: int64(per.Requests), Tokens: int64(per.Tokens), Micros: int64(per.Dollars) * 1e6},
	})
}

// price says what a model costs: what the operator says, or else Google's list for
// Google's models.
func price(m config.Model) func(string, time.Time) (model.Price, bool) {
	return func(name string, at time.Time) (model.Price, bool) {
		switch {
		case m.Priced:
			return model.Price{Input: m.Price.Input, Cached: m.Price.Cached, Output: m.Price.Output}, true
		case m.URL == config.DefaultModelURL:
			return model.ListPrice(name, at)
		}
		return model.Price{}, false
	}
}

// caps are how much runs may do.
func caps(cfg *config.Config) fix.Caps {
	limits := func(l config.RunLimits) fix.Limits {
		return fix.Limits{AtOnce: l.AtOnce, PerDay: l.PerDay, PerMonth: l.PerMonth, Micros: int64(l.Dollars) * 1e6}
	}
	return fix.Caps{
		All: limits(cfg.Runs.All), Reserve: int64(cfg.Runs.PerRun.Dollars) * 1e6, Requests: int64(cfg.Runs.PerRun.Requests),
		Of: func(installation int64) fix.Limits { return limits(cfg.RunLimits(installation)) },
	}
}

// cloneURL is where a repository is cloned from.
func cloneURL(cfg *config.Config, m mode) func(project.Repo) string {
	if m.sample != nil {
		return func(project.Repo) string { return m.sample.url }
	}
	return func(r project.Repo) string { return cfg.GitHub.WebURL + "/" + r.String() + ".git" }
}

// revokeURL is where the tokens that clone are revoked.
func revokeURL(cfg *config.Config, m mode) string {
	if m.sample != nil {
		return "" // they are none
	}
	return cfg.GitHub.APIURL + "/installation/token"
}
