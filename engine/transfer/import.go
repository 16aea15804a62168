package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// ErrThere says that the store has something of the installation already.
var ErrThere = errors.New("this store has projects, feedback or sources of that installation already: import into one that has none, nothing was changed")

// BadError says which line of a file is wrong, and how. What was imported before it is
// gone again.
type BadError struct {
	Line int
	What string
}

func (e *BadError) Error() string {
	return fmt.Sprintf("line %d: %s; nothing is kept of it", e.Line, e.What)
}

// Imported is what an import came to.
type Imported struct {
	Installation int64
	Lines        int
	Projects     int
	Bare         int // sources that came without their secrets
}

const (
	// maxLine bounds a line: the largest value as base64, its key, and the rest.
	maxLine = 2*storage.MaxBytes + 16<<10
	// A batch is written when it has so much.
	batchOps   = 400
	batchBytes = storage.MaxBytes / 2
)

// Import reads what Export wrote into a store that has nothing of the installation. It
// is all or nothing: a file that ends early or is wrong leaves nothing behind, and what a
// crash leaves is thrown away by the next import of the same installation. masters are
// needed for what is sealed.
func Import(ctx context.Context, db storage.DB, from io.Reader, masters []secret.Key, now func() time.Time) (Imported, error) {
	in := &importer{ctx: ctx, db: db, lines: bufio.NewReaderSize(from, 64<<10), carried: make(map[string][]byte)}
	if err := in.begin(); err != nil {
		return Imported{}, err
	}
	app, err := db.Create(ctx, project.AppSpace)
	if err != nil {
		return Imported{}, fmt.Errorf("open the app's space: %w", err)
	}
	projects := project.NewRegistry(db, nil, nil)
	marker := fmt.Sprintf("import/%d", in.head.Installation)
	if err := in.claim(app, projects, marker, now()); err != nil {
		return Imported{}, err
	}
	err = in.all()
	if err == nil && len(in.carried) > 0 {
		err = secret.Carry(ctx, app, in.carried, masters)
	}
	if err == nil {
		err = in.writeApp(app)
	}
	var done storage.Batch
	done.Delete(marker)
	if err != nil {
		// Whatever ends the import must not keep it from being cleaned up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if undo := errors.Join(projects.Uninstall(ctx, in.head.Installation), app.Apply(ctx, &done)); undo != nil {
			return Imported{}, fmt.Errorf("%w; and half of it is still there, which the next import throws away: %w", err, undo)
		}
		return Imported{}, err
	}
	if err := app.Apply(ctx, &done); err != nil {
		return Imported{}, fmt.Errorf("all is imported, but not noted as such; import it again: %w", err)
	}
	return in.Imported, nil
}

type importer struct {
	ctx   context.Context
	db    storage.DB
	lines *bufio.Reader
	n     int // of the last line that was read
	head  head
	Imported

	space   storage.Space // that is written to
	batch   storage.Batch
	app     []storage.Op      // for the app's space, at the end
	carried map[string][]byte // data keys
}

func (in *importer) bad(format string, args ...any) error {
	return &BadError{in.n, fmt.Sprintf(format, args...)}
}

// next reads a line; io.EOF after the last.
func (in *importer) next() ([]byte, error) {
	in.n++
	var whole []byte
	for {
		part, err := in.lines.ReadSlice('\n')
		whole = append(whole, part...)
		switch {
		case len(whole) > maxLine:
			return nil, in.bad("it is longer than %d bytes", maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(whole) == 0:
			return nil, io.EOF
		case err == nil, errors.Is(err, io.EOF):
			return whole, nil
		default:
			return nil, fmt.Errorf("read line %d: %w", in.n, err)
		}
	}
}

func (in *importer) decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return in.bad("it is not what an export writes")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return in.bad("there is more than one object")
	}
	return nil
}

// begin reads the first line.
func (in *importer) begin() error {
	data, err := in.next()
	if errors.Is(err, io.EOF) {
		return in.bad("the file is empty")
	}
	if err == nil {
		err = in.decode(data, &in.head)
	}
	switch {
	case err != nil:
		return err
	case in.head.Kind != headKind || in.head.Installation <= 0:
		return in.bad("it is not the first line of an export")
	case in.head.Format != Format:
		return in.bad("the export has format %d and this build knows %d", in.head.Format, Format)
	case in.head.Store != storage.Format:
		return &storage.FormatError{Found: in.head.Store, Want: storage.Format}
	}
	in.Installation = in.head.Installation
	return nil
}

// claim notes that the installation is imported, and throws away what an import left
// that did not come to its end.
func (in *importer) claim(app storage.Space, projects *project.Registry, marker string, now time.Time) error {
	entries, err := app.Get(in.ctx, marker)
	if err != nil {
		return fmt.Errorf("read the app's space: %w", err)
	}
	if entries[0].Exists() {
		if err := projects.Uninstall(in.ctx, in.head.Installation); err != nil {
			return err
		}
	} else if there, err := in.there(projects); err != nil || there {
		return errors.Join(err, onlyIf(there, ErrThere))
	}
	var b storage.Batch
	b.RequireEntry(entries[0])
	b.SetJSON(marker, map[string]time.Time{"at": now.UTC()})
	if err := app.Apply(in.ctx, &b); err != nil {
		return fmt.Errorf("begin the import: %w", err)
	}
	return nil
}

func onlyIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// slight is what an app makes of an installation that it merely knows.
var slight = []string{"work/", "installation", "quota", "delivery/"}

