// Package github is the one adapter to GitHub's REST API. It speaks as the App
// (who am I, which installations are there) and as an installation of it (issues,
// comments, permissions, files, commits, pull requests and their reviews), and it
// gives out small types of its own: go-github's stay in here.
//
// What GitHub asks of its clients is kept in here too, so that callers need not
// know it: writes of one installation happen one after another and not too
// fast, a rate limit is obeyed, a redirect is never followed with a write or to
// another host, and every call has a deadline and a bounded answer.
//
// A call ends in one of four ways, and a caller tells them apart by the error:
//
//   - nil: it happened.
//   - [*work.Later]: nothing happened and nothing is wrong with the request;
//     GitHub is away, or asked to wait until a moment.
//   - an error for which action.IsUnknown holds: a write whose request left, and
//     of which nobody can say whether it landed.
//   - any other error: GitHub refused. The sentinels below say why.
package github
