package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/soulcaster/soulcaster/engine/policy"
)

// parse reads the one document of the file, refuses what would make it hard to
// read, and puts values in for ${NAME}. It is false if there is nothing to read.
func (r *reader) parse(data []byte) (root ast.Node, ok bool) {
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		where, what := complaint(err)
		r.wrongAt(where, "%s", what)
		return nil, false
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			r.wrong(doc.Body, "a second document begins; put all into one")
			return nil, false
		}
		root = doc.Body
	}
	return root, root != nil && r.prepare(root)
}

// prepare expands the values below n in place, and refuses anchors, aliases,
// merge keys and tags.
func (r *reader) prepare(n ast.Node) (ok bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		ok = true
		for _, v := range n.Values {
			ok = r.prepare(v) && ok
		}
		return ok
	case *ast.MappingValueNode:
		if n.Key.Type() == ast.MergeKeyType {
			r.wrong(n.Key, "merge keys are not allowed")
			return false
		}
		return r.prepare(n.Value)
	case *ast.SequenceNode:
		ok = true
		for _, v := range n.Values {
			ok = r.prepare(v) && ok
		}
		return ok
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		r.wrong(n, "anchors, aliases and tags are not allowed")
		return false
	case *ast.FloatNode: // the decoder would cut it to a whole number
		r.wrong(n, "want a whole number, or text in quotes")
		return false
	case *ast.LiteralNode:
		return r.prepare(n.Value)
	case *ast.StringNode:
		n.Value, ok = r.expand(n)
		return ok
	}
	return true
}

// reference is ${NAME}, or $${ for ${ itself, or ${ that begins neither.
var reference = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{`)

func (r *reader) expand(n *ast.StringNode) (value string, ok bool) {
	ok = true
	value = reference.ReplaceAllStringFunc(n.Value, func(found string) string {
		if found == "$${" {
			return "${"
		}
		if found == "${" {
			r.wrong(n, "${ begins no ${NAME}; write $${ to mean ${ itself")
			ok = false
			return found
		}
		name := found[2 : len(found)-1]
		value, set := r.env[name]
		if !set {
			r.wrong(n, "%s is not set in the environment", found)
			ok = false
		}
		return value
	})
	return value, ok
}

// fields calls the function of each key of the mapping at n and returns which
// keys are there. An unknown key is a problem.
func (r *reader) fields(n ast.Node, at string, known map[string]func(ast.Node)) map[string]bool {
	there := map[string]bool{}
	r.pairs(n, at, func(name string, key, value ast.Node) {
		read, ok := known[name]
		if !ok {
			names := slices.Sorted(maps.Keys(known))
			hint := "it has " + strings.Join(names, ", ")
			if guess := closest(name, names); guess != "" {
				hint = "did you mean " + guess + "?"
			}
			r.wrong(key, "%s: unknown key %q; %s", at, name, hint)
			return
		}
		there[name] = true
		read(value)
	})
	return there
}

// pairs calls f for each key of the mapping at n.
func (r *reader) pairs(n ast.Node, at string, f func(name string, key, value ast.Node)) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			r.pairs(v, at, f)
		}
	case *ast.MappingValueNode: // how the parser gives a mapping of one key
		f(n.Key.GetToken().Value, n.Key, n.Value)
	default:
		r.wrong(n, "%s: want keys and values", at)
	}
}

// each calls f for each element of the list at n.
func (r *reader) each(n ast.Node, at string, f func(at string, n ast.Node)) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrong(n, "%s: want a list", at)
		return
	}
	for i, v := range list.Values {
		f(fmt.Sprintf("%s[%d]", at, i), v)
	}
}

// text reads text. A number is not taken for it: YAML would drop leading zeros.
func (r *reader) text(n ast.Node, at string) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	r.wrong(n, "%s: want text; write numbers, true and false in quotes", at)
	return ""
}

func (r *reader) flag(n ast.Node, at string) bool {
	switch scalar(n) {
	case "true":
		return true
	case "false":
		return false
	}
	r.wrong(n, "%s: want true or false", at)
	return false
}

// scalar is the text of a single value as it is written, or as it was expanded.
func scalar(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode, *ast.BoolNode:
		return n.GetToken().Value
	}
	return ""
}

// complaint is what the YAML package has to say, without its picture of the file
// and without values.
func complaint(err error) (line int, what string) {
	var e yaml.Error
	if !errors.As(err, &e) {
		return 0, "cannot be read as YAML"
	}
	if t := e.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	var typed *yaml.TypeError
	var overflow *yaml.OverflowError
	switch {
	case errors.As(err, &typed) && typed.DstType != nil:
		switch typed.DstType.Kind() {
		case reflect.Int:
			return line, "want a number"
		case reflect.String:
			return line, "want text"
		}
		return line, "a value is of the wrong type"
	case errors.As(err, &overflow):
		return line, "a number is too large"
	}
	what, _, _ = strings.Cut(e.GetMessage(), "\n")
	return line, strings.Replace(what, "unknown field", "unknown key", 1)
}

// valueErrors takes a policy's joined errors apart.
func valueErrors(err error) (all []*policy.ValueError) {
	var v *policy.ValueError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if errors.As(one, &v) {
				all = append(all, v)
			}
		}
	} else if errors.As(err, &v) {
		all = append(all, v)
	}
	return all
}

func line(n ast.Node) int {
	if n == nil {
		return 0
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
