package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/gemini"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
	"github.com/soulcaster/soulcaster/engine/erasure"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/model"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/session"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/judge"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
	handleagent "github.com/soulcaster/soulcaster/handlers/agent"
	handlegithub "github.com/soulcaster/soulcaster/handlers/github"
	"github.com/soulcaster/soulcaster/handlers/ingest"
	"github.com/soulcaster/soulcaster/handlers/web"
)

// machine is the app, put together: the store, the parts in the order in which
// feedback passes through them, and the routes.
type machine struct {
	db       storage.DB
	queue    *work.Queue
	meter    *quota.Meter
	handler  http.Handler
	routes   []handlers.Route
	metrics  http.Handler
	pages    *web.Pages
	traffic  *traffic.Traffic
	runs     *fix.Runs // nil in a preview
	launcher launcher
}

// mode says what the app may do outside.
type mode struct {
	preview bool              // nothing is written to GitHub
	sample  *sampleRepository // preview, with sample feedback: the demo
	address string            // at which an agent on this machine reaches the app
	setup   http.Handler      // goes on telling who has registered the App how things are; may be nil
}

// openStore opens the store that the settings name, and says whether it belongs
// to this process alone.
func openStore(ctx context.Context, cfg *config.Config) (db storage.DB, bell storage.Bell, exclusive bool, err error) {
	if cfg.Store.Path != "" {
		file, err := bolt.Open(ctx, cfg.Store.Path)
		if err != nil {
			return nil, nil, false, fmt.Errorf("SOULCASTER_STORE: %w", err)
		}
		return watched(file), file, true, nil
	}
	server, err := redis.Open(ctx, cfg.Store.URL.Reveal(), redis.Options{AllowVolatile: cfg.Store.AllowVolatile})
	var volatile *redis.VolatileError
	switch {
	case errors.As(err, &volatile):
		return nil, nil, false, fmt.Errorf("SOULCASTER_STORE: %w (SOULCASTER_ALLOW_VOLATILE_REDIS=true)", err)
	case err != nil:
		return nil, nil, false, fmt.Errorf("SOULCASTER_STORE: %w: start the Redis that it names, or name another; nothing was changed", err)
	}
	return watched(server), server, false, nil
}

// keyring opens the keys that hash authors and mark issues.
func keyring(ctx context.Context, cfg *config.Config, app storage.Space) (*secret.Keyring, error) {
	masters, err := masters(cfg)
	if err != nil {
		return nil, err
	}
	return secret.NewKeyring(ctx, app, masters)
}

// masters are the master keys, the current one first.
func masters(cfg *config.Config) ([]secret.Key, error) {
	if len(cfg.SecretKeys) > 0 {
		return cfg.SecretKeys, nil
	}
	return secret.LoadOrMake(cfg.Store.Path + ".key")
}

// liveKey is set in the app's space of a store that was used live, to the id of the
// GitHub App.
const liveKey = "live"

// claim notes that a store is used live, with which App, and keeps a preview away from
// one that was: it would take the work of a live app that shares the store, and do
// nothing. Another App is kept away too: GitHub knows none of the installations to it,
// and what GitHub does not know any more is erased. id is 0 in a preview.
func claim(ctx context.Context, app storage.Space, id int64) error {
	entries, err := app.Get(ctx, liveKey)
	if err != nil {
		return fmt.Errorf("read the app's space: %w", err)
	}
	own, was := strconv.FormatInt(id, 10), string(entries[0].Value)
	switch {
	case id == 0 && entries[0].Exists():
		return usagef("SOULCASTER_STORE was used live: a preview on it would take the live app's work; name another store for the preview, nothing was changed")
	case id == 0 || was == own:
		return nil
	case was != "":
		return usagef("GITHUB_APP_INTEGRATION_ID is %s, and SOULCASTER_STORE belongs to the GitHub App %s: to another App none of its installations is there, and all that is kept of them would be erased; set that App's credentials, or name another store, nothing was changed", own, was)
	}
	var b storage.Batch
	b.RequireEntry(entries[0])
	b.Set(liveKey, []byte(own))
	if err := app.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
		return fmt.Errorf("write the app's space: %w", err)
	} else if err != nil { // by another replica
		return claim(ctx, app, id)
	}
	return nil
}

