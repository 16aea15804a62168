package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// samples are requests as an invented shop would send them, one a line.
//
//go:embed sample/requests.jsonl
var samples []byte

// sample is one request. In its body {{ago 3h}} stands for a moment before now.
type sample struct {
	Path     string          `json:"path"`
	Resource string          `json:"resource"` // of Sentry
	Body     json.RawMessage `json:"body"`
}

// demo runs a preview on a store of its own, and sends it sample feedback
// through the same doors that real feedback takes.
func demo(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("demo")
	port := flags.Int("port", 0, "port to listen on (default: 8080, or the next free one)")
	if err := parse(e, flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("demo takes no arguments")
	}
	if *port < 0 || *port > 65535 {
		return usagef("--port %d: want 1 to 65535", *port)
	}
	folder, err := os.MkdirTemp("", "soulcaster-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer os.RemoveAll(folder)
	secret := rand.Text()
	cfg, err := demoConfig(folder, secret)
	if err != nil {
		return err
	}
	listener, err := demoListener(*port)
	if err != nil {
		return err
	}
	defer listener.Close()
	metricsListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	defer metricsListener.Close()
	db, bell, exclusive, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	log := newLog(e.err)
	quiet := log.Level(zerolog.WarnLevel) // a line for every sample would bury the address
	running, stop := context.WithCancel(ctx)
	defer stop()
	address := "http://" + listener.Addr().String()
	m := mode{preview: true, address: address}
	if m.sample, err = newSampleRepository(ctx, folder); err != nil {
		return err
	}
	if m.sample.program, err = demoProgram(folder); err != nil {
		return fmt.Errorf("put the demo's agent where it can be run: %w", err)
	}
	var endAround func()
	if cfg.Model.URL, endAround, err = serveAround(m.sample, quiet); err != nil {
		return err
	}
	defer endAround()
	app, err := assemble(ctx, cfg, db, bell, exclusive, nil, m, quiet)
	if err != nil {
		return err
	}

	loaded := make(chan error, 1)
	go func() {
		err := loadSamples(running, address, secret)
		if err == nil {
			err = settled(running, db)
		}
		if err != nil {
			stop()
			loaded <- err
			return
		}
		fmt.Fprintf(e.out, "open %s\n", address)
		switch page, err := demoFix(running, db, app.runs); {
		case running.Err() != nil: // it was interrupted
		case page == "":
			log.Error().Err(err).Msg("the agent's fix of a sample cannot be shown")
		case err != nil:
			log.Error().Err(err).Str("open", address+page).Msg("the agent's fix of a sample did not come to a proposal")
		default:
			fmt.Fprintf(e.out, "the agent's fix, by a scripted model: %s%s\n", address, page)
		}
		loaded <- nil
	}()
	err = app.run(running, openPort(listener, app.handler, quiet), openPort(metricsListener, app.metrics, quiet), log)
	stop()
	loadErr := <-loaded
	if loadErr != nil && ctx.Err() == nil { // else it was interrupted
		return errors.Join(err, fmt.Errorf("load the sample feedback: %w", loadErr))
	}
	return err
}

// settleWithin is how long the demo waits for its samples to be grouped before
// it shows what there is.
const settleWithin = 20 * time.Second

// settled waits until nothing is due in the store, so that whoever opens the
// page sees results and not a queue.
func settled(ctx context.Context, db storage.DB) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	enough := time.NewTimer(settleWithin)
	defer enough.Stop()
	for {
		busy, err := anyDue(ctx, db)
		if err != nil || !busy {
			return err
		}
		select {
		case <-look.C:
		case <-enough.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// anyDue reports whether a project has work that is due now.
func anyDue(ctx context.Context, db storage.DB) (bool, error) {
	names, err := db.List(ctx, project.Space(demoInstallation, ""), "", 100)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		space, err := db.Open(ctx, name)
		if err != nil {
			return false, err
		}
		list, err := work.List(ctx, space, "", 100)
		if err != nil {
			return false, err
		}
		for _, item := range list {
			if !item.At.After(time.Now()) {
				return true, nil
			}
		}
	}
	return false, nil
}

// demoInstallation is the tenant of the samples.
const demoInstallation = 1

// demoConfig is the settings of the demo: the defaults, sources of its own, and
// nothing of the environment that it runs in.
func demoConfig(folder, secret string) (*config.Config, error) {
	file := filepath.Join(folder, "soulcaster.yml")
	yaml := fmt.Sprintf(`installations:
  - id: %[2]d
    sources:
      - {id: demo-sentry, kind: sentry, secrets: [%[1]q], routes: {storefront: demo/shop}}
      - {id: demo-helpdesk, kind: feedback, secrets: [%[1]q], repository: demo/shop}
      - {id: demo-reddit, kind: reddit, secrets: [%[1]q], repository: demo/shop}
`, secret, demoInstallation)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's settings: %w", err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	return config.Load([]string{
		"SOULCASTER_STORE=bolt:" + filepath.Join(folder, "soulcaster.db"),
		"SOULCASTER_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key),
		"SOULCASTER_CONFIG=" + file,
		"SOULCASTER_LAUNCHER=local",
		"SOULCASTER_MODEL_URL=http://127.0.0.1", // the address comes when it listens
		"SOULCASTER_MODEL=scripted",
	})
}

// demoListener listens on the port asked for, or on 8080 or the next free one.
func demoListener(port int) (net.Listener, error) {
	if port != 0 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return nil, fmt.Errorf("listen on port %d: %w", port, err)
		}
		return l, nil
	}
	var last error
	for port := 8080; port < 8180; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return l, nil
		}
		last = err
	}
	return nil, fmt.Errorf("find a free port from 8080 on: %w", last)
}

// loadSamples sends the samples, each signed or with the key as its door asks.
func loadSamples(ctx context.Context, address, secret string) error {
	client := &http.Client{Timeout: 10 * time.Second}
	lines := bufio.NewScanner(bytes.NewReader(samples))
	lines.Buffer(nil, 1<<20)
	now := time.Now()
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return fmt.Errorf("read a sample: %w", err)
		}
		body, err := atNow(s.Body, now)
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+s.Path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		if s.Resource == "" {
			r.Header.Set("X-API-Key", secret)
		} else {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(body)
			r.Header.Set("Sentry-Hook-Resource", s.Resource)
			r.Header.Set("Sentry-Hook-Signature", hex.EncodeToString(mac.Sum(nil)))
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%s answered %s", s.Path, answer.Status)
		}
	}
	return lines.Err()
}

var moment = regexp.MustCompile(`"?\{\{(ago|unix) ([0-9a-z]+)\}\}"?`)

// atNow puts moments in the place of {{ago 3h}} (RFC 3339) and "{{unix 3h}}"
// (seconds).
func atNow(body []byte, now time.Time) (out []byte, err error) {
	out = moment.ReplaceAllFunc(body, func(m []byte) []byte {
		part := moment.FindSubmatch(m)
		d, parseErr := time.ParseDuration(string(part[2]))
		if parseErr != nil {
			err = fmt.Errorf("read a sample: %w", parseErr)
			return m
		}
		at := now.Add(-d).UTC()
		if string(part[1]) == "unix" {
			return strconv.AppendInt(nil, at.Unix(), 10)
		}
		return []byte(strings.Replace(string(m), string(bytes.Trim(m, `"`)), at.Format(time.RFC3339), 1))
	})
	return out, err
}
