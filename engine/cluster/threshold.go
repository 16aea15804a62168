package cluster

import (
	"math"

	"github.com/soulcaster/soulcaster/engine/embed"
)

// Strictness says how many of a hundred merged pairs a project wants to be right.
type Strictness string

// The strictnesses, and what each aims at.
const (
	Careful  Strictness = "careful"  // 98 of a hundred
	Balanced Strictness = "balanced" // 95
	Eager    Strictness = "eager"    // 85
)

// Bounds decide how alike a report and a cluster's members must be.
//
// One fixed similarity is right for no two projects: where all reports are about
// one feature, or come out of one form, what is common to all of them says
// nothing; and the more clusters there are, the likelier one of them is alike by
// chance. So what is asked for is a share of what lies above chance,
//
//	needs = chance + share·(1 − chance)   share = min(Share + Growth·ln(clusters), Most)
//
// where chance is how alike the report is, on average, to the ten clusters next
// after the nearest. (It is Cohen's kappa solved for the observed agreement, and
// kin to the local scaling of Conneau et al. 2018.)
type Bounds struct {
	Share  float64 // when there is one cluster
	Growth float64 // of the share with the natural logarithm of the number of clusters
	Most   float64 // that the share grows to
	Base   float64 // how alike unrelated texts are: stands in for clusters that there are not yet
	Grey   float64 // of the share: from here up, asking is worth while
}

// Thresholds are the bounds of one embedder at one strictness.
type Thresholds struct {
	Trace Bounds
	Prose Bounds
	Cross Bounds // a trace and a prose text
}

// between picks the bounds for two kinds.
func (t Thresholds) between(a, b embed.Kind) Bounds {
	switch {
	case a != b:
		return t.Cross
	case a == embed.Trace:
		return t.Trace
	default:
		return t.Prose
	}
}

// runnersUp is how many clusters after the nearest tell what chance is.
const runnersUp = 10

// chance is the mean of the similarities to the runners-up, nearest first.
func (b Bounds) chance(runners []float64) float64 {
	sum := 0.0
	for i := range runnersUp {
		if i < len(runners) {
			sum += max(b.Base, runners[i])
		} else {
			sum += b.Base
		}
	}
	return min(1, sum/runnersUp)
}

// needs returns the similarities from which a report joins the nearest of so many
// clusters, and from which it is worth asking about.
func (b Bounds) needs(chance float64, clusters int) (join, grey float64) {
	share := min(b.Share+b.Growth*math.Log(float64(max(1, clusters))), b.Most)
	return chance + share*(1-chance), chance + share*b.Grey*(1-chance)
}

// lexicalName is the embedder that the thresholds were calibrated for: another
// version of its features needs another table.
const lexicalName = "lexical-1/2048"

// ThresholdsFor returns the thresholds of the embedder of a name. One that it
// does not know gets those of gemini-embedding-001, which are not calibrated: they
// are judged from the range that its similarities have, on the strict side.
//
// Those of package lexical are calibrated with the command in calibrate. Pairwise
// precision / recall (of plain reports in five orders of arrival, of the others in
// one):
//
//	                     careful      balanced     eager
//	plain reports        .98 / .21    .92 / .51    .86 / .64
//	defects4j_crashes    .98 / .49    .95 / .61    .83 / .79
//	defects4j_traces     .81 / .16    .73 / .24    .58 / .34
//	gitbugs_hadoop       .87 / .28    .73 / .31    .44 / .32
//	gitbugs_seamonkey    .22 / .03    .18 / .04    .18 / .05
//	banking77            .92 / .01    .86 / .01    .87 / .02
//
// Plain reports are the files of testdata as one project: 176 of 44 problems, four
// each, and 128 that mislead, being of another problem with the same feature. On
// them and on crashes the strictnesses keep, near enough, what they promise. They
// do not where words cannot tell: failed assertions of one test class (most of
// defects4j_traces), web pages reported in one form of words (seamonkey), 77 close
// intents of one bank's customers. There they keep wrong merges few by merging
// little. Trackers' duplicates are marked incompletely, so that their true
// precision is higher.
func ThresholdsFor(embedder string, s Strictness) Thresholds {
	pick := func(careful, balanced, eager float64) float64 {
		switch s {
		case Careful:
			return careful
		case Eager:
			return eager
		default:
			return balanced
		}
	}
	if embedder == lexicalName {
		return Thresholds{
			Trace: Bounds{Share: pick(.72, .64, .50), Growth: .03, Most: pick(.90, .82, .68), Grey: .7},
			Prose: Bounds{Share: pick(.30, .18, .13), Growth: .095, Most: pick(.92, .87, .78), Grey: .6},
			Cross: Bounds{Share: pick(.50, .40, .34), Growth: .085, Most: .90, Grey: .6},
		}
	}
	return Thresholds{
		Trace: Bounds{Share: pick(.75, .66, .58), Growth: .01, Most: .85, Base: .55, Grey: .75},
		Prose: Bounds{Share: pick(.30, .18, .13), Growth: .095, Most: .85, Base: .55, Grey: .75},
		Cross: Bounds{Share: pick(.75, .68, .62), Growth: .01, Most: .85, Base: .50, Grey: .75},
	}
}
