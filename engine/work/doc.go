// Package work does what is due.
//
// Work is a key that says what is out of date ("issue/7"), never what happened.
// [Add] makes a key due in the same batch as the change that makes it so; a
// [Queue] hands due keys to the handlers of their kind, from any number of
// processes that share a store, and goes on with a key until it is done. A
// handler reads the present state and brings the world in line with it, so it
// is safe to call it twice; the queue never calls it for one key from two places
// at once, as long as a process notices in time that it lost its lease.
//
// # Keys
//
// In the space of what the work is about:
//
//	work/due/KEY   {at}: KEY is due, at once if at is left out. The version of
//	               the entry is the generation of the work: whoever adds a key
//	               sets the entry blindly, and what was added while a handler
//	               ran is seen by its version and done again
//	work/run/KEY   what is known of the tries so far: how many, the last error,
//	               not before when to try again, and who is at it now. The claim
//	               of a process holds as long as the version of the entry changes
//	               within the lease that it names
//	work/dead/KEY  a dead letter: what was given up, when and why
//
// KEY is due at the later one of the two times. In the app's space:
//
//	hint/SPACE     {at}: something is due in SPACE, not before at. Hints only say
//	               where to look; they are written after the commit that added
//	               the work, may be lost, and are made again by the sweep
//
// # Clocks
//
// Whether a claim still holds is judged by the clock of the process that looks:
// it must have seen the same version for the whole lease. Due times are compared
// between machines, but one that is further away than anything that is ever
// written counts as due, so that a clock that was wrong once delays nothing for
// long.
//
// # Size
//
// A look at a space reads its due entries, also those that are due later, so a
// space is meant to hold thousands of them, not millions.
package work