// there reports whether the store has something of the installation.
func (in *importer) there(projects *project.Registry) (bool, error) {
	names, err := projects.Projects(in.ctx, in.head.Installation)
	if err != nil || len(names) > 0 {
		return len(names) > 0, err
	}
	home, err := projects.Space(in.ctx, in.head.Installation)
	if errors.Is(err, storage.ErrNoSpace) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for after := ""; ; {
		entries, err := home.Scan(in.ctx, "", after, page)
		if err != nil {
			return false, fmt.Errorf("look what is there: %w", err)
		}
		for _, e := range entries {
			if !slices.ContainsFunc(slight, func(p string) bool { return strings.HasPrefix(e.Key, p) }) {
				return true, nil
			}
			after = e.Key
		}
		if len(entries) < page {
			return false, nil
		}
	}
}

// all reads the lines to the end.
func (in *importer) all() error {
	for {
		data, err := in.next()
		if errors.Is(err, io.EOF) {
			return in.bad("the file ends early: its last line is missing")
		}
		if err != nil {
			return err
		}
		var kind struct {
			Kind string `json:"kind"`
		}
		if err := json.Unmarshal(data, &kind); err != nil {
			return in.bad("it is not JSON")
		}
		if kind.Kind == endKind {
			return in.end(data)
		}
		var l line
		if err := in.decode(data, &l); err != nil {
			return err
		}
		if err := in.take(l); err != nil {
			return err
		}
		in.Lines++
	}
}

func (in *importer) end(data []byte) error {
	var e end
	if err := in.decode(data, &e); err != nil {
		return err
	}
	if e.Lines != in.Lines {
		return in.bad("it counts %d lines, and there are %d", e.Lines, in.Lines)
	}
	if _, err := in.next(); !errors.Is(err, io.EOF) {
		return in.bad("something comes after the end")
	}
	return in.flush()
}

// take takes in one entry.
func (in *importer) take(l line) error {
	value, err := in.value(l)
	if err != nil {
		return err
	}
	if err := storage.CheckKey(l.Key); err != nil {
		return in.bad("its key is none")
	}
	if len(value)+len(l.Key) > storage.MaxBytes {
		return in.bad("its value is larger than a store takes")
	}
	id := in.head.Installation
	below := project.Space(id, "")
	switch {
	case l.Space == project.AppSpace:
		return in.ofApp(l.Key, value)
	case l.Space == project.InstallationSpace(id), len(l.Space) > len(below) && strings.HasPrefix(l.Space, below) && !strings.Contains(l.Space[len(below):], "/"):
	default:
		return in.bad("its space is not one of installation %d", id)
	}
	if strings.HasPrefix(l.Key, leftOut) {
		return nil
	}
	if strings.HasPrefix(l.Key, sourcePrefix) && !in.head.Sealed {
		in.Bare++
	}
	if in.space == nil || in.space.Name() != l.Space || len(in.batch.Ops) >= batchOps || in.batch.Bytes()+len(value) > batchBytes {
		if err := in.flush(); err != nil {
			return err
		}
	}
	if in.space == nil || in.space.Name() != l.Space {
		if in.space, err = in.db.Create(in.ctx, l.Space); err != nil {
			return fmt.Errorf("make space %s: %w", l.Space, err)
		}
		if strings.HasPrefix(l.Space, below) {
			in.Projects++
		}
	}
	in.batch.Set(l.Key, value)
	return nil
}

func (in *importer) value(l line) ([]byte, error) {
	forms := 0
	for _, there := range []bool{l.Value != nil, l.Text != "", l.Base64 != nil} {
		if there {
			forms++
		}
	}
	switch {
	case forms > 1:
		return nil, in.bad("it has more than one value")
	case l.Value != nil:
		return l.Value, nil
	case l.Base64 != nil:
		return l.Base64, nil
	}
	return []byte(l.Text), nil
}

// maxApp bounds what an export says of a tenant in the app's space.
const maxApp = 100_000

// ofApp takes in what belongs into the app's space.
func (in *importer) ofApp(key string, value []byte) error {
	if in.head.Sealed && strings.HasPrefix(key, secret.Prefix) {
		if !slices.Contains(secret.Purposes(), secret.Purpose(key[len(secret.Prefix):])) {
			return in.bad("this build knows no such data key")
		}
		in.carried[key] = value
		return nil
	}
	if !slices.ContainsFunc(ofTenant(in.head.Installation, false), func(p string) bool { return strings.HasPrefix(key, p) }) {
		return in.bad("its key in the app's space is not this installation's")
	}
	if len(in.app) == maxApp {
		return in.bad("there is too much for the app's space")
	}
	in.app = append(in.app, storage.Op{Kind: storage.Set, Key: key, Value: value})
	return nil
}

func (in *importer) flush() error {
	if in.space == nil || len(in.batch.Ops) == 0 {
		return nil
	}
	if err := in.space.Apply(in.ctx, &in.batch); err != nil {
		return fmt.Errorf("import into %s: %w", in.space.Name(), err)
	}
	in.batch = storage.Batch{}
	return nil
}

// writeApp writes what belongs into the app's space.
func (in *importer) writeApp(app storage.Space) error {
	for ops := range slices.Chunk(in.app, batchOps) {
		if err := app.Apply(in.ctx, &storage.Batch{Ops: ops}); err != nil {
			return fmt.Errorf("import into the app's space: %w", err)
		}
	}
	return nil
}
