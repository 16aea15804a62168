package issue

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Fix is what is known of a merge that was to fix a problem, from the merge on.
type Fix struct {
	Merge  run.Merge `json:"merge"`
	Closed time.Time `json:"closed,omitzero"` // when its issue was first found closed: who reopens it then means it
	Asked  []Asked   `json:"asked,omitempty"` // releases, oldest question first
	Proven time.Time `json:"proven,omitzero"` // when people were told that it holds
	Failed time.Time `json:"failed,omitzero"` // when the problem was found to be back
}

// holds reports whether there is a fix that nothing has disproved.
func (f *Fix) holds() bool { return f != nil && f.Failed.IsZero() }

// told names how a fix stands, to see whether people know.
func (f *Fix) told() string {
	switch {
	case f == nil:
		return ""
	case !f.Failed.IsZero():
		return f.Merge.Run + " failed"
	case !f.Proven.IsZero():
		return f.Merge.Run + " proven"
	}
	return f.Merge.Run + " merged"
}

// pull is the merge in a few words.
func (f *Fix) pull() string {
	return fmt.Sprintf("#%d, merged %s", f.Merge.Pull, date(f.Merge.At))
}

// section is what the issue's section says of it.
func (f *Fix) section() string {
	switch {
	case f == nil:
		return ""
	case !f.Failed.IsZero():
		return fmt.Sprintf("%s, was to fix this. It is back since %s.", f.pull(), date(f.Failed))
	case !f.Proven.IsZero():
		return fmt.Sprintf("**Fixed by %s.** Proven on %s: it had been quiet since people had the fix.", f.pull(), date(f.Proven))
	}
	return fmt.Sprintf("**Fixed by %s.** Not proven yet: it is watched for its return.", f.pull())
}

// Issue returns what is known of a cluster's issue; its number is 0 if there is
// none.
func (k *Keeper) Issue(ctx context.Context, space storage.Space, cluster string) (run.Issue, error) {
	entries, err := space.Get(ctx, keptPrefix+cluster)
	if err != nil {
		return run.Issue{}, fmt.Errorf("read issue of cluster %s: %w", cluster, err)
	}
	var kept Kept
	if err := storage.GetJSON(entries[0], &kept); err != nil {
		return run.Issue{}, err
	}
	if kept.Title == "" {
		line, _, err := LineOf(ctx, space, cluster)
		if err != nil {
			return run.Issue{}, err
		}
		kept.Title = line.Title // it would be filed under
	}
	return run.Issue{Number: kept.Number, URL: kept.URL, Title: kept.Title, Open: kept.Number != 0 && kept.State == "open" && kept.Gone == ""}, nil
}

// NoteMerge adds to the batch that a proposal for a cluster was merged into the
// default branch. The worker of the issue does what follows.
func (k *Keeper) NoteMerge(b *storage.Batch, cluster string, m run.Merge) {
	b.SetJSON(fixedPrefix+cluster, m)
	work.Add(b, intake.IssueWork(cluster))
}

// merged takes over a merge that was noted. A new one takes the place of what is
// known of an earlier one.
func (s *sitting) merged(noted storage.Entry) error {
	if !noted.Exists() {
		return nil
	}
	var m run.Merge
	if err := storage.GetJSON(noted, &m); err != nil {
		return err
	}
	if s.kept.Fix == nil || s.kept.Fix.Merge.Run != m.Run {
		s.kept.Fix = &Fix{Merge: m}
	}
	s.batch.RequireEntry(noted)
	s.batch.Delete(noted.Key)
	return nil
}

// CloseKey is the key of the action that closes a cluster's issue.
func CloseKey(cluster string) string { return "issue.close/" + cluster }

// closeGrace is how long after a merge GitHub may take to close the issue that
// the pull request says it fixes.
const closeGrace = 5 * time.Minute

// closeFixed closes the issue if GitHub has not done so after the merge. It does
// so once: who reopens it means it.
func (s *sitting) closeFixed(ctx context.Context) (again time.Time, err error) {
	k, f := &s.kept, s.kept.Fix
	if !f.holds() || !f.Closed.IsZero() {
		return time.Time{}, nil
	}
	if k.State != "closed" {
		if until := f.Merge.At.Add(closeGrace); until.After(s.now) {
			return until, nil
		}
		i, err := s.get(ctx)
		if err != nil || i == nil {
			return time.Time{}, err
		}
		if k.State != "closed" {
			if err := s.set(ctx, CloseKey(s.id), "issue.close", By, "its fix was merged", "closed", "completed"); err != nil {
				return time.Time{}, err
			}
			k.Close("completed", s.now)
		}
	}
	f.Closed = s.now
	return time.Time{}, nil
}

// latest returns the later of two moments, earliest the earlier one that is not
// zero.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
