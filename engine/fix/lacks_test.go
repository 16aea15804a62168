package fix_test

import (
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/project"
)

// Where the App may not propose anything no agent is started for nothing; once somebody
// granted that, one is, also without the permission to see checks.
func TestLackingPermissionsStartNothing(t *testing.T) {
	w := newWorld(t, "")
	w.installed(func(in *project.InstallationState) { in.Lacks = []string{"pull_requests: write", "checks: read"} })
	w.say("fix")
	w.Settle()
	w.want(run.Failed, run.ReasonForbidden)
	if n := len(w.cloud.tasks); n != 0 {
		t.Errorf("%d tasks were started", n)
	}
	w.installed(func(in *project.InstallationState) { in.Lacks = []string{"checks: read"} })
	w.say("retry")
	w.Settle()
	w.want(run.Working, "")
}
