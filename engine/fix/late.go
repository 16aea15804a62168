package fix

import (
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
)

// What is answered to an order that was overtaken. An order may be carried out hours
// after it was written: the app was away, and GitHub delivered it again.
const (
	overtook  = "Nothing was begun: something else was asked for after this was. If it is still wanted, say it again."
	outdated  = "Nothing was cancelled: the run that goes on was asked for after this was. If that one is not wanted either, say `/soulcaster cancel` again."
	roundOver = "Nothing was cancelled: the round that went on when you said so has ended since. To take the whole proposal back, say `/soulcaster cancel` again, or close the pull request."
)

// apart is how far GitHub's clock and ours may be from each other. GitHub writes whole
// seconds besides.
const apart = 5 * time.Second

// late reports whether an order of the same run that was given after this one was
// carried out already. Ids of comments grow; of what was given on a page, its time tells.
func (o *order) late(r *run.Run) bool {
	return r != nil && (o.Comment != 0 && o.Comment < max(r.Comment, r.Round().Comment, r.Ordered) || o.before(r.OrderedAt))
}

// obey notes in a run that the order was carried out.
func (o *order) obey(r *run.Run) {
	r.Ordered = max(r.Ordered, o.Comment)
	o.stamp(r)
}

// stamp notes in a run when the newest order that was obeyed was given.
func (o *order) stamp(r *run.Run) {
	if o.At.After(r.OrderedAt) {
		r.OrderedAt = o.At.UTC()
	}
}

// before reports whether the order was given before a moment, for certain.
func (o *order) before(t time.Time) bool { return !t.IsZero() && o.At.Add(apart).Before(t) }
