package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sources are the texts of all Go files of the root module, but tests, by their path from the module's folder with slashes.
type sources map[string]string

func readSources(root string) (sources, error) {
	texts := sources{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if rel != "." && (err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) || rel == "internal/mutant" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		body, err := os.ReadFile(path)
		texts[rel] = string(body)
		return err
	})
	return texts, err
}

var asks = regexp.MustCompile(`mutant\.On\("(\w+)"\)`)

// planted are the IDs of the mistakes that the edits make possible.
func planted() map[string]bool {
	ids := map[string]bool{}
	for _, e := range edits {
		for _, m := range asks.FindAllStringSubmatch(e.new, -1) {
			ids[m[1]] = true
		}
	}
	return ids
}

// place is where an edit applies.
type place struct {
	edit
	begin, end int
}

// pattern matches the words of text with any white space between them.
func pattern(text string) *regexp.Regexp {
	words := strings.Fields(text)
	for i, w := range words {
		words[i] = regexp.QuoteMeta(w)
	}
	return regexp.MustCompile(strings.Join(words, `\s+`))
}

// find returns the one place in the folder of e that has its old text.
func (texts sources) find(e edit) (path string, at place, err error) {
	p := pattern(e.old)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !strings.HasPrefix(name, e.folder+"/") {
			continue
		}
		for _, m := range p.FindAllStringIndex(texts[name], 2) {
			if path != "" {
				return "", place{}, fmt.Errorf("%s: in %s and again in %s: %s", e.folder, path, name, e.old)
			}
			path, at = name, place{e, m[0], m[1]}
		}
	}
	if path == "" {
		return "", place{}, fmt.Errorf("%s: in no file: %s", e.folder, e.old)
	}
	return path, at, nil
}

// apply returns the files that the edits change, as they are with them. The error names every edit that does not apply.
func (texts sources) apply(edits []edit) (sources, error) {
	places := map[string][]place{}
	var errs []error
	for _, e := range edits {
		path, at, err := texts.find(e)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		places[path] = append(places[path], at)
	}
	changed := sources{}
	for _, path := range slices.Sorted(maps.Keys(places)) {
		text, err := change(texts[path], places[path])
		if err == nil {
			_, err = parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		}
		changed[path] = text
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return changed, errors.Join(errs...)
}

var packageClause = regexp.MustCompile(`(?m)^package \w+`)

// change replaces the places of one file, and imports the package that they ask.
func change(text string, list []place) (string, error) {
	slices.SortFunc(list, func(a, b place) int { return cmp.Compare(a.begin, b.begin) })
	clause := packageClause.FindStringIndex(text)
	if clause == nil {
		return "", errors.New("no package clause")
	}
	out, done := text[:clause[1]], clause[1]
	if slices.ContainsFunc(list, func(at place) bool { return strings.Contains(at.new, "mutant.") }) {
		out += `; import "github.com/onceflow/onceflow/internal/mutant"`
	}
	for _, at := range list {
		if at.begin < done {
			return "", fmt.Errorf("another edit changes this too: %s", at.old)
		}
		out += text[done:at.begin] + strings.ReplaceAll(at.new, same, text[at.begin:at.end])
		done = at.end
	}
	return out + text[done:], nil
}

// write puts the changed files into dir and returns the file that tells the go command of them.
func (texts sources) write(root, dir string) (string, error) {
	replace := map[string]string{}
	for path, text := range texts {
		to := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(path))] = to
	}
	body, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, body, 0o600)
}
