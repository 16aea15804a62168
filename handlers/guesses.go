package handlers

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// MayGuess is how many wrong secrets one address may bring for one thing within
	// GuessWindow before the rest of its secrets are not looked at any more.
	MayGuess    = 20
	GuessWindow = time.Minute
	// RightFor is how long it is remembered that a secret was right.
	RightFor = time.Hour
	// maxGuessers bounds what is remembered of either. Beyond it all is forgotten:
	// who has ten thousand addresses was not held up by the count for one.
	maxGuessers = 10_000
)

// Guesser is who brings secrets for something: an IPv4 address, or the network of an IPv6
// one, as far as this process can see. Behind a proxy that is not trusted it is the
// proxy's: see [Behind].
type Guesser struct {
	of   string
	from netip.Addr
}

// String is the address, for the log.
func (g Guesser) String() string { return g.from.String() }

// proof is a secret, as its SHA-256, that was right for who brought it.
type proof struct {
	Guesser
	secret [32]byte
}

// Guesses counts wrong secrets, and remembers who brought right ones: many senders
// may be behind the address of one proxy, and a stranger's guesses there must not
// keep them out. From elsewhere a right secret is not told from a wrong one while
// guesses are not looked at. It is safe for concurrent use.
type Guesses struct {
	now func() time.Time

	mu    sync.Mutex
	began time.Time
	wrong map[Guesser]int
	right map[proof]time.Time
	known map[Guesser]int // how many right secrets are remembered of each
}

// NewGuesses returns guesses of nobody.
func NewGuesses(now func() time.Time) *Guesses {
	return &Guesses{now: now, wrong: make(map[Guesser]int), right: make(map[proof]time.Time), known: make(map[Guesser]int)}
}

// GuesserOf is who sends a request, with a secret of what is named.
func GuesserOf(r *http.Request, of string) Guesser {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return Guesser{of: of} // nobody on a network has none
	}
	if at = at.Unmap().WithZone(""); at.Is6() {
		network, _ := at.Prefix(64) // one sender has that many
		at = network.Addr()
	}
	return Guesser{of, at}
}

// Wait is how long no new secrets of the guesser are looked at, 0 if they are.
func (g *Guesses) Wait(who Guesser) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if g.turn(now); g.wrong[who] < MayGuess {
		return 0
	}
	return g.began.Add(GuessWindow).Sub(now)
}

// turn begins another window if it is time.
func (g *Guesses) turn(now time.Time) {
	if past := now.Sub(g.began); past >= GuessWindow || past < 0 {
		g.began = now
		clear(g.wrong)
	}
}

// Failed counts a wrong secret.
func (g *Guesses) Failed(who Guesser) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turn(g.now()); len(g.wrong) >= maxGuessers {
		clear(g.wrong)
	}
	g.wrong[who]++
}

// Proved remembers a right secret.
func (g *Guesses) Proved(who Guesser, secret [32]byte) {
	p := proof{who, secret}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.right[p]; !there {
		if len(g.right) >= maxGuessers {
			clear(g.right)
			clear(g.known)
		}
		g.known[who]++
	}
	g.right[p] = g.now()
}

// Proofs reports whether the guesser brought any right secret, and says of one
// whether it was that lately.
func (g *Guesses) Proofs(who Guesser) (lately func(secret [32]byte) bool, any bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return func(secret [32]byte) bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		at, there := g.right[proof{who, secret}]
		return there && g.now().Sub(at) < RightFor
	}, g.known[who] > 0
}
