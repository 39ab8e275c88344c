package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// incompatible heads the part of the changes that says what users have to change in their code.
const incompatible = "### Incompatible"

// API compares what the modules of the checkout at root export with the last release that HEAD has behind it, by the program
// apidiff, and says what it finds. It fails if something is incompatible and CHANGELOG.md does not own up to it under
// "### Incompatible" of the part that is not released yet. Without a release there is nothing to compare.
func API(ctx context.Context, root, apidiff string, say io.Writer) error {
	last, err := lastRelease(ctx, root)
	if err != nil {
		return err
	}
	if last == "" {
		fmt.Fprintln(say, "api: no release yet, so there is nothing to compare with")
		return nil
	}
	tmp, err := os.MkdirTemp("", "api-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	old := filepath.Join(tmp, "old")
	if _, err := output(ctx, tmp, nil, "git", "clone", "-q", "--branch", last, root, old); err != nil {
		return err
	}
	before, err := Modules(ctx, old)
	if err != nil {
		return err
	}
	now, err := Modules(ctx, root)
	if err != nil {
		return err
	}
	dirs := make(map[string]string)
	for _, m := range now {
		dirs[m.Path] = m.Dir
	}
	var broken []string
	for _, m := range before {
		dir, still := dirs[m.Path]
		switch {
		case !m.Released() || m.Example():
			continue
		case !still:
			broken = append(broken, m.Path+" is gone")
			continue
		}
		export := filepath.Join(tmp, "export")
		if _, err := output(ctx, filepath.Join(old, m.Dir), nil, apidiff, "-m", "-w", export, m.Path); err != nil {
			return err
		}
		for _, only := range []bool{false, true} {
			args := []string{"-m", export, m.Path}
			if only {
				args = append([]string{"-incompatible"}, args...)
			}
			diff, err := output(ctx, filepath.Join(root, dir), nil, apidiff, args...)
			if err != nil {
				return err
			}
			if only && strings.TrimSpace(diff) != "" {
				broken = append(broken, m.Path)
			} else if !only {
				fmt.Fprintf(say, "api: %s since %s\n%s", m.Path, last, diff)
			}
		}
	}
	if owns, err := ownsUp(filepath.Join(root, "CHANGELOG.md")); err != nil || len(broken) == 0 || owns {
		return err
	}
	return fmt.Errorf("incompatible since %s: %s. Put what users have to change under %q of what CHANGELOG.md says is unreleased",
		last, strings.Join(broken, ", "), incompatible)
}

// lastRelease is the newest tag of the root module behind HEAD, or "".
func lastRelease(ctx context.Context, root string) (string, error) {
	tags, err := output(ctx, root, nil, "git", "tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname")
	last, _, _ := strings.Cut(tags, "\n")
	return last, err
}

var unreleased = regexp.MustCompile(`(?ms)^## Unreleased\n(.*?)(^## |\z)`)

func ownsUp(changelog string) (bool, error) {
	text, err := os.ReadFile(changelog)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	part := unreleased.FindStringSubmatch(string(text))
	return part != nil && strings.Contains(part[1], incompatible+"\n"), nil
}
