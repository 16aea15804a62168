package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/soulcaster/soulcaster/engine/embed/gemini"
	"github.com/soulcaster/soulcaster/engine/secret"
)

// The names that more than one place needs.
const (
	addrSetting        = "SOULCASTER_ADDR"
	storeSetting       = "SOULCASTER_STORE"
	keySetting         = "SOULCASTER_SECRET_KEY"
	fileSetting        = "SOULCASTER_CONFIG"
	tokenSetting       = "SOULCASTER_ADMIN_TOKEN"
	integrationSetting = "GITHUB_APP_INTEGRATION_ID"
	apiURLSetting      = "GITHUB_V3_API_URL"
	webURLSetting      = "GITHUB_WEB_URL"
	geminiSetting      = "GEMINI_API_KEY"
	geminiURLSetting   = "GOOGLE_GEMINI_BASE_URL"
	embedSetting       = "SOULCASTER_EMBED_MODEL"
	summarySetting     = "SOULCASTER_SUMMARY_MODEL"
	publicSetting      = "SOULCASTER_PUBLIC_URL"

	launcherSetting   = "SOULCASTER_LAUNCHER"
	allowLocalSetting = "SOULCASTER_ALLOW_LOCAL_AGENT"
	clusterSetting    = "SOULCASTER_ECS_CLUSTER"
	definitionSetting = "SOULCASTER_ECS_TASK_DEFINITION"
	subnetsSetting    = "SOULCASTER_ECS_SUBNETS"
	groupsSetting     = "SOULCASTER_ECS_SECURITY_GROUPS"
	modelURLSetting   = "SOULCASTER_MODEL_URL"
	modelKeySetting   = "SOULCASTER_MODEL_KEY"
	modelSetting      = "SOULCASTER_MODEL"
)

// Setting is one environment variable, as documentation needs it.
type Setting struct {
	Group   string // the heading that it stands under
	Name    string
	Default string // "" if there is none
	Secret  bool   // its value must not be seen
	Doc     string // what it is, in Markdown

	app   bool   // one of the GitHub App's, which are set together
	where string // where to find its value, for an error
	set   func(c *Config, value string) error
}

// Settings returns every setting, in the order of the documentation.
func Settings() []Setting { return append([]Setting(nil), settings[:]...) }

