// Package agent is where the agent's container reaches the app: it claims its
// brief, says that it lives, sends its log, hands over its result, and asks its
// model.
//
// Whoever brings no token of the run learns nothing of it, and of what they send no
// more is read than a claim has.
package agent
