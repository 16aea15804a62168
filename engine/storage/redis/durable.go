package redis

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// VolatileError says that a Redis may forget what it acknowledged.
type VolatileError struct {
	Problems []string // each with what could be lost and what to set
}

func (e *VolatileError) Error() string {
	return "this Redis may forget what it is told: " + strings.Join(e.Problems, "; ") +
		"; or allow a volatile Redis, if losing feedback and the record of what was done is acceptable"
}

// checkDurable reads from INFO how every master keeps its data. It does not use
// CONFIG, which managed services forbid.
func (d *DB) checkDurable(ctx context.Context) error {
	var mu sync.Mutex
	var problems []string
	read := func(ctx context.Context, client interface {
		Info(ctx context.Context, section ...string) *redis.StringCmd
	}) error {
		info, err := client.Info(ctx).Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, p := range volatile(info) {
			if !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
		}
		return nil
	}
	err := d.try(ctx, func(ctx context.Context) error {
		if cluster, ok := d.client.(*redis.ClusterClient); ok {
			return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return read(ctx, c) })
		}
		return read(ctx, d.client)
	})
	if err != nil {
		return fmt.Errorf("read INFO, to see how this Redis keeps its data: %w", err)
	}
	if len(problems) > 0 {
		return &VolatileError{Problems: problems}
	}
	return nil
}

// volatile says what in a reply to INFO means that data can be lost.
func volatile(info string) (problems []string) {
	fields := parseInfo(info)
	if fields["aof_enabled"] != "1" {
		problems = append(problems, `it keeps no append-only file, so all since its last snapshot is lost when it ends: set "appendonly yes" (and "appendfsync always", or "everysec" if a power cut may cost a second)`)
	}
	policy := fields["maxmemory_policy"]
	if max := fields["maxmemory"]; max != "" && max != "0" && policy != "noeviction" {
		problems = append(problems, fmt.Sprintf(`it has the eviction policy %q, so it deletes data when its memory is full: set "maxmemory-policy noeviction"`, policy))
	}
	return problems
}

// parseInfo reads the lines "name:value" of a reply to INFO.
func parseInfo(info string) map[string]string {
	fields := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(info)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && !strings.HasPrefix(name, "#") {
			fields[name] = value
		}
	}
	return fields
}