// settings is the one list of them. It is not to be changed.
var settings = [...]Setting{
	{Group: "The GitHub App", Name: integrationSetting, app: true, where: "App ID on the App's page", set: setIntegrationID,
		Doc: "The App ID, a number."},
	{Group: "The GitHub App", Name: "GITHUB_APP_PRIVATE_KEY", app: true, Secret: true, where: "the .pem file that GitHub made for the App", set: setPrivateKey,
		Doc: "The text of the App's `.pem` file. Line ends may be real or written as `\\n`; base64 of the file is taken too."},
	{Group: "The GitHub App", Name: "GITHUB_APP_WEBHOOK_SECRET", app: true, Secret: true, where: "Webhook secret on the App's page", set: setWebhookSecrets,
		Doc: "The webhook's secret. To rotate it without losing deliveries, set `new,old`, change it at GitHub, then drop the old one."},
	{Group: "The GitHub App", Name: "GITHUB_OAUTH_CLIENT_ID", app: true, where: "Client ID on the App's page",
		Doc: "The App's client id, for signing in.",
		set: func(c *Config, v string) error { c.GitHub.OAuthClientID = v; return nil }},
	{Group: "The GitHub App", Name: "GITHUB_OAUTH_CLIENT_SECRET", app: true, Secret: true, where: "Client secrets on the App's page",
		Doc: "The App's client secret.",
		set: func(c *Config, v string) error { c.GitHub.OAuthClientSecret = Secret(v); return nil }},
	{Group: "The GitHub App", Name: apiURLSetting, Default: "https://api.github.com",
		Doc: "Where GitHub's API is. For GitHub Enterprise Server: `https://HOST/api/v3`.",
		set: func(c *Config, v string) error { return setURL(c, apiURLSetting, &c.GitHub.APIURL, v) }},
	{Group: "The GitHub App", Name: webURLSetting, Default: "https://github.com",
		Doc: "Where GitHub's pages are.",
		set: func(c *Config, v string) error { return setURL(c, webURLSetting, &c.GitHub.WebURL, v) }},

	{Group: "The server", Name: addrSetting, Default: "127.0.0.1:8080",
		Doc: "`host:port` to listen on. Port 0 takes a free one.",
		set: func(c *Config, v string) error { return setAddr(&c.Addr, v) }},
	{Group: "The server", Name: publicSetting,
		Doc: "The address at which GitHub, Sentry, people and the agent's container reach the app. Needed for links in what it writes when it stands behind a proxy, and on ECS.",
		set: func(c *Config, v string) error { return setURL(c, publicSetting, &c.PublicURL, v) }},
	{Group: "The server", Name: tokenSetting, Secret: true,
		Doc: "Who sends it as `Authorization: Bearer …` sees the pages of a live app; its page `/checks` asks for it. Make one with `openssl rand -hex 32`.",
		set: func(c *Config, v string) error {
			if strings.ContainsAny(v, " \t\r\n") {
				return wrong("holds white space, which a header cannot carry", "make one with: openssl rand -hex 32")
			}
			c.AdminToken = Secret(v)
			return nil
		}},
	{Group: "The server", Name: "SOULCASTER_METRICS_ADDR", Default: "127.0.0.1:9090",
		Doc: "`host:port` that answers `/metrics`, apart from everything else so that it can stay inside.",
		set: func(c *Config, v string) error { return setAddr(&c.MetricsAddr, v) }},
	{Group: "The server", Name: "SOULCASTER_SOCKET",
		Doc: "Path of the Unix socket at which a running server answers `work`, `export` and `doctor` on the same machine, to its own user alone. Unset, with a file as the store: beside it, with `.sock` at the end; with Redis: none, and these commands ask Redis themselves.",
		set: func(c *Config, v string) error { c.Socket, c.SocketSet = v, true; return nil }},
	{Group: "The server", Name: fileSetting,
		Doc: "Path of the YAML file with installations and sources, [below](#the-yaml-file).",
		set: func(*Config, string) error { return nil }}, // read last, by Load

	{Group: "The server", Name: "SOULCASTER_PRIVATE_HOSTS",
		Doc: "Hosts, separated by commas, that sources may name although they are at addresses of a private network, as in `sentry.internal.example`: a Sentry of your own. They may be asked over plain http. Any other Sentry that somebody names has to be public and https, so that nobody can have this server ask what only it can reach.",
		set: setHosts},
	{Group: "The server", Name: "SOULCASTER_TRUSTED_PROXIES",
		Doc: "Addresses and networks, separated by commas, of the proxies before the server, as in `10.0.0.0/16`: what these add to `X-Forwarded-For` says who a request is from. Unset, everybody behind a proxy is one, and a stranger who guesses at tokens there holds up the others' first use of theirs.",
		set: setProxies},

	{Group: "The store", Name: storeSetting, Default: "bolt:./data/soulcaster.db",
		Doc: "`bolt:PATH`, a file for one process, or `redis://…` or `rediss://…` for several (Sentinel: with `?master_name=NAME`; Cluster: with `?addr=HOST:PORT` for each other node). A file is refused on ECS, where it would not survive a deployment.",
		set: setStore},
	{Group: "The store", Name: keySetting, Secret: true,
		Doc: "The master key: 32 bytes in base64 (`openssl rand -base64 32`). Required with Redis; with a bolt file one is made beside it when unset. Keep a copy: without it the store's own keys cannot be read, and the app refuses to start. " +
			"To rotate it, set `new,old`, restart, then drop the old one; authors' hashes do not change. With several replicas first set `old,new` on all of them, so that none meets a key that it does not have.",
		set: func(c *Config, v string) error {
			keys, err := secret.ParseKeys(keySetting, v)
			if err != nil {
				return wrong(err.Error(), "make one with: openssl rand -base64 32")
			}
			c.SecretKeys = keys
			return nil
		}},
	{Group: "The store", Name: "SOULCASTER_ALLOW_VOLATILE_REDIS", Default: "false",
		Doc: "`true` starts on a Redis that keeps nothing on disk or may evict keys. What was accepted can then be lost.",
		set: func(c *Config, v string) error { return setFlag(&c.Store.AllowVolatile, v) }},

	{Group: "Gemini", Name: geminiSetting, Secret: true,
		Doc: "With a key, Gemini says how alike reports are, and judges what is in doubt. Without one, the embedded embedder compares their words and nobody is asked; no text goes to Google.",
		set: func(c *Config, v string) error { c.Gemini.APIKey = Secret(v); return nil }},
	{Group: "Gemini", Name: geminiURLSetting,
		Doc: "Another address of the Gemini API, without a version, as for a proxy.",
		set: func(c *Config, v string) error { return setURL(c, geminiURLSetting, &c.Gemini.BaseURL, v) }},
	{Group: "Gemini", Name: embedSetting, Default: gemini.DefaultEmbedModel,
		Doc: "The model that makes vectors, asked for 768 dimensions. Vectors of two models are never compared.",
		set: func(c *Config, v string) error { return setModel(&c.Gemini.EmbedModel, v) }},
	{Group: "Gemini", Name: summarySetting, Default: gemini.DefaultSummaryModel,
		Doc: "The model that is asked two questions: whether a report that is nearly alike enough is the same problem, and whether posts are a bug, a request or chatter. Google retires models: a retired one is named in the log, with the setting to change.",
		set: func(c *Config, v string) error { return setModel(&c.Gemini.SummaryModel, v) }},

	{Group: "The agent", Name: launcherSetting,
		Doc: "Where the coding agent runs: `ecs`, in a task of its own on AWS Fargate ([deploying.md](deploying.md)), or `local`, as a process on this host, for development. Unset: nowhere, and `/soulcaster fix` says so.",
		set: setLauncher},
	{Group: "The agent", Name: allowLocalSetting, Default: "false",
		Doc: "`true` allows `local` beside live GitHub credentials. What strangers wrote then steers a process on the app's own host, as the app's own user: for development only.",
		set: func(c *Config, v string) error { return setFlag(&c.Launcher.AllowLocal, v) }},
	{Group: "The agent", Name: "SOULCASTER_KILO",
		Doc: "With `local`: path of the Kilo CLI, `kilo` in the `PATH` unless set. The agent's image brings its own.",
		set: func(*Config, string) error { return nil }}, // read by the agent
	{Group: "The agent", Name: clusterSetting,
		Doc: "With `ecs`: name or ARN of the cluster.",
		set: func(c *Config, v string) error { c.Launcher.Cluster = v; return nil }},
	{Group: "The agent", Name: definitionSetting,
		Doc: "With `ecs`: family, `family:revision` or ARN of the agent's task definition. Its container is called `agent`.",
		set: func(c *Config, v string) error { c.Launcher.TaskDefinition = v; return nil }},
	{Group: "The agent", Name: subnetsSetting,
		Doc: "With `ecs`: ids of the agent's subnets, separated by commas, best in several availability zones; at most 16.",
		set: func(c *Config, v string) error { return setIDs(&c.Launcher.Subnets, v, "subnet-", 16) }},
	{Group: "The agent", Name: groupsSetting,
		Doc: "With `ecs`: ids of the agent's security groups, separated by commas; at most 5.",
		set: func(c *Config, v string) error { return setIDs(&c.Launcher.SecurityGroups, v, "sg-", 5) }},
	{Group: "The agent", Name: "SOULCASTER_ECS_SPOT", Default: "true",
		Doc: "With `ecs`: `true` tries Fargate Spot first, which costs less and can be taken away; a run that it is taken away from goes on elsewhere, at last on demand.",
		set: func(c *Config, v string) error { return setFlag(&c.Launcher.Spot, v) }},
	{Group: "The agent", Name: "SOULCASTER_ECS_EVENTS",
		Doc: "With `ecs`: URL of the SQS queue that gets the tasks' events. Without it the app still asks every half minute.",
		set: func(c *Config, v string) error { return setURL(c, "SOULCASTER_ECS_EVENTS", &c.Launcher.EventsQueue, v) }},
	{Group: "The agent", Name: modelURLSetting, Default: "",
		Doc: "The OpenAI-compatible API of the model that writes fixes, up to the part before `/chat/completions`. Unset, with a key: Gemini's, `" + DefaultModelURL + "`. The agent's container never talks to it: the app does.",
		set: func(c *Config, v string) error { return setURL(c, modelURLSetting, &c.Model.URL, v) }},
	{Group: "The agent", Name: modelKeySetting, Secret: true,
		Doc: "Its key. Unset: `" + geminiSetting + "`, for Gemini's address alone. It never leaves the app.",
		set: func(c *Config, v string) error { c.Model.Key = Secret(v); return nil }},
	{Group: "The agent", Name: modelSetting, Default: gemini.DefaultSummaryModel,
		Doc: "The model's name there. No other is let through.",
		set: func(c *Config, v string) error { return setModel(&c.Model.Name, v) }},
	{Group: "The agent", Name: "SOULCASTER_MODEL_PRICE",
		Doc: "What a million tokens cost, in US dollars: `INPUT/OUTPUT` or `INPUT/CACHED/OUTPUT`, as in `0.30/2.50`. Unset, Google's list price counts for the models of Google's that this build knows; for others costs are told in tokens then, and limits of money do not hold.",
		set: setPrice},
	{Group: "The agent", Name: "SOULCASTER_MODEL_CONTEXT", Default: "200000",
		Doc: "How many tokens the model takes at once. The agent sums up what it did before it gets there.",
		set: func(c *Config, v string) (err error) {
			if c.Model.Context, err = strconv.Atoi(v); err != nil || c.Model.Context < 16_000 || c.Model.Context > 10_000_000 {
				return wrong("is not a number from 16000 to 10000000", "take it from the model's page")
			}
			return nil
		}},
}

