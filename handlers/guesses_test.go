package handlers

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// Who was right lately is told from who was not while guesses are not looked at, and a
// window later nobody has to wait.
func TestGuesses(t *testing.T) {
	now := time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
	g := NewGuesses(func() time.Time { return now })
	at := func(i byte) Guesser { return Guesser{"s", netip.AddrFrom4([4]byte{192, 0, 2, i})} }
	g.Proved(at(1), [32]byte{7})
	for range MayGuess {
		if g.Wait(at(1)) != 0 {
			t.Fatal("too soon")
		}
		g.Failed(at(1))
	}
	now = now.Add(10 * time.Second)
	if wait := g.Wait(at(1)); wait != GuessWindow-10*time.Second || g.Wait(at(2)) != 0 {
		t.Errorf("they have to wait %v, %v", wait, g.Wait(at(2)))
	}
	lately, any := g.Proofs(at(1))
	if !any || !lately([32]byte{7}) || lately([32]byte{8}) {
		t.Errorf("what was right: %v, %v, %v", any, lately([32]byte{7}), lately([32]byte{8}))
	}
	if lately, any := g.Proofs(at(2)); any || lately([32]byte{7}) {
		t.Error("another address is believed for it")
	}
	now = now.Add(GuessWindow - 10*time.Second)
	if g.Wait(at(1)) != 0 {
		t.Error("it has to wait longer than it was told")
	}
	if now = now.Add(RightFor); lately([32]byte{7}) {
		t.Error("what was right long ago is")
	}
}

func TestGuessersAreBounded(t *testing.T) {
	g := NewGuesses(time.Now)
	for i := range 3 * maxGuessers {
		at := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		g.Failed(Guesser{"s", at})
		g.Proved(Guesser{"s", at}, [32]byte{byte(i)})
	}
	if len(g.wrong) > maxGuessers || len(g.right) > maxGuessers || len(g.known) > maxGuessers {
		t.Errorf("%d %d %d", len(g.wrong), len(g.right), len(g.known))
	}
}

// One network of IPv6 is one sender; an address is one however it is written.
func TestGuesserOf(t *testing.T) {
	at := func(address string) Guesser {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.RemoteAddr = address
		return GuesserOf(r, "s")
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true}, {"192.0.2.1:1", "[::ffff:192.0.2.1]:2", true}, {"192.0.2.1:1", "192.0.2.2:1", false},
		{"[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::9]:1", true}, {"[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true}, {"@", "", true},
	} {
		if (at(c.a) == at(c.b)) != c.same {
			t.Errorf("%s and %s: %v, %v", c.a, c.b, at(c.a), at(c.b))
		}
	}
}
