package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// secretName is what variables with a secret in them are called.
var secretName = regexp.MustCompile(`(?i)(token|secret|signature|password|apikey|claim|verifier|session|state|mac)$`)

// TestSecretsAreComparedInConstantTime: no secret is compared with ==, which ends at the
// first byte that differs, or with what is as quick. It reads the code, because time cannot
// be measured well enough.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	compared, constant := 0, 0
	for _, root := range []string{"../handlers", "../engine/secret", "../engine/signin", "../engine/apikey", "../engine/source", "../engine/fix/session"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BinaryExpr:
					if n.Op != token.EQL && n.Op != token.NEQ {
						return true
					}
					compared++
					if (isSecret(n.X) || isSecret(n.Y)) && !isPlain(n.X) && !isPlain(n.Y) {
						t.Errorf("%s: a secret is compared as if it were none", files.Position(n.Pos()))
					}
				case *ast.CallExpr:
					f, ok := n.Fun.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					switch f.Sel.Name {
					case "ConstantTimeCompare":
						constant++
					case "Equal", "EqualFold", "Compare", "HasPrefix", "Contains":
						of, _ := f.X.(*ast.Ident)
						if of == nil || of.Name != "bytes" && of.Name != "strings" && of.Name != "slices" {
							return true
						}
						for _, a := range n.Args[1:] {
							if isSecret(a) && !isPlain(a) {
								t.Errorf("%s: a secret is compared as if it were none", files.Position(n.Pos()))
							}
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if compared < 100 || constant < 3 {
		t.Errorf("%d comparisons were seen, %d in constant time: the code is elsewhere now", compared, constant)
	}
}

// isSecret reports whether an expression is called like a secret.
func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return secretName.MatchString(e.Name)
	case *ast.SelectorExpr:
		return secretName.MatchString(e.Sel.Name)
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && len(e.Args) == 1 {
			if lit, ok := e.Args[0].(*ast.BasicLit); ok {
				return f.Sel.Name == "Get" && secretName.MatchString(strings.Trim(lit.Value, `"`))
			}
		}
	}
	return false
}

// isPlain reports whether an expression is written down in the code: a literal, nil, or a
// constant of a kind of states.
func isPlain(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false"
	case *ast.SelectorExpr: // run.Working
		of, ok := e.X.(*ast.Ident)
		return ok && ast.IsExported(e.Sel.Name) && strings.ToLower(of.Name) == of.Name && !secretName.MatchString(e.Sel.Name)
	}
	return false
}
