//go:build !linux

package agent

import "context"

// shut has no counterpart outside of Linux: see the package's comment.
func shut() error { return nil }

// sweep has nothing to find processes by that left their group.
func (c *coder) sweep(context.Context) error { return nil }
