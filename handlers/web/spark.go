package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// spark draws counts by day as bars, oldest first. What it says in words is for whoever
// does not see it.
func spark(what string, counts []int) template.HTML {
	const width, height, step = 6, 24, 8
	most := max(1, slices.Max(append([]int{0}, counts...)))
	sum := 0
	var b strings.Builder
	fmt.Fprintf(&b, `<rect x="0" y="%d" width="%d" height="2"/>`, height-2, len(counts)*step-step+width)
	for i, n := range counts {
		if sum += n; n > 0 {
			h := 3 + (height-3)*n/most
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d"/>`, i*step, height-h, width, h)
		}
	}
	label := fmt.Sprintf("%s, last %d days: %d, at most %d a day", what, len(counts), sum, slices.Max(append([]int{0}, counts...)))
	return template.HTML(fmt.Sprintf(`<svg class="spark" role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d">%s</svg>`,
		template.HTMLEscapeString(label), len(counts)*step, height, len(counts)*step, height, b.String()))
}
