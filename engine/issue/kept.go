package issue

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Keys in a project's space:
//
//	issue/<cluster>      Kept: the record of the cluster's issue
//	issue-of/<number>    string: the cluster that an issue stands for
//	standing/<cluster>   Line: where the cluster stands, as people read it
//	stood/<block>        a word of chance, a new one whenever a line of the block is
//	                     written or goes; see blockOf
//	candidate/<cluster>  Candidate: ready, and waiting for a place in the budget
//	budget/<day>         Spent: how many issues were granted that day (UTC)
//	undo/<cluster>/<time>-<order>  Wish: somebody wants something done to the issue
//	fixed/<cluster>      run.Merge: a merge that its issue was not told of yet
//	release/<hash>       release: one that some problem of the project was seen in
//	opened               a word of chance: see openedKey
const (
	keptPrefix      = "issue/"
	ofPrefix        = "issue-of/"
	linePrefix      = "standing/"
	markPrefix      = "stood/" // after the lines, so that whoever copies keys in order copies it last
	candidatePrefix = "candidate/"
	budgetPrefix    = "budget/"
	wishPrefix      = "undo/"
	fixedPrefix     = "fixed/"
	releasePrefix   = "release/"
)

// Kept is the record of a cluster's issue, with what the keeper needs beside.
type Kept struct {
	Record
	Granted   time.Time   `json:"granted,omitzero"`     // when it got a place in a day's budget
	GrantLive bool        `json:"grant_live,omitempty"` // the place was for a real issue, not for a preview
	Title     string      `json:"title,omitempty"`      // that we gave it last
	Ready     time.Time   `json:"ready,omitzero"`       // since when it waits for a place
	Loud      Hurt        `json:"loud,omitzero"`        // when people were last told how many it hurts
	Back      *Regression `json:"back,omitempty"`       // a regression that is being told
	Gone      string      `json:"gone,omitempty"`       // why the issue cannot be kept any more
	Locked    bool        `json:"locked,omitempty"`     // nobody can comment on it
	Verdict   Verdict     `json:"verdict,omitempty"`    // the model's, on posts alone
	VerdictOn int         `json:"verdict_on,omitempty"` // how many reports it was given on
	Joined    bool        `json:"joined,omitempty"`     // the issue is one that somebody opened
	Apart     []int       `json:"apart,omitempty"`      // issues that it does not join
}

// Regression is a regression from its discovery until people were told.
type Regression struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"` // the comment's
}

// Line is where a cluster stands, for the pages, for answers and for status.
type Line struct {
	Cluster   string          `json:"cluster"`
	Title     string          `json:"title"`             // foreign, redacted
	Culprit   string          `json:"culprit,omitempty"` // of its most telling error group: foreign
	State     State           `json:"state"`
	Text      string          `json:"text"`
	Number    int             `json:"number,omitempty"`
	URL       string          `json:"url,omitempty"`
	Joins     int             `json:"joins,omitempty"` // the issue of somebody's that it would join
	JoinsURL  string          `json:"joins_url,omitempty"`
	Kinds     []feedback.Kind `json:"kinds,omitempty"` // of what counts
	Reports   int             `json:"reports"`
	People    int             `json:"people"`
	Users     int             `json:"users"`
	Events    int             `json:"events"`
	Hurt      Hurt            `json:"hurt"`
	Cohesion  *float64        `json:"cohesion,omitempty"` // 0 to 1; nil with fewer than two members
	Trend     Trend           `json:"trend"`              // up to the day of Last
	Made      time.Time       `json:"made,omitzero"`      // when the cluster was opened
	First     time.Time       `json:"first,omitzero"`     // when it was seen first and last
	Last      time.Time       `json:"last,omitzero"`      //
	Regressed time.Time       `json:"regressed,omitzero"` // since when it is back, while its issue is open
	At        time.Time       `json:"at"`                 // when this was found out
}

// More states of a cluster, beside those of Eligible.
const (
	Filed   State = "filed"   // its issue is open
	Closed  State = "closed"  // its issue is closed and watched
	Muted   State = "muted"   // its issue was closed as not planned, or is not to be filed
	Blocked State = "blocked" // something outside keeps it from being kept
)

// LineOf returns where a cluster stands; ok is false if nobody looked yet.
func LineOf(ctx context.Context, space storage.Space, cluster string) (l Line, ok bool, err error) {
	entries, err := space.Get(ctx, linePrefix+cluster)
	if err != nil {
		return Line{}, false, fmt.Errorf("read standing of cluster %s: %w", cluster, err)
	}
	return l, entries[0].Exists(), storage.GetJSON(entries[0], &l)
}

