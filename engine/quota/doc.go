// Package quota counts what an installation uses, says so to people before and at the
// limit, and keeps it within what the operator allows: reports a day, clusters, bytes
// stored, and what its vectors and the model's answers cost in a month. Runs of the
// agent have limits of their own, see package fix.
//
// # What happens at a limit
//
//	reports   [Door] refuses what comes, in words, until midnight (UTC). What says
//	          that something was deleted, or tells of a state and nothing else, is
//	          taken in all the same
//	bytes     the same, until a walk finds less
//	clusters  feedback is taken in. What belongs to a cluster joins it; what would
//	          open another one waits
//	money     feedback is taken in, and waits for the next month. Vectors of two
//	          embedders are never compared, so nothing cheaper steps in
//
// # How exact it is
//
// A [Meter] counts in memory and adds to the store every two seconds, so that the
// door writes nothing for it; replicas see each other's counts as late as that. What
// a crash loses, and what nobody knows whether it was written, is not counted: the
// meter may let a little too much through, and refuses nothing too early. Requests
// are taken whole, so the last one may go over by what it holds.
//
// Clusters are counted from the heads of the projects, which are exact. Bytes are an
// estimate: what a walk through all of the installation's entries found, once a day
// in pages, and what was taken in since. Prices are list prices; see package model.
//
// # Keys
//
// In an installation's space:
//
//	quota        used: what was used so far
//	quota-walk   progress: how far the walk that counts bytes is
//
// Due work there is "quota": the walk.
package quota
