package fix

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// nextRound begins a round, and forgets the notes that asked for it.
func (s *sitting) nextRound(ctx context.Context, round run.Round, words run.Words, notes ...storage.Entry) (time.Time, error) {
	addRound(s.run, round, s.now)
	return s.save(ctx, func(b *storage.Batch) {
		run.SetWords(b, s.run.ID, s.run.Round().N, words)
		for _, e := range notes {
			b.RequireEntry(e)
			b.Delete(e.Key)
		}
	})
}

// addRound makes a proposed run wait for a place with another round.
func addRound(r *run.Run, round run.Round, now time.Time) {
	round.N, round.Asked = r.Round().N+1, now.UTC()
	r.Rounds = append(r.Rounds, round)
	r.State, r.Changed, r.Reason, r.Detail, r.Again = run.Queued, now.UTC(), run.ReasonNone, "", time.Time{}
}

// roundsLeft is how many rounds a proposal has left.
func roundsLeft(r *run.Run, f policy.Fix) int { return max(0, f.Rounds-(r.Round().N-1)) }

func noRounds(f policy.Fix) string {
	return fmt.Sprintf("No round is left: `fix.rounds` in `.github/soulcaster.yml` allows %d after the first. The branch is yours to go on with.", f.Rounds)
}
