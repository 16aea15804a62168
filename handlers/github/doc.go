// Package github takes GitHub's webhook deliveries. A delivery is checked, what
// it means for us is stored and made due in one batch, and only then is it
// answered: GitHub sends nothing again by itself, and package upkeep asks it to only
// for what got no 2xx. What it means is decided later, by workers that look at the
// present state, so the order of deliveries, their age and their repetition do not
// matter.
package github
