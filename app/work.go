package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/work"
)

// workCommand shows and changes due work and dead letters.
func workCommand(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("work")
	dead := flags.Bool("dead", false, "with list: only what was given up")
	words, err := parseMixed(e, flags, args)
	if err != nil {
		return err
	}
	verb := ""
	if len(words) > 0 {
		verb, words = words[0], words[1:]
	}
	switch verb {
	case "list":
		if len(words) > 0 {
			return usagef("work list takes no key")
		}
	case "show", "retry", "drop":
		if len(words) != 1 || *dead {
			return usagef("work %s takes one key, as work list shows it", verb)
		}
	default:
		return usagef("want work list, or work show, retry or drop with a key (see soulcaster work --help)")
	}
	cfg, err := config.Load(e.env)
	if err != nil {
		return &usageError{err}
	}
	at, err := openOffice(ctx, e, cfg)
	if err != nil {
		return err
	}
	defer at.Close()
	switch verb {
	case "show":
		s, err := at.Get(ctx, words[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "key    %s\nstate  %s\nwhen   %s\ntries  %d\n", s.Key, stateOf(s), whenOf(s), s.Attempts)
		if s.Error != "" {
			fmt.Fprintf(e.out, "error  %s\n", visibly(s.Error))
		}
		return nil
	case "retry":
		if err := at.Retry(ctx, words[0]); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s is done as soon as its turn comes\n", words[0])
		return nil
	case "drop":
		if err := at.Drop(ctx, words[0]); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s is forgotten\n", words[0])
		return nil
	}
	return at.List(ctx, func(s work.Status) error {
		if *dead && s.State != work.Died {
			return nil
		}
		_, err := fmt.Fprintf(e.out, "%-7s  %-20s  %2d  %s%s\n", stateOf(s), whenOf(s), s.Attempts, s.Key, prefixed("  ", visibly(s.Error)))
		return err
	})
}

func stateOf(s work.Status) string { return string(s.State) }

// whenOf is when work is due, or was given up.
func whenOf(s work.Status) string {
	if s.At.IsZero() || s.State != work.Died && !s.At.After(time.Now()) {
		return "now"
	}
	return s.At.UTC().Format(time.RFC3339)
}

// visibly is a text on one line, without what would move a terminal.
func visibly(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
