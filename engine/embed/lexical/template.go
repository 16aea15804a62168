package lexical

import "regexp"

// templates match what a form or a browser put into a report, and not the person
// who sent it: HTML comments, user agents, the headings of issue templates.
var templates = regexp.MustCompile(`(?is)<!--.*?-->` +
	`|mozilla/\d\.\d \([^)]*\)(?: (?:applewebkit|gecko|chrome|chromium|safari|firefox|mobile|version|edge?|opr|seamonkey|build)[\w./]*(?: \(khtml, like gecko\))?)*` +
	`|(?:user[- ]?agent|build ?(?:id|identifier))\s*:` +
	`|(?:steps? to reproduce|actual (?:results?|behaviou?r)|expected (?:results?|behaviou?r)|what happened|what did you expect(?: to happen)?|describe the bug|reproducib(?:le|ility)|environment|additional (?:context|information|info))\s*(?:[:?#*=-]|\r?\n|$)`)

// own is what a person wrote of a text.
func own(text string) string { return templates.ReplaceAllLiteralString(text, " \n ") }
