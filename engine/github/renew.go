package github

import (
	"sync"
	"time"

	"github.com/google/go-github/v66/github"
)

// renewEvery is how often an installation gets another token at most, because something
// was refused to the one that it has.
const renewEvery = 10 * time.Second

// renewals are clients that stand in for those that the creator keeps. A token is good for
// an hour and for what was granted when it was made: who accepts a permission would wait
// that long for it.
type renewals struct {
	mu sync.Mutex
	of map[int64]renewal
}

type renewal struct {
	client *github.Client
	at     time.Time
}

// renew has the next call of an installation made with a new token. Where there is none to
// be had, the old one stays.
func (a *App) renew(installation int64) {
	if installation == 0 {
		return
	}
	a.renewed.mu.Lock()
	defer a.renewed.mu.Unlock()
	now := a.now()
	if last, ok := a.renewed.of[installation]; ok && now.Sub(last.at) < renewEvery {
		return
	}
	client, err := a.fresh.NewInstallationClient(installation)
	if err != nil {
		return
	}
	if len(a.renewed.of) >= a.clients { // those of the creator do for most of them
		clear(a.renewed.of)
	}
	a.renewed.of[installation] = renewal{client, now}
}

// renewal is the client that stands in for an installation's, nil if there is none.
func (a *App) renewal(installation int64) *github.Client {
	a.renewed.mu.Lock()
	defer a.renewed.mu.Unlock()
	return a.renewed.of[installation].client
}
