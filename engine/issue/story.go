package issue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Moment is something that happened to a cluster or its issue.
type Moment struct {
	At   time.Time
	What string // our words: "filed as issue #7"
	Name string // a release: foreign; "" if it is about none
	URL  string // where to read more on GitHub, "" if nowhere
}

// storyReleases is how many releases a story tells of, the newest.
const storyReleases = 10

// Story tells what happened to a cluster and its issue, oldest first, as far as its
// record knows: when it was seen first, opened, filed, merged, closed, back and proven,
// and the newest releases that it was seen in. What was done is in the action log, and
// runs in theirs.
func Story(ctx context.Context, space storage.Space, cluster string) ([]Moment, error) {
	entries, err := space.Get(ctx, keptPrefix+cluster, linePrefix+cluster)
	if err != nil {
		return nil, fmt.Errorf("read issue of cluster %s: %w", cluster, err)
	}
	var k Kept
	var l Line
	if err := storage.GetJSON(entries[0], &k); err != nil {
		return nil, err
	}
	if err := storage.GetJSON(entries[1], &l); err != nil {
		return nil, err
	}
	var all []Moment
	tell := func(at time.Time, url, format string, args ...any) {
		if !at.IsZero() {
			all = append(all, Moment{At: at, What: fmt.Sprintf(format, args...), URL: url})
		}
	}
	tell(l.First, "", "seen for the first time")
	tell(l.Made, "", "opened as a problem of its own")
	if k.Joined {
		tell(k.FiledAt, k.URL, "joined issue #%d, which names it", k.Number)
	} else {
		tell(k.FiledAt, k.URL, "filed as issue #%d", k.Number)
	}
	tell(k.RegressedAt, k.URL, "back: reopened as a regression")
	if k.State == "closed" {
		why := "watched for its return"
		if k.Muted {
			why = "muted until somebody reopens it"
		}
		tell(k.ClosedAt, k.URL, "issue #%d was closed: %s", k.Number, why)
	}
	if f := k.Fix; f != nil {
		tell(f.Merge.At, "", "#%d, which is to fix it, was merged", f.Merge.Pull)
		tell(f.Failed, "", "found to be back although it was fixed")
		tell(f.Proven, "", "the fix was proven: it has been quiet for long enough")
	}
	seen := k.Seen[max(0, len(k.Seen)-storyReleases):]
	keys := make([]string, len(seen))
	for i, s := range seen {
		keys[i] = releasePrefix + s.Hash
	}
	if len(keys) > 0 {
		if entries, err = space.Get(ctx, keys...); err != nil {
			return nil, fmt.Errorf("read releases: %w", err)
		}
		for i, e := range entries {
			var r release
			if err := storage.GetJSON(e, &r); err != nil {
				return nil, err
			}
			if r.Name != "" {
				all = append(all, Moment{At: seen[i].At, What: "first seen in release", Name: r.Name})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Moment) int { return a.At.Compare(b.At) })
	return all, nil
}

// Written is what the app wrote of an issue, or would have.
type Written struct {
	Title  string
	Labels []string // of a new one
	Body   string   // the app's section: Markdown, neutralised
	At     time.Time
	Real   bool // it is on GitHub; else it was only noted
	Added  bool // to an issue that somebody opened, which has its own title
	Edited bool // after it was filed
}

// LastWritten returns the newest text of a cluster's issue that the action log has: what
// is on GitHub, and what was only noted since then because nothing is to be written
// there. Each is nil if there is none: nothing was to be written yet, or it holds what
// was taken back.
func LastWritten(ctx context.Context, log *action.Log, space storage.Space, cluster string) (real, noted *Written, err error) {
	var title string
	var labels []string
	joined := false
	for _, key := range []string{CreateKey(cluster), JoinKey(cluster), EditKey(cluster), "undo/" + EditKey(cluster), "preview/" + EditKey(cluster)} {
		rec, ok, err := log.Get(ctx, space, key)
		if err != nil {
			return nil, nil, err
		}
		if key == JoinKey(cluster) && rec.State == action.Done && !rec.Undone {
			title, labels, joined = "", nil, true // of what a preview would have filed
		}
		if !ok || len(rec.Request) == 0 || rec.State != action.Done && rec.State != action.Previewed {
			continue
		}
		w := &Written{At: rec.Ended, Real: rec.State == action.Done}
		if key == CreateKey(cluster) {
			n := sentBy(rec)
			title, labels, w.Body = n.Title, n.Labels, n.Body
		} else {
			var e editRequest
			if err := json.Unmarshal(rec.Request, &e); err != nil {
				return nil, nil, fmt.Errorf("read the record of %s: %w", key, err)
			}
			if e.Title != "" {
				title = e.Title
			}
			w.Body, w.Added = e.Section, joined || key == JoinKey(cluster)
			w.Edited = key != JoinKey(cluster)
		}
		w.Title, w.Labels = title, labels
		into := &noted
		if w.Real {
			into = &real
		}
		if *into == nil || (*into).At.Before(w.At) {
			*into = w
		}
	}
	if real != nil && noted != nil && noted.At.Before(real.At) {
		noted = nil
	}
	return real, noted, nil
}
