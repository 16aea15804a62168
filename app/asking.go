package main

import (
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/feedback"
	outside "github.com/soulcaster/soulcaster/engine/fetch"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/work"
)

// asking is how the services are asked that tenants name, and how what they say is
// read.
type asking struct {
	client *outside.Client
	keys   *secret.Keyring
	now    func() time.Time
}

func newAsking(cfg *config.Config, keys *secret.Keyring, now func() time.Time) *asking {
	return &asking{
		// Reddit refuses who does not say who they are in this form.
		client: outside.New(outside.Options{Private: cfg.PrivateHosts, UserAgent: "web:soulcaster:" + buildVersion + " (reads for the owner of the client)", Now: now}),
		keys:   keys, now: now,
	}
}

// author is the keyed hash of who says something, their own within the installation.
func (a *asking) author(installation int64, name string) string {
	return a.keys.Hash(secret.Authors, project.InstallationSpace(installation), name)
}

func (a *asking) reader(src *source.Source) *feedback.Reader {
	return &feedback.Reader{
		SourceID: src.ID, Hash: func(name string) string { return a.author(src.Installation, name) }, Now: a.now(), Public: src.Public,
	}
}

func (a *asking) sentry(api source.API) (*sentryapi.Client, error) {
	return sentryapi.New(sentryapi.Config{Base: api.URL, Organization: api.Organisation, Token: api.Token, HTTP: a.client})
}

func (a *asking) reddit(id, secret string) *reddit.Client {
	return reddit.New(reddit.Config{ID: id, Secret: secret, HTTP: a.client, Now: a.now})
}

// asked adds what is due once a source is to be asked otherwise.
func asked(b *storage.Batch, kind source.Kind, id string) {
	switch kind {
	case source.Reddit:
		work.Add(b, reddit.Work(id))
	case source.Sentry:
		work.Add(b, backfill.LackingWork(id))
	}
}

// counted has what was read from Reddit counted as what arrived at its source.
func counted(t *traffic.Traffic) func(src *source.Source, accepted, known int) {
	return func(src *source.Source, accepted, known int) {
		t.Source(src.Installation, src.ID, traffic.Event{Counts: traffic.Counts{Accepted: int64(accepted), Duplicates: int64(known)}})
	}
}
