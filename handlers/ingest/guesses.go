package ingest

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// mayGuess is how many wrong secrets one address may bring for one source within
	// a window before the rest of its secrets are not looked at any more.
	mayGuess    = 20
	guessWindow = time.Minute
	// rightFor is how long it is remembered that a secret was right.
	rightFor = time.Hour
	// maxGuessers bounds what is remembered of either. Beyond it all is forgotten:
	// who has ten thousand addresses was not held up by the count for one.
	maxGuessers = 10_000
)

// guesser is who sends to a source: an IPv4 address, or the network of an IPv6 one.
type guesser struct {
	source string
	from   netip.Addr
}

// proof is a secret, as its SHA-256, that was right for who brought it.
type proof struct {
	guesser
	secret [32]byte
}

// guesses counts wrong secrets, and remembers who brought right ones: many senders
// may be behind the address of one proxy, and a stranger's guesses there must not
// keep them out. From elsewhere a right secret is not told from a wrong one while
// guesses are not looked at.
type guesses struct {
	now func() time.Time

	mu    sync.Mutex
	began time.Time
	wrong map[guesser]int
	right map[proof]time.Time
	known map[guesser]int // how many right secrets are remembered of each
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, wrong: make(map[guesser]int), right: make(map[proof]time.Time), known: make(map[guesser]int)}
}

// from is who sends a request to a source.
func from(r *http.Request, source string) guesser {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return guesser{source: source} // nobody on a network has none
	}
	if at = at.Unmap().WithZone(""); at.Is6() {
		network, _ := at.Prefix(64) // one sender has that many
		at = network.Addr()
	}
	return guesser{source, at}
}

// wait is how long no new secrets of the guesser are looked at, 0 if they are.
func (g *guesses) wait(who guesser) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if g.turn(now); g.wrong[who] < mayGuess {
		return 0
	}
	return g.began.Add(guessWindow).Sub(now)
}

// turn begins another window if it is time.
func (g *guesses) turn(now time.Time) {
	if past := now.Sub(g.began); past >= guessWindow || past < 0 {
		g.began = now
		clear(g.wrong)
	}
}

// failed counts a wrong secret.
func (g *guesses) failed(who guesser) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turn(g.now()); len(g.wrong) >= maxGuessers {
		clear(g.wrong)
	}
	g.wrong[who]++
}

// proved remembers a right secret.
func (g *guesses) proved(who guesser, secret [32]byte) {
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

// proofs reports whether the guesser brought any right secret, and says of one
// whether it was that lately.
func (g *guesses) proofs(who guesser) (lately func(secret [32]byte) bool, any bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return func(secret [32]byte) bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		at, there := g.right[proof{who, secret}]
		return there && g.now().Sub(at) < rightFor
	}, g.known[who] > 0
}
