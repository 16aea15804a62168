package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/handlers/socket"
)

// finding is what one check came to.
type finding struct {
	what string
	err  error  // nil: it is in order
	note string // what was found, if it is in order
	todo string // what to do about the error
}

// doctorTimeout bounds each check against a service.
const doctorTimeout = 30 * time.Second

// doctor checks every setting and credential against the real services.
func doctor(ctx context.Context, e *environment, args []string) error {
	flags := newFlags("doctor")
	if err := parse(e, flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("doctor takes no arguments")
	}
	failed := 0
	tell := func(f finding) {
		if f.err == nil {
			fmt.Fprintf(e.out, "ok    %s%s\n", f.what, prefixed(": ", f.note))
			return
		}
		failed++
		fmt.Fprintf(e.out, "FAIL  %s: %s\n", f.what, strings.ReplaceAll(f.err.Error(), "\n", "\n      "))
		if f.todo != "" {
			fmt.Fprintf(e.out, "      %s\n", f.todo)
		}
	}

	cfg, err := config.Load(e.env)
	if err == nil && elsewhere(cfg) {
		if with := registered(ctx, e, cfg); with != nil {
			cfg = with
		}
	}
	for _, f := range checkAll(ctx, cfg, err, true) {
		if f.what == appCheck && elsewhere(cfg) {
			for _, f := range askServer(ctx, cfg, f) {
				tell(f)
			}
			continue
		}
		tell(f)
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintf(e.out, "note  %s\n", w)
	}
	if failed > 0 {
		return fmt.Errorf("failed checks: %d", failed)
	}
	return nil
}

// appCheck is what the check is called that finds whether there is an App.
const appCheck = "GitHub App"

// askServer returns what the running server finds of the App that it knows; what was
// found here, if none runs.
func askServer(ctx context.Context, cfg *config.Config, here finding) []finding {
	ctx, cancel := context.WithTimeout(ctx, 2*doctorTimeout)
	defer cancel()
	client, err := socket.Dial(ctx, cfg.Socket)
	if err != nil {
		return []finding{here}
	}
	defer client.Close()
	all, err := client.Check(ctx)
	if err != nil {
		return []finding{here, {what: "the running server", err: err, todo: "its log has more"}}
	}
	found := []finding{{what: "the running server", note: "answers; it knows what follows"}}
	for _, f := range all {
		g := finding{what: f.What, note: f.Note, todo: f.Todo}
		if f.Bad != "" {
			g.err = errors.New(f.Bad)
		}
		found = append(found, g)
	}
	return found
}

// checkAll makes every check. err is what is wrong with the settings; store is false
// where the store is a file that this process has open.
func checkAll(ctx context.Context, cfg *config.Config, err error, store bool) []finding {
	found := []finding{{what: "settings", err: err, todo: "docs/configuration.md explains each"}}
	if err == nil {
		if store {
			found = append(found, checkStore(ctx, cfg))
		} else {
			found = append(found, finding{what: "store", note: cfg.Store.Path + " is open here"})
		}
		found = append(found, checkModel(ctx, cfg))
		found = append(found, checkAgent(ctx, cfg)...)
	}
	return append(found, checkGitHub(ctx, cfg)...)
}

// elsewhere reports whether the settings do not name the App: it may have been registered
// on the set-up page.
func elsewhere(cfg *config.Config) bool {
	return cfg.GitHub.State == config.GitHubNone || cfg.GitHub.State == config.GitHubPart
}

// registered returns the settings with the App that was registered on the set-up page,
// nil if there is none, or none that can be read now.
func registered(ctx context.Context, e *environment, cfg *config.Config) *config.Config {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	db, _, _, err := openStore(ctx, cfg)
	if err != nil {
		return nil // the check of the store says why
	}
	defer db.Close()
	kept, err := places(ctx, cfg, db)
	if err != nil {
		return nil
	}
	a, known, err := kept.Load(ctx)
	if err != nil || !known {
		return nil
	}
	with, err := withApp(e, a)
	if err != nil {
		return nil
	}
	return with
}

// checkStore opens the store as the server would, and the keys in it. A bolt file
// that a running server holds is no failure.
func checkStore(ctx context.Context, cfg *config.Config) finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	f := finding{what: "store", todo: "see SOULCASTER_STORE and SOULCASTER_SECRET_KEY"}
	db, _, exclusive, err := openStore(ctx, cfg)
	if errors.Is(err, bolt.ErrInUse) {
		f.note = cfg.Store.Path + " is open in another process: a running server, presumably; it was not looked into"
		return f
	}
	if err != nil {
		f.err = err
		return f
	}
	defer db.Close()
	app, err := db.Create(ctx, project.AppSpace)
	if err == nil {
		_, err = keyring(ctx, cfg, app)
	}
	if err != nil {
		f.err = err
		return f
	}
	f.note = "Redis answers, its persistence is in order, and the secret key opens what it holds"
	if exclusive {
		f.note = cfg.Store.Path + " can be written, and the secret key opens what it holds"
	}
	return f
}