func setHosts(c *Config, value string) error {
	for name := range strings.SplitSeq(value, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" || len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool {
			return r != '.' && r != '-' && r != ':' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		}) || strings.Contains(name, ":") && net.ParseIP(name) == nil {
			return wrong("is not a list of hosts", "write names or addresses without a scheme or a port, as in sentry.internal.example")
		}
		c.PrivateHosts = append(c.PrivateHosts, name)
	}
	return nil
}

func setFlag(to *bool, value string) (err error) {
	if *to, err = strconv.ParseBool(value); err != nil {
		return wrong("is neither true nor false", "set one of them")
	}
	return nil
}

func setStore(c *Config, value string) error {
	scheme, rest, _ := strings.Cut(value, ":")
	switch scheme {
	case "bolt":
		if rest == "" {
			return wrong("names no file", "write bolt:PATH, as in bolt:./data/soulcaster.db")
		}
		c.Store.Path = rest
		return nil
	case "redis", "rediss":
		// The parser's error would quote the password.
		if u, err := url.Parse(value); err != nil || u.Hostname() == "" {
			return wrong("is not an address of a Redis", "write redis://HOST:PORT or rediss://USER:PASSWORD@HOST:PORT, with signs in the password as %XX")
		}
		c.Store.URL = Secret(value)
		return nil
	}
	return wrong("names no known store", "write bolt:PATH, redis://… or rediss://…")
}

