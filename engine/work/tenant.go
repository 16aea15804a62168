package work

import (
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// tenant is an installation with work.
type tenant struct {
	installation int64
	places       []*place
	turn         int // which place is next
	running      int
}

// place is a space that may have something due.
type place struct {
	name     string
	tenant   *tenant
	space    storage.Space // nil until it was opened
	lookAt   time.Time     // when to look there again
	hint     uint64        // the version of its hint that is accounted for
	after    string        // the due entry after which the next look starts
	ready    []candidate   // what the last look found
	inFlight map[string]bool
	claims   map[string]sighting // of others, by key
}

// candidate is a key that may be claimed.
type candidate struct {
	key  string
	void uint64 // the version of the run entry whose claim was found void; else 0
}

// sighting is when this process first saw a claim.
type sighting struct {
	version uint64
	at      time.Time
}

// place returns what is known of a space, making it known.
func (d *dispatcher) place(name string) *place {
	if p := d.places[name]; p != nil {
		return p
	}
	installation := project.Installation(name)
	i := slices.IndexFunc(d.tenants, func(t *tenant) bool { return t.installation == installation })
	if i < 0 {
		i = len(d.tenants)
		d.tenants = append(d.tenants, &tenant{installation: installation})
	}
	p := &place{name: name, tenant: d.tenants[i], inFlight: map[string]bool{}, claims: map[string]sighting{}}
	p.tenant.places = append(p.tenant.places, p)
	d.places[name] = p
	return p
}

// forget drops a space that has nothing due.
func (d *dispatcher) forget(p *place) {
	if len(p.inFlight) > 0 {
		return // the end of the last item brings it back here
	}
	delete(d.places, p.name)
	p.tenant.places = slices.DeleteFunc(p.tenant.places, func(o *place) bool { return o == p })
}

func (d *dispatcher) forgetTenants() {
	d.tenants = slices.DeleteFunc(d.tenants, func(t *tenant) bool { return len(t.places) == 0 })
}