// assemble builds the app on an open store. host is nil in preview.
func assemble(ctx context.Context, cfg *config.Config, db storage.DB, bell storage.Bell, exclusive bool, host *github.App, m mode, log zerolog.Logger) (*machine, error) {
	now := clock
	made := &machine{db: db}
	app, err := db.Create(ctx, project.AppSpace)
	if err != nil {
		return nil, fmt.Errorf("open the app's space: %w", err)
	}
	id := int64(0)
	if host != nil {
		id = cfg.GitHub.IntegrationID
	}
	if err := claim(ctx, app, id); err != nil {
		return nil, err
	}
	keys, err := keyring(ctx, cfg, app)
	if err != nil {
		return nil, err
	}
	mac := func(space, text string) string { return keys.Hash(secret.Markers, space, text) }
	begin := func(b *storage.Batch) { work.Add(b, upkeep.RepositoryWork) }
	projects := project.NewRegistry(db, serverPolicies(cfg), begin)

	queue := work.New(db, bell, work.Options{Exclusive: exclusive, Log: log, Drain: drainWork, Now: now})
	actions := action.New(action.Options{Hook: faults, Now: now})
	sources := source.NewStore(source.Config{
		Table: source.NewTable(cfg.Sources()), Projects: projects, Keys: keys, Log: actions, Private: cfg.PrivateHosts, Wake: queue.Wake, Now: now,
		Rerouted:    func(b *storage.Batch) { work.Add(b, intake.HeldWork) },
		Republished: func(b *storage.Batch) { work.Add(b, upkeep.RestateWork) },
		Asked:       asked,
	})
	made.traffic = traffic.New(db, now)

	// What an installation uses is counted, and bounded.
	meter := quota.New(quota.Config{
		Projects: projects, Limits: quotas(cfg), Runs: runsUsed(cfg, app, fixing(host, m) != nil, now), Wake: queue.Wake, Log: log, Now: now,
	})
	made.meter = meter
	queue.Handle(quota.WalkWork, meter.Walk)
	embedder, language, err := models(ctx, cfg, meter.Spent)
	if err != nil {
		return nil, err
	}
	if language != nil {
		embedder = meter.Embedder(embedder)
	}
	sameProblem, isChatter := judges(language, meter)

	// Feedback comes in, …
	taker := intake.New(projects, issue.Standings{}, made.traffic, queue.Wake, now)
	tenants := tenantWork{queue, projects, now}
	tenants.Handle(intake.HeldWork, intake.Release(projects, sources, queue.Wake, now))
	// … is put into clusters, …
	assigner := cluster.NewAssigner(embedder, sameProblem, strictness(projects), queue.Wake, now)
	assigner.Bound(meter.Room)
	tenants.Handle(intake.AssignWork, assigner.Handle)
	// … and each cluster has an issue, …
	keeper := issue.NewKeeper(issueHost(host), issuePeople(host), isChatter, projects, sources, actions, mac, queue.Wake, now)
	keeper.Register(tenants)

	// What is remembered of GitHub is kept in line with it.
	var repositories upkeep.Repositories
	var installed upkeep.Installations
	if host != nil {
		repositories, installed = host, host
	}
	tenants.Handle(upkeep.RepositoryWork, upkeep.Repository(repositories, projects, actions, queue.Wake, now))
	queue.Handle(upkeep.InstallationWork, upkeep.Installation(installed, cfg.Launcher.Kind != config.LauncherNone, app, projects, sources, actions, queue.Wake, now))
	tenants.Handle(upkeep.RestateWork, upkeep.Restate(projects, queue.Wake))
	queue.Handle(upkeep.EraseWork, upkeep.Erase(projects, app, now))

	mux := handlers.NewRouter()
	ask := newAsking(cfg, keys, now)
	door := meter.Door(taker)
	ingest.New(sources, door, made.traffic, ask.author, now).Register(mux)
	// … or is fetched, …
	poller := reddit.NewPoller(reddit.PollerConfig{
		Sources: sources, Taker: door, Client: ask.reddit, Reader: ask.reader, Told: counted(made.traffic), Now: now,
	})
	tenants.Handle(reddit.WorkKind, poller.Handle)
	imports := backfill.New(backfill.Config{
		Projects: projects, Sources: sources, Taker: door, Actions: actions, Embedder: embedder, Same: sameProblem, Verdict: isChatter, People: issuePeople(host),
		Strictness: strictness(projects), Mac: mac, Reader: ask.reader, Sentry: ask.sentry, Reddit: ask.reddit, Wake: queue.Wake, Now: now,
	})
	imports.Register(tenants)
	// … and can be erased, also while an installation is suspended.
	eraser := &erasure.Eraser{Projects: projects, Intake: taker, Log: actions, Hash: ask.author, Wake: queue.Wake, Now: now,
		Imports: func(ctx context.Context, space storage.Space, by, requestID string) (bool, error) {
			return imports.Clear(ctx, space, backfill.By{Who: by, RequestID: requestID})
		}}
	queue.Handle(erasure.Work, eraser.Handle)
	// … that the agent can be asked to fix, …
	if in := fixing(host, m); in != nil {
		if made.launcher, err = newLauncher(ctx, cfg, m, log); err != nil {
			return nil, err
		}
		claims := func(space, text string) string { return keys.Hash(secret.Claims, space, text) }
		publisher, err := publish.New(in, actions, mac, publish.Limits())
		if err != nil {
			return nil, err
		}
		made.runs = fix.New(fix.Config{
			App: app, Projects: projects, Host: in, Problems: keeper, Publisher: publisher, Launcher: made.launcher.Launcher,
			Log: actions, Caps: caps(cfg), AgentURL: cmp.Or(cfg.PublicURL, m.address), PublicURL: cfg.PublicURL, Marker: mac, Claims: claims, Wake: queue.Wake, Now: now,
		})
		made.runs.Register(queue)
		var asked *model.Gateway
		if cfg.Model.URL != "" {
			if asked, err = gateway(cfg); err != nil {
				return nil, err
			}
		}
		handleagent.New(sessions(session.Config{
			App: app, Projects: projects, Mac: claims, Tokens: in, Tasks: made.launcher.tasks,
			CloneURL: cloneURL(cfg, m), RevokeURL: revokeURL(cfg, m), Wake: queue.Wake, Now: now,
		}, cfg), asked, now).Register(mux)
	}
	var people *web.SignIn
	var issues *web.Issues
	var check func(context.Context) []web.Finding
	var permission func(context.Context, github.At, github.Person) (github.Permission, error)
	if host != nil {
		people, permission = signIn(cfg, app, keys, now), host.Permission
		check = func(ctx context.Context) []web.Finding { return told(checkAll(ctx, cfg, nil, !exclusive)) }
		issues = web.NewIssues(host.GetIssue, now)
		queue.Handle(upkeep.SessionsWork, upkeep.Sessions(people.Sessions, now))
		hook, err := handlegithub.New(handlegithub.Config{
			Secrets: reveal(cfg.GitHub.WebhookSecrets), Wake: queue.Wake, Now: now, Access: people.Access.Forget, SignOut: people.Sessions.EndOf, Issue: issues.Forget,
			Review: fix.NoteReview, Checks: fix.NoteChecks,
		}, projects)
		if err != nil {
			return nil, err
		}
		mux.All(handlegithub.Route, hook)
		// What GitHub said while the app was away, it says again.
		queue.Handle(upkeep.MissedWork, upkeep.Missed(host, now))
		if err := catchUp(ctx, app, queue.Wake); err != nil {
			return nil, err
		}
	}
	// … and all of which people talk to, in comments and on pages.
	worker := command.NewWorker(commandHost(host), commandRuns(made.runs), projects, actions, mac, queue.Wake, now)
	tenants.Handle("command", worker.Handle)
	var installURL func() string
	if host != nil {
		installURL = host.InstallURL
	}
	pages, err := web.New(web.Config{
		InstallURL: installURL, Sources: sources, Imports: imports, Quotas: meter.Of, NearQuotas: meter.Near, Eraser: eraser,
		Preview: m.preview, Demo: m.sample != nil, PublicURL: cmp.Or(cfg.PublicURL, m.address), AdminToken: cfg.AdminToken.Reveal(), SignIn: people, Permission: permission, Wake: queue.Wake, Commands: worker, Drafts: keeper, Check: check, Issues: issues,
	}, projects, actions, now)
	if err != nil {
		return nil, err
	}
	pages.Register(mux)
	if m.setup != nil {
		mux.All("/setup", m.setup)
		mux.All("/setup/", m.setup)
	}
	health(mux, db, queue)

	for _, in := range cfg.Installations {
		if err := install(ctx, projects, in.ID, queue.Wake); err != nil {
			return nil, err
		}
	}
	registry := newMetrics(db, queue)
	if made.runs != nil {
		registry.watchRuns(made.runs.Load)
	}
	made.queue, made.pages, made.routes = queue, pages, mux.Routes()
	made.handler = handlers.Behind(cfg.TrustedProxies, handlers.Observe(log, registry.count, handlers.Exact(mux)))
	made.metrics = registry.handler()
	return made, nil
}

