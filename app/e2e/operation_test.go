//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// TestStoreAway: Redis goes while the app runs. The door says so, nothing that
// was taken in is lost, and all goes on by itself when Redis is back.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := newRedis(t)
	w := started(t, s, settings)
	n := tenants[0]
	w.file("acme/web", n.checkout())
	w.sentry("acme-sentry", "event_alert", n.worker().alert(eventID(2), nil)) // whose issue is not filed yet
	s.redis.Stop()

	a, err := w.tryReport("acme-api", n.exports()[0])
	if err != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.Error == "" || a.RequestID == "" {
		t.Errorf("the door answers %d %v %s, %v", a.status, a.header, a.body, err)
	}
	w.github.say(maintainer, "acme/web", 1, "/soulcaster status")
	eventually(t, "GitHub is told to come again", func() error {
		d := w.relay.carried("issue_comment")
		if len(d) != 1 || d[0].status != http.StatusServiceUnavailable {
			return fmt.Errorf("%d deliveries, %+v", len(d), d)
		}
		return nil
	})
	for _, path := range []string{"/readyz", "/health"} {
		r := w.get(path)
		var ready struct {
			Status string
			Checks map[string]string
		}
		if err := json.Unmarshal([]byte(r.body), &ready); err != nil || r.status != http.StatusServiceUnavailable || ready.Status == "ok" || ready.Checks["store"] == "ok" || ready.Checks["store"] == "" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := w.get("/healthz"); r.status != http.StatusOK {
		t.Errorf("/healthz: %d", r.status)
	}
	if r := w.get("/"); r.status != http.StatusServiceUnavailable {
		t.Errorf("the page: %d", r.status)
	}

	s.redis.Start()
	eventually(t, "the app is ready again", func() error {
		if r := w.get("/readyz"); r.status != http.StatusOK || !strings.Contains(r.body, `"store":"ok"`) || !strings.Contains(r.body, `"workers":"ok"`) {
			return fmt.Errorf("%d %s", r.status, r.body)
		}
		return nil
	})
	w.report("acme-api", n.exports()[:2])
	w.relay.carry(w.relay.carried("issue_comment")[0])
	within(t, settling, "what waited is done", func() error {
		if err := exactly(w.github.issues("acme/api"), []string{"DeadlineExceeded"}); err != nil {
			return err
		}
		if err := exactly(w.github.issues("acme/web"), []string{"TypeError", "CSV"}); err != nil {
			return err
		}
		if len(w.answers("acme/web", 1)) != 1 {
			return errors.New("the command is not answered")
		}
		return nil
	})
}

// TestNoStart: what cannot work is said at once, with the status for it.
func TestNoStart(t *testing.T) {
	t.Parallel()
	const nobody = "127.0.0.1:1" // listens there, nor is given that port
	w := started(t, newBolt(t), settings)
	volatile := storagetest.Redis(t, "--appendonly", "no")
	file := filepath.Join(w.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change []string
		want   int
		says   []string
	}{
		{"no Redis there", []string{"SOULCASTER_STORE=redis://" + nobody}, 1, []string{nobody}},
		{"Redis that forgets", []string{"SOULCASTER_STORE=" + volatile.URL}, 1, []string{"SOULCASTER_ALLOW_VOLATILE_REDIS"}},
		{"no folder", []string{"SOULCASTER_STORE=bolt:" + file + "/x.db"}, 1, []string{file}},
		{"file in use", nil, 1, []string{w.store.url[len("bolt:"):]}},
		{"no such store", []string{"SOULCASTER_STORE=mongodb://x"}, 2, []string{"SOULCASTER_STORE"}},
		{"Redis without a key", []string{"SOULCASTER_STORE=" + volatile.URL, "SOULCASTER_SECRET_KEY="}, 2, []string{"SOULCASTER_SECRET_KEY"}},
		{"file on ECS", []string{"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4"}, 2, []string{"SOULCASTER_STORE"}},
		{"no settings' file", []string{"SOULCASTER_CONFIG=" + file + "-not-there"}, 2, []string{"SOULCASTER_CONFIG"}},
		{"one of GitHub's missing", []string{"GITHUB_APP_WEBHOOK_SECRET="}, 2, []string{"GITHUB_APP_WEBHOOK_SECRET"}},
		{"several of GitHub's missing", []string{"GITHUB_APP_INTEGRATION_ID=", "GITHUB_OAUTH_CLIENT_ID="}, 2, []string{"GITHUB_APP_INTEGRATION_ID", "GITHUB_OAUTH_CLIENT_ID"}},
		{"one of GitHub's malformed", []string{"GITHUB_APP_PRIVATE_KEY=-----BEGIN nonsense"}, 2, []string{"GITHUB_APP_PRIVATE_KEY"}},
		{"GitHub does not know the App", []string{"GITHUB_APP_INTEGRATION_ID=1", "SOULCASTER_STORE=bolt:" + w.dir + "/other.db"}, 1, []string{"GITHUB_APP_INTEGRATION_ID", "GITHUB_APP_PRIVATE_KEY"}},
		{"address in use", []string{"SOULCASTER_ADDR=" + strings.TrimPrefix(w.address(), "http://"), "SOULCASTER_STORE=bolt:" + w.dir + "/other.db"}, 1, []string{"SOULCASTER_ADDR"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			p := launch(t, w.dir, w.environ(tt.change...), binary, "serve")
			if status := p.wait(); status != tt.want {
				t.Errorf("status %d, want %d", status, tt.want)
			}
			for _, part := range tt.says {
				if !strings.Contains(p.log.String(), part) {
					t.Errorf("it does not name %s: %s", part, p.log.String())
				}
			}
			for _, secret := range []string{"hunter2", appKey()[40:80], webhookSecret, adminToken} {
				if strings.Contains(p.log.String(), secret) {
					t.Errorf("it shows a secret: %s", p.log.String())
				}
			}
			if d := time.Since(began); d > 30*time.Second {
				t.Errorf("it took %v to say so", d)
			}
		})
	}
}

