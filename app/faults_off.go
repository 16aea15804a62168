//go:build !faults

package main

import (
	"context"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// faults is nil: only a build for crash tests stops at fault points.
var faults func(ctx context.Context, point string) error

func watched(db storage.DB) storage.DB { return db }

// clock is the machine's: only a build for crash tests has one that can be moved.
var clock = time.Now
