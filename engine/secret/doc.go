// Package secret holds the app's keys: master keys that an operator gives or
// that are made beside the store, and data keys that stay when the master is
// rotated.
//
// A [Keyring] keys hashes (who wrote this? is this marker ours?) and seals what
// the app has to store but nobody should read in a copy of the store.
//
// # Two layers of keys
//
// A master key never touches data. For each [Purpose] there is one random data
// key, made at first use and stored wrapped by a key that is derived from the
// master. When the operator puts a new master key in front of the old one, the
// data keys are wrapped again and stay what they are. So rotating the master
// changes no hash, and what was sealed can still be opened.
package secret

// Purpose names what a data key is for. Each has a key of its own, so that a
// hash made for one purpose says nothing about another.
type Purpose string

// The purposes.
const (
	Authors Purpose = "authors" // hashes of who wrote a feedback
	Markers Purpose = "markers" // hashes in an issue that prove it is ours
	Sealed  Purpose = "sealed"  // what Seal and Open encrypt
	Claims  Purpose = "claims"  // what the agent's container proves itself by
)

// Purposes is every purpose; a keyring holds a data key for each.
func Purposes() []Purpose { return []Purpose{Authors, Markers, Sealed, Claims} }
