package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix"
	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers/web"
)

// demoModel plays the language model of the demo's agent. It knows one bug.
func demoModel() *script.Model {
	const file = "src/checkout/totals.ts"
	return &script.Model{Turns: script.Steps(
		script.Turn{Text: "The error names grandTotal. I read it first.",
			Calls: []script.Call{{Name: "read", Arguments: map[string]string{"filePath": file}}}},
		script.Turn{Calls: []script.Call{{Name: "edit", Arguments: map[string]string{
			"filePath":  file,
			"oldString": "  const cart = session.cart!;\n  const total = cart.total;\n",
			"newString": "  const cart = session.cart;\n  if (!cart) {\n    return 0;\n  }\n  const total = cart.total;\n",
		}}}},
		script.Turn{Text: `## What was wrong

A session has no cart until something was put into it. ` + "`grandTotal`" + ` took it for granted with ` + "`!`" + `, so paying from
a fresh session, as when a tab was open for long, read ` + "`total`" + ` of undefined.

## What I changed and why

` + "`grandTotal`" + ` answers 0 where there is no cart: nothing is to be paid, and nothing is to be shipped. The assertion is gone, so
the compiler watches over the rest of the function.

## What I could not verify

The repository names no command that tests it, so nothing was run.
`},
	)}
}

// serveAround serves what the agent needs beside the app, on loopback until end is
// called: the scripted model, whose address is returned, and the repository.
func serveAround(sample *sampleRepository, log zerolog.Logger) (model string, end func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen for the scripted model: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", demoModel())
	mux.Handle("/", sample)
	server := newServer(mux, log)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("the scripted model and the sample repository are not served any more")
		}
	}()
	address := "http://" + listener.Addr().String()
	sample.url = address + "/" + filepath.Base(sample.dir)
	return address + "/v1", func() {
		server.Close()
		<-served
	}, nil
}

// demoProgram is this program, where the user that the agent's coder is can run it:
// as root it may lie where nobody else looks.
func demoProgram(folder string) (string, error) {
	self, err := os.Executable()
	if err != nil || os.Geteuid() != 0 {
		return self, err
	}
	from, err := os.Open(self)
	if err != nil {
		return "", err
	}
	defer from.Close()
	path := filepath.Join(folder, "soulcaster")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	return path, errors.Join(err, to.Close(), os.Chmod(folder, 0o711))
}

// demoBug is in the title of the problem that the demo has fixed.
const demoBug = "grandTotal"

// runWithin is how long the demo waits for the agent before it shows what there is.
const runWithin = 60 * time.Second

// demoFix asks for a fix as a maintainer's comment would, waits for the proposal,
// and returns the path of the run's page. Without a proposal the error says so; there
// may be a page all the same.
func demoFix(ctx context.Context, db storage.DB, runs *fix.Runs) (page string, err error) {
	space, cluster, err := demoProblem(ctx, db)
	if err != nil {
		return "", err
	}
	answer, err := runs.Order(ctx, space, fixrun.Order{Name: "fix", Cluster: cluster, By: "you", At: time.Now(),
		Words: "Nothing is to be paid without a cart."})
	if err == nil && answer.Change == nil {
		err = errors.New(answer.Reply)
	}
	if err != nil {
		return "", err
	}
	var b storage.Batch
	answer.Change(&b)
	if err := space.Apply(ctx, &b); err != nil {
		return "", err
	}
	runs.Wake(space.Name())

	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	enough := time.NewTimer(runWithin)
	defer enough.Stop()
	for {
		r, _, err := fixrun.Of(ctx, space, cluster)
		if err != nil {
			return "", err
		}
		if r != nil {
			page = web.RunPath(space.Name(), r.ID)
			if !r.State.Busy() {
				if r.State != fixrun.Proposed {
					err = fmt.Errorf("it is %s (%s)", r.State, cmp.Or(r.Detail, string(r.Reason)))
				}
				return page, err
			}
		}
		select {
		case <-look.C:
		case <-enough.C:
			return page, fmt.Errorf("it is not done after %v", runWithin)
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

// demoProblem finds the problem that is to be fixed.
func demoProblem(ctx context.Context, db storage.DB) (storage.Space, string, error) {
	names, err := db.List(ctx, project.Space(demoInstallation, ""), "", 100)
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		space, err := db.Open(ctx, name)
		if err != nil {
			return nil, "", err
		}
		lines, err := issue.Lines(ctx, space, "", 500)
		if err != nil {
			return nil, "", err
		}
		for _, l := range lines {
			if strings.Contains(l.Title, demoBug) {
				return space, l.Cluster, nil
			}
		}
	}
	return nil, "", errors.New("the samples hold no problem to fix")
}
