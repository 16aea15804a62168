package tell

import (
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/run"
)

// State is a state in a few words, to follow "the run is".
func State(s run.State) string {
	switch s {
	case run.Queued:
		return "waiting for a place"
	case run.Launching:
		return "being started"
	case run.Working:
		return "at work"
	case run.Publishing:
		return "being checked and proposed"
	case run.Proposed:
		return "proposed"
	case run.Merged:
		return "merged"
	case run.NoChange:
		return "over, with nothing to change"
	case run.Failed:
		return "failed"
	case run.Cancelled:
		return "cancelled"
	case run.TimedOut:
		return "out of time"
	}
	return ""
}

// Because says why a run ended and what can be done about it. Both are whole
// sentences of ours; next is empty where nothing needs to be done. A command in them
// never stands at the start of a line, and says where it is to be given.
func Because(r run.Reason) (why, next string) { return because(r, "issue") }

// BecauseRound is Because for a round that came to nothing while there is a proposal
// that may have another one: commands are given on the pull request.
func BecauseRound(r run.Reason) (why, next string) { return because(r, "pull request") }

// roundBecause is BecauseRound, without advice that would be refused.
func roundBecause(v View) (why, next string) {
	if NoMore(v) != "" {
		return because(v.Run.Round().Reason, "")
	}
	return BecauseRound(v.Run.Round().Reason)
}

// NoMore says why a proposal can have no further round, and how to go on; it is empty
// if it can. How the issue and the repository stand is not its concern.
func NoMore(v View) string {
	const anew = "To go on with the agent, close the pull request, then comment `/soulcaster fix` on the issue: that begins a new run."
	switch {
	case v.Usage.Spent != "":
		return "The model's budget of this run is used up, so it can have no other round. " + anew
	case v.Rounds-(v.Run.Round().N-1) <= 0:
		return fmt.Sprintf("No round is left: `fix.rounds` in `.github/soulcaster.yml` allows %d after the first. The branch is yours to go on with. ", v.Rounds) + anew
	}
	return ""
}

// because is Because for commands that are given on what where names; if that is
// empty, none is advised.
func because(r run.Reason, where string) (why, next string) {
	again := fmt.Sprintf("Comment `/soulcaster retry` on the %s to try again.", where)
	words := func(on string) string {
		return fmt.Sprintf("More words on %s may help: comment `/soulcaster fix` with them on the %s.", on, where)
	}
	if where == "" {
		again, words = "", func(string) string { return "" }
	}
	why, next = sentences(r, again, words)
	return why, strings.TrimSpace(next)
}

func sentences(r run.Reason, again string, words func(on string) string) (why, next string) {
	const operator = "Whoever operates this Soulcaster finds the cause in its log, under the run's id."
	switch r {
	case run.ReasonNoLauncher:
		return "This Soulcaster has nowhere to start an agent: no launcher is configured.",
			"Its operator sets `SOULCASTER_LAUNCHER` to `ecs`, with `SOULCASTER_ECS_CLUSTER`, `SOULCASTER_ECS_TASK_DEFINITION`, " +
				"`SOULCASTER_ECS_SUBNETS` and `SOULCASTER_ECS_SECURITY_GROUPS`, or to `local` for development."
	case run.ReasonRefused:
		return "The agent could not be started: the launcher's settings are wrong.", operator
	case run.ReasonCapacity:
		return "There was no room to start the agent, not even at the regular price.", again
	case run.ReasonNotStarted:
		return "The agent's task was accepted but never ran.", operator + " " + again
	case run.ReasonKilled:
		return "The agent was killed, most likely because its memory was used up.", operator + " " + again
	case run.ReasonCrashed:
		return "The agent ended without handing anything over.", operator + " " + again
	case run.ReasonInterrupted:
		return "The machine below the agent was taken away more often than a round is started again.", again
	case run.ReasonSilent:
		return "The agent was not heard from for too long and was stopped.", again
	case run.ReasonTime:
		return "The agent had its time and nothing to show for it.", "The time is `fix.minutes` in `.github/soulcaster.yml`. " + again
	case run.ReasonBudget:
		return "The model's budget for this run was used up, with nothing to show for it.",
			words("where to look")
	case run.ReasonClone:
		return "The repository could not be fetched.", operator + " " + again
	case run.ReasonCoder:
		return "The coding agent did not start, or crashed.", operator + " " + again
	case run.ReasonModel:
		return "The language model did not answer.", again
	case run.ReasonCollect:
		return "The agent's change could not be read, or was larger than what can be handed over.",
			words("what to leave alone")
	case run.ReasonUnsafe:
		return "The agent's change was not proposed, because it holds what an agent must not change.",
			"Nothing of it was written to the repository. " + words("what to leave alone")
	case run.ReasonMoved:
		return "The branch was deleted, or holds commits that the agent has not seen, so nothing was put on it.",
			"Restore it first if it was deleted. " + again
	case run.ReasonForbidden:
		return "GitHub does not allow Soulcaster to propose a change here.",
			"An owner looks at the App's permissions (contents and pull requests: write) and at the rules for branches that begin with `soulcaster/`."
	case run.ReasonPermission:
		return "Whoever asked for it may not write to this repository any more.", again
	case run.ReasonCommand:
		return "It was cancelled by a command.", again
	case run.ReasonClosed:
		return "The issue was closed while the agent was at it.", "If the problem is still there, reopen the issue first. " + again
	case run.ReasonPullClosed:
		return "The pull request was closed.", "To start anew, comment `/soulcaster fix` on the issue."
	case run.ReasonUninstalled:
		return "Soulcaster was uninstalled from this repository, or suspended.", ""
	case run.ReasonHidden:
		return "The evidence could not be shown here before the agent was to get it, so the agent was not started.",
			"Unlock the conversation, or let the App comment, first. " + again
	case run.ReasonGone:
		return "The issue or the repository is gone or cannot be written to any more, or the problem was taken out of the issue.", ""
	case run.ReasonOff:
		return "The repository wants no runs any more: its settings say `mode: preview`, or `budget.runs_per_day: 0`.", ""
	}
	return "", ""
}
