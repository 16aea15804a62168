package github

import "time"

// NewPull is a pull request to open.
type NewPull struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Head  string `json:"head"` // branch of the same repository
	Base  string `json:"base"` // branch
	Draft bool   `json:"draft"`
}

// Pull is a pull request.
type Pull struct {
	Number   int
	URL      string // for people
	Title    string
	Body     string
	State    string // open or closed
	Draft    bool
	Author   string // login
	Head     string // branch
	HeadSHA  string
	HeadRepo int64 // id of the repository that the branch is in; 0 if it is gone
	Base     string
	Merged   bool
	MergeSHA string // the commit that merged it, if Merged
	MergedAt time.Time
	MergedBy string // login
	ClosedAt time.Time
}
