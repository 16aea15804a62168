// Package socket is what a running app answers to the operator's commands on the same
// machine: over a Unix socket that nobody else can open, because a store in a file can be
// open in one process alone.
package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/engine/work/desk"
	"github.com/soulcaster/soulcaster/handlers"
)

// Finding is what one check of the doctor came to.
type Finding struct {
	What string `json:"what"`
	Bad  string `json:"bad,omitempty"` // "": it is in order
	Note string `json:"note,omitempty"`
	Todo string `json:"todo,omitempty"`
}

// Config is what the app can be asked for.
type Config struct {
	Desk   *desk.Desk
	Export func(ctx context.Context, installation int64, sealed bool, to io.Writer) error
	Check  func(ctx context.Context) []Finding // of the App on GitHub, as this process knows it
}

// within bounds what is no list and no export.
const within = time.Minute

// New returns what answers.
func New(c Config) http.Handler {
	r := handlers.NewRouter()
	r.Handle(http.MethodGet, "/work", http.HandlerFunc(c.list))
	r.Handle(http.MethodGet, "/work/{key...}", c.one(func(ctx context.Context, key string) (any, error) { return c.Desk.Get(ctx, key) }))
	r.Handle(http.MethodPost, "/retry/{key...}", c.one(func(ctx context.Context, key string) (any, error) { return struct{}{}, c.Desk.Retry(ctx, key) }))
	r.Handle(http.MethodPost, "/drop/{key...}", c.one(func(ctx context.Context, key string) (any, error) { return struct{}{}, c.Desk.Drop(ctx, key) }))
	r.Handle(http.MethodGet, "/export/{installation}", http.HandlerFunc(c.export))
	r.Handle(http.MethodGet, "/check", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		handlers.JSON(w, http.StatusOK, c.Check(ctx))
	}))
	return r
}

// list tells of all work, an object a line; the last is {"end": true}.
func (c Config) list(w http.ResponseWriter, r *http.Request) {
	out := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	err := c.Desk.List(r.Context(), func(s work.Status) error { return out.Encode(s) })
	if err == nil {
		err = out.Encode(map[string]bool{"end": true})
	}
	if err != nil {
		zerolog.Ctx(r.Context()).Warn().Err(err).Msg("work could not be listed")
		panic(http.ErrAbortHandler)
	}
}

// one does something with the work that a path names.
func (c Config) one(do func(ctx context.Context, key string) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		got, err := do(ctx, r.PathValue("key"))
		switch {
		case errors.Is(err, desk.ErrKey):
			handlers.Error(w, r, http.StatusBadRequest, err.Error())
		case errors.Is(err, work.ErrNotFound):
			handlers.Error(w, r, http.StatusNotFound, err.Error())
		case err != nil:
			handlers.Error(w, r, http.StatusServiceUnavailable, err.Error())
		default:
			handlers.JSON(w, http.StatusOK, got)
		}
	})
}

func (c Config) export(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("installation"), 10, 64)
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, "want the number of an installation")
		return
	}
	out := &begun{ResponseWriter: w}
	err = c.Export(r.Context(), id, r.URL.Query().Get("sealed") == "true", out)
	switch {
	case err == nil:
	case !out.any && errors.Is(err, storage.ErrNoSpace):
		handlers.Error(w, r, http.StatusNotFound, "there is no such installation in this store, or not any more")
	case !out.any:
		handlers.Error(w, r, http.StatusServiceUnavailable, err.Error())
	default:
		zerolog.Ctx(r.Context()).Warn().Err(err).Msg("an export was cut short")
		panic(http.ErrAbortHandler)
	}
}

// begun knows whether something was written.
type begun struct {
	http.ResponseWriter
	any bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.any = true
	return b.ResponseWriter.Write(p)
}

// maxPath is how long the path of a socket may be, on Linux; elsewhere it is less.
const maxPath = 107

// Listen makes a socket at a path that only its owner can open. What a process that died
// left there is replaced; what another one answers at is left alone, and so is a file.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("a socket's path has at most %d bytes, and %s has %d", maxPath, path, len(path))
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != os.ModeSocket:
		return nil, fmt.Errorf("%s is there and is no socket", path)
	default:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("another process answers at %s", path)
		}
	}
	// It is made where nobody else gets in, and moved once it is its owner's alone.
	private, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	at := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(at, 0o600); err == nil {
		err = os.Rename(at, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &listener{l, path}, nil
}

// listener takes its socket away when it is closed.
type listener struct {
	*net.UnixListener
	path string
}

func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if err == nil {
		err = os.Remove(l.path)
	}
	return err
}

// Client asks the app that answers at a socket.
type Client struct{ http *http.Client }

// Dial returns a client; ErrNobody if no app answers there.
func Dial(ctx context.Context, path string) (*Client, error) {
	if path == "" {
		return nil, ErrNobody
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", path)
	}
	c, err := dial(ctx, "", "")
	if err != nil {
		return nil, ErrNobody // whatever the reason: there is no app to be asked
	}
	c.Close()
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// ErrNobody says that no app answers at a socket.
var ErrNobody = errors.New("no running app answers")

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) ask(ctx context.Context, method, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://soulcaster"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the running app: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var said struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&said); err != nil || said.Error == "" {
		return nil, fmt.Errorf("ask the running app: it answers %s", answer.Status)
	}
	return nil, errors.New(said.Error)
}

// escape makes a key part of a path; what is between its slashes stays apart.
func escape(key string) string { return (&url.URL{Path: key}).EscapedPath() }

// List calls do for all work.
func (c *Client) List(ctx context.Context, do func(work.Status) error) error {
	body, err := c.ask(ctx, http.MethodGet, "/work")
	if err != nil {
		return err
	}
	defer body.Close()
	for d := json.NewDecoder(body); ; {
		var line struct {
			work.Status
			End bool `json:"end"`
		}
		if err := d.Decode(&line); err != nil {
			return fmt.Errorf("the list ends early: %w", err)
		}
		if line.End {
			return nil
		}
		if err := do(line.Status); err != nil {
			return err
		}
	}
}

// Get returns what is known of one key.
func (c *Client) Get(ctx context.Context, key string) (s work.Status, err error) {
	body, err := c.ask(ctx, http.MethodGet, "/work/"+escape(key))
	if err != nil {
		return s, err
	}
	defer body.Close()
	return s, json.NewDecoder(body).Decode(&s)
}

// Retry has work done at once.
func (c *Client) Retry(ctx context.Context, key string) error { return c.post(ctx, "/retry/", key) }

// Drop forgets work.
func (c *Client) Drop(ctx context.Context, key string) error { return c.post(ctx, "/drop/", key) }

func (c *Client) post(ctx context.Context, path, key string) error {
	body, err := c.ask(ctx, http.MethodPost, path+escape(key))
	if err != nil {
		return err
	}
	return body.Close()
}

// Export writes all of an installation.
func (c *Client) Export(ctx context.Context, installation int64, sealed bool, to io.Writer) error {
	body, err := c.ask(ctx, http.MethodGet, fmt.Sprintf("/export/%d?sealed=%t", installation, sealed))
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(to, body); err != nil {
		return fmt.Errorf("the export ends early: %w", err)
	}
	return nil
}

// Check returns what the app finds of its App on GitHub.
func (c *Client) Check(ctx context.Context) (found []Finding, err error) {
	body, err := c.ask(ctx, http.MethodGet, "/check")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return found, json.NewDecoder(body).Decode(&found)
}
