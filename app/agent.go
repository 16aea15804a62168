package main

import (
	"context"
	"fmt"
	"os"

	"github.com/soulcaster/soulcaster/engine/fix/agent"
)

// runAgent is what runs in the coding agent's container.
func runAgent(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("agent")
	standIn := flags.Bool("stand-in", false, "have a stand-in play Kilo's part: for the demo and for tests")
	if err := parse(e, flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("agent takes no arguments")
	}
	cfg, err := agent.FromEnviron(e.env)
	if err != nil {
		return &usageError{err}
	}
	cfg.Log = e.err
	if *standIn {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the stand-in: %w", err)
		}
		cfg.Kilo = []string{self, standInCommand}
	}
	if err := agent.Run(ctx, cfg); err != nil {
		return &statusError{err, agent.ExitCode(err)}
	}
	return nil
}
