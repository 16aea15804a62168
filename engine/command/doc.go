// Package command understands what maintainers ask for in comments:
// "/soulcaster status".
package command
