// Package policy knows what a repository allows: what may be filed, published
// and fixed, as its `.github/soulcaster.yml` and the server's operator say.
//
// [Parse] reads the repository's file, [Resolve] lays it over the operator's
// and over the defaults. Nothing in here does I/O: loading the file, and keeping
// the last good one in force while a new one is wrong, is its caller's.
package policy
