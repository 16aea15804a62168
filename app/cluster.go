package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3" // a bar that knows terminals: MIT, small, kept well
	"golang.org/x/term"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/cluster/offline"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
)

// clusterFiles groups the reports of files without a server or a store.
func clusterFiles(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("cluster")
	format := flags.String("format", "table", "table, json (a line for each report, in input order) or markdown")
	strictness := flags.String("strictness", "balanced", "careful, balanced or eager")
	embedder := flags.String("embedder", "lexical", "lexical, or gemini with GEMINI_API_KEY")
	files, err := parseMixed(e, flags, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usagef("name at least one JSONL or CSV file; - is standard input")
	}
	strict := cluster.Strictness(*strictness)
	switch strict {
	case cluster.Careful, cluster.Balanced, cluster.Eager:
	default:
		return usagef("--strictness %s: want careful, balanced or eager", *strictness)
	}
	switch *format {
	case "table", "json", "markdown":
	default:
		return usagef("--format %s: want table, json or markdown", *format)
	}
	vectors, err := embedderNamed(ctx, e, *embedder)
	if err != nil {
		return err
	}

	docs, bad, err := readFiles(e, files)
	if err != nil {
		return err
	}
	progress, end := progressBar(e.err, len(docs))
	results, err := offline.Run(ctx, docs, vectors, strict, progress)
	end()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(e.out)
	switch *format {
	case "json":
		err = offline.WriteJSON(out, results)
	case "markdown":
		err = offline.WriteMarkdown(out, docs, results)
	default:
		err = offline.WriteTable(out, docs, results)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if bad > 0 {
		return fmt.Errorf("what could not be read was skipped (lines: %d); the rest was grouped", bad)
	}
	return nil
}

// parseMixed parses flags that may stand before, between and after the files.
func parseMixed(e *environment, flags *flag.FlagSet, args []string) (files []string, err error) {
	for {
		if err := parse(e, flags, args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return files, nil
		}
		// Whatever follows "--" is a file.
		if parsed := len(args) - flags.NArg(); parsed > 0 && args[parsed-1] == "--" {
			return append(files, flags.Args()...), nil
		}
		files, args = append(files, flags.Arg(0)), flags.Args()[1:]
	}
}

func embedderNamed(ctx context.Context, e *environment, name string) (embed.Embedder, error) {
	switch name {
	case "lexical":
		return lexical.New()
	case "gemini":
		cfg, _ := config.Load(e.env) // only what it says of Gemini matters here
		if cfg.Gemini.APIKey == "" {
			return nil, usagef("--embedder gemini needs GEMINI_API_KEY")
		}
		embedder, _, err := models(ctx, cfg, free)
		return embedder, err
	}
	return nil, usagef("--embedder %s: want lexical or gemini", name)
}

// readFiles reads the reports of all files. Lines that cannot be read are named
// on standard error and counted.
func readFiles(e *environment, files []string) (docs []offline.Doc, bad int, err error) {
	for _, name := range files {
		called := name
		if name == "-" {
			called = "standard input"
		}
		more, err := readFile(e, name, func(line int, err error) {
			bad++
			fmt.Fprintf(e.err, "%s:%d: %v (skipped)\n", called, line, err)
		})
		if err != nil {
			return nil, 0, err
		}
		docs = append(docs, more...)
	}
	return docs, bad, nil
}

func readFile(e *environment, name string, bad func(line int, err error)) ([]offline.Doc, error) {
	var in io.Reader = e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	docs, err := offline.Read(name, in, bad)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return docs, nil
}

// progressBar returns what shows progress on a terminal, and what clears it.
func progressBar(w *os.File, total int) (progress func(done, total int), end func()) {
	if !term.IsTerminal(int(w.Fd())) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("grouping"),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	return func(done, _ int) { bar.Set(done) }, func() { bar.Finish() }
}
