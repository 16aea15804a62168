package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/soulcaster/soulcaster/engine/embed/lexical"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Set by the linker: see the Makefile.
var (
	buildVersion = "dev"
	buildCommit  = ""
)

// commit returns the commit that the binary was built from, as far as known.
func commit() string {
	if buildCommit != "" {
		return buildCommit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

func version(_ context.Context, e *environment, args []string) error {
	flags := newFlags("version")
	if err := parse(e, flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("version takes no arguments")
	}
	embedder, err := lexical.New()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "soulcaster %s\ncommit   %s\ngo       %s %s/%s\nembedder %s\nformat   %d\n",
		buildVersion, commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH, embedder.Name(), storage.Format)
	return err
}
