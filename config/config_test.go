package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/config"
)

// environ is an environment with the changes; "-" takes a variable out.
func environ(base map[string]string, changes ...string) []string {
	env := maps.Clone(base)
	if env == nil {
		env = map[string]string{}
	}
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		if env[name] = value; value == "-" {
			delete(env, name)
		}
	}
	var out []string
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	return out
}

// problems are the settings that the error names, in order.
func problems(t *testing.T, err error) (names []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not joined problems: %v", err)
	}
	for _, one := range joined.Unwrap() {
		var p *config.Problem
		if !errors.As(one, &p) {
			t.Fatalf("not a problem: %v", one)
		}
		names = append(names, p.Setting)
	}
	return names
}

func TestNoSettings(t *testing.T) {
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != "127.0.0.1:8080" || c.MetricsAddr != "127.0.0.1:9090" || c.PublicURL != "" || c.AdminToken != "" {
		t.Errorf("the server is at %q, %q, %q", c.Addr, c.MetricsAddr, c.PublicURL)
	}
	if c.Store != (config.Store{Path: "./data/soulcaster.db"}) || c.SecretKeys != nil {
		t.Errorf("the store is %+v with %v", c.Store, c.SecretKeys)
	}
	if g := c.GitHub; g.State != config.GitHubNone || g.Err() != nil || g.APIURL != "https://api.github.com" || g.WebURL != "https://github.com" {
		t.Errorf("GitHub is %+v", g)
	}
	if c.Gemini != (config.Gemini{EmbedModel: "gemini-embedding-001", SummaryModel: "gemini-3.8-flash"}) {
		t.Errorf("Gemini is %+v", c.Gemini)
	}
	if len(c.Warnings) != 0 || len(c.Installations) != 0 {
		t.Errorf("warnings %q, installations %v", c.Warnings, c.Installations)
	}
}

const masterKey = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

func TestEachSetting(t *testing.T) {
	for _, tt := range []struct {
		env  string
		want string // a part of what is wrong, or "" if it is right
	}{
		{"SOULCASTER_ADDR=:8080", ""},
		{"SOULCASTER_ADDR=[::1]:0", ""},
		{"SOULCASTER_ADDR=8080", "not host:port"},
		{"SOULCASTER_ADDR=127.0.0.1:http", "no port"},
		{"SOULCASTER_ADDR=127.0.0.1:65536", "no port"},
		{"SOULCASTER_METRICS_ADDR=nowhere", "not host:port"},
		{"SOULCASTER_PUBLIC_URL=https://soulcaster.example.com/", ""},
		{"SOULCASTER_PUBLIC_URL=soulcaster.example.com", "not a web address"},
		{"SOULCASTER_PUBLIC_URL=ftp://example.com", "not a web address"},
		{"SOULCASTER_PUBLIC_URL=https://", "not a web address"},
		{"SOULCASTER_PUBLIC_URL=https://u:hunter2@example.com", "user name"},
		{"SOULCASTER_PUBLIC_URL=https://example.com/?a=hunter2", "query"},
		{"SOULCASTER_ADMIN_TOKEN=hunter2 hunter2", "white space"},
		{"GITHUB_V3_API_URL=api.github.com", "not a web address"},
		{"GITHUB_WEB_URL=https://github.com#x", "fragment"},
		{"GOOGLE_GEMINI_BASE_URL=:", "not a web address"},
		{"SOULCASTER_STORE=bolt:/var/lib/soulcaster.db", ""},
		{"SOULCASTER_STORE=bolt:", "no file"},
		{"SOULCASTER_STORE=/var/lib/soulcaster.db", "no known store"},
		{"SOULCASTER_STORE=postgres://u:hunter2@db", "no known store"},
		{"SOULCASTER_STORE=redis://:hunter2%zz@redis:6379", "not an address"},
		{"SOULCASTER_STORE=redis:", "not an address"},
		{"SOULCASTER_SECRET_KEY=" + masterKey, ""},
		{"SOULCASTER_SECRET_KEY=" + masterKey + "," + masterKey, ""},
		{"SOULCASTER_SECRET_KEY=hunter2", "key 1 has 5 bytes"},
		{"SOULCASTER_ALLOW_VOLATILE_REDIS=true", ""},
		{"SOULCASTER_ALLOW_VOLATILE_REDIS=maybe", "neither true nor false"},
		{"SOULCASTER_EMBED_MODEL=models/gemini-embedding-2", ""},
		{"SOULCASTER_EMBED_MODEL=gemini embedding", "not the name of a model"},
		{"SOULCASTER_SUMMARY_MODEL=a?key=hunter2", "not the name of a model"},
		{"SOULCASTER_CONFIG=/no/such/file.yml", "no such file"},
	} {
		name, _, _ := strings.Cut(tt.env, "=")
		_, err := config.Load([]string{tt.env})
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.env, err)
		case tt.want == "":
		case err == nil || !strings.Contains(err.Error(), tt.want) || !slices.Equal(problems(t, err), []string{name}):
			t.Errorf("%s: got %v, want %q about %s", tt.env, err, tt.want, name)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error shows the value: %v", tt.env, err)
		}
	}
}

