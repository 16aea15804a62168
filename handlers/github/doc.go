// Package github takes GitHub's webhook deliveries. A delivery is checked, what
// it means for us is stored and made due in one batch, and only then is it
// answered: GitHub does not send again what got a 200, and sends nothing again
// by itself. What it means is decided later, by workers that look at the present
// state, so the order of deliveries and their repetition do not matter.
package github
