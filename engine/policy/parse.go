package policy

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a file. Depth is that of brackets: the parser's time grows with the
// square of it, and no key of ours nests deeper than two.
const (
	MaxBytes = 64 << 10
	maxDepth = 40
)

// Parse reads a `.github/soulcaster.yml`. It is strict: a key that is unknown or
// there twice, a value of the wrong type or out of range, an anchor or an alias
// is an error that names the line, the key and what may stand there. A file that
// is empty says nothing, which is no error. What it returns has been checked.
//
// The errors of values are [*ValueError]s, joined; they quote the file.
func Parse(data []byte) (File, error) {
	if len(data) > MaxBytes {
		return File{}, fmt.Errorf("the file has %d bytes; the most is %d", len(data), MaxBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if deep(data) {
		return File{}, fmt.Errorf("the file nests brackets deeper than %d", maxDepth)
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return File{}, plain(err)
	}
	var root ast.Node
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return File{}, fmt.Errorf("line %d: a second document begins; want one", line(doc.Body))
		}
		root = doc.Body
	}
	if root == nil {
		return File{}, nil
	}
	where := lines{}
	if err := where.walk("", root); err != nil {
		return File{}, err
	}
	var f File
	if err := yaml.NodeToValue(root, &f, yaml.Strict()); err != nil {
		return File{}, plain(err)
	}
	if err := where.name(f.Check()); err != nil {
		return File{}, err
	}
	return f, nil
}

// deep reports whether brackets are nested too deeply. It does not know quotes
// and comments, which no honest file fills with forty open brackets.
func deep(data []byte) bool {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if depth > maxDepth {
			return true
		}
	}
	return false
}

// plain is the parser's complaint on one line, without its picture of the file.
func plain(err error) error {
	var e yaml.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("not readable as YAML: %s", firstLine(err.Error()))
	}
	what := e.GetMessage()
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		what = strings.Replace(what, "unknown field", "unknown key", 1)
	}
	var typed *yaml.TypeError
	if errors.As(err, &typed) && typed.SrcType != nil && typed.DstType != nil {
		what = fmt.Sprintf("a %s stands where a %s is wanted", typed.SrcType, typed.DstType)
	}
	what = firstLine(what)
	if t := e.GetToken(); t != nil && t.Position != nil {
		return fmt.Errorf("line %d: %s", t.Position.Line, what)
	}
	return errors.New(what)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if runes := []rune(s); len(runes) > 200 {
		s = string(runes[:200]) + "…"
	}
	return s
}

// lines knows on which line the value of a dotted key stands.
type lines map[string]int

// walk remembers the lines of all keys below the node, and refuses what YAML
// allows but this file has no use for.
func (l lines) walk(key string, n ast.Node) error {
	if n == nil {
		return nil
	}
	l[key] = line(n)
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := l.walk(key, v); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		if n.Key.Type() == ast.MergeKeyType {
			return fmt.Errorf("line %d: merge keys are not allowed", line(n.Key))
		}
		name := n.Key.GetToken().Value
		if key != "" {
			name = key + "." + name
		}
		return l.walk(name, n.Value)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if err := l.walk(key+"["+strconv.Itoa(i)+"]", v); err != nil {
				return err
			}
		}
	case *ast.AnchorNode, *ast.AliasNode:
		return fmt.Errorf("line %d: anchors and aliases are not allowed", line(n))
	case *ast.TagNode:
		return fmt.Errorf("line %d: tags are not allowed", line(n))
	case *ast.FloatNode: // the decoder would cut it to a whole number
		return &ValueError{Line: line(n), Key: key, Value: firstLine(n.String()), Allowed: "a whole number, or text in quotes"}
	}
	return nil
}

func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// name puts lines into the errors of values.
func (l lines) name(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	for _, one := range joined.Unwrap() {
		var v *ValueError
		if errors.As(one, &v) {
			v.Line = l[v.Key]
		}
	}
	return err
}
