// Package hub is a GitHub for end-to-end tests whose git is real: bare
// repositories on disk behind both smart HTTP, as git clients use it, and the REST
// API as the App uses it, so that a commit made through the one is there, under the
// same name, through the other.
//
// It is as strict as GitHub where that matters to an App, and stricter in one
// thing: nobody reads anything without a good token, public or not. The App's JWT
// is verified; installation tokens hold for the repositories and the permissions
// that were asked for, expire and can be revoked; what a token does not allow is a
// 403, what it cannot see a 404, an unknown token a 401. Webhooks are signed and
// delivered once, in order, and are lost when nobody takes them, unless the App has
// them sent again.
//
// What GitHub would do with a push is recorded rather than done: [Hub.Starts] says
// which workflow runs would have started.
//
// The ways in, for a test: [New]; [Hub.Install], [Hub.Create] and [Hub.Allow] for
// the world; [Hub.As] for people; [Hub.Check] for CI; [Hub.Break] for bad days;
// [Hub.Calls], [Hub.Writes] and the other getters for what came of it.
package hub
