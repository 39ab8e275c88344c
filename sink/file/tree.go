package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
)

// tree is a folder of a disk. It makes files and names that outlast a crash of the machine. It is safe for concurrent use.
type tree struct {
	dir     string // for errors
	disk    disk
	folders folders
	syncs   syncs
}

// ensure makes name, a folder, and those above it. The names of all are durable afterwards, also of those that another
// process made and may not have synced yet: what is put into a folder whose own name is lost is lost.
func (t *tree) ensure(name string) error {
	if name == "." || t.folders.has(name) {
		return nil
	}
	if err := t.ensure(path.Dir(name)); err != nil {
		return err
	}
	if err := t.disk.Mkdir(name); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		switch info, err := t.disk.Lstat(name); {
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is no folder but a file or a link: %w", name, fs.ErrInvalid)
		}
	}
	if err := t.sync(path.Dir(name)); err != nil {
		return err
	}
	t.folders.add(name)
	return nil
}

// sync makes the names in a folder durable.
func (t *tree) sync(name string) error { return t.syncs.sync(t.disk, name) }

// write makes a durable file.
func (t *tree) write(name string, body []byte) error {
	h, err := t.disk.Create(name)
	if err != nil {
		return err
	}
	_, err = h.WriteAt(body, 0)
	if err == nil {
		err = h.Sync()
	}
	return errors.Join(err, h.Close())
}

// linked tells whether a Link that failed took effect all the same: an NFS client whose reply was lost asks again and is
// told that the name exists.
func (t *tree) linked(from, to string) bool {
	a, err := t.disk.Lstat(from)
	if err != nil {
		return false
	}
	b, err := t.disk.Lstat(to)
	return err == nil && t.disk.Same(a, b)
}

// link gives a file a second name, in a folder that it makes if need be. The name is not durable yet.
func (t *tree) link(from, to string) error {
	if err := t.ensure(path.Dir(to)); err != nil {
		return err
	}
	err := t.disk.Link(from, to)
	if errors.Is(err, fs.ErrNotExist) { // the staged file is not there, or a folder that was
		t.folders.forget(path.Dir(to))
		if err := t.ensure(path.Dir(to)); err != nil {
			return err
		}
		err = t.disk.Link(from, to)
	}
	return err
}

// check refuses what cannot be a key.
func (t *tree) check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := driver.CheckKey(key)
	if key == stagingFolder || strings.HasPrefix(key, stagingFolder+"/") {
		err = fmt.Errorf("%s is where staging lies: %w", stagingFolder, fs.ErrInvalid)
	}
	if err != nil {
		return t.fail(op, key, err)
	}
	return nil
}

// fail adds what was done, and what can be done about it.
func (t *tree) fail(op, key string, err error) error {
	hint := ""
	switch {
	case isFull(err):
		hint = " (the disk or its quota is full; nothing is half there: free some space and start again)"
	case isOtherDisk(err):
		hint = " (another file system is mounted within the folder; it must be one)"
	case errors.Is(err, fs.ErrPermission):
		hint = " (this user may not be allowed to, or the file system be read-only: see the owner, the mode and the mount of the folder)"
	}
	return fmt.Errorf("file: %s in %s: %w%s", strings.TrimSpace(op+" "+key), t.dir, err, hint)
}
