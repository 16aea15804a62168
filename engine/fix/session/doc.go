// Package session is the app's end of what the agent's container does: it claims
// its brief, says that it lives, sends its log and hands over its result.
//
// The container proves itself by two secrets, both made from the run's space, its
// id and the number of the attempt, and kept nowhere: the claim, which is good for
// one brief, and the token that comes with the brief. Whatever comes from there is
// foreign: it ran commands that strangers may have steered.
package session
