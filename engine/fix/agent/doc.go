// Package agent is the supervisor in the agent's container: what
// `soulcaster agent` runs. It trades its claim for a brief, fetches the repository,
// has Kilo work on it, and hands over what changed. Then it ends.
//
// Two kinds of processes run in the container, and the line between them is what
// the package is about:
//
//   - The supervisor, and the git that it runs, hold the tokens. They never run,
//     follow or believe anything that is in the repository.
//   - The coder is everything that the repository or strangers' words may steer:
//     Kilo, the commands that it runs, the repository's tests. It is another user,
//     with an environment that was made for it and no credential at all. Its model
//     answers on loopback, at a proxy of the supervisor's that adds the token.
//
// Where the supervisor is not root (package local on a developer's machine) both
// are one user. Then the tokens are kept out of the coder's reach as far as Linux
// allows it (a process that is not dumpable shows its memory and environment to
// root alone), and elsewhere they are not. The log says which it is.
//
// The way through is in [Run]: claim.go, clone.go, testrun.go, kilo.go, collect.go,
// upload.go, in this order, with heartbeat.go, proxy.go and events.go beside.
package agent
