// Package e2e drives the built binary from outside: what GitHub, Sentry, Reddit,
// people and operators send to it, and what they get. Its tests have the build
// tag e2e (`make e2e`), and rely on nothing but the program's surface.
//
// GitHub is played by emulate, an emulator from npm that none of us wrote, at the
// version that package.json pins. Between it and the app stand two parts of our
// own: the [gate], through which all of the app's requests go, refuses what
// GitHub would refuse and the emulator would not (a token that is not that
// installation's, say), counts, and breaks what a test wants broken; the
// [relay] carries GitHub's webhooks, with ids as GitHub makes them.
//
// The emulator has no git, so the stories of a fix (fix_*_test.go) play in a
// [fixworld]: the GitHub of package hub, whose git is real, an ECS on loopback whose
// tasks are real agents, and a model that plays a script. Kilo itself, pinned in
// package.json too, is in four of them; in the others a stand-in plays its part.
//
// A [world] is all of it together, on one of the two stores: every test has its
// own, with its own emulator, store and folder, on free ports of the loopback
// interface. Nothing is left behind: processes die with the test.
package e2e