// WaitsForPlace reports whether a cluster is enough for an issue, and waits for a place in
// the day's budget or for somebody who lets the project go live.
func WaitsForPlace(ctx context.Context, space storage.Space, cluster string) (bool, error) {
	entries, err := space.Get(ctx, candidatePrefix+cluster)
	if err != nil {
		return false, fmt.Errorf("see whether cluster %s waits for a place: %w", cluster, err)
	}
	return entries[0].Exists(), nil
}

// Lines returns where the clusters after `after` stand, in the order of their
// ids, at most limit.
func Lines(ctx context.Context, space storage.Space, after string, limit int) ([]Line, error) {
	if after != "" {
		after = linePrefix + after
	}
	entries, err := space.Scan(ctx, linePrefix, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list standings: %w", err)
	}
	lines := make([]Line, len(entries))
	for i, e := range entries {
		if err := storage.GetJSON(e, &lines[i]); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// ClusterOf returns the cluster that an issue stands for, "" if it is none of
// ours.
func ClusterOf(ctx context.Context, space storage.Space, number int) (string, error) {
	entries, err := space.Get(ctx, fmt.Sprintf("%s%d", ofPrefix, number))
	if err != nil {
		return "", fmt.Errorf("read cluster of issue %d: %w", number, err)
	}
	cluster := ""
	return cluster, storage.GetJSON(entries[0], &cluster)
}

// Restate makes the issues of all clusters of a project due: what may be said of
// them, or whether, has changed. Those that were lost sight of are looked for.
func Restate(ctx context.Context, space storage.Space) error {
	after := ""
	for {
		entries, err := space.Scan(ctx, keptPrefix, after, 200)
		if err != nil {
			return fmt.Errorf("list issues: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			after = e.Key
			var kept Kept
			if err := storage.GetJSON(e, &kept); err != nil {
				return err
			}
			work.Add(&b, intake.IssueWork(kept.Cluster))
			if kept.Gone != "" {
				work.Add(&b, LookWork(kept.Cluster))
			}
		}
		if err := space.Apply(ctx, &b); err != nil {
			return fmt.Errorf("make issues due: %w", err)
		}
		if len(entries) < 200 {
			return nil
		}
	}
}

// Standings says where feedback is; it is what ingest answers with.
type Standings struct{}

// Where returns the place of each feedback.
func (Standings) Where(ctx context.Context, space storage.Space, ids ...string) ([]intake.Place, error) {
	memberships, entries, err := cluster.Memberships(ctx, space, ids...)
	if err != nil {
		return nil, err
	}
	places := make([]intake.Place, len(ids))
	known := make(map[string]string) // line by cluster
	for i, m := range memberships {
		places[i] = intake.Place{Line: intake.Grouping, Entry: entries[i]}
		if m == nil {
			continue
		}
		line, ok := known[m.Cluster]
		if !ok {
			l, said, err := LineOf(ctx, space, m.Cluster)
			if err != nil {
				return nil, err
			}
			if line = l.Text; !said {
				line = "grouped: whether it gets an issue is being worked out"
			}
			known[m.Cluster] = line
		}
		places[i].Line, places[i].Cluster = line, m.Cluster
	}
	return places, nil
}

// maxMembers is how much of a cluster is summed up: what a bigger one has beyond
// it is in the cluster, and not in what its issue counts.
const maxMembers = 10_000

// clusterOf reads a cluster with its members.
func clusterOf(ctx context.Context, space storage.Space, id string) (Cluster, error) {
	c := Cluster{ID: id}
	known, ok, err := cluster.Get(ctx, space, id)
	if err != nil || !ok {
		return c, err
	}
	c.Made = known.Created
	if known.Size > 1 {
		c.Cohesion = &known.Cohesion
	}
	after := ""
	for len(c.Members) < maxMembers {
		ids, err := cluster.Members(ctx, space, id, after, 200)
		if err != nil {
			return c, err
		}
		if len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
		feedback, _, err := intake.Load(ctx, space, ids...)
		if err != nil {
			return c, err
		}
		memberships, _, err := cluster.Memberships(ctx, space, ids...)
		if err != nil {
			return c, err
		}
		for i, f := range feedback {
			if m := memberships[i]; f != nil && m != nil {
				c.Members = append(c.Members, Member{Feedback: f, Reason: m.Reason, Similarity: m.Similarity, Joined: m.Joined})
			}
		}
	}
	return c, nil
}
