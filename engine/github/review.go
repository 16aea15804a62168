package github

import "time"

// Review is a person's review of a pull request.
type Review struct {
	ID        int64
	Author    string // login
	Bot       bool
	State     string // APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED
	Body      string
	CommitSHA string
	At        time.Time
}

// ReviewComment is a comment on a line of a pull request.
type ReviewComment struct {
	ID      int64
	Review  int64 // that it is a part of
	Author  string
	Bot     bool
	Path    string
	Line    int // 0: of the whole file, or outdated
	Hunk    string
	Body    string
	ReplyTo int64
	At      time.Time
	Updated time.Time
}
