// Command soulcaster turns scattered feedback into fixed bugs: it receives error
// reports and complaints, finds out which are the same problem, and keeps one
// GitHub issue per problem.
//
// This package is the wiring: it reads the settings, builds every part by hand
// in the order in which feedback passes through them, starts them and drains
// them. What the app knows and decides is in engine, what comes in over HTTP in
// handlers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage, or wrong settings
)

// usageError is a mistake in how the program was called or set up.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// statusError ends the program with a status of its own.
type statusError struct {
	err    error
	status int
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// environment is what a command may use of the outside.
type environment struct {
	env    []string // KEY=value
	in     io.Reader
	out    io.Writer // for people and pipes
	err    *os.File  // logs and progress
	caller string    // how the program was called
}

// subcommand is one command of the program. Its synopsis and summary are the help;
// one without a summary is for the program itself to call.
type subcommand struct {
	name     string
	synopsis string
	summary  string
	run      func(ctx context.Context, e *environment, args []string) error
}

func commands() []subcommand {
	return []subcommand{
		{"serve", "serve [--preview]", "receive feedback and keep issues; with --preview nothing is written to GitHub", serve},
		{"demo", "demo [--port N]", "try it: a preview with sample feedback in a new temporary folder", demo},
		{"cluster", "cluster [flags] FILE…", "group the reports of JSONL or CSV files (- is standard input)", clusterFiles},
		{"doctor", "doctor", "check every setting and credential against the real services", doctor},
		{"work", "work list|show|retry|drop [KEY]", "show what is due and what was given up, try it again, or drop it", workCommand},
		{"export", "export --installation ID [FILE]", "write all that an installation has, as JSON lines", exportTenant},
		{"import", "import FILE", "read what export wrote into another store (- is standard input)", importTenant},
		{"agent", "agent", "what runs in the coding agent's container; the app starts it", runAgent},
		{"version", "version", "print version, commit, Go, embedder and store format", version},
		{name: standInCommand, run: standIn},
	}
}

func main() {
	// The log's field names are a promise to whoever reads it by machine.
	zerolog.TimestampFieldName = "timestamp"
	zerolog.TimeFieldFormat = time.RFC3339Nano
	zerolog.DurationFieldInteger = false

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who asks a second time does not want to wait for the drain
	e := &environment{env: os.Environ(), in: os.Stdin, out: os.Stdout, err: os.Stderr, caller: "soulcaster"}
	os.Exit(run(ctx, e, os.Args[1:]))
}

// run runs the command that args name, serve if they name none, and returns the
// exit status.
func run(ctx context.Context, e *environment, args []string) int {
	if len(args) == 0 {
		args = []string{"serve"}
	}
	switch args[0] {
	case "help", "-h", "--help":
		help(e.out)
		return exitDone
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, e, args[1:])
		var usage *usageError
		var status *statusError
		switch {
		case err == nil:
			return exitDone
		case errors.Is(err, errHelp):
			return exitDone
		case errors.As(err, &usage):
			fmt.Fprintf(e.err, "soulcaster %s: %v\n", c.name, err)
			return exitUsage
		case errors.As(err, &status):
			fmt.Fprintf(e.err, "soulcaster %s: %v\n", c.name, err)
			return status.status
		default:
			fmt.Fprintf(e.err, "soulcaster %s: %v\n", c.name, err)
			return exitFailed
		}
	}
	fmt.Fprintf(e.err, "soulcaster: there is no command %q\n\n", args[0])
	help(e.err)
	return exitUsage
}

func help(w io.Writer) {
	fmt.Fprint(w, "Soulcaster turns scattered feedback into one GitHub issue per problem.\n\nUsage: soulcaster COMMAND (serve, if none is given)\n\n")
	for _, c := range commands() {
		if c.summary != "" {
			fmt.Fprintf(w, "  %-32s %s\n", c.synopsis, c.summary)
		}
	}
	fmt.Fprint(w, "\nsoulcaster COMMAND --help tells more. Settings are environment variables: see docs/configuration.md.\n"+
		"Exit status: 0 done, 1 failed, 2 wrong usage or settings.\n")
}

// synopsisOf is what `COMMAND --help` begins with.
func synopsisOf(name string) string {
	for _, c := range commands() {
		if c.name == name {
			return "Usage: soulcaster " + c.synopsis + "\n\n" + strings.ToUpper(c.summary[:1]) + c.summary[1:] + ".\n"
		}
	}
	return ""
}