// checkModel embeds a text.
func checkModel(ctx context.Context, cfg *config.Config) finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	f := finding{what: "embedder", todo: "see GEMINI_API_KEY and SOULCASTER_EMBED_MODEL"}
	embedder, model, err := models(ctx, cfg, free)
	if err == nil {
		_, err = embedder.Embed(ctx, []embed.Document{{Title: "The export to CSV times out"}})
	}
	if err != nil {
		f.err = err
		return f
	}
	f.note = embedder.Name()
	if model == nil {
		f.note += ", embedded (no GEMINI_API_KEY)"
		return f
	}
	return f
}

// askAgain is what to do about what GitHub, which was reached, did not tell.
const askAgain = "look again in some minutes; if it stays so, does a proxy between here and GitHub refuse this, or GitHub's status page tell of trouble?"

// checkGitHub asks GitHub who the App is, and what it may do in each
// installation that the settings name.
func checkGitHub(ctx context.Context, cfg *config.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	switch cfg.GitHub.State {
	case config.GitHubNone:
		return []finding{{what: appCheck, err: errors.New("none is set up"), todo: "start the server: it serves a page on which one is registered. Without one, only serve --preview and demo work"}}
	case config.GitHubPart, config.GitHubBroken:
		return []finding{{what: appCheck, err: cfg.GitHub.Err(), todo: "set what is named, or unset all five of its settings and register an App on the page that the server then serves"}}
	}
	as := github.Config{
		API: cfg.GitHub.APIURL, AppID: cfg.GitHub.IntegrationID,
		PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()), UserAgent: "soulcaster/" + buildVersion,
	}
	host, err := github.New(as)
	if err != nil {
		return []finding{{what: appCheck, err: err, todo: "is GITHUB_APP_PRIVATE_KEY the whole .pem file that GitHub made, and GITHUB_V3_API_URL an address?"}}
	}
	clock := checkClock(ctx, as)
	id, err := host.App(ctx)
	if errors.Is(err, github.ErrUnauthorized) {
		return []finding{clock, {what: "GitHub App", err: github.ErrUnauthorized, todo: "check GITHUB_APP_INTEGRATION_ID, GITHUB_APP_PRIVATE_KEY and this machine's clock"}}
	}
	if err != nil {
		return []finding{{what: "GitHub App", err: err, todo: "can this machine reach GITHUB_V3_API_URL: name resolution, proxy, firewall?"}}
	}
	fix := cfg.Launcher.Kind != config.LauncherNone
	found := []finding{
		clock,
		{what: "GitHub App", note: id.Slug},
		{what: "permissions of the App", err: lacks(id.Permissions, fix), todo: "add them on the App's page; each installation has to accept the change"},
		{what: "events of the App", err: deaf(id.Events, fix), todo: "subscribe to them on the App's page"},
		checkSignIn(ctx, cfg),
		checkWebhook(ctx, host, cfg),
		checkAddress(ctx, cfg),
		checkDeliveries(ctx, host, time.Now()),
	}
	named := make(map[int64]bool)
	for _, in := range cfg.Installations {
		named[in.ID] = true
		found = append(found, checkInstallation(ctx, host, in, fix)...)
	}
	// Those that the server's file does not name have their sources from the pages.
	others, err := host.Installations(ctx)
	switch {
	case errors.Is(err, github.ErrNotFound): // a server that does not list them
	case err != nil:
		found = append(found, finding{what: "installations", err: err, todo: askAgain})
	}
	for _, seen := range others {
		if !named[seen.ID] {
			found = append(found, checkInstalled(seen, fix)...)
		}
	}
	return found
}

// maxSkew is how far the clock may be off. What the App signs is good from 30 seconds
// before this machine's time on, for two minutes.
const maxSkew = 20 * time.Second

// checkClock compares this machine's clock with GitHub's.
func checkClock(ctx context.Context, as github.Config) finding {
	f := finding{what: "clock", todo: "set it right, and keep it so (NTP): GitHub refuses what is signed at another time"}
	skew, err := github.Skew(ctx, as)
	switch off := skew.Abs().Round(time.Second); {
	case err != nil:
		f.err = err
	case off > maxSkew && skew > 0:
		f.err = fmt.Errorf("it is %v ahead of GitHub's", off)
	case off > maxSkew:
		f.err = fmt.Errorf("it is %v behind GitHub's", off)
	}
	return f
}

