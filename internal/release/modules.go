package release

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is one go.mod of the repository.
type Module struct {
	Dir  string // below the repository's root, with slashes; "." is the root module
	Path string

	// Needs are the paths of the repository's modules that it requires.
	Needs []string
}

// Released says whether the module gets a tag. Modules below a folder internal are for our own tests.
func (m Module) Released() bool { return !slices.Contains(strings.Split(m.Dir, "/"), "internal") }

// Example says whether the module holds programs instead of packages to import.
func (m Module) Example() bool { return strings.HasPrefix(m.Dir, "examples/") }

// Tag is the tag from which the go command takes version of the module.
func (m Module) Tag(version string) string {
	if m.Dir == "." {
		return version
	}
	return m.Dir + "/" + version
}

type goMod struct {
	Module  struct{ Path string }
	Require []struct{ Path, Version string }
}

// Modules lists the modules of the checkout at root that git knows, each behind those that it needs.
func Modules(ctx context.Context, root string) ([]Module, error) {
	list, err := output(ctx, root, nil, "git", "ls-files", "--deduplicate", "go.mod", "*/go.mod")
	if err != nil {
		return nil, err
	}
	var all []Module
	for f := range strings.FieldsSeq(list) {
		text, err := output(ctx, root, nil, "go", "mod", "edit", "-json", f)
		if err != nil {
			return nil, err
		}
		var g goMod
		if err := json.Unmarshal([]byte(text), &g); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		m := Module{Dir: path.Dir(f), Path: g.Module.Path}
		for _, r := range g.Require {
			m.Needs = append(m.Needs, r.Path)
		}
		all = append(all, m)
	}
	return sorted(all)
}

// sorted puts each module behind those that it needs, and drops the needs that are not of the repository.
func sorted(all []Module) ([]Module, error) {
	ours := make(map[string]bool)
	for _, m := range all {
		ours[m.Path] = true
	}
	for i := range all {
		all[i].Needs = slices.DeleteFunc(all[i].Needs, func(p string) bool { return !ours[p] })
	}
	var out []Module
	placed := make(map[string]bool)
	for len(out) < len(all) {
		before := len(out)
		for _, m := range all {
			ready := !slices.ContainsFunc(m.Needs, func(p string) bool { return !placed[p] })
			if ready && !placed[m.Path] {
				out, placed[m.Path] = append(out, m), true
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("modules require each other in a circle: %d of %d could be put in order", before, len(all))
		}
	}
	return out, nil
}
