//go:build faults

package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// A build with the tag faults kills itself, as a power cut would, when it passes
// the N-th point that begins with PREFIX: SOULCASTER_FAULT=PREFIX#N. Points are
// "commit.before:SPACE", "commit.after:SPACE", "effect.before:KIND" and
// "effect.after:KIND".
var passed atomic.Int64

func faults(_ context.Context, point string) error {
	prefix, at, _ := strings.Cut(os.Getenv("SOULCASTER_FAULT"), "#")
	n, err := strconv.ParseInt(at, 10, 64)
	if err == nil && strings.HasPrefix(point, prefix) && passed.Add(1) == n {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return nil
}

func watched(db storage.DB) storage.DB { return storage.Watched(db, faults) }

// clock is the time that such a build goes by. It is ahead of the machine's by what
// stands in the file SOULCASTER_AHEAD, if that names one: a duration such as "26h",
// which may be written anew at any time.
func clock() time.Time {
	now := time.Now()
	path := os.Getenv("SOULCASTER_AHEAD")
	if path == "" {
		return now
	}
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	ahead, err := time.ParseDuration(string(text))
	if err != nil {
		panic(err)
	}
	return now.Add(ahead)
}
