//go:build !linux

package local

// Hide does nothing here: see the one for Linux.
func Hide() error { return nil }
