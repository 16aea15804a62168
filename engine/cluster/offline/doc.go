// Package offline clusters a file of reports without a store: it reads JSON lines
// or CSV, runs the core of package cluster over it, and writes what came out.
package offline
