package reddit_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/work"
)

type nower = func() time.Time

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

func TestListings(t *testing.T) {
	s := newServer(t)
	for n := range 250 {
		s.add("shop", 1000+n, fmt.Sprintf("Post %d", n))
	}
	c := s.client("client-id", "client-secret", atNoon)
	l, err := c.Newest(t.Context(), "shop", reddit.Place{})
	if err != nil || len(l.Names) != 100 || l.Names[0] != "t3_"+base36(1249) || l.After != "t3_"+base36(1150) {
		t.Fatalf("the newest: %v %s, %v", l.Names, l.After, err)
	}
	if l, err = c.Newest(t.Context(), "shop", reddit.Place{After: l.After}); err != nil || l.Names[0] != "t3_"+base36(1149) {
		t.Errorf("older ones: %v, %v", l.Names, err)
	}
	if l, err = c.Newest(t.Context(), "shop", reddit.Place{Before: "t3_" + base36(1247)}); err != nil || len(l.Names) != 2 {
		t.Errorf("newer ones: %v, %v", l.Names, err)
	}
	if l, err = c.About(t.Context(), []string{"t3_" + base36(1003), "t3_" + base36(1004), "t3_zzzz"}); err != nil || len(l.Names) != 2 {
		t.Errorf("two of three: %v, %v", l.Names, err)
	}
	if n := strings.Count(fmt.Sprint(s.asked()), "login"); n != 1 {
		t.Errorf("%d log-ins for a day", n)
	}
	s.mu.Lock()
	s.revoked = true
	s.mu.Unlock()
	if _, err := c.Newest(t.Context(), "shop", reddit.Place{}); err != nil {
		t.Errorf("after the token was revoked: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	s := newServer(t)
	s.add("shop", 1, "A")
	s.closed["secret"] = true
	c := s.client("client-id", "client-secret", atNoon)
	for _, sub := range []string{"nobody", "secret", "../../etc", "", "a b"} {
		if _, err := c.Newest(t.Context(), sub, reddit.Place{}); !errors.Is(err, reddit.ErrUnknown) {
			t.Errorf("%q: %v", sub, err)
		}
	}
	if _, err := s.client("client-id", "wrong-secret", atNoon).Newest(t.Context(), "shop", reddit.Place{}); !errors.Is(err, reddit.ErrClient) || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("a wrong secret: %v", err)
	}
	if _, err := c.About(t.Context(), []string{"t3_a,t3_b&x=y"}); err == nil {
		t.Error("a name that is none is asked about")
	}
	if _, err := c.About(t.Context(), make([]string, 101)); err == nil {
		t.Error("101 names are asked about")
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, []any{c}); strings.Contains(text, "client-secret") {
		t.Errorf("printed, it is %s", text)
	}
}

// When Reddit says that nothing is left, nothing is sent until it is.
func TestPace(t *testing.T) {
	s := newServer(t)
	s.add("shop", 1, "A")
	now := noon
	c := s.client("client-id", "client-secret", func() time.Time { return now })
	s.left = "0.0"
	if _, err := c.Newest(t.Context(), "shop", reddit.Place{}); err != nil {
		t.Fatal(err)
	}
	asked := len(s.asked())
	var later *work.Later
	if _, err := c.Newest(t.Context(), "shop", reddit.Place{}); !errors.As(err, &later) || !later.Until.Equal(noon.Add(300*time.Second)) {
		t.Errorf("got %v", err)
	}
	if n := len(s.asked()); n != asked {
		t.Errorf("%d requests were sent all the same", n-asked)
	}
	now = noon.Add(301 * time.Second)
	if _, err := c.Newest(t.Context(), "shop", reddit.Place{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	now = now.Add(301 * time.Second)
	s.refuse = http.StatusTooManyRequests
	if _, err := c.Newest(t.Context(), "shop", reddit.Place{}); !errors.As(err, &later) || !later.Until.Equal(now.Add(time.Minute)) {
		t.Errorf("429: %v", err)
	}
}
