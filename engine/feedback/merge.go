package feedback

import "slices"

// Change says what a later reading changed of stored feedback.
type Change struct {
	Counted     bool // it was seen again
	Enriched    bool // its text or its stack changed: it must be embedded again
	State       bool // the source says something else of it now
	Release     bool // seen in a release that was not known
	Environment bool // seen in an environment that was not known
	Removed     bool // its text was taken back
	Touched     bool // something else must be stored: people, times, ids that were seen
}

// Any reports whether there is anything to store.
func (c Change) Any() bool { return c != Change{} }

// Merge folds a later reading of the same feedback in. A reading that could
// not be read, or is of other feedback, changes nothing; the same reading twice
// changes nothing the second time. What was removed stays removed.
func (f *Feedback) Merge(r Reading) Change {
	var c Change
	n := r.Feedback
	if r.Err != nil || n == nil || n.ID != f.ID || f.Removed {
		return c
	}
	if r.Removed {
		f.remove()
		return Change{Removed: true}
	}
	f.widen(n, &c)
	f.settle(n.State, &c)
	if f.Kind == Sentry {
		f.count(r, &c)
		f.enrich(n, &c)
	} else {
		f.rewrite(r, &c)
	}
	return c
}

// remove takes out all that its sender wrote, and who wrote it. What is left says
// that there was something: ids, the kind, counts, times, and what the source says
// of it now.
func (f *Feedback) remove() {
	f.Removed = true
	f.Title, f.Body, f.URL, f.Author, f.Culprit = "", "", "", "", ""
	f.Level, f.Platform = "", ""
	f.Exceptions, f.People = nil, nil
	f.Labels, f.Releases, f.Environments = nil, nil, nil
}

// Forget takes a person out of those whom an error group happened to, and reports whether
// they were among them. That there was somebody still counts.
func (f *Feedback) Forget(authors []string) bool {
	before := len(f.People)
	f.People = slices.DeleteFunc(f.People, func(p string) bool { return slices.Contains(authors, p) })
	was := len(f.People) < before
	if f.Kind == Sentry && slices.Contains(authors, f.Author) {
		f.Author, was = "", true
	}
	return was
}

// widen takes in when and in what it was seen.
func (f *Feedback) widen(n *Feedback, c *Change) {
	if n.First.Before(f.First) {
		f.First = n.First
		c.Touched = true
	}
	if f.Kind == Sentry && n.Level != "" && n.Level != f.Level && !n.Last.Before(f.Last) {
		f.Level = n.Level // Sentry's level of a group is that of its newest event
		c.Touched = true
	}
	if n.Last.After(f.Last) {
		f.Last = n.Last
		c.Touched = true
	}
	f.Releases, c.Release = add(f.Releases, MaxReleases, n.Releases...)
	f.Environments, c.Environment = add(f.Environments, MaxReleases, n.Environments...)
}

// settle takes over a newer state. Of two at the same second, the later
// arrival holds. A group of which nothing was said is unresolved.
func (f *Feedback) settle(s State, c *Change) {
	if s.Value == "" || s.At.Before(f.State.At) || s == f.State {
		return
	}
	was := f.State.Value
	if was == "" {
		was = "unresolved"
	}
	c.State = s.Value != was
	c.Touched = true
	f.State = s
}

// count counts an event that was not seen before, or takes over what Sentry
// counted. Sentry's count holds all events until it was taken, so an older one
// that arrives after it is remembered and not added.
func (f *Feedback) count(r Reading, c *Change) {
	n := r.Feedback
	was := f.Count
	switch {
	case r.Event == "":
		f.Count = max(f.Count, n.Count)
		if n.CountedTo.After(f.CountedTo) {
			f.CountedTo = n.CountedTo
			c.Touched = true
		}
	case !slices.Contains(f.Events, r.Event):
		f.Events, _ = add(f.Events, MaxEvents, r.Event)
		f.Delivered++
		if n.Last.After(f.CountedTo) {
			f.Count++
		}
		f.Count = max(f.Count, f.Delivered)
		c.Touched = true
	}
	c.Counted = f.Count != was

	users := f.Users
	for _, p := range n.People {
		if len(f.People) < MaxPeople {
			f.People, _ = add(f.People, MaxPeople, p)
		}
	}
	if f.Users = max(f.Users, n.Users, len(f.People)); f.Users != users {
		c.Touched = true
	}
}

// enrich learns what was not known of a group.
func (f *Feedback) enrich(n *Feedback, c *Change) {
	if len(n.Exceptions) > 0 && (len(f.Exceptions) == 0 || f.Thin() && !n.Thin()) {
		f.Exceptions = n.Exceptions
		c.Enriched = true
	}
	if f.untitled() && !n.untitled() {
		f.Title = n.Title
		c.Enriched = true
	}
	if f.Body == "" && n.Body != "" {
		f.Body = n.Body
		c.Enriched = true
	}
	for _, field := range []struct {
		have  *string
		learn string
	}{
		{&f.Culprit, n.Culprit}, {&f.Platform, n.Platform}, {&f.Project, n.Project},
		{&f.URL, n.URL}, {&f.Level, n.Level}, {&f.Author, n.Author},
	} {
		if *field.have == "" && field.learn != "" {
			*field.have = field.learn
			c.Touched = true
		}
	}
}

// untitled reports whether the title only stands in for one.
func (f *Feedback) untitled() bool {
	return f.Title == "" || f.Title == f.Culprit || f.Title == "Sentry issue "+f.External
}

// rewrite takes over the text of a post or report that was edited since, and
// forgets an author who left.
func (f *Feedback) rewrite(r Reading, c *Change) {
	n := r.Feedback
	if n.Edited.Before(f.Edited) {
		return // an old copy that arrived late
	}
	if n.Title != f.Title || n.Body != f.Body {
		f.Title, f.Body = n.Title, n.Body
		c.Enriched = true
	}
	if f.Edited.Before(n.Edited) {
		f.Edited = n.Edited
		c.Touched = true
	}
	if f.Public != n.Public && f.Kind == Reddit {
		f.Public = n.Public // its community was opened or closed
		c.Touched = true
	}
	if n.URL != "" && n.URL != f.URL {
		f.URL = n.URL
		c.Touched = true
	}
	if len(n.Labels) > 0 && !slices.Equal(n.Labels, f.Labels) {
		f.Labels = n.Labels
		c.Touched = true
	}
	if r.AuthorGone && f.Author != "" || f.Author == "" && n.Author != "" {
		f.Author = n.Author
		c.Touched = true
	}
}
