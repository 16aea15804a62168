package policy

// Mode says whether the app writes to the repository.
type Mode string

// The modes.
const (
	Preview Mode = "preview" // everything is worked out and shown, nothing is written
	Live    Mode = "live"
)

// Publish says how much of what feedback says an issue may hold.
type Publish string

// What may be published.
const (
	Safe Publish = "safe" // what is public already or says nothing private
	Full Publish = "full" // messages, texts and addresses too
)

// Strictness says how sure the app must be that two reports are one problem.
type Strictness string

// The strictnesses.
const (
	Careful  Strictness = "careful"
	Balanced Strictness = "balanced"
	Eager    Strictness = "eager"
)

// Checks says what happens to the repository's own workflows on a proposed fix.
type Checks string

// What happens to checks.
const (
	Held Checks = "held" // until a person with write permission lets them run
	Run  Checks = "run"
)

// File is what a `.github/soulcaster.yml` says, or the same keys under
// `repositories` in the server's file. A nil field says nothing, and what is
// said elsewhere holds; an empty list that is written down says "none".
//
// A File that was decoded as part of something else has not been checked:
// call [File.Check].
type File struct {
	Mode         *Mode       `yaml:"mode" json:"mode,omitzero"`
	Labels       []string    `yaml:"labels" json:"labels,omitzero"`
	Publish      *Publish    `yaml:"publish" json:"publish,omitzero"`
	FileAfter    *FileAfter  `yaml:"file_after" json:"file_after,omitzero"`
	Budget       *FileBudget `yaml:"budget" json:"budget,omitzero"`
	Levels       []string    `yaml:"levels" json:"levels,omitzero"`
	Environments []string    `yaml:"environments" json:"environments,omitzero"`
	Ignore       []string    `yaml:"ignore" json:"ignore,omitzero"`
	Strictness   *Strictness `yaml:"strictness" json:"strictness,omitzero"`
	Fix          *FileFix    `yaml:"fix" json:"fix,omitzero"`
	Watch        *FileWatch  `yaml:"watch" json:"watch,omitzero"`
}

// FileAfter is how many a cluster needs before its issue is filed.
type FileAfter struct {
	Errors  *int `yaml:"errors" json:"errors,omitzero"`
	Reports *int `yaml:"reports" json:"reports,omitzero"`
	Posts   *int `yaml:"posts" json:"posts,omitzero"`
}

// FileBudget is how much the app may do in a day.
type FileBudget struct {
	IssuesPerDay *int `yaml:"issues_per_day" json:"issues_per_day,omitzero"`
	RunsPerDay   *int `yaml:"runs_per_day" json:"runs_per_day,omitzero"`
}

// FileFix is how runs go.
type FileFix struct {
	Minutes *int     `yaml:"minutes" json:"minutes,omitzero"`
	Test    *string  `yaml:"test" json:"test,omitzero"`
	Rounds  *int     `yaml:"rounds" json:"rounds,omitzero"`
	Paths   []string `yaml:"paths" json:"paths,omitzero"`
	Checks  *Checks  `yaml:"checks" json:"checks,omitzero"`
	Repair  *bool    `yaml:"repair" json:"repair,omitzero"`
}

// FileWatch is how an issue is watched after it was closed as fixed.
type FileWatch struct {
	DeployHours *int `yaml:"deploy_hours" json:"deploy_hours,omitzero"`
	SoakDays    *int `yaml:"soak_days" json:"soak_days,omitzero"`
}
