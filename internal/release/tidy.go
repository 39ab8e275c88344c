package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tidy does in the module m of the checkout at root what go mod tidy cannot, which does not read go.work and looks for the
// unreleased versions of our other modules in vain. Folders stand in for them, by replacements in a copy of go.mod; the
// go.mod that is kept has none. With check, it changes nothing, and fails if something is to change.
func Tidy(ctx context.Context, root string, all []Module, m Module, check bool) error {
	dir := filepath.Join(root, m.Dir)
	tmp, err := os.MkdirTemp("", "tidy-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()

	mod, sum := filepath.Join(tmp, "go.mod"), filepath.Join(tmp, "go.sum")
	if err := copyFile(mod, filepath.Join(dir, "go.mod")); err != nil {
		return err
	}
	own, others, err := splitSum(filepath.Join(dir, "go.sum"), all)
	if err != nil {
		return err
	}
	if err := os.WriteFile(sum, []byte(strings.Join(others, "")), 0o644); err != nil {
		return err
	}
	replace, drop := []string{"mod", "edit"}, []string{"mod", "edit"}
	for _, o := range all {
		if o.Path != m.Path {
			replace = append(replace, "-replace="+o.Path+"="+filepath.Join(root, o.Dir))
			drop = append(drop, "-dropreplace="+o.Path)
		}
	}
	if _, err := output(ctx, dir, nil, "go", append(replace, mod)...); err != nil {
		return err
	}
	tidy := []string{"mod", "tidy", "-modfile=" + mod}
	if check {
		tidy = append(tidy, "-diff")
	}
	if _, err := output(ctx, dir, noWorkspace(""), "go", tidy...); err != nil || check {
		return err
	}
	if _, err := output(ctx, dir, nil, "go", append(drop, mod)...); err != nil {
		return err
	}
	_, others, err = splitSum(sum, all)
	if err != nil {
		return err
	}
	// The go command sorts by module first, and ours stand next to each other.
	at := 0
	for len(own) > 0 && at < len(others) && others[at] < own[0] {
		at++
	}
	lines := slices.Insert(others, at, own...)
	return errors.Join(copyFile(filepath.Join(dir, "go.mod"), mod), os.WriteFile(filepath.Join(dir, "go.sum"), []byte(strings.Join(lines, "")), 0o644))
}

// splitSum parts the lines of a go.sum, which need not exist, by whether they are about our modules. Those are there since a
// release, and go mod tidy would drop them for modules that are replaced.
func splitSum(name string, all []Module) (own, others []string, err error) {
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	for line := range strings.Lines(string(text)) {
		of, _, _ := strings.Cut(line, " ")
		if slices.ContainsFunc(all, func(m Module) bool { return m.Path == of }) {
			own = append(own, line)
		} else {
			others = append(others, line)
		}
	}
	return own, others, nil
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return os.WriteFile(to, text, 0o644)
}
