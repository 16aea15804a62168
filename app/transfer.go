package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/transfer"
)

// exportTenant writes all that an installation has.
func exportTenant(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("export")
	installation := flags.Int64("installation", 0, "GitHub's number of the installation")
	sealed := flags.Bool("sealed", false, "also what only the same SOULCASTER_SECRET_KEY opens: the sources' secrets, and the keys that authors are hashed with, both encrypted")
	files, err := parseMixed(e, flags, args)
	if err != nil {
		return err
	}
	if *installation <= 0 || len(files) > 1 {
		return usagef("say whose data, and in at most one file: export --installation ID [FILE]")
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
	write := func(to io.Writer) error {
		out := bufio.NewWriterSize(to, 64<<10)
		return errors.Join(at.Export(ctx, *installation, *sealed, out), out.Flush())
	}
	if len(files) == 0 || files[0] == "-" {
		return write(e.out)
	}
	return whole(files[0], write)
}

// whole writes a file, readable by its owner alone, that is there only once all of it is.
func whole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// importTenant reads what export wrote into the store.
func importTenant(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("import")
	files, err := parseMixed(e, flags, args)
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return usagef("name one file that export wrote; - is standard input")
	}
	cfg, err := config.Load(e.env)
	if err != nil {
		return &usageError{err}
	}
	from := e.in
	if files[0] != "-" {
		f, err := os.Open(files[0])
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	db, _, _, err := openStore(ctx, cfg)
	if errors.Is(err, bolt.ErrInUse) {
		return fmt.Errorf("%w (a running server: stop it first)", err)
	}
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := masters(cfg)
	if err != nil {
		return err
	}
	got, err := transfer.Import(ctx, db, from, keys, time.Now)
	if errors.Is(err, secret.ErrOtherKeys) {
		return fmt.Errorf("%w: export without --sealed, and give the sources new secrets here", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "installation %d: %d entries, %d repositories\n", got.Installation, got.Lines, got.Projects)
	if got.Bare > 0 {
		fmt.Fprintf(e.out, "sources without their secrets: %d; give them new ones\n", got.Bare)
	}
	return nil
}
