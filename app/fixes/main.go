// Command fixes measures what a fix by Soulcaster is worth: a table of small bugs,
// each reported as a user would, goes the whole way from the report to the pull
// request, and the same report goes to bare Kilo with the same model. A hidden test,
// which neither of them is shown, tells whether the bug is gone. `make fixes` runs it
// with whatever model the environment configures.
//
// It is no part of the product. What a model writes runs on this machine, as this
// user: see docs/developing.md. The hidden tests and the answers lie on its disk. Run
// as root on Linux, both ways work where they cannot be read; elsewhere a model that
// searches the disk can find them, and the result says so.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// notMeasured is all that is said where there is no model.
const notMeasured = `Not measured: no model is configured, so there are no numbers.
Set SOULCASTER_MODEL_URL, SOULCASTER_MODEL_KEY and SOULCASTER_MODEL, or GEMINI_API_KEY, and run it again.
Without a model, "go run ./app/fixes --scripted" shows that the machinery works.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "fixes:", err)
		os.Exit(1)
	}
}

// run measures as the arguments and the environment say. It returns an error if the
// machinery failed; a bug that was not fixed is a result.
func run(ctx context.Context, args, env []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("fixes", flag.ContinueOnError)
	flags.SetOutput(progress)
	scripted := flags.Bool("scripted", false, "a scripted model applies each known answer: proves the machinery only")
	standIn := flags.Bool("stand-in", false, "with --scripted: a stand-in plays Kilo, which takes ten seconds of a core to start")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	only := flags.String("only", "", "regular expression: the cases to run")
	folder := flags.String("cases", "app/fixes/testdata", "folder of the cases")
	minutes := flags.Int("minutes", 15, "the time for one attempt")
	dollars := flags.Float64("dollars", 20, "no attempt is begun once so much is spent, where the model's price is known")
	tokens := flags.Int64("tokens", 50_000_000, "no attempt is begun once so many tokens are used")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	switch {
	case flags.NArg() > 0:
		return errors.New("there are no arguments but flags")
	case *standIn && !*scripted:
		return errors.New("--stand-in plays from a script: it goes with --scripted")
	case *minutes < 1 || *minutes > 120:
		return errors.New("--minutes: want 1 to 120")
	}
	m, ok, err := modelOf(env, *scripted)
	if err != nil {
		return err
	}
	if !ok {
		_, err := io.WriteString(out, notMeasured)
		return err
	}
	cases, err := load(*folder, match)
	if err != nil {
		return err
	}
	s := &suite{model: m, cases: *folder, cover: newCover(ctx, *folder), limit: time.Duration(*minutes) * time.Minute,
		budget: budget{micros: int64(*dollars * 1e6), tokens: *tokens}, progress: progress}
	if s.kilo, err = findKilo(env, *standIn); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "soulcaster-fixes-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer removeAll(s.dir)
	// As root, the agent's coder is another user, who passes through.
	if err := os.Chmod(s.dir, 0o711); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer s.meter.close()
	t := s.measure(ctx, cases)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err := t.write(out, *asJSON); err != nil {
		return err
	}
	if *scripted && !t.sound() {
		return errors.New("the machinery is broken: a known answer did not come through")
	}
	return nil
}

// suite is everything that the attempts share.
type suite struct {
	model    configured
	cases    string // folder
	cover    cover
	kilo     program
	limit    time.Duration // of one attempt
	budget   budget
	progress io.Writer

	dir    string // for everything
	binary string // of Soulcaster
	cache  string // of the Go toolchain
	meter  *meter
}

// prepare builds the program, and opens the meter.
func (s *suite) prepare(ctx context.Context) error {
	s.binary = filepath.Join(s.dir, "soulcaster")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := tool(ctx, "", "go", "build", "-trimpath", "-o", s.binary, "github.com/soulcaster/soulcaster/app"); err != nil {
		return err
	}
	if s.kilo.standIn {
		s.kilo.command = []string{s.binary, "stand-in"}
	}
	s.cache = goCache(ctx)
	var err error
	s.meter, err = newMeter(ctx, filepath.Join(s.dir, "meter.db"), s.model)
	return err
}

// measure makes all attempts, one after another: two at once would spoil each
// other's time.
func (s *suite) measure(ctx context.Context, cases []*bug) *table {
	t := &table{Model: s.model.name, Priced: s.model.priced, Scripted: s.model.scripted, Kilo: s.kilo.told(), Answers: s.cover.told(s.cases)}
	for _, c := range cases {
		row := row{Case: c.Name, Language: c.Language, Title: c.Title}
		if missing := c.missing(); missing != "" {
			row.NotRun = missing + " is not installed"
		} else {
			row.Whole = s.attempt(ctx, c, "soulcaster", s.whole)
			row.Bare = s.attempt(ctx, c, "bare kilo", s.bare)
		}
		t.Rows = append(t.Rows, row)
		if ctx.Err() != nil {
			break
		}
	}
	return t
}

// attempt has one of the two ways try to fix a bug, and runs the hidden test on what
// it made.
func (s *suite) attempt(ctx context.Context, c *bug, way string, try func(context.Context, *bug, *account, string) (attempt, error)) *attempt {
	if why := s.budget.spent(s.meter.sum()); why != "" {
		return &attempt{Outcome: notRun, Note: why}
	}
	if ctx.Err() != nil {
		return &attempt{Outcome: notRun, Note: "interrupted"}
	}
	dir, err := os.MkdirTemp(s.dir, c.Name+"-")
	if err != nil {
		return &attempt{Outcome: failed, Note: err.Error()}
	}
	defer removeAll(dir)
	fmt.Fprintf(s.progress, "%s, %s …", c.Name, way)
	as := s.meter.open(c.script())
	defer as.close()
	a, err := try(ctx, c, as, dir)
	if err != nil {
		a.Outcome, a.Note = failed, err.Error()
	}
	if a.Outcome == changed {
		tree := filepath.Join(dir, "result")
		err := c.place(tree, "hidden")
		if err == nil {
			a.Hidden, a.Said, err = s.test(ctx, c, tree, c.Hidden)
		}
		if err != nil {
			a.Note = err.Error()
		}
	}
	if a.Usage, err = as.usage(context.WithoutCancel(ctx)); err != nil {
		a.Note = err.Error()
	}
	fmt.Fprintf(s.progress, " %s\n", a.brief(s.model.priced))
	return &a
}