func TestEmptyIsUnset(t *testing.T) {
	var env []string
	for _, s := range config.Settings() {
		env = append(env, s.Name+"= ")
	}
	c, err := config.Load(env)
	if err != nil || c.GitHub.State != config.GitHubNone || c.Addr != "127.0.0.1:8080" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	c, err := config.Load([]string{"SOULCASTER_ADDR=x", "SOULCASTER_STORE=y", "SOULCASTER_SECRET_KEY=z", "SOULCASTER_CONFIG=/no/such"})
	want := []string{"SOULCASTER_ADDR", "SOULCASTER_STORE", "SOULCASTER_SECRET_KEY", "SOULCASTER_CONFIG"}
	if got := problems(t, err); !slices.Equal(got, want) {
		t.Errorf("got problems with %v, want %v", got, want)
	}
	if c == nil || c.MetricsAddr == "" {
		t.Error("what is right was not read")
	}
}

func TestStoreAndItsSurroundings(t *testing.T) {
	const ecs = "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/x"
	for _, tt := range []struct {
		env  []string
		want []string
	}{
		{[]string{ecs}, []string{"SOULCASTER_STORE"}},
		{[]string{ecs, "SOULCASTER_STORE=bolt:/efs/soulcaster.db"}, []string{"SOULCASTER_STORE"}},
		{[]string{ecs, "SOULCASTER_STORE=rediss://u:p@redis:6379", "SOULCASTER_SECRET_KEY=" + masterKey}, nil},
		{[]string{"SOULCASTER_STORE=redis://redis:6379"}, []string{"SOULCASTER_SECRET_KEY"}},
		{[]string{"SOULCASTER_STORE=redis://redis:6379", "SOULCASTER_SECRET_KEY=x"}, []string{"SOULCASTER_SECRET_KEY"}},
	} {
		c, err := config.Load(tt.env)
		if got := problems(t, err); !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %v, want problems with %v", tt.env, err, tt.want)
		}
		if err == nil && (c.Store.Path != "" || c.Store.URL.Reveal() != "rediss://u:p@redis:6379" || len(c.SecretKeys) != 1) {
			t.Errorf("%v: the store is %q %q", tt.env, c.Store.Path, c.Store.URL.Reveal())
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"SOULCASTER_ADRR=hunter2", `"SOULCASTER_ADRR" is not a setting and is ignored; did you mean SOULCASTER_ADDR?`},
		{"GITHUB_APP_ID=hunter2", `"GITHUB_APP_ID" is not a setting and is ignored; did you mean GITHUB_APP_INTEGRATION_ID?`},
		{"SOULCASTER_SOMETHING_ELSE=hunter2", `"SOULCASTER_SOMETHING_ELSE" is not a setting and is ignored`},
		{"SOULCASTER_EMBED_MODEL=x", "SOULCASTER_EMBED_MODEL has no effect without GEMINI_API_KEY"},
		{"SOULCASTER_ADMIN_TOKEN=hunter2", "SOULCASTER_ADMIN_TOKEN is short"},
		{"SOULCASTER_PUBLIC_URL=http://example.com", "SOULCASTER_PUBLIC_URL is http"},
		{"SOULCASTER_PUBLIC_URL=http://127.0.0.1:8080", ""},
		{"GITHUB_WEB_URL=https://ghe.example.com", "GITHUB_V3_API_URL and GITHUB_WEB_URL belong together"},
		{"PATH=/bin", ""},
	} {
		c, err := config.Load([]string{tt.env})
		if err != nil {
			t.Errorf("%s: %v", tt.env, err)
		}
		got := strings.Join(c.Warnings, "\n")
		if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: warnings %q, want %q", tt.env, got, tt.want)
		}
	}
}

