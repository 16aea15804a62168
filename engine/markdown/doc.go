// Package markdown makes foreign text harmless in what GitHub renders.
//
// Feedback is written by strangers. Put into an issue as it is, it could call
// people (@name), link other people's issues to ours (#12, owner/name#12, a
// commit's hash, a whole address), close them (fixes #12), load images that tell
// who looked, imitate our markers, or give commands to us and to other apps.
// Escaping alone does not help: GitHub looks for mentions and references in the
// text *after* Markdown was rendered, so that `\@name` and `&#64;name` still call.
// This package therefore does two things: it escapes what Markdown would read,
// and it breaks what GitHub would find with a zero-width space (U+200B), which
// nobody sees. The zero-width space is the only invisible character that it lets
// through, and only its own.
//
// What each function is for: [Inline] for foreign words in a line of ours,
// [Quote] for a few lines of prose, [Code] for names, [Fence] for what must keep
// its form, [Title] for an issue's title, [Link] for an address that we chose to
// show. What GitHub reads as a mention or a reference is described at
// https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
package markdown
