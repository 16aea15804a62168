package web

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"reflect"
	"testing"
)

// A page's own field would stand where the frame looks for its own of the same name.
func TestPagesLeaveTheFrameAlone(t *testing.T) {
	own := make(map[string]bool)
	for f := range reflect.TypeFor[frame]().Fields() {
		own[f.Name] = true
	}
	pages := 0
	see := func(n ast.Node) bool {
		of, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		body, ok := of.Type.(*ast.StructType)
		if !ok {
			return true
		}
		framed := false
		for _, f := range body.Fields.List {
			name, ok := f.Type.(*ast.Ident)
			framed = framed || ok && len(f.Names) == 0 && name.Name == "frame"
		}
		if !framed {
			return true
		}
		pages++
		for _, f := range body.Fields.List {
			for _, name := range f.Names {
				if own[name.Name] {
					t.Errorf("%s has a %s of its own", of.Name, name.Name)
				}
			}
		}
		return true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, see)
	}
	if pages < 5 {
		t.Errorf("%d pages were seen", pages)
	}
}
