// Package backfill brings in what happened before a source was connected: from
// Sentry's API, a Reddit listing, or a file.
//
// It does so in two steps. First an import is a preview: what was read is stored
// beside the project, and then taken in, grouped and judged in a draft of the
// project's space, by the very code that does it in earnest. What comes of it is
// shown: how many problems the reports are, which of them are known, which would
// get an issue and what is held back. Then, on a person's word, the same readings
// go through intake in the same order.
//
// [Backfill.Lacking] is a smaller one of its kind: groups that Sentry has and the
// app lacks, because a webhook was lost.
package backfill
