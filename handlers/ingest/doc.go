// Package ingest is the door for feedback: what Sentry, Reddit and any API send
// to a source's URL is authenticated, read, and stored before it is answered
// with 202.
//
// A source is known by the id in the path; who sends proves to be allowed by a
// signature over the raw body (Sentry), by an API key (Reddit, reports), or by
// a secret in the path (Sentry's unsigned legacy plugin, where the source allows
// it). What the bytes mean is decided by package feedback, where they go by
// package intake.
package ingest