func setAddr(to *string, value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return wrong("is not host:port", "write it as in 127.0.0.1:8080, or :8080 for all of the machine's addresses")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return wrong("has no port between 0 and 65535", "write it as in 127.0.0.1:8080")
	}
	*to = value
	return nil
}

func setURL(c *Config, name string, to *string, value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "":
		return wrong("is not a web address", "write it as in https://example.com")
	case u.User != nil:
		return wrong("holds a user name or password", "leave them out of the address")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return wrong("has a query or a fragment", "leave out what begins with ? or #")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.Warnings = append(c.Warnings, name+" is http: whoever is on the way can read and change what is sent")
	}
	*to = strings.TrimRight(value, "/")
	return nil
}

func setModel(to *string, value string) error {
	for _, r := range value {
		if !strings.ContainsRune("-._/", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return wrong("is not the name of a model", "write it as in "+gemini.DefaultEmbedModel)
		}
	}
	*to = value
	return nil
}

// setProxies reads the proxies that are believed.
func setProxies(c *Config, v string) error {
	for name := range strings.SplitSeq(v, ",") {
		name = strings.TrimSpace(name)
		if at, err := netip.ParseAddr(name); err == nil {
			at = at.Unmap()
			c.TrustedProxies = append(c.TrustedProxies, netip.PrefixFrom(at, at.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(name)
		if err != nil || network.Bits() == 0 {
			return wrong("is not a list of addresses and networks", "separate them by commas: 10.0.0.1,10.1.0.0/16")
		}
		c.TrustedProxies = append(c.TrustedProxies, network.Masked())
	}
	return nil
}