// The keys that GitHub might have made, and some that it would not.
var (
	pkcs1, pkcs8, notRSA = func() (a, b, c string) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		encode := func(kind string, der []byte, err error) string {
			if err != nil {
				panic(err)
			}
			return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		}
		a = encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
		der, err := x509.MarshalPKCS8PrivateKey(key)
		b = encode("PRIVATE KEY", der, err)
		der, err = x509.MarshalPKCS8PrivateKey(curve)
		c = encode("PRIVATE KEY", der, err)
		return a, b, c
	}()
	app = map[string]string{
		"GITHUB_APP_INTEGRATION_ID":  "12345",
		"GITHUB_APP_PRIVATE_KEY":     pkcs1,
		"GITHUB_APP_WEBHOOK_SECRET":  "whsec-hunter2",
		"GITHUB_OAUTH_CLIENT_ID":     "Iv1.abc",
		"GITHUB_OAUTH_CLIENT_SECRET": "oauth-hunter2",
	}
)

func TestGitHubStates(t *testing.T) {
	all := slices.Sorted(maps.Keys(app))
	for _, tt := range []struct {
		name  string
		env   []string
		state config.GitHubState
		wrong []string
		what  string
	}{
		{"all", environ(app), config.GitHubComplete, nil, ""},
		{"none", environ(nil, "GITHUB_V3_API_URL=http://127.0.0.1:1"), config.GitHubNone, nil, ""},
		{"one", environ(nil, "GITHUB_APP_INTEGRATION_ID=1"), config.GitHubBroken, all[1:], "is missing"},
		{"one, malformed", environ(nil, "GITHUB_APP_INTEGRATION_ID=x"), config.GitHubBroken, all, "not a number"},
		{"id", environ(app, "GITHUB_APP_INTEGRATION_ID=0"), config.GitHubBroken, all[:1], "not a number"},
		{"client id for id", environ(app, "GITHUB_APP_INTEGRATION_ID=Iv1.x"), config.GitHubBroken, all[:1], "not its client id"},
		{"no secret", environ(app, "GITHUB_APP_WEBHOOK_SECRET=-"), config.GitHubBroken, all[2:3], "is missing"},
		{"no id", environ(app, "GITHUB_APP_INTEGRATION_ID=-"), config.GitHubPart, all[:1], "is missing"},
		{"a secret alone", environ(nil, "GITHUB_APP_WEBHOOK_SECRET=whsec-hunter2"), config.GitHubPart, []string{all[0], all[1], all[3], all[4]}, "is missing"},
		{"a malformed key alone", environ(nil, "GITHUB_APP_PRIVATE_KEY=hunter2"), config.GitHubBroken, all, "GITHUB_APP_PRIVATE_KEY"},
		{"blank secret", environ(app, "GITHUB_APP_WEBHOOK_SECRET=  "), config.GitHubBroken, all[2:3], "is missing"},
		{"half a secret", environ(app, "GITHUB_APP_WEBHOOK_SECRET=whsec-hunter2,"), config.GitHubBroken, all[2:3], "an empty secret"},
		{"no OAuth", environ(app, "GITHUB_OAUTH_CLIENT_ID=-", "GITHUB_OAUTH_CLIENT_SECRET=-"), config.GitHubBroken, all[3:], "is missing"},
		{"path for key", environ(app, "GITHUB_APP_PRIVATE_KEY=/etc/app.pem"), config.GitHubBroken, all[1:2], "not its path"},
		{"no RSA", environ(app, "GITHUB_APP_PRIVATE_KEY="+notRSA), config.GitHubBroken, all[1:2], "not RSA"},
		{"cut", environ(app, "GITHUB_APP_PRIVATE_KEY="+pkcs1[:200]), config.GitHubBroken, all[1:2], "cannot be read"},
		{"lines joined", environ(app, "GITHUB_APP_PRIVATE_KEY="+strings.ReplaceAll(pkcs1, "\n", " ")), config.GitHubBroken, all[1:2], "cannot be read"},
		{"a public key", environ(app, "GITHUB_APP_PRIVATE_KEY=-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"), config.GitHubBroken, all[1:2], "no private key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(tt.env)
			if err != nil {
				t.Fatalf("GitHub's settings stop who does not need them: %v", err)
			}
			err = c.GitHub.Err()
			got := problems(t, err)
			slices.Sort(got)
			if c.GitHub.State != tt.state || !slices.Equal(got, tt.wrong) {
				t.Fatalf("state %s, problems with %v: %v; want %s, %v", c.GitHub.State, got, err, tt.state, tt.wrong)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.what) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "MII")) {
				t.Errorf("got %v, want %q and no secret", err, tt.what)
			}
		})
	}
}

