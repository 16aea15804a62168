// Package fix moves runs on: from the command of a maintainer to a reviewed pull
// request. [Runs.Order] decides on commands; everything else is due work, which
// reads the present state of a run and takes the next step.
//
// # States
//
//	queued      the status comment is written with the evidence, then a ticket waits
//	            for a place. Left with the place for launching.
//	launching   who asked, the issue and the commit are looked at; an attempt is
//	            recorded, then its task is started. Left with the task's id for working;
//	            without room it tries again, on other capacity, for a quarter of an hour.
//	working     the container claims its brief, sends heartbeats and hands over a
//	            result. Left with the result for publishing, and for launching with
//	            another attempt if the task was taken away.
//	publishing  the change is checked, committed, its commit recorded, the branch moved
//	            and the pull request opened. Left for proposed.
//	proposed    people's turn. Left for queued with the next round: a review that asks
//	            for changes, a fix or a retry on the pull request, or, once and if the
//	            repository wants it, checks that failed.
//
// A run ends as merged, no_change, failed, cancelled or timed_out. A round that is
// not the first and comes to nothing ends only itself: the proposal is there, so the
// run is proposed again and the pull request is told why. So does a cancel under way
// in such a round, or an issue that is closed; a cancel of a proposed run closes the
// pull request. Once the branch holds a round's commit nothing takes it back: who
// cancels then is told that it came too late.
//
// Whether a proposal may have another round is one question with one answer for
// commands, reviews and checks: not while the issue is closed, the repository is in
// preview, allows no runs or cannot be written to, nor when no round is left or the
// model's budget of the run is used up. A run of a repository that goes back to
// preview, or cannot be written to any more, ends, and writes nothing.
//
// A crash can leave any of these states between any two writes. What was done
// outside is then found again by the record of its action; what was only written in
// one of two spaces is written again: every step can be done twice. Whatever state
// a run is left in, it is due at the latest when its next clock (below) runs out.
//
// # What people have seen
//
// A review counts as it was when it was submitted: the delivery brings what it says,
// and its comments on lines are fetched at once, also while a round goes on, without
// those that were written or changed since. The same holds for a fix on the pull
// request, at the moment of its comment. Checks are let run on what whoever asks has
// looked at: not on a proposal that is newer than the comment, nor on a head that is
// another one, until they were told of it.
//
// Who has not been asked for is not taken for one who may not write: of many people the
// newest are asked for first, the others in another look, until which their notes stay.
//
// # Places
//
// How many runs go on at once is kept in the app's space by [Admission]: who waits
// has a ticket, who was admitted a slot. Tickets are served in the order of their
// time; one whose installation or repository has reached a cap of its own does not
// hold up the ones behind it. The batch that admits requires the head, so that two
// processes never give one place away twice. A slot is freed when the round's task
// was seen to have stopped, or five minutes after it was told to, in the batch that
// adds what the round cost to the months of the installation and of all.
//
// Runs are counted when their first round is admitted; later rounds take a place
// and cost money, but are bounded by fix.rounds and not counted again.
//
// # Tasks
//
// The work "tasks" looks at the tasks of all slots while there are any, a hundred in
// a call, and writes what became of them into their runs before the service forgets
// it. It also finds slots whose run is gone, because the App was uninstalled, and
// stops their tasks.
//
// The launch of an attempt is an action of its own, with the exact request in its
// record. A launch whose outcome is unknown is made again with the same bytes: ECS
// answers the same client token and request with the same task for 24 hours, which
// is the one way to know. To look for it instead would not do: a task that was
// started a moment ago may be missing from every list, and one that has stopped is
// listed for an hour only. Past half of those 24 hours nothing is launched again; the
// run has failed, and what is still found of it is stopped.
//
// # Keys
//
// In a project's space, beside those of package run:
//
//	run-review/<pull>/<review>  asked: a review that may ask for a round, frozen
//	run-news/<run>              {}: a delivery told of its pull request or its issue
//	run-withdrawn/<run>         {}: some of what people wrote was erased: it forgets all of it
//	run-checks/<run>            sha: a commit whose checks have ended with a failure
//	delivery/review-<review>    {at}: a review was noted, by a look at GitHub; the hook
//	                            writes the same of those that deliveries bring
//
// and in the app's space:
//
//	run-head                    counts admissions
//	run-ticket/<time>-<run>     Ticket
//	run-slot/<run>              Slot
//	run-count/<what>/<period>   Count: what is the name of the space of an installation
//	                            or a project, or the app's for all; a period is a day
//	                            (2006-01-02) or a month
//	run-watch                   when the tasks were looked at last
//
// Due work is "run/<id>" and "pull/<number>" in a project's space, "runs" and "tasks"
// in the app's.
//
// # Clocks
//
//	queued      looks at its ticket every 30 s
//	launching   asks again every 30 s while the launcher is away; capacity: 1, 2, 2, …
//	            minutes, on demand from the third try on, 15 minutes in all
//	working     10 minutes from running, 15 from launch, to the claim; 2 minutes between
//	            heartbeats; the repository's fix.minutes from the claim, and 3 more
//	            until the app stops the task itself; a task that is not to be found for
//	            5 minutes has ended. Whoever is overdue is listened for another minute,
//	            which begins anew when the app was away. At least every minute.
//	proposed    asks for the pull request when a delivery came and every hour, then also
//	            for reviews and failed checks that no delivery told of
//	            While a later round goes on its pull request is asked for every 5 minutes.
//	            Any state but proposed that fails for half an hour ends the round.
//	ended       forgets where the run is after a day, its log after 30 days
//	tasks       every 30 s, and at most every 5 s when it is hurried
package fix
