// Package script is a language model that plays from a script, for tests and for
// the demo. It speaks as Gemini's OpenAI-compatible endpoint does, its oddities
// included: tool calls come whole, without an index, and their stream ends with
// finish_reason "stop"; each carries a thought signature in extra_content, and a
// call that comes back without it is answered with 400.
package script
