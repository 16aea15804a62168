package config

import (
	"fmt"
	"slices"
	"strings"
)

// unknown warns of variables that look like settings and are none, for they are
// mostly misspelt ones. It shows names, never values.
func unknown(env map[string]string) (warnings []string) {
	for name := range env {
		if !strings.HasPrefix(name, "SOULCASTER_") && !strings.HasPrefix(name, "GITHUB_APP_") && !strings.HasPrefix(name, "GITHUB_OAUTH_") {
			continue
		}
		known := make([]string, len(settings))
		for i, s := range settings {
			known[i] = s.Name
		}
		if slices.Contains(known, name) {
			continue
		}
		text := fmt.Sprintf("%q is not a setting and is ignored", name)
		if guess := closest(name, known); guess != "" {
			text += "; did you mean " + guess + "?"
		}
		warnings = append(warnings, text)
	}
	slices.Sort(warnings)
	return warnings
}

// closest returns the candidate that a person who wrote name may have meant: one
// that is at most three letters off, or else the only one that has all letters of
// name in their order (GITHUB_APP_ID); "" if there is none.
func closest(name string, candidates []string) string {
	name = name[:min(len(name), 100)]
	best, least := "", 4
	var longer []string
	for _, c := range candidates {
		if d := distance(name, c); d < least {
			best, least = c, d
		}
		if subsequence(name, c) {
			longer = append(longer, c)
		}
	}
	if best == "" && len(longer) == 1 {
		return longer[0]
	}
	return best
}

// distance is the Levenshtein distance of two short strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func subsequence(short, long string) bool {
	i := 0
	for j := 0; i < len(short) && j < len(long); j++ {
		if short[i] == long[j] {
			i++
		}
	}
	return i == len(short)
}
