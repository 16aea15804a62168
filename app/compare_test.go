package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// compareSecrets are the functions that hold what somebody brings against a secret or a MAC:
// each does so in constant time, and no other does. One that is missing here fails the test.
// true: it compares nothing else that it was given.
var compareSecrets = map[string]bool{
	"engine/fix/session/claim.go Claim":    true,
	"engine/fix/session/claim.go mayClaim": false,
	"engine/fix/session/session.go Open":   true,
	"engine/issue/splice.go FindMarker":    true,
	"engine/secret/keyring.go Equal":       true,
	"handlers/github/hook.go signer":       true,
	"handlers/ingest/auth.go oneOf":        true,
	"handlers/ingest/auth.go signed":       true,
	"handlers/web/guard.go same":           true,
	"handlers/web/setup.go guarded":        true,
	"handlers/web/setup.go redeem":         true,
	"handlers/web/signin.go arrive":        true,
}

// secretName is what variables with a secret in them are called.
var secretName = regexp.MustCompile(`(?i)(token|secret|signature|password|apikey|claim|verifier|session|state|mac)$`)

// TestSecretsAreComparedInConstantTime: no secret is compared with ==, which ends at the
// first byte that differs, or with what is as quick. It reads the code, because time cannot
// be measured well enough.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	constant, compared := map[string]bool{}, 0
	for _, root := range []string{"../handlers", "../engine"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				return err
			}
			imported := importsOf(file)
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				where := strings.TrimPrefix(filepath.ToSlash(name), "../") + " " + f.Name.Name
				all, named := compareSecrets[where], strings.HasPrefix(where, "handlers/") || keepsSecrets(where)
				ast.Inspect(f, func(n ast.Node) bool {
					x, y, quick := comparison(n)
					switch {
					case inConstantTime(n):
						constant[where] = true
					case quick:
						compared++
						if (all || named && (isSecret(x) || isSecret(y))) && !isPlain(x, imported) && !isPlain(y, imported) {
							t.Errorf("%s: a secret is compared as if it were none", files.Position(n.Pos()))
						}
					}
					return true
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for where := range compareSecrets {
		if !constant[where] {
			t.Errorf("%s does not compare in constant time", where)
		}
	}
	for where := range constant {
		if _, known := compareSecrets[where]; !known {
			t.Errorf("%s compares secrets, and compareSecrets does not say so", where)
		}
	}
	if compared < 100 {
		t.Errorf("%d comparisons were seen: the code is elsewhere now", compared)
	}
}

// keepsSecrets reports whether a place is in a package that has secrets of others.
func keepsSecrets(where string) bool {
	switch path.Dir(where[:strings.Index(where, " ")]) {
	case "engine/secret", "engine/signin", "engine/apikey", "engine/source", "engine/fix/session":
		return true
	}
	return false
}

// importsOf are the names of the packages that a file imports.
func importsOf(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, i := range file.Imports {
		name := path.Base(strings.Trim(i.Path.Value, `"`))
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = true
	}
	return names
}

// inConstantTime reports whether a node compares two secrets as it should.
func inConstantTime(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	switch of, name := callee(call); of + "." + name {
	case "subtle.ConstantTimeCompare", "hmac.Equal", "secret.Equal":
		return true
	}
	return false
}

// comparison returns what is compared at a node, in a time that depends on what it is.
func comparison(n ast.Node) (x, y ast.Expr, ok bool) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return n.X, n.Y, n.Op == token.EQL || n.Op == token.NEQ
	case *ast.CallExpr:
		switch of, name := callee(n); of {
		case "bytes", "strings", "slices", "reflect", "maps":
			switch name {
			case "Equal", "EqualFold", "Compare", "HasPrefix", "HasSuffix", "Contains", "Index", "DeepEqual":
				return n.Args[0], n.Args[1], true
			}
		}
	}
	return nil, nil, false
}

// callee is the function that is called, and the package or the variable it is of.
func callee(call *ast.CallExpr) (of, name string) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	if of, ok := f.X.(*ast.Ident); ok {
		return of.Name, f.Sel.Name
	}
	return "", f.Sel.Name
}

// isSecret reports whether an expression is called like a secret, or is a digest.
func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return isSecret(e.X)
	case *ast.SliceExpr:
		return isSecret(e.X)
	case *ast.Ident:
		return secretName.MatchString(e.Name)
	case *ast.SelectorExpr:
		of, _ := e.X.(*ast.Ident)
		return secretName.MatchString(e.Sel.Name) || of != nil && e.Sel.Name == "Value" && strings.HasSuffix(strings.ToLower(of.Name), "cookie")
	case *ast.CallExpr:
		switch f := e.Fun.(type) {
		case *ast.Ident: // string(…)
			return f.Name == "string" && isSecret(e.Args[0])
		case *ast.ArrayType: // []byte(…)
			return isSecret(e.Args[0])
		case *ast.SelectorExpr:
			if f.Sel.Name == "Sum" || f.Sel.Name == "Sum256" {
				return true
			}
			if len(e.Args) == 1 {
				lit, ok := e.Args[0].(*ast.BasicLit)
				return ok && f.Sel.Name == "Get" && secretName.MatchString(strings.Trim(lit.Value, `"`)) || secretName.MatchString(f.Sel.Name)
			}
		}
	}
	return false
}

// isPlain reports whether an expression is written down in the code: a literal, nil, a
// length, or what a package exports.
func isPlain(e ast.Expr, imported map[string]bool) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false"
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.Ident)
		return ok && f.Name == "len"
	case *ast.SelectorExpr: // run.Working
		of, ok := e.X.(*ast.Ident)
		return ok && imported[of.Name] && !secretName.MatchString(e.Sel.Name)
	}
	return false
}
