package issue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Limits of the lines that are kept in memory; one takes about half a kilobyte.
const (
	maxLines      = 100_000 // of one project: of more, the oldest clusters are left out
	maxAllLines   = 200_000 // of all that are not looked at just now
	maxCatalogues = 512
)

// Catalogues keeps the lines of the projects that were looked at last, for pages that
// search and sort them. It is safe for concurrent use, and several processes may have
// one each: all that it knows it is told by the store.
type Catalogues struct {
	most, mostAll int

	mu      sync.Mutex
	volumes map[string]*volume
	tick    int
}

// NewCatalogues returns an empty one.
func NewCatalogues() *Catalogues {
	return &Catalogues{most: maxLines, mostAll: maxAllLines, volumes: make(map[string]*volume)}
}

// Catalogue is the lines of a project as they were at one look. It does not change.
type Catalogue struct {
	// Cut says that the project has more clusters than are listed: the oldest are not.
	Cut bool
	// Revision is a word that is another one whenever something changed: of two looks of
	// one process the same, if nothing did in between and it was kept in memory.
	Revision string

	lines  []*listed // in the order of their ids
	sorted [len(sorts)]struct {
		once sync.Once
		list []*listed
	}
}

// listed is a line with what it is found by.
type listed struct {
	Line
	text string // title and culprit in lower case
	hash uint64 // of the line as it was stored
}

// Look returns the lines of a project. No line in it is older than the call.
func (c *Catalogues) Look(ctx context.Context, space storage.Space) (*Catalogue, error) {
	v := c.take(space.Name())
	all, err := v.look(ctx, space)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, storage.ErrNoSpace):
		if c.volumes[space.Name()] == v {
			delete(c.volumes, space.Name())
		}
	case err == nil:
		v.size = len(all.lines)
		c.shrink(v)
	}
	return all, err
}

// take returns the volume of a space.
func (c *Catalogues) take(space string) *volume {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.volumes[space]
	if !ok {
		v = &volume{busy: make(chan struct{}, 1), most: c.most}
		c.volumes[space] = v
	}
	c.tick++
	v.used = c.tick
	return v
}

// shrink lets go of what was not used for longest until there is little enough; but
// not of the one that was looked at just now.
func (c *Catalogues) shrink(just *volume) {
	sum := 0
	for _, v := range c.volumes {
		sum += v.size
	}
	for len(c.volumes) > 1 && (len(c.volumes) > maxCatalogues || sum > c.mostAll) {
		oldest := ""
		for name, v := range c.volumes {
			if v != just && (oldest == "" || v.used < c.volumes[oldest].used) {
				oldest = name
			}
		}
		sum -= c.volumes[oldest].size
		delete(c.volumes, oldest)
	}
}

// volume is the catalogue of one project, brought up to date at each look.
type volume struct {
	most       int
	used, size int // for Catalogues

	mu    sync.Mutex
	begun int // looks that were begun, all in all

	busy   chan struct{} // holds one word while somebody looks; what follows is theirs
	asOf   int           // the look that all is of
	all    *Catalogue
	marks  map[string]string    // by block, each as it was before the block was read
	blocks map[string][]*listed // in the order of their ids
	floor  string               // this block and those before it are left out; "" for none

	changed bool // since all was made of the blocks
}

func (v *volume) beganLast() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.begun
}

// look returns the lines as they are now. Who had to wait takes what was found
// meanwhile by somebody who began later than the wait.
func (v *volume) look(ctx context.Context, space storage.Space) (*Catalogue, error) {
	before := v.beganLast()
	select {
	case v.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("list standings: %w: %w", storage.ErrUnavailable, ctx.Err())
	}
	defer func() { <-v.busy }()
	if v.asOf > before {
		return v.all, nil
	}
	v.mu.Lock()
	v.begun++
	now := v.begun
	v.mu.Unlock()
	if err := v.refresh(ctx, space); err != nil {
		return nil, err
	}
	if v.changed {
		v.all, v.changed = v.collect(), false
	}
	v.asOf = now
	return v.all, nil
}

// refresh reads what is not as it was. Marks are read before the lines that they stand
// for: what is written in between is read again at the next look.
func (v *volume) refresh(ctx context.Context, space storage.Space) error {
	marks, err := readMarks(ctx, space)
	if err != nil {
		return err
	}
	var stale []string
	for block, word := range marks {
		if v.marks[block] != word && (v.floor == "" || block > v.floor) {
			stale = append(stale, block)
		}
	}
	if v.marks == nil || len(stale) > 20 && len(stale) > len(v.blocks)/2 {
		// Lines that an older build wrote have no mark, and need none until they change.
		blocks, err := v.read(ctx, space, "")
		if err != nil {
			return err
		}
		v.blocks, v.marks, v.floor, v.changed = blocks, marks, "", true
		return nil
	}
	for _, block := range stale {
		read, err := v.read(ctx, space, block)
		if err != nil {
			return err
		}
		if lines := read[block]; len(lines) > 0 {
			v.blocks[block] = lines
		} else {
			delete(v.blocks, block)
		}
		v.marks[block], v.changed = marks[block], true
	}
	return nil
}

// readMarks returns the marks of all blocks.
func readMarks(ctx context.Context, space storage.Space) (map[string]string, error) {
	const page = 500
	marks := make(map[string]string)
	after := ""
	for {
		entries, err := space.Scan(ctx, markPrefix, after, page)
		if err != nil {
			return nil, fmt.Errorf("look for changed standings: %w", err)
		}
		for _, e := range entries {
			after = e.Key
			marks[e.Key[len(markPrefix):]] = string(e.Value)
		}
		if len(entries) < page {
			return marks, nil
		}
	}
}

// read reads the blocks whose names begin with prefix. A line that is as it was is not
// decoded again.
func (v *volume) read(ctx context.Context, space storage.Space, prefix string) (map[string][]*listed, error) {
	blocks := make(map[string][]*listed)
	err := scanLines(ctx, space, prefix, func(cluster string, e storage.Entry) error {
		block := blockOf(cluster)
		hash := maphash.Bytes(seed, e.Value)
		known := v.blocks[block]
		i, ok := slices.BinarySearchFunc(known, cluster, func(l *listed, id string) int { return strings.Compare(l.Cluster, id) })
		if ok && known[i].hash == hash {
			blocks[block] = append(blocks[block], known[i])
			return nil
		}
		l := &listed{hash: hash}
		if err := storage.GetJSON(e, &l.Line); err != nil {
			return err
		}
		l.Cluster = cluster
		l.text = strings.ToLower(l.Title + "\n" + l.Culprit)
		blocks[block] = append(blocks[block], l)
		return nil
	})
	return blocks, err
}

var seed = maphash.MakeSeed()

// collect makes a catalogue of the blocks, and leaves out the oldest of too many.
func (v *volume) collect() *Catalogue {
	names := slices.Sorted(maps.Keys(v.blocks))
	n := 0
	for i, name := range slices.Backward(names) {
		if n += len(v.blocks[name]); n > v.most && i < len(names)-1 {
			v.floor = name
			for _, old := range names[:i+1] {
				delete(v.blocks, old)
			}
			names = names[i+1:]
			break
		}
	}
	c := &Catalogue{Cut: v.floor != "", Revision: rand.Text()[:12]}
	for _, name := range names {
		for _, l := range v.blocks[name] {
			// Of some clusters nothing is left, and of some of them an issue.
			if l.Reports > 0 || l.Number > 0 || l.State != Ignored {
				c.lines = append(c.lines, l)
			}
		}
	}
	return c
}
