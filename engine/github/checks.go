package github

// CheckRun is one check of a commit that has ended.
type CheckRun struct {
	ID         int64
	Name       string
	App        string // slug of the App that ran it
	Conclusion string // success, failure, timed_out, cancelled, …
	Title      string
	Summary    string // Markdown of whoever wrote the check
}
