// Package cluster finds out which feedback is the same problem.
//
// Its core is pure and in memory: an [Index] holds the clusters of one project
// for one embedder, [Index.Assign] says where a report belongs and why, and
// whoever asked writes that down and tells the index with [Index.Add].
//
// A report joins by a fingerprint that a cluster already has, else by meaning: by
// its mean similarity to a cluster's members. In the grey zone below the
// threshold the index answers "new", and says whom to ask about.
package cluster
