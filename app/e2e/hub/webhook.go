package hub

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// knownEvents are those that an App can subscribe to here. Those about installations
// come to every App.
var knownEvents = []string{"issues", "issue_comment", "pull_request", "pull_request_review", "pull_request_review_comment", "check_run", "check_suite", "push", "repository"}

// Delivery is one webhook.
type Delivery struct {
	ID     string // X-GitHub-Delivery, a GUID
	Event  string
	Action string // "" if the event has none
	Body   []byte
	Status int // of the App's answer; 0: it was not there

	Number       int64 // a new one each time that it is sent
	Again        bool  // it was sent before
	At           time.Time
	installation int64
	repository   int64 // 0 if it is about none
}

// announce delivers an event in a repository to the App, if it is installed there.
func (h *Hub) announce(r *repository, event string, payload object, sender *account) {
	if in := r.installation; in != nil && in.suspended.IsZero() && slices.Contains(in.events, event) {
		payload["repository"] = h.repository(r)
		payload["organization"] = object{"login": r.owner.login, "id": r.owner.id, "node_id": fmt.Sprintf("O_%d", r.owner.id),
			"url": h.URL + "/orgs/" + r.owner.login, "description": nil}
		payload["installation"] = object{"id": in.id, "node_id": fmt.Sprintf("I_%d", in.id)}
		payload["sender"] = h.user(sender)
		h.send(event, payload, in.id, r.id)
	}
}

// tell delivers an event about an installation.
func (h *Hub) tell(in *installation, event string, payload object, sender *account) {
	shown := h.installationOf(in)
	shown["created_at"], shown["updated_at"] = in.created.Unix(), in.created.Unix() // so in deliveries alone
	payload["installation"] = shown
	payload["sender"] = h.user(sender)
	h.send(event, payload, in.id, 0)
}

func (h *Hub) send(event string, payload object, installation, repository int64) {
	body, err := json.Marshal(payload)
	if err != nil {
		h.t.Errorf("hub: %s: %v", event, err)
		return
	}
	action, _ := payload["action"].(string)
	h.mail.post(&Delivery{ID: guid(), Event: event, Action: action, Body: body, installation: installation, repository: repository})
}

// Deliveries returns the webhooks of an event ("" for all) that were sent so far,
// oldest first. One that the App has not yet answered is not among them.
func (h *Hub) Deliveries(event string) (found []Delivery) {
	h.mail.mu.Lock()
	defer h.mail.mu.Unlock()
	for _, d := range h.mail.done {
		if event == "" || d.Event == event {
			found = append(found, d)
		}
	}
	return found
}

// Settle waits until all webhooks that were sent so far are answered or lost.
func (h *Hub) Settle() { h.mail.settle() }

// Redeliver sends a webhook again, with the id that it had.
func (h *Hub) Redeliver(d Delivery) {
	d.Again = true
	h.mail.post(&d)
}

// courier delivers webhooks, one after another.
type courier struct {
	secret []byte
	target func() string
	app    int64
	queue  chan *Delivery
	stop   context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	idle    *sync.Cond
	pending int // that are not answered yet
	last    int64
	done    []Delivery
}

// backlog is how many webhooks may wait. What makes them waits when it is full.
const backlog = 10_000

func newCourier(secret string, target func() string, app int64) *courier {
	ctx, stop := context.WithCancel(context.Background())
	c := &courier{secret: []byte(secret), target: target, app: app, queue: make(chan *Delivery, backlog), stop: stop, ended: make(chan struct{})}
	c.idle = sync.NewCond(&c.mu)
	go func() {
		defer c.quit()
		for {
			select {
			case d := <-c.queue:
				d.Status = c.deliver(ctx, d)
				c.mu.Lock()
				c.done = append(c.done, *d)
				if c.pending--; c.pending == 0 {
					c.idle.Broadcast()
				}
				c.mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

func (c *courier) close() {
	c.stop()
	<-c.ended
}

// quit says that nothing is delivered any more.
func (c *courier) quit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.ended)
	c.pending = 0
	c.idle.Broadcast()
}

func (c *courier) post(d *Delivery) {
	c.mu.Lock()
	c.pending++
	c.last++
	d.Number, d.At = c.last, now()
	c.mu.Unlock()
	select {
	case c.queue <- d:
	case <-c.ended:
	}
}

func (c *courier) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.pending > 0 {
		select {
		case <-c.ended:
			return
		default:
			c.idle.Wait()
		}
	}
}

// deliver sends a webhook once and returns the answer's status. GitHub waits for ten
// seconds.
func (c *courier) deliver(ctx context.Context, d *Delivery) int {
	to := c.target()
	if to == "" {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(d.Body))
	if err != nil {
		return 0
	}
	mac := hmac.New(sha256.New, c.secret)
	mac.Write(d.Body)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/hub", "Accept": "*/*",
		"X-GitHub-Delivery": d.ID, "X-GitHub-Event": d.Event, "X-GitHub-Hook-ID": "1",
		"X-GitHub-Hook-Installation-Target-Type": "integration", "X-GitHub-Hook-Installation-Target-ID": strconv.FormatInt(c.app, 10),
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		r.Header.Set(name, value)
	}
	// No connection is kept: an App that was killed and started again is another one.
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// guid is an id as GitHub gives one to each delivery.
func guid() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
