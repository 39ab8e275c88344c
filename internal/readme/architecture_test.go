package readme

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const widest = 126 // characters in a line of prose

var (
	quoted  = regexp.MustCompile("`([^`]+)`")
	ident   = regexp.MustCompile(`^\w+(\.\w+)*$`)
	command = regexp.MustCompile(`^(make |go run \./)([\w/-]+)`)
	begins  = regexp.MustCompile(`^(\||#|- |\d+\. )`)
	ruler   = regexp.MustCompile(`^\|[-|]+\|$`)
)

// A reader found the table of packages torn by an empty line, and a third of the prose wider than a screen.
func TestArchitectureIsLaidOut(t *testing.T) {
	lines := strings.Split(read(t, "docs", "architecture.md"), "\n")
	for n, line := range lines {
		switch row, width := strings.HasPrefix(line, "|"), utf8.RuneCountInString(line); {
		case !row && width > widest:
			t.Errorf("docs/architecture.md:%d: %d characters, at most %d are allowed", n+1, width, widest)
		case row && !strings.HasPrefix(lines[n-1], "|") && !ruler.MatchString(lines[n+1]):
			t.Errorf("docs/architecture.md:%d: a table without a head", n+1)
		}
	}
}

// The document is how a reader finds the code. So each file, package and name in it exists, and a name that stands with
// files or packages is declared in one of these.
func TestWhatArchitectureNamesExists(t *testing.T) {
	code := declarations(t)
	prose := "" // the folder that a paragraph named last: a table below it gives files without their path
	for _, b := range blocks(read(t, "docs", "architecture.md")) {
		r := &reader{code: code}
		if b.text[0] == '|' {
			r.folder = prose
		}
		for _, m := range quoted.FindAllStringSubmatch(b.text, -1) {
			r.take(m[1])
		}
		for _, fault := range r.faults() {
			t.Errorf("docs/architecture.md:%d: %s", b.line, fault)
		}
		switch b.text[0] {
		case '#':
			prose = ""
		case '|':
		default:
			prose = r.folder
		}
	}
}

// passage is a row of a table, a heading, a paragraph or an item.
type passage struct {
	line int
	text string
}

func blocks(doc string) (all []passage) {
	open := false
	for n, line := range strings.Split(doc, "\n") {
		text := strings.TrimSpace(line)
		switch {
		case text == "":
			open = false
			continue
		case !open || begins.MatchString(text):
			all = append(all, passage{line: n + 1})
			open = true
		}
		all[len(all)-1].text += text + " "
	}
	return all
}

// reader takes in what a passage quotes.
type reader struct {
	code    map[string]map[string]bool
	folder  string   // of the path before
	folders []string // that are named
	names   []string
	wrong   []string
}

func (r *reader) take(text string) {
	here := path.Join(r.folder, text)
	switch m := command.FindStringSubmatch(text); {
	case strings.Contains(text, "NAME"): // of what is not there yet
	case m != nil && m[1] == "make ":
		r.expect(text, strings.Contains(r.makefile(), "\n"+m[2]+":"))
	case m != nil:
		r.expect(text, r.code[m[2]] != nil)
	case strings.Contains(text, "*"):
		found := r.glob(text)
		if len(found) == 0 {
			found = r.glob(here)
		}
		r.expect(text, len(found) > 0)
		r.folders = append(r.folders, found...)
	case strings.HasSuffix(text, ".go"):
		if !strings.Contains(text, "/") {
			text = here
		}
		_, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(text)))
		r.expect(text, err == nil)
		r.enter(path.Dir(text))
	case r.code[text] != nil && strings.Contains(text, "/"), text == "stream", text == "sink":
		r.enter(text)
	case ident.MatchString(text):
		r.names = append(r.names, text)
	default:
		r.expect(text, false)
	}
}

func (r *reader) enter(folder string) {
	r.folder = folder
	r.folders = append(r.folders, folder)
}

func (r *reader) expect(text string, there bool) {
	if !there {
		r.wrong = append(r.wrong, fmt.Sprintf("there is no %q", text))
	}
}

func (r *reader) makefile() string {
	b, _ := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	return string(b)
}

// glob are the folders that a pattern matches, or has matching files in.
func (r *reader) glob(pattern string) (folders []string) {
	found, _ := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
	for _, f := range found {
		f = strings.TrimPrefix(filepath.ToSlash(f), "../../")
		if r.code[f] == nil {
			f = path.Dir(f)
		}
		folders = append(folders, f)
	}
	return folders
}

// faults are what is wrong, now that all folders are known.
func (r *reader) faults() []string {
	if len(r.folders) == 0 && r.folder != "" {
		r.folders = []string{r.folder}
	}
	for _, name := range r.names {
		if !r.known(name) {
			r.wrong = append(r.wrong, fmt.Sprintf("there is no %q, or not in %q", name, r.folders))
		}
	}
	return r.wrong
}

// known reports whether a name is a package, or declared: where the passage says or below, if it names folders. What is qualified by
// the name of a package is looked for there.
func (r *reader) known(name string) bool {
	first, rest, qualified := strings.Cut(name, ".")
	for folder, names := range r.code {
		switch base := path.Base(folder); {
		case base == name, base == first && qualified && names[rest]:
			return true
		case names[name] && (len(r.folders) == 0 || slices.ContainsFunc(r.folders, func(f string) bool { return f == folder || strings.HasPrefix(folder, f+"/") })):
			return true
		}
	}
	return false
}

// declarations are the names of each folder: of its types, functions, values, and of methods and fields with and without their types.
func declarations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	byFolder, _ := tests(t)
	for folder := range byFolder {
		names := map[string]bool{}
		all[folder] = names
		files, _ := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*.go"))
		for _, f := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				declare(names, d)
			}
		}
	}
	return all
}

func declare(names map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		names[d.Name.Name] = true
		if d.Recv != nil {
			ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool { // the first name is that of the type, others are of its parameters
				id, is := n.(*ast.Ident)
				if is {
					names[id.Name+"."+d.Name.Name] = true
				}
				return !is
			})
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names[n.Name] = true
				}
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				members(names, s)
			}
		}
	}
}

// members are the fields of a struct and the methods of an interface.
func members(names map[string]bool, s *ast.TypeSpec) {
	var fields *ast.FieldList
	switch x := s.Type.(type) {
	case *ast.StructType:
		fields = x.Fields
	case *ast.InterfaceType:
		fields = x.Methods
	default:
		return
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			names[n.Name], names[s.Name.Name+"."+n.Name] = true, true
		}
	}
}
