// Package upkeep keeps what is remembered of installations and repositories in
// line with GitHub: what a repository is called now, whether it is private,
// which branch is its default one and what its .github/soulcaster.yml says; and
// whether an installation is suspended or gone. It also throws away what was
// kept only to recognise repetitions.
//
// Webhooks only hurry it up: it looks by itself every few minutes. What they bring
// that nothing else tells, such as a command, it has GitHub deliver again if the app
// did not take it.
package upkeep
