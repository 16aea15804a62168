package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/fix/model"
)

// configured is the model that both ways use.
type configured struct {
	url, key, name string
	context        int
	price          model.Price
	priced         bool
	scripted       bool
}

// modelOf reads the app's own settings for the model; false if there is none.
func modelOf(env []string, scripted bool) (m configured, ok bool, err error) {
	if scripted {
		return configured{name: "scripted", context: 200_000, scripted: true}, true, nil
	}
	about := slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name != "GEMINI_API_KEY" && name != "SOULCASTER_MODEL" && !strings.HasPrefix(name, "SOULCASTER_MODEL_")
	})
	cfg, err := config.Load(about)
	if err != nil {
		return m, false, fmt.Errorf("the model's settings: %w", err)
	}
	if cfg.Model.URL == "" {
		return m, false, nil
	}
	m = configured{url: cfg.Model.URL, key: cfg.Model.Key.Reveal(), name: cfg.Model.Name, context: cfg.Model.Context, priced: cfg.Model.Priced,
		price: model.Price{Input: cfg.Model.Price.Input, Cached: cfg.Model.Price.Cached, Output: cfg.Model.Price.Output}}
	if !m.priced && m.url == config.DefaultModelURL {
		m.price, m.priced = model.ListPrice(m.name, time.Now())
	}
	return m, true, nil
}

// settings are those of the app that say the same of a model at another address.
func (m configured) settings(address string) []string {
	env := []string{"SOULCASTER_MODEL_URL=" + address, "SOULCASTER_MODEL=" + m.name, fmt.Sprintf("SOULCASTER_MODEL_CONTEXT=%d", m.context)}
	if m.priced {
		dollars := func(micros int64) string { return fmt.Sprintf("%d.%06d", micros/1_000_000, micros%1_000_000) }
		env = append(env, "SOULCASTER_MODEL_PRICE="+dollars(m.price.Input)+"/"+dollars(m.price.Cached)+"/"+dollars(m.price.Output))
	}
	return env
}

// program is the coding agent: Kilo, or its stand-in.
type program struct {
	command []string
	standIn bool
}

// installedKilo is where `npm ci` in app/e2e puts the pinned one.
const installedKilo = "app/e2e/node_modules/@kilocode/cli-linux-x64/bin/kilo"

// findKilo looks where the environment says, where make e2e installs it, and in the
// PATH.
func findKilo(env []string, standIn bool) (program, error) {
	if standIn {
		return program{standIn: true}, nil
	}
	for _, entry := range env {
		value, ok := strings.CutPrefix(entry, "SOULCASTER_KILO=")
		switch {
		case ok && strings.HasPrefix(value, "["):
			var p program
			if err := json.Unmarshal([]byte(value), &p.command); err != nil || len(p.command) == 0 {
				return program{}, errors.New("SOULCASTER_KILO: want a path, or a JSON list of a path and arguments")
			}
			return p, nil
		case ok && value != "":
			return kiloAt(value)
		}
	}
	if _, err := os.Stat(installedKilo); err == nil {
		return kiloAt(installedKilo)
	}
	if path, err := exec.LookPath("kilo"); err == nil {
		return kiloAt(path)
	}
	return program{}, errors.New("kilo is not installed: run npm ci in app/e2e, or set SOULCASTER_KILO; --scripted --stand-in does without")
}

func kiloAt(path string) (program, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return program{}, fmt.Errorf("find kilo: %w", err)
	}
	return program{command: []string{path}}, nil
}

func (p program) told() string {
	if p.standIn {
		return "a stand-in, not the real Kilo"
	}
	return "Kilo, " + strings.Join(p.command, " ")
}
