// Package kilo is how Kilo is run, wherever it is: its configuration, what it is
// told by the environment, and its command line. The agent runs it so, and so do the
// tests that ask what the real Kilo does and the comparison with bare Kilo, which
// would otherwise be about something else.
package kilo
