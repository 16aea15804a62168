// Package transfer writes all that a tenant has as JSON lines, and reads them into
// another store, so that the app goes on there.
//
// # Form
//
// Each line is one JSON object. The first says what the file is, the last that it is
// whole:
//
//	{"kind": "export", "format": 1, "store": 1, "installation": 101, "at": "…", "sealed": false}
//	…
//	{"kind": "end", "lines": 4711}
//
// and each between is one entry of a space, with its key as it is stored:
//
//	{"kind": "feedback", "space": "p/101/acme.web-1f2e3d4c", "key": "fb/…", "value": {…}}
//
// A value that is no JSON stands as "text" or, if it is no text either, as "base64"; one
// that is empty is left out. Kind is for people and programs that look for something,
// see [Kinds]; it means nothing to who imports. Projects come first and what belongs to
// the installation as a whole comes after them, so that a running app does not find half
// a tenant.
//
// # What is left out
//
// Who is at work on what; what the sources of package source are proved by, and the
// API's keys; sessions, which are people's and not a tenant's. With Options.Sealed, what
// is sealed or digested of sources and keys stays, and the store's data keys come along, wrapped by the
// master key: then authors' hashes and marks in issues go on meaning the same.
//
// # Keys
//
// In the app's space, while an installation is imported:
//
//	import/<installation>   {at}: what is there of it is half of it
package transfer
