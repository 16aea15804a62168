package upkeep

// Lacks names the permissions that are missing for keeping issues and, if the agent can be
// started, for proposing fixes: "issues: write".
func Lacks(have map[string]string, fix bool) (missing []string) {
	for _, want := range []struct {
		name, level string
		fix         bool
	}{
		{"issues", "write", false}, {"metadata", "read", false},
		{"contents", "write", true}, {"pull_requests", "write", true}, {"checks", "read", true},
	} {
		if has := have[want.name]; has != "write" && has != want.level && (fix || !want.fix) {
			missing = append(missing, want.name+": "+want.level)
		}
	}
	return missing
}
