package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

// patience is how long the judge may think about one question.
const patience = 10 * time.Second

// ask lets the judge decide between the nearest cluster and a new one.
func (s *session) ask(ctx context.Context, f *feedback.Feedback, d *Decision) error {
	nearest := d.Candidates[0]
	ids, err := Members(ctx, s.space, nearest.Cluster, "", 8)
	if err != nil {
		return err
	}
	members, _, err := load(ctx, s.space, ids)
	if err != nil {
		return err
	}
	var group []embed.Document
	for _, m := range members {
		if m != nil && !m.Removed {
			group = append(group, embed.Of(m))
		}
	}
	if len(group) == 0 {
		return nil // it was opened in this very batch
	}
	same, err := s.same(ctx, nearest.Cluster, embed.Of(f), group)
	if err != nil {
		return err
	}
	if same {
		d.Cluster, d.Similarity = nearest.Cluster, &nearest.Similarity
		d.Reason = fmt.Sprintf("the language model found it to be the same problem; %s alike on average", percent(nearest.Similarity))
	}
	return nil
}

// same asks the judge, unless it was asked the same already. The only error is
// the context's.
func (s *session) same(ctx context.Context, cluster string, report embed.Document, group []embed.Document) (bool, error) {
	print, err := printOf(append([]embed.Document{report}, group...))
	if err != nil {
		return false, err
	}
	if same, ok := s.memo.answers[print]; ok {
		return same, nil
	}
	if s.turn.mute() {
		return false, nil
	}
	began := s.a.now()
	question, cancel := context.WithTimeout(ctx, patience)
	same, err := s.a.judge.Same(question, report, group)
	late := question.Err() != nil
	cancel()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	s.turn.asking -= s.a.now().Sub(began)
	var away *embed.UnavailableError
	if err != nil && (late || errors.As(err, &away)) {
		s.turn.silent++
	} else {
		s.turn.silent = 0
	}
	if err != nil {
		same = false
		zerolog.Ctx(ctx).Warn().Err(err).Str("cluster", cluster).
			Msg("the model did not say whether a report belongs to a cluster: it opens a new one")
	}
	if s.memo.answers == nil {
		s.memo.answers = make(map[[sha256.Size]byte]bool)
	}
	s.memo.answers[print] = same
	return same, nil
}
