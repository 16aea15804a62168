package tell

import (
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
)

// View is a run as people are told of it.
type View struct {
	Run      *run.Run
	Live     run.Live // the agent's last heartbeat; zero if there was none
	Usage    run.Usage
	Evidence []brief.Evidence // that the agent gets
	Words    run.Words        // of the present round
	Said     string           // the agent's last words in the present round, if it left any: foreign
	Page     string           // URL of the run's page; "" if the app has no public one
	Rounds   int              // of review that the repository allows
	Minutes  int              // that a round may take
	Now      time.Time
}
