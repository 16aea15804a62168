package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// errHelp says that help was asked for and given.
var errHelp = errors.New("help was given")

// newFlags returns the flag set of a command.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // mistakes are reported once, by run
	return flags
}

// parse parses the arguments; help goes to standard output.
func parse(e *environment, flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(e.out, synopsisOf(flags.Name()))
		flags.SetOutput(e.out)
		flags.PrintDefaults()
		return errHelp
	}
	if err != nil {
		return usagef("%w (see soulcaster %s --help)", err, flags.Name())
	}
	return nil
}