// fixing is where the repositories are that the agent works on; nil in a preview,
// in which nobody can ask for it.
func fixing(host *github.App, m mode) fixHost {
	switch {
	case host != nil:
		return host
	case m.sample != nil:
		return m.sample
	}
	return nil
}

// install makes the space of an installation that the settings name, and makes
// due what may have changed since the app last ran.
func install(ctx context.Context, projects *project.Registry, id int64, wake func(...string)) error {
	home, err := projects.Install(ctx, id)
	if err != nil {
		return err
	}
	var b storage.Batch
	work.Add(&b, intake.HeldWork)
	work.Add(&b, upkeep.InstallationWork)
	if err := home.Apply(ctx, &b); err != nil {
		return fmt.Errorf("open installation %d: %w", id, err)
	}
	wake(home.Name())
	return nil
}

// catchUp makes due what may have been missed while the app did not run.
func catchUp(ctx context.Context, app storage.Space, wake func(...string)) error {
	var b storage.Batch
	work.Add(&b, upkeep.MissedWork)
	work.Add(&b, upkeep.SessionsWork)
	if err := app.Apply(ctx, &b); err != nil {
		return fmt.Errorf("make due what was missed: %w", err)
	}
	wake(app.Name())
	return nil
}

// models returns the embedder, and the language model if there is one. spent is told
// what they cost.
func models(ctx context.Context, cfg *config.Config, spent func(ctx context.Context, micros int64)) (embed.Embedder, *gemini.Client, error) {
	if cfg.Gemini.APIKey == "" {
		e, err := lexical.New()
		return e, nil, err
	}
	client, err := gemini.New(ctx, gemini.Options{
		APIKey: cfg.Gemini.APIKey.Reveal(), BaseURL: cfg.Gemini.BaseURL,
		EmbedModel: cfg.Gemini.EmbedModel, SummaryModel: cfg.Gemini.SummaryModel, Used: cost(spent),
	})
	if err != nil {
		return nil, nil, err
	}
	return client.Embedder(), client, nil
}

