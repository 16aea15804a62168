package source

import "context"

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

// Source returns the source with the id, false if there is none.
func (t Table) Source(_ context.Context, id string) (*Source, bool) {
	s, ok := t[id]
	return s, ok
}
