package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/transfer"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/engine/work/desk"
	"github.com/soulcaster/soulcaster/handlers"
	"github.com/soulcaster/soulcaster/handlers/socket"
)

// counter is where a running server answers the commands on the same machine.
type counter struct {
	server *http.Server
	done   chan struct{}
	cfg    atomic.Pointer[config.Config] // with the App, once there is one
}

// openCounter opens the socket that the settings name; nil if there is none. One that
// nobody asked for may fail: the app does without.
func openCounter(cfg *config.Config, g *ground, log zerolog.Logger) (*counter, error) {
	if cfg.Socket == "" {
		return nil, nil
	}
	l, err := socket.Listen(cfg.Socket)
	if err != nil && cfg.SocketSet {
		return nil, fmt.Errorf("SOULCASTER_SOCKET: %w", err)
	}
	if err != nil {
		log.Warn().Err(err).Msg("there is no socket for the commands work, export and doctor: set SOULCASTER_SOCKET to a path that can be one")
		return nil, nil
	}
	c := &counter{done: make(chan struct{})}
	c.cfg.Store(cfg)
	c.server = newServer(handlers.Observe(log, func(string, int, time.Duration) {}, socket.New(socket.Config{
		Desk: newDesk(g.db, g.bell, log), Export: exportFrom(g.db),
		Check: func(ctx context.Context) []socket.Finding { return findings(checkGitHub(ctx, c.cfg.Load())) },
	})), log)
	c.server.WriteTimeout = 0 // an export takes as long as it takes; who asks is the operator
	go func() {
		defer close(c.done)
		if err := c.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("the socket for commands is not served any more")
		}
	}()
	return c, nil
}

func (c *counter) knows(cfg *config.Config) {
	if c != nil {
		c.cfg.Store(cfg)
	}
}

func (c *counter) close() {
	if c != nil {
		c.server.Close()
		<-c.done
	}
}

// newDesk is where the work of a store is seen and changed, whether this process works on
// it or not.
func newDesk(db storage.DB, bell storage.Bell, log zerolog.Logger) *desk.Desk {
	return &desk.Desk{DB: db, Log: action.New(action.Options{Now: clock}), Wake: func(ctx context.Context, space string) {
		app, err := db.Create(ctx, project.AppSpace)
		if err == nil {
			err = work.Announce(ctx, app, bell, space)
		}
		if err != nil {
			log.Warn().Err(err).Msg("nobody was told of what is due now; it is found within ten minutes")
		}
	}}
}

// exportFrom writes all of an installation.
func exportFrom(db storage.DB) func(ctx context.Context, installation int64, sealed bool, to io.Writer) error {
	return func(ctx context.Context, installation int64, sealed bool, to io.Writer) error {
		return transfer.Export(ctx, project.NewRegistry(db, nil, nil), installation, to, transfer.Options{Sealed: sealed, Now: clock()})
	}
}

func findings(all []finding) []socket.Finding {
	list := make([]socket.Finding, len(all))
	for i, f := range all {
		list[i] = socket.Finding{What: f.what, Note: f.note, Todo: f.todo}
		if f.err != nil {
			list[i].Bad = f.err.Error()
		}
	}
	return list
}

// office is what the commands for operators ask: the running server or, if none runs, the
// store.
type office interface {
	List(ctx context.Context, do func(work.Status) error) error
	Get(ctx context.Context, key string) (work.Status, error)
	Retry(ctx context.Context, key string) error
	Drop(ctx context.Context, key string) error
	Export(ctx context.Context, installation int64, sealed bool, to io.Writer) error
	Close()
}

// atStore is the office where no server runs.
type atStore struct {
	*desk.Desk
	db storage.DB
}

func (s atStore) Export(ctx context.Context, installation int64, sealed bool, to io.Writer) error {
	err := exportFrom(s.db)(ctx, installation, sealed, to)
	if errors.Is(err, storage.ErrNoSpace) {
		return fmt.Errorf("there is no installation %d in this store, or not any more", installation)
	}
	return err
}

func (s atStore) Close() { s.db.Close() }

// openOffice finds whom to ask.
func openOffice(ctx context.Context, e *environment, cfg *config.Config) (office, error) {
	client, err := socket.Dial(ctx, cfg.Socket)
	if err == nil {
		return client, nil
	}
	db, bell, _, err := openStore(ctx, cfg)
	if errors.Is(err, bolt.ErrInUse) {
		return nil, fmt.Errorf("%w, and at its socket %s nobody answers (see SOULCASTER_SOCKET)", err, cfg.Socket)
	}
	if err != nil {
		return nil, err
	}
	return atStore{newDesk(db, bell, newLog(e.err)), db}, nil
}
