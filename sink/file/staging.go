package file

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
)

// staging is the files of a tree that are not published yet. It is safe for concurrent use.
type staging struct {
	tree    *tree
	handles handles
}

// walk yields what lies in the folder sub of staging, where name is the first part of all names.
func (s *staging) walk(ctx context.Context, sub, name string, yield func(driver.Staging, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := s.tree.disk.ReadDir(stagingFolder + sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if part, ok := strings.CutSuffix(e.Name(), "+"); ok && e.IsDir() {
			if err := s.walk(ctx, sub+"/"+e.Name(), name+part, yield); err != nil {
				return err
			}
			continue
		}
		part, ok := strings.CutSuffix(e.Name(), ",")
		n, valid := parseStaged(name + part)
		if !ok || !valid || !e.Type().IsRegular() {
			continue
		}
		info, err := s.tree.disk.Lstat(stagingFolder + sub + "/" + e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // published or discarded meanwhile
		}
		if err != nil {
			return err
		}
		if !yield(driver.Staging{Key: n.key, Owner: n.owner, ID: n.String(), Bytes: info.Size()}, nil) {
			return errStop
		}
	}
	return nil
}

// remove removes a staged file and the folders that only its long name needs. None there is success.
func (s *staging) remove(n stagedName) error {
	p := n.path()
	err := s.tree.disk.Remove(p)
	for p = path.Dir(p); p != stagingFolder && (err == nil || errors.Is(err, fs.ErrNotExist)); p = path.Dir(p) {
		err = s.tree.disk.Remove(p)
		s.tree.folders.forget(p)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
