// Package registration is how the App comes to be on GitHub: the manifest that it is
// registered with, and what GitHub gives out for it, kept where the operator chose.
//
// # Keys
//
// In the app's space:
//
//	github-app   App: sealed
package registration
