package file

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
)

// List reads a folder at a time, and only those that can hold keys that are wanted.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		l := lister{disk: s.tree.disk, ctx: ctx, prefix: prefix, after: after, yield: yield}
		start := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			if start = prefix[:i+1]; driver.CheckKey(prefix[:i]) != nil {
				return // no key begins like this
			}
		}
		if err := l.folder(start); err != nil && !errors.Is(err, errStop) {
			yield(driver.Object{}, s.tree.fail("list", prefix, err))
		}
	}
}

// errStop means that the caller wants no more.
var errStop = errors.New("stop")

// lister is one listing.
type lister struct {
	disk          disk
	ctx           context.Context // of the one call that made it
	prefix, after string
	yield         func(driver.Object, error) bool
}

// folder yields what is below dir, which is empty or ends with a slash.
func (l *lister) folder(dir string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	entries, err := l.disk.ReadDir(cmp.Or(strings.TrimSuffix(dir, "/"), "."))
	if errors.Is(notExist(err), fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range l.wanted(dir, entries) {
		if strings.HasSuffix(name, "/") {
			if err := l.folder(name); err != nil {
				return err
			}
			continue
		}
		switch info, err := l.disk.Lstat(name); {
		case errors.Is(err, fs.ErrNotExist): // gone meanwhile: no object of ours, those stay
		case err != nil:
			return err
		case !l.yield(driver.Object{Key: name, Size: info.Size()}, nil):
			return errStop
		}
	}
	return nil
}

// wanted returns the names of files, and those of folders with a slash behind, that are or can hold wanted keys. With the
// slash their order is that of the keys.
func (l *lister) wanted(dir string, entries []fs.DirEntry) []string {
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := dir + e.Name()
		if driver.CheckKey(name) != nil || name == stagingFolder {
			continue
		}
		switch {
		case e.IsDir():
			name += "/"
			within := strings.HasPrefix(name, l.prefix) || strings.HasPrefix(l.prefix, name)
			if within && (name > l.after || strings.HasPrefix(l.after, name)) {
				names = append(names, name)
			}
		case e.Type().IsRegular() && strings.HasPrefix(name, l.prefix) && name > l.after:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
