// Package issue knows what the one GitHub issue of a cluster says, and when it
// changes.
//
// The way through: [Summarise] says what a cluster amounts to, [Eligible] whether
// that is enough for an issue, [Places] whether today has room for one more, and
// [EditDue] whether an issue that exists should be written again. [Publish] takes
// away what must not be shown on the repository; only what it returns can be
// rendered, by [Title] and [Section]. [Splice] puts the section into a body that
// people write in too. [Record.Close], [Record.Reopen] and [After] are what
// happens after the fix.
//
// All of these are functions of what they are given: the same problem has the
// same bytes, whenever and wherever it is rendered.
//
// [Keeper] is the part that acts: it reads a cluster, decides by these functions,
// and brings its issue on GitHub in line, through the action log. It is the only
// writer of issues: of those that it files, and of those that somebody opened for
// a problem before.
package issue
