// Package reddit asks Reddit, with a tenant's own approved OAuth client, for what
// is new in his subreddits, and for what became of it: text that its author
// deleted must go here too.
//
// [Client] talks to Reddit, [Poller] does so whenever it is due.
package reddit
