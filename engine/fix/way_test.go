package fix_test

import (
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

func TestFromCommandToMerge(t *testing.T) {
	w := newWorld(t, "")
	if text := w.say("fix", "mind", "the", "gap"); text != "" {
		t.Fatalf("answered %q, want the status comment alone", text)
	}
	w.Settle()
	r := w.want(run.Working, "")
	if n := len(w.GitHub.Comments(repoID, 1)); n != 1 {
		t.Fatalf("%d comments on the issue, want the status comment", n)
	}
	words, err := run.WordsOf(t.Context(), w.space(), r.ID, 1)
	if err != nil || words.Words != "mind the gap" || r.Round().Base != "base0" || !w.cloud.spots[0] {
		t.Fatalf("words %+v (%v), round %+v, on spot capacity %v", words, err, r.Round(), w.cloud.spots)
	}
	w.claim(r)
	w.hand(changed())
	w.Settle()
	w.want(run.Proposed, "")
	w.pass(2 * time.Minute)
	r = w.want(run.Proposed, "")
	if busy, waiting := w.slots(); busy != 0 || waiting != 0 || !r.Released {
		t.Errorf("%d places are taken and %d tickets wait, released %v; want none", busy, waiting, r.Released)
	}
	pulls := w.GitHub.Pulls(repoID)
	if len(pulls) != 1 || !pulls[0].Draft || pulls[0].HeadSHA != r.Head || r.Head != r.Round().Commit {
		t.Fatalf("pull requests %+v, the run's head is %s", pulls, r.Head)
	}
	if of, err := run.OfPull(t.Context(), w.space(), pulls[0].Number); err != nil || of == nil || of.ID != r.ID {
		t.Errorf("the pull request is run %v's (%v)", of, err)
	}
	w.GitHub.Merge(repoID, pulls[0].Number, ann)
	var b storage.Batch
	fix.NotePull(&b, r.ID)
	if err := w.space().Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	r = w.want(run.Merged, "")
	if m := w.merge(); m.Run != r.ID || m.Pull != 2 || m.By != ann || m.Commit != "merge-of-"+r.Head {
		t.Errorf("told of the merge %+v", m)
	}
	if _, err := run.Where(t.Context(), w.app(), r.ID); err != nil {
		t.Errorf("a run that ended a moment ago is nowhere: %v", err)
	}
	w.Pass(25 * time.Hour)
	w.Settle()
	if _, err := run.Where(t.Context(), w.app(), r.ID); err == nil {
		t.Error("a day later it is still known where the run is")
	}
	if n := len(w.GitHub.Comments(repoID, 1)); n != 1 {
		t.Errorf("%d comments on the issue, want one that was edited", n)
	}
}
