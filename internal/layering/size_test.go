package layering

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What one type may have, so that a reader can keep it in mind: see CONTRIBUTING.md. What it embeds counts as its own.
const (
	mostMethods = 25
	mostFiles   = 4 // that have its methods
	mostFields  = 20
)

// larger lists the types that may have more, and why.
var larger = map[string]string{
	"stream.Status": "a status, which shows all there is at once",

	"internal/ledger.snapshotJSON":      "a wire format, by format.md",
	"internal/ledger.snapPartitionJSON": "a wire format, by format.md",
	"examples/verify.snapshot":          "a wire format, by format.md",
	"examples/verify.snapshotPartition": "a wire format, by format.md",
}

// typ is a type as its package's files have it.
type typ struct {
	methods, files set
	fields         int
	embeds         []string // types of the same package
}

type set map[string]bool

func TestTypesStaySmall(t *testing.T) {
	pkgs := map[string]map[string]*typ{} // by folder, then by name
	for _, f := range sources(t) {
		folder := path.Dir(f)
		if pkgs[folder] == nil {
			pkgs[folder] = map[string]*typ{}
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", f), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		scan(pkgs[folder], path.Base(f), file)
	}
	unused := maps.Clone(larger)
	for folder, types := range pkgs {
		for name := range types {
			full := folder + "." + name
			x := whole(types, name)
			var faults []string
			for _, c := range []struct {
				what      string
				got, most int
			}{{"methods", len(x.methods), mostMethods}, {"files with methods", len(x.files), mostFiles}, {"fields", x.fields, mostFields}} {
				if c.got > c.most {
					faults = append(faults, fmt.Sprintf("%d %s, at most %d are allowed", c.got, c.what, c.most))
				}
			}
			if len(faults) > 0 && larger[full] == "" {
				t.Errorf("%s has %s: make it several types that own their state, or functions that take what they need", full, strings.Join(faults, "; "))
			}
			if len(faults) > 0 {
				delete(unused, full)
			}
		}
	}
	for full := range unused {
		t.Errorf("%s is gone or within the limits: take it out of the list of those that may have more", full)
	}
}

// sources are the Go files of all modules, without tests.
func sources(t *testing.T) (files []string) {
	t.Helper()
	out, err := exec.Command("git", "-C", filepath.Join("..", ".."), "ls-files", "*.go").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for _, f := range strings.Fields(string(out)) {
		if !strings.HasSuffix(f, "_test.go") && !strings.Contains(f, "testdata/") {
			files = append(files, f)
		}
	}
	if len(files) < 100 {
		t.Fatalf("found only %d files", len(files))
	}
	return files
}

// scan adds what a file has.
func scan(types map[string]*typ, name string, file *ast.File) {
	get := func(name string) *typ {
		if types[name] == nil {
			types[name] = &typ{methods: set{}, files: set{}}
		}
		return types[name]
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil {
				x := get(nameOf(d.Recv.List[0].Type))
				x.methods[d.Name.Name] = true // a set, since a method may be there once for each system
				x.files[name] = true
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if s, ok := s.(*ast.TypeSpec); ok {
					if st, ok := s.Type.(*ast.StructType); ok {
						x := get(s.Name.Name)
						x.fields, x.embeds = fieldsOf(st)
					}
				}
			}
		}
	}
}

// fieldsOf counts the fields of a struct, and of structs without a name within it.
func fieldsOf(st *ast.StructType) (n int, embeds []string) {
	for _, f := range st.Fields.List {
		if len(f.Names) == 0 {
			embeds = append(embeds, nameOf(f.Type))
		}
		n += max(len(f.Names), 1)
		if inner, ok := f.Type.(*ast.StructType); ok {
			more, _ := fieldsOf(inner)
			n += more
		}
	}
	return n, embeds
}

// nameOf is the name of a type of the same package; empty for all others.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return nameOf(e.X)
	case *ast.IndexExpr:
		return nameOf(e.X)
	case *ast.IndexListExpr:
		return nameOf(e.X)
	}
	return ""
}

// whole is a type with what it embeds, which is a part of it as far as readers are concerned.
func whole(types map[string]*typ, name string) typ {
	x := typ{methods: maps.Clone(types[name].methods), files: maps.Clone(types[name].files), fields: types[name].fields}
	for _, e := range slices.Compact(slices.Sorted(slices.Values(types[name].embeds))) {
		if types[e] != nil {
			in := whole(types, e)
			maps.Copy(x.methods, in.methods)
			maps.Copy(x.files, in.files)
			x.fields += in.fields
		}
	}
	return x
}
