// Package config reads the server's settings: environment variables and the
// YAML file that SOULCASTER_CONFIG names. It checks all of them and reports every
// problem at once, each with the setting's name, what is wrong, and what to do.
//
// One table, in settings.go, drives the reading, the checks, the help text and
// docs/configuration.md. Only package app reads settings; it hands the other
// packages just the values that they need.
package config

//go:generate go run ./gen