func TestPrivateKeySpellings(t *testing.T) {
	for name, value := range map[string]string{
		"PKCS #1":            pkcs1,
		"PKCS #8":            pkcs8,
		"Windows":            strings.ReplaceAll(pkcs1, "\n", "\r\n"),
		"written out":        strings.ReplaceAll(pkcs1, "\n", `\n`),
		"written out, CR":    strings.ReplaceAll(pkcs8, "\n", `\r\n`),
		"base64":             base64.StdEncoding.EncodeToString([]byte(pkcs1)),
		"base64, many lines": wrapped(base64.StdEncoding.EncodeToString([]byte(pkcs8))),
	} {
		c, _ := config.Load(environ(app, "GITHUB_APP_PRIVATE_KEY="+value))
		if err := c.GitHub.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.GitHub.PrivateKey.Reveal(); got != pkcs1 && got != pkcs8 {
			t.Errorf("%s: the key is not as GitHub wrote it: %d bytes", name, len(got))
		}
	}
}

func wrapped(s string) string {
	var b strings.Builder
	for i, c := range []byte(s) {
		if i > 0 && i%76 == 0 {
			b.WriteByte('\n')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "soulcaster.yml")
	yml := "installations: [{id: 101, sources: [{id: a, kind: sentry, secrets: ['${S}', plain-hunter2], repository: a/b}]}]"
	if err := os.WriteFile(path, []byte(yml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(environ(app,
		"GITHUB_APP_WEBHOOK_SECRET=one-hunter2,two-hunter2", "SOULCASTER_ADMIN_TOKEN=token-hunter2", "SOULCASTER_STORE=redis://u:hunter2@redis",
		"SOULCASTER_SECRET_KEY="+masterKey, "GEMINI_API_KEY=gemini-hunter2", "S=source-hunter2", "SOULCASTER_CONFIG="+path))
	if err := errors.Join(err, c.GitHub.Err()); err != nil {
		t.Fatal(err)
	}
	if got := c.Sources()[0].Secrets; !slices.Equal(got, []string{"source-hunter2", "plain-hunter2"}) || len(c.GitHub.WebhookSecrets) != 2 {
		t.Fatalf("the secrets were not read: %d, %d", len(got), len(c.GitHub.WebhookSecrets))
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %d", c.Sources(), c.Sources(), c.Sources(), c.Sources(), c.Sources()), fmt.Sprint(&c.Sources()[0])} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "sentry source a") {
			t.Errorf("a source prints as %s", text)
		}
	}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for name, v := range map[string]any{
		"config": *c, "pointer": c, "GitHub": c.GitHub, "store": c.Store, "keys": c.SecretKeys, "Gemini": c.Gemini,
		"installation": c.Installations[0], "installations": c.Installations, "token": c.AdminToken,
	} {
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		logger.Info("x", "v", v)
		text := fmt.Sprintf("%v|%+v|%#v|%s|%q|%x|%d", v, v, v, v, v, v, v) + string(encoded)
		for _, leak := range []string{"hunter2", "68756e74657232", "MII", "AQEB", "1 1 1 1"} {
			if strings.Contains(text, leak) {
				t.Errorf("%s shows a secret (%s): %s", name, leak, text)
			}
		}
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("a log shows a secret: %s", log.String())
	}
	if text := c.String(); !strings.Contains(text, "github=complete") || !strings.Contains(text, "sources=1") || !strings.Contains(text, "store=redis") {
		t.Errorf("the config prints as %s", text)
	}
}

// FuzzSettings looks for a value that makes a setting's reader panic, or that a
// secret's error shows.
func FuzzSettings(f *testing.F) {
	for i, s := range config.Settings() {
		f.Add(i, s.Default)
	}
	for _, seed := range []string{pkcs1, "-----BEGIN", "LS0tLS1CRUdJTg==", "redis://u:p%zz@h", "a,,b", ",", "[::1]:99999", "http://[", masterKey + "," + masterKey} {
		for i := range config.Settings() {
			f.Add(i, seed)
		}
	}
	f.Fuzz(func(t *testing.T, i int, value string) {
		s := config.Settings()[uint(i)%uint(len(config.Settings()))]
		if s.Name == "SOULCASTER_CONFIG" {
			return // a path, and the fuzzer would read the machine's files
		}
		const mark = "hunter2hunter2"
		c, err := config.Load([]string{s.Name + "=" + value + mark})
		if err := errors.Join(err, c.GitHub.Err()); err != nil && strings.Contains(err.Error(), mark) {
			t.Errorf("the error shows the value: %v", err)
		}
		config.Load([]string{s.Name + "=" + value})
	})
}

func TestTrustedProxies(t *testing.T) {
	c, err := config.Load([]string{"SOULCASTER_TRUSTED_PROXIES=10.0.0.7, 10.1.2.3/16,fd00::/8"})
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	if err != nil && strings.Contains(err.Error(), "TRUSTED_PROXIES") || !slices.Equal(c.TrustedProxies, want) {
		t.Errorf("got %v, %v", c.TrustedProxies, err)
	}
	for _, bad := range []string{"proxy.internal", "0.0.0.0/0", "::/0", "10.0.0.1,,10.0.0.2", "10.0.0.1:80", "10.0.0.0/33"} {
		if _, err := config.Load([]string{"SOULCASTER_TRUSTED_PROXIES=" + bad}); err == nil || !strings.Contains(err.Error(), "SOULCASTER_TRUSTED_PROXIES") {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
}

func TestPrivateHosts(t *testing.T) {
	c, err := config.Load([]string{"SOULCASTER_PRIVATE_HOSTS=Sentry.internal, 10.0.0.7,fd00::7"})
	if err != nil && strings.Contains(err.Error(), "PRIVATE_HOSTS") || !slices.Equal(c.PrivateHosts, []string{"sentry.internal", "10.0.0.7", "fd00::7"}) {
		t.Errorf("got %q, %v", c.PrivateHosts, err)
	}
	for _, bad := range []string{"https://sentry.internal", "sentry.internal:443", "a,,b", "*", "a b"} {
		if _, err := config.Load([]string{"SOULCASTER_PRIVATE_HOSTS=" + bad}); err == nil || !strings.Contains(err.Error(), "SOULCASTER_PRIVATE_HOSTS") {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
}
