package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// serve receives feedback and works until it is told to stop.
func serve(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("serve")
	preview := flags.Bool("preview", false, "work without GitHub: show what would be written, and write nothing")
	if err := parse(e, flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("serve takes no arguments")
	}
	cfg, err := config.Load(e.env)
	if !*preview && cfg.GitHub.State != config.GitHubPart {
		err = errors.Join(err, cfg.GitHub.Err())
	}
	if err != nil {
		return &usageError{err}
	}
	log := newLog(e.err)
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
	g, err := open(ctx, cfg)
	if err != nil && !*preview && cfg.GitHub.State == config.GitHubPart {
		return &usageError{errors.Join(cfg.GitHub.Err(), err)} // what was kept of an App is not known
	}
	if err != nil {
		return err
	}
	defer g.close()
	counter, err := openCounter(cfg, g, log)
	if err != nil {
		return err
	}
	defer counter.close()
	m := mode{preview: *preview, address: visible("", g.front.Addr())}
	var host *github.App
	if !m.preview {
		if cfg.GitHub.State != config.GitHubComplete {
			if cfg, m.setup, err = register(ctx, e, cfg, g, log); err != nil || ctx.Err() != nil {
				return err
			}
		}
		if host, err = connect(ctx, cfg, log); err != nil {
			return err
		}
	}
	counter.knows(cfg)
	app, err := assemble(ctx, cfg, g.db, g.bell, g.exclusive, host, m, log)
	if err != nil {
		return err
	}
	if g.port == nil {
		g.port = openPort(g.front, app.handler, log)
	}
	g.port.become(app.handler)
	return app.run(ctx, g.port, openPort(g.back, app.metrics, log), log)
}

// ground is what the app stands on: its ports and its store.
type ground struct {
	front, back net.Listener // back is for metrics
	port        *port        // serves front; nil until it does
	db          storage.DB
	bell        storage.Bell
	exclusive   bool // the store is this process's alone
}

func open(ctx context.Context, cfg *config.Config) (_ *ground, err error) {
	g := new(ground)
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.front, err = net.Listen("tcp", cfg.Addr); err != nil {
		return nil, fmt.Errorf("listen on SOULCASTER_ADDR: %w", err)
	}
	if g.back, err = net.Listen("tcp", cfg.MetricsAddr); err != nil {
		return nil, fmt.Errorf("listen on SOULCASTER_METRICS_ADDR: %w", err)
	}
	g.db, g.bell, g.exclusive, err = openStore(ctx, cfg)
	return g, err
}

// close gives up what was opened. A server that served a port has closed it already.
func (g *ground) close() {
	for _, l := range []net.Listener{g.front, g.back} {
		if l != nil {
			l.Close()
		}
	}
	if g.db != nil {
		g.db.Close()
	}
}

// How long the end may take: requests under way are answered, then work under way
// is finished. Together they stay below the thirty seconds that orchestrators
// grant. What is not finished by then is done again after the next start.
const (
	drainRequests = 12 * time.Second
	drainWork     = 12 * time.Second
	drainTasks    = 4 * time.Second // of local agents, which cannot outlive the app
)

// run serves until ctx is done, then drains: no new requests, then no new work.
func (m *machine) run(ctx context.Context, front, back *port, log zerolog.Logger) error {
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	worked := make(chan error, 1)
	go func() { worked <- m.queue.Run(log.WithContext(working)) }()
	told := make(chan struct{})
	go func() {
		defer close(told)
		m.hear(working, log)
	}()
	counting, stopCounting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCounting()
	var counted sync.WaitGroup
	counted.Go(func() { m.meter.Run(counting) })
	counted.Go(func() { m.traffic.Run(log.WithContext(counting)) })

	log.Info().Str("address", front.address).Str("metrics", back.address).
		Str("version", buildVersion).Msg("serving")

	var failed error
	select {
	case <-ctx.Done():
		log.Info().Msg("draining: no new requests, then no new work")
	case <-front.done:
		failed = front.err
	case <-back.done:
		failed = back.err
	case failed = <-worked:
		worked <- nil
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainRequests)
	defer cancel()
	m.pages.End() // who listens asks again, elsewhere
	if err := front.server.Shutdown(closing); err != nil {
		log.Warn().Err(err).Msg("some requests were still under way and were cut off")
	}
	front.close()
	stopWork()
	if err := <-worked; err != nil && failed == nil && !errors.Is(err, context.Canceled) {
		failed = fmt.Errorf("work: %w", err)
	}
	<-told
	stopCounting() // with all that the last work used
	counted.Wait()
	if m.launcher.close != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTasks)
		defer cancel()
		m.launcher.close(closing)
	}
	back.close()
	if failed != nil && !errors.Is(failed, http.ErrServerClosed) {
		return failed
	}
	log.Info().Msg("stopped")
	return nil
}

// hear has tasks looked at when their launcher says that they changed, until ctx
// ends.
func (m *machine) hear(ctx context.Context, log zerolog.Logger) {
	if m.launcher.events == nil {
		return
	}
	err := m.launcher.events(ctx, func(...string) {
		if err := m.runs.Hurry(ctx); err != nil && ctx.Err() == nil {
			log.Warn().Err(err).Msg("a task changed, and the store is away; it is looked at later")
		}
	})
	if ctx.Err() == nil {
		log.Error().Err(err).Msg("the tasks' events are not heard any more; they are looked at all the same")
	}
}

// visible is where a person opens what listens at addr: where the settings say
// or, for all of the machine's addresses, on the machine itself.
func visible(public string, addr net.Addr) string {
	if public != "" {
		return public
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
