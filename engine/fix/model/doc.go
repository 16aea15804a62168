// Package model is the way from an agent to its language model: a gateway to an
// API that speaks as OpenAI's chat completions do, Gemini's for one.
//
// The agent never sees the provider's key. What it asks goes on as it came, byte
// for byte, and so does what the model answers, because both hold what must come
// back unchanged: Gemini answers 400 when a tool call returns without its
// extra_content.google.thought_signature. (Kilo sends that back only if the
// provider in its configuration has the id "google": its OpenAI-compatible
// provider stores the signature under the provider's own name and looks for it
// under that one.) Three things are not left to the agent: which model it is, that
// a stream says at its end what it cost, and what would cost or reach more than the
// model itself.
//
// Every request is charged to the run before it leaves, by an estimate of all that it
// may cost, and settled when its answer ends. Nothing of what is asked or answered is logged or
// kept.
package model
