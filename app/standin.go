package main

import (
	"context"
	"fmt"
	"os"

	"github.com/soulcaster/soulcaster/engine/fix/standin"
)

// standInCommand is how the program plays Kilo's part itself: in the demo, where
// Kilo is not installed.
const standInCommand = "stand-in"

func standIn(ctx context.Context, e *environment, args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the work tree: %w", err)
	}
	return standin.Coder{Args: args, Env: e.env, Dir: dir, In: e.in, Out: e.out, Err: e.err}.Run(ctx)
}
