package source

import (
	"context"
	"slices"
	"strings"
)

// Table is the sources that the server's settings name, by id. It never
// changes once made.
type Table map[string]*Source

// NewTable returns the table of the sources. Ids are unique in settings that
// were checked.
func NewTable(sources []Source) Table {
	t := make(Table, len(sources))
	for i := range sources {
		t[sources[i].ID] = &sources[i]
	}
	return t
}

// Source returns the source with the id; ErrNone if there is none.
func (t Table) Source(_ context.Context, id string) (*Source, error) {
	if s, ok := t[id]; ok {
		return s, nil
	}
	return nil, ErrNone
}

// Of returns the sources of an installation, in order of their ids.
func (t Table) Of(installation int64) (all []*Source) {
	for _, s := range t {
		if s.Installation == installation {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *Source) int { return strings.Compare(a.ID, b.ID) })
	return all
}
