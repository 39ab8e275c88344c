package file

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
)

// A staged file's name says what there is to know of it: "<random>,<owner>,<key>" with commas for the slashes of the key,
// which has none itself. A name has at most 255 bytes; a longer one is cut into folders, each ending in "+", and the file
// in ",". So a listing of staging needs no second file for each that could be lost or torn.
const (
	stagingFolder = "_onceflow/.staging"
	tempFolder    = stagingFolder + "/tmp" // of Create, Now and Open

	chunk = 200
)

// stagedName identifies a staged file.
type stagedName struct{ id, owner, key string }

func (n stagedName) String() string {
	return n.id + "," + n.owner + "," + strings.ReplaceAll(n.key, "/", ",")
}

// path is where the file lies.
func (n stagedName) path() string {
	var b strings.Builder
	b.WriteString(stagingFolder + "/")
	s := n.String()
	for len(s) > chunk {
		b.WriteString(s[:chunk] + "+/")
		s = s[chunk:]
	}
	return b.String() + s + ","
}

// parseStaged is the inverse of String. It accepts nothing that path could not bear.
func parseStaged(s string) (n stagedName, ok bool) {
	n.id, s, ok = strings.Cut(s, ",")
	if !ok {
		return n, false
	}
	n.owner, s, ok = strings.Cut(s, ",")
	n.key = strings.ReplaceAll(s, ",", "/")
	return n, ok && n.valid()
}

func (n stagedName) valid() bool {
	return len(n.id) <= 64 && driver.CheckOwner(n.id) == nil && driver.CheckOwner(n.owner) == nil && driver.CheckKey(n.key) == nil
}

// Staged walks through staging. Names that no Store made are passed over.
func (s *Store) Staged(ctx context.Context) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		if err := s.walkStaged(ctx, "", "", yield); err != nil && !errors.Is(err, errStop) {
			yield(driver.Staging{}, s.fail("list", stagingFolder, err))
		}
	}
}

// walkStaged yields what lies in the folder sub of staging, where name is the first part of all names.
func (s *Store) walkStaged(ctx context.Context, sub, name string, yield func(driver.Staging, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := s.disk.ReadDir(stagingFolder + sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if part, ok := strings.CutSuffix(e.Name(), "+"); ok && e.IsDir() {
			if err := s.walkStaged(ctx, sub+"/"+e.Name(), name+part, yield); err != nil {
				return err
			}
			continue
		}
		part, ok := strings.CutSuffix(e.Name(), ",")
		n, valid := parseStaged(name + part)
		if !ok || !valid || !e.Type().IsRegular() {
			continue
		}
		info, err := s.disk.Lstat(stagingFolder + sub + "/" + e.Name())
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

// Discard removes the name in staging. A published file has another name, which stays.
func (s *Store) Discard(ctx context.Context, st driver.Staging) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, ok := parseStaged(st.ID)
	if !ok {
		return s.fail("discard", st.ID, fs.ErrInvalid)
	}
	if err := s.unstage(n); err != nil {
		return s.fail("discard", n.key, err)
	}
	return nil
}

// unstage removes a staged file and the folders that only its long name needs. None there is success.
func (s *Store) unstage(n stagedName) error {
	p := n.path()
	err := s.disk.Remove(p)
	for p = path.Dir(p); p != stagingFolder && (err == nil || errors.Is(err, fs.ErrNotExist)); p = path.Dir(p) {
		err = s.disk.Remove(p)
		s.folders.forget(p)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
