// Package action is the log of effects on the outside world: what is recorded
// before and after each of them, what guards against doing one twice, and what
// people read when they ask who did what, and why.
//
// An effect is of one of two kinds. What is done [Log.Once] (an issue, a comment,
// a pull request, a task) happens at most once under its key, through crashes
// and time-outs: what was begun and has no recorded end is looked for outside
// before anything is done again. What is made to [Log.Converge] (a section of a
// body, labels, open or closed) is done whenever the caller finds that it
// differs, and never taken for a repetition of an earlier time.
//
// # Keys
//
// In the space of what the effect is about:
//
//	action/KEY             the present record of the action that KEY means
//	audit/ID               one thing that happened, append only. ID begins with
//	                       the time, counted down, so the newest is the first
//	audit-of/SUBJECT/ID    the same by subject (escaped as in a URL's path),
//	                       without content
//
// # Clocks
//
// Whether an intent is old enough to be looked for is judged by the clock of the
// machine that finds it. The clocks of machines that share a store must agree to
// within half a minute; an intent from further in the future is not believed,
// and costs one more wait.
package action
