package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// shelf keeps the indexes of the projects that were worked on last.
type shelf struct {
	mu    sync.Mutex
	books map[string]*book
	tick  int
}

// book is the index of a project as of a head.
type book struct {
	space  string
	busy   sync.Mutex
	used   int
	head   Head
	index  *Index   // nil: to be read
	broken []string // clusters with a sum that could not be read: the index lacks it
	memo   memo
}

// maxBooks bounds the shelf. A project of 1,000 clusters takes about 10 MB.
const maxBooks = 64

// take returns the book of a space, for the caller alone until it is put back.
func (s *shelf) take(space string) *book {
	s.mu.Lock()
	if s.books == nil {
		s.books = make(map[string]*book)
	}
	s.tick++
	b, ok := s.books[space]
	if !ok {
		if len(s.books) >= maxBooks {
			oldest := ""
			for name, b := range s.books {
				if oldest == "" || b.used < s.books[oldest].used {
					oldest = name
				}
			}
			delete(s.books, oldest)
		}
		b = &book{space: space}
		s.books[space] = b
	}
	b.used = s.tick
	s.mu.Unlock()
	b.busy.Lock()
	return b
}

func (s *shelf) put(b *book) { b.busy.Unlock() }

// refresh brings the index up to the head: from the change log if that reaches
// back far enough, else by reading everything.
func (b *book) refresh(ctx context.Context, space storage.Space, head Head, dim int) error {
	behind := head.Log - b.head.Log
	switch {
	case b.index == nil, b.head.Epoch != head.Epoch, b.head.Embedder != head.Embedder, behind < 0, behind > maxLog/2:
		return b.read(ctx, space, head, dim)
	case behind == 0:
		return nil
	}
	keys := make([]string, 0, behind)
	for n := b.head.Log + 1; n <= head.Log; n++ {
		keys = append(keys, logKey(n))
	}
	entries, err := space.Get(ctx, keys...)
	if err != nil {
		return fmt.Errorf("read change log: %w", err)
	}
	for _, e := range entries {
		var change Change
		if !e.Exists() {
			return b.read(ctx, space, head, dim)
		}
		if err := storage.GetJSON(e, &change); err != nil {
			return err
		}
		for _, id := range change.Clusters {
			if err := b.reread(ctx, space, head, id, change.Prints[id]); err != nil {
				b.index = nil
				return err
			}
		}
	}
	b.head = head
	return nil
}

// reread brings one cluster up to date.
func (b *book) reread(ctx context.Context, space storage.Space, head Head, id string, prints []string) error {
	for _, kind := range []embed.Kind{embed.Trace, embed.Prose} {
		b.index.dropPart(id, kind)
		entries, err := space.Get(ctx, sumKey(head.Embedder, id, kind))
		if err != nil {
			return fmt.Errorf("read sum of cluster %s: %w", id, err)
		}
		if entries[0].Exists() {
			b.place(id, kind, entries[0])
		}
	}
	for len(prints) > 0 {
		n := min(len(prints), storage.MaxOps)
		keys := make([]string, n)
		for i, f := range prints[:n] {
			keys[i] = fpKey(f, id)
		}
		entries, err := space.Get(ctx, keys...)
		if err != nil {
			return fmt.Errorf("read fingerprints of cluster %s: %w", id, err)
		}
		for i, e := range entries {
			if err := b.count(prints[i], id, e); err != nil {
				return err
			}
		}
		prints = prints[n:]
	}
	return nil
}

// read reads the whole index.
func (b *book) read(ctx context.Context, space storage.Space, head Head, dim int) error {
	b.index, b.head, b.broken = nil, Head{}, nil
	index := &book{index: NewIndex(dim, Thresholds{})}
	prefix := sumPrefix + head.Embedder + "/"
	err := each(ctx, space, prefix, func(e storage.Entry) error {
		id, kind, _ := strings.Cut(e.Key[len(prefix):], "/")
		index.place(id, embed.Kind(kind), e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read clusters: %w", err)
	}
	err = each(ctx, space, fpPrefix, func(e storage.Entry) error {
		print, id, _ := strings.Cut(e.Key[len(fpPrefix):], "/")
		return index.count(print, id, e)
	})
	if err != nil {
		return fmt.Errorf("read fingerprints: %w", err)
	}
	// What was read while somebody wrote may be of two heads. The fence on the
	// head refuses what is decided on it, and the next try reads on from here.
	b.index, b.head, b.broken = index.index, head, index.broken
	return nil
}

// place takes in a sum. One that cannot be read is left out and noted: it is made
// anew from the members.
func (b *book) place(id string, kind embed.Kind, e storage.Entry) {
	p, err := decodePart(e.Value)
	if err == nil {
		err = b.index.Put(id, kind, p)
	}
	if err != nil && !slices.Contains(b.broken, id) {
		b.broken = append(b.broken, id)
	}
}

func (b *book) count(print, id string, e storage.Entry) error {
	n := 0
	if err := storage.GetJSON(e, &n); err != nil {
		return err
	}
	of := b.index.prints[print]
	if n == 0 {
		delete(of, id)
		if len(of) == 0 {
			delete(b.index.prints, print)
		}
		return nil
	}
	if of == nil {
		of = make(map[string]int)
		b.index.prints[print] = of
	}
	of[id] = n
	return nil
}

// each calls do for every entry below a prefix.
func each(ctx context.Context, space storage.Space, prefix string, do func(storage.Entry) error) error {
	after := ""
	for {
		entries, err := space.Scan(ctx, prefix, after, 250)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := do(e); err != nil {
				return err
			}
			after = e.Key
		}
		if len(entries) < 250 {
			return nil
		}
	}
}

// EncodePart returns a part as bytes: the number of members, 4 bytes
// little-endian, then the sum as EncodeVector writes it.
func EncodePart(p Part) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(p.N)), EncodeVector(p.Sum)...)
}

func decodePart(data []byte) (Part, error) {
	if len(data) < 4 {
		return Part{}, fmt.Errorf("decode sum: too short")
	}
	sum, err := DecodeVector(data[4:])
	return Part{N: int(binary.LittleEndian.Uint32(data)), Sum: sum}, err
}
