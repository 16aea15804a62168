package feed

// Item is a post.
type Item struct {
	Author, Text string
}

const titleLimit = 40

// Titles are the lines of a list of posts.
func Titles(items []Item) []string {
	lines := make([]string, 0, len(items))
	for _, i := range items {
		lines = append(lines, i.Author+": "+Excerpt(i.Text, titleLimit))
	}
	return lines
}