// manyLost is how many deliveries have to be lost, and none taken, to say that none gets
// through: a few are sent before a server runs.
const manyLost = 5

// checkDeliveries counts what GitHub told the app in the last day and the app did not
// take. Some are no failure, a server may not have run; all are.
func checkDeliveries(ctx context.Context, host upkeep.Deliveries, now time.Time) finding {
	f := finding{what: "deliveries"}
	all, err := host.Deliveries(ctx, now.Add(-24*time.Hour))
	switch {
	case errors.Is(err, github.ErrNotFound), errors.Is(err, github.ErrForbidden):
		f.note = "GitHub does not show them, so what a server misses is not asked for again; see Redeliver on the App's page"
		return f
	case err != nil && !errors.Is(err, github.ErrTooMany):
		f.err, f.todo = err, askAgain
		return f
	}
	lost := upkeep.LostIn(all)
	switch {
	case len(all) == 0:
		f.note = "GitHub sent nothing in the last day"
	case len(lost) == 0:
		f.note = "all of the last day were taken"
	default:
		last := lost[len(lost)-1]
		said := fmt.Sprintf("%d of the last day were not taken, the latest %s with status %d: a running server has them sent again; if the status stays, look at the webhook's URL and secret on the App's page, and at what is in front of the server",
			len(lost), last.Last.At.UTC().Format(time.RFC3339), last.Last.Status)
		if f.note = said; err == nil && len(lost) >= manyLost && !slices.ContainsFunc(all, github.Delivery.Taken) {
			f.note, f.err, f.todo = "", errors.New("nothing that GitHub sent in the last day was taken"), said
		}
	}
	return f
}

func checkInstallation(ctx context.Context, host *github.App, in config.Installation, fix bool) []finding {
	what := fmt.Sprintf("installation %d", in.ID)
	seen, err := host.Installation(ctx, in.ID)
	switch {
	case err != nil:
		return []finding{{what: what, err: err, todo: "is the id in the settings' file the one in the address of the installation's page?"}}
	case seen.Suspended:
		return checkInstalled(seen, fix)
	}
	found := checkInstalled(seen, fix)
	if seen.Permissions["contents"] == "" {
		found = append(found, finding{what: what, note: "contents: read is not granted, so private repositories have no say through " +
			upkeep.PolicyPath + "; the server's file speaks for them"})
	}
	for _, name := range repositories(in) {
		f := finding{what: "repository " + name, todo: "is it spelt right, and among the installation's repositories?"}
		repo, err := project.ParseRepo(name)
		if err == nil {
			var r github.Repository
			r, err = host.Repository(ctx, github.At{Installation: in.ID, Repo: repo})
			switch {
			case err != nil:
			case r.Archived:
				err = errors.New("it is archived: nothing can be written there")
			case !r.HasIssues:
				err = errors.New("its issues are turned off")
			}
		}
		f.err = err
		found = append(found, f)
	}
	return found
}

// repositories are those that an installation's sources name, each once.
func repositories(in config.Installation) []string {
	names := make(map[string]bool)
	for _, s := range in.Sources {
		if s.Repository != "" {
			names[s.Repository] = true
		}
		for _, r := range s.Routes {
			names[r] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// lacks is what is wrong with permissions.
func lacks(have map[string]string, fix bool) error {
	if missing := upkeep.Lacks(have, fix); len(missing) > 0 {
		return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	return nil
}

// deaf names the events that the App does not hear.
func deaf(events []string, fix bool) error {
	wanted := []string{"issues", "issue_comment", "repository"}
	if fix {
		wanted = append(wanted, "pull_request", "pull_request_review", "check_suite")
	}
	var missing []string
	for _, e := range wanted {
		if !slices.Contains(events, e) {
			missing = append(missing, e)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not subscribed to: %s", strings.Join(missing, ", "))
	}
	return nil
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// checkInstalled looks at what GitHub says of an installation.
func checkInstalled(seen github.Installation, fix bool) []finding {
	what := fmt.Sprintf("installation %d", seen.ID)
	if seen.Suspended {
		return []finding{{what: what, err: errors.New("it is suspended"), todo: "whoever suspended it can resume it on the installation's page"}}
	}
	return []finding{{what: what, err: lacks(seen.Permissions, fix), note: "on " + seen.Account, todo: "somebody has to accept the App's new permissions there"}}
}