// strictness says how sure the assigner must be in a project.
func strictness(projects *project.Registry) func(context.Context, storage.Space) (cluster.Strictness, error) {
	return func(ctx context.Context, space storage.Space) (cluster.Strictness, error) {
		p, _, err := project.Load(ctx, space)
		if err != nil {
			return "", err
		}
		return cluster.Strictness(projects.Policy(p).Strictness), nil
	}
}

// issueHost keeps a nil *github.App from becoming a host that is not nil.
func issueHost(app *github.App) issue.Host {
	if app == nil {
		return nil
	}
	return app
}

// issuePeople does the same for what people open.
func issuePeople(app *github.App) issue.People {
	if app == nil {
		return nil
	}
	return app
}

// commandHost and commandRuns do the same for commands.
func commandHost(app *github.App) command.Host {
	if app == nil {
		return nil
	}
	return app
}

func commandRuns(runs *fix.Runs) command.Runs {
	if runs == nil {
		return nil
	}
	return runs
}

func serverPolicies(cfg *config.Config) project.Settings {
	s := make(project.Settings)
	for _, in := range cfg.Installations {
		s[in.ID] = make(map[string]policy.File)
		for name, file := range in.Repositories {
			s[in.ID][strings.ToLower(name)] = file
		}
	}
	return s
}

func reveal(secrets []config.Secret) []string {
	var all []string
	for _, s := range secrets {
		all = append(all, s.Reveal())
	}
	return all
}

// connect returns the App on GitHub, after GitHub confirmed that it knows it.
func connect(ctx context.Context, cfg *config.Config, log zerolog.Logger) (*github.App, error) {
	app, err := github.New(github.Config{
		API: cfg.GitHub.APIURL, AppID: cfg.GitHub.IntegrationID, PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()),
		UserAgent: "soulcaster/" + buildVersion,
	})
	if err != nil {
		return nil, err
	}
	id, err := app.App(ctx)
	var later *work.Later
	switch {
	case errors.As(err, &later) && !errors.Is(err, github.ErrUnauthorized):
		// GitHub is away. Feedback is taken in all the same, and work waits.
		log.Warn().Err(err).Msg("GitHub did not answer; the app starts, and its work waits")
	case errors.Is(err, github.ErrUnauthorized):
		return nil, errors.New("GITHUB_APP_INTEGRATION_ID, GITHUB_APP_PRIVATE_KEY: GitHub refuses these credentials: check that they belong together, and that this machine's clock is right")
	case err != nil:
		return nil, fmt.Errorf("ask GitHub about the App: %w", err)
	default:
		log.Info().Str("app", id.Slug).Msg("GitHub knows the App")
	}
	return app, nil
}

// newLog returns the log: JSON lines, without those for developers.
func newLog(w io.Writer) zerolog.Logger {
	return zerolog.New(w).Level(zerolog.InfoLevel).With().Timestamp().Logger()
}

// judges returns the language model's part in clustering and in filing; both are
// nil without a model.
func judges(language *gemini.Client, meter *quota.Meter) (cluster.Judge, issue.Judge) {
	if language == nil {
		return nil, nil
	}
	j := judge.New(meter.Asker(language))
	return j, j
}