// TestDrain: at SIGTERM what is under way is finished, and answered, before the
// app ends.
func TestDrain(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		body := encode(tenants[0].exports()[0])
		c, err := net.Dial("tcp", strings.TrimPrefix(w.address(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /ingest/feedback/acme-api HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", key("acme-api"), len(body), body[:10])
		// A later request that is answered shows that the first one has begun.
		if _, err := w.tryReport("acme-api", tenants[0].exports()[1]); err != nil {
			t.Fatal(err)
		}
		w.app.cmd.Process.Signal(syscall.SIGTERM)
		eventually(t, "no new request gets in", func() error {
			if _, err := w.send("GET", "/healthz", nil, nil); err == nil {
				return errors.New("one did")
			}
			return nil
		})
		if _, err := c.Write(body[10:]); err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.StatusCode != http.StatusAccepted {
			t.Fatalf("what was under way is answered %v, %v", answer, err)
		}
		if status := w.app.wait(); status != 0 {
			t.Errorf("status %d, want 0", status)
		}
		w.start()
		if a := w.report("acme-api", tenants[0].exports()[0]); a.Duplicates != 1 {
			t.Errorf("after the start the door says %s", a.body)
		}
	})
}

// TestGitHubAway: the app starts and takes feedback in while GitHub is down, and
// does its work when GitHub is back.
func TestGitHubAway(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := newWorld(t, s, settings)
		w.gate.breaks(fault{path: regexp.MustCompile(""), times: 1 << 30, status: http.StatusServiceUnavailable})
		w.start()
		w.sentry("acme-sentry", "event_alert", tenants[0].checkout().alert(eventID(1), nil))
		eventually(t, "GitHub is asked in vain", func() error {
			if len(w.gate.asked("POST", mintPath.String())) == 0 {
				return errors.New("not yet")
			}
			return nil
		})
		w.gate.mend()
		within(t, settling, "the issue is filed", func() error { return exactly(w.github.issues("acme/web"), []string{"TypeError"}) })
	})
}

// TestUninstall: of a tenant that leaves nothing stays, and the other one notices
// nothing.
func TestUninstall(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := started(t, s, settings)
		for _, n := range tenants {
			w.report(n.name+"-api", n.exports())
			eventually(t, "the issue is filed", func() error { return has(w.github.issues(n.main), 1) })
		}
		// The emulator cannot uninstall.
		w.gate.breaks(fault{path: regexp.MustCompile(`^/app/installations/101`), times: 1 << 30, status: http.StatusNotFound})
		body := encode(object{"action": "deleted", "installation": object{"id": acme, "account": object{"login": "acme"}}})
		w.relay.carry(delivery{id: guid(), event: "installation", signature: "sha256=" + signature(webhookSecret, body), body: body})
		eventually(t, "the door is gone", func() error {
			if a, err := w.tryReport("acme-api", tenants[0].exports()[0]); err != nil || a.status != http.StatusNotFound {
				return fmt.Errorf("%d %s, %v", a.status, a.body, err)
			}
			return nil
		})
		eventually(t, "the page shows nothing of it", func() error {
			if strings.Contains(w.pages(allPages), tenants[0].words.exports) {
				return errors.New("it does")
			}
			return nil
		})
		if a := w.report("globex-api", tenants[1].exports()[0]); a.Items[0].State != "issue #1" {
			t.Errorf("the other tenant is told %s", a.body)
		}
	})
}
