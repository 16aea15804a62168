package config

import "errors"

// Problem is something wrong with a setting. It never holds a secret's value.
type Problem struct {
	Setting string // the environment variable
	What    string // what is wrong
	Do      string // what to do about it
}

func (p *Problem) Error() string {
	text := p.Setting + ": " + p.What
	if p.Do != "" {
		text += "; " + p.Do
	}
	return text
}

// wrong is what a setting's reader returns: a problem that has no name yet.
func wrong(what, do string) error { return &Problem{What: what, Do: do} }

// named puts the setting's name on a problem.
func named(setting string, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return &Problem{Setting: setting, What: p.What, Do: p.Do}
	}
	return &Problem{Setting: setting, What: err.Error()}
}
