// Package web shows what the app knows and does: of every project what arrived, what
// became of it and what needs a person (overview.go, summary.go), its problems
// (problems.go), and of each the reports with the reason of each membership, what
// happened, and the issue that stands for it or would (cluster.go). What a page shows
// the API tells below the same path.
//
// In preview it is for who sits at the machine: it answers on loopback alone.
// Once live it shows nothing without the operator's token.
package web
