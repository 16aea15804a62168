package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/fix/ecs"
)

// checkAgent looks at what the agent needs: somewhere to run, and a model.
func checkAgent(ctx context.Context, cfg *config.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	if cfg.Launcher.Kind == config.LauncherNone {
		return []finding{{what: "agent", note: "no SOULCASTER_LAUNCHER: /soulcaster fix answers that nothing can be started"}}
	}
	return append(checkLauncher(ctx, cfg), checkAgentModel(ctx, cfg))
}

func checkLauncher(ctx context.Context, cfg *config.Config) []finding {
	f := finding{what: "launcher"}
	made, err := newLauncher(ctx, cfg, mode{}, zerolog.New(io.Discard))
	if err != nil {
		f.err, f.todo = err, "see SOULCASTER_LAUNCHER and the settings that go with it"
		return []finding{f}
	}
	on, ok := made.Launcher.(*ecs.Launcher)
	if !ok {
		kilo := []string{cmp.Or(os.Getenv("SOULCASTER_KILO"), "kilo")}
		if strings.HasPrefix(kilo[0], "[") { // a program with arguments, as JSON
			err = json.Unmarshal([]byte(kilo[0]), &kilo)
		}
		path := ""
		if err == nil && len(kilo) > 0 {
			path, err = exec.LookPath(kilo[0])
		}
		f.note, f.todo = "local, with "+path, "install the Kilo CLI, or name it with SOULCASTER_KILO"
		if err != nil {
			f.err = fmt.Errorf("local, and there is no Kilo: %w", err)
		}
		return []finding{f}
	}
	var found []finding
	for _, p := range on.Check(ctx) {
		found = append(found, finding{what: "launcher", err: errors.New(p.What), todo: p.Todo})
	}
	if len(found) == 0 {
		f.note = "ECS has the cluster and the task definition, as runs need them"
		found = []finding{f}
	}
	return found
}

// checkAgentModel asks the model for a word, as the operator and not for a run.
func checkAgentModel(ctx context.Context, cfg *config.Config) finding {
	f := finding{what: "agent's model", note: cfg.Model.Name, todo: "see SOULCASTER_MODEL, SOULCASTER_MODEL_URL and SOULCASTER_MODEL_KEY"}
	g, err := gateway(cfg)
	if err == nil {
		err = g.Check(ctx)
	}
	f.err = err
	return f
}
