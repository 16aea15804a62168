package main

import (
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

// tenantWork names handlers of tenants' work to a queue. It waits while an installation is
// suspended, and what it costs is counted for the installation.
type tenantWork struct {
	queue    *work.Queue
	projects *project.Registry
	now      func() time.Time
}

// Handle names a handler.
func (t tenantWork) Handle(kind string, h work.Handler) {
	t.queue.Handle(kind, upkeep.Unsuspended(t.projects, t.now, quota.Charged(h)))
}
