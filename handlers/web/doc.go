// Package web shows what the app knows and does: clusters with the reason of
// each membership, the issue that stands for each or would, where every piece of
// feedback is and what it waits for, and what was done lately.
//
// In preview it is for who sits at the machine: it answers on loopback alone.
// Once live it shows nothing without the operator's token.
package web
