package file

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink/driver"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// ReadOnly opens a folder for readers of what others write there: nothing is made or tried, and all writing fails.
	ReadOnly bool

	// NoSync leaves syncing to the operating system: for tests, and output that may be made again. A crash of the process
	// loses nothing, but one of the machine may lose what was committed, and leave a ledger that cannot be read.
	NoSync bool
}

// Store is a driver.Store on a folder. It is safe for concurrent use.
type Store struct {
	abs     string // of the folder, wherever the process goes
	close   func() error
	tree    *tree
	staging *staging
}

// newStore makes a Store on a disk. The errors name dir.
func newStore(dir string, d disk) *Store {
	t := &tree{dir: dir, disk: d}
	return &Store{tree: t, staging: &staging{tree: t}}
}

// Open makes dir if it is not there, and finds out whether its file system can do what a Store needs.
func Open(dir string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = new(Options)
	}
	if !opts.ReadOnly {
		if err := makeFolder(dir); err != nil {
			return nil, fmt.Errorf("file: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	folders := &opened{root: root, dir: dir}
	if abs, err := filepath.Abs(dir); err == nil {
		folders.dir = abs // wherever the process goes
	}
	s := newStore(dir, rootDisk{folders, opts.NoSync})
	s.abs, s.close = folders.dir, folders.close
	if opts.ReadOnly {
		s.tree.disk = readOnly{s.tree.disk}
		return s, nil
	}
	if err := s.staging.prepare(); err != nil {
		return nil, errors.Join(err, folders.close())
	}
	return s, nil
}

// Traits tell the absolute path of the folder.
func (s *Store) Traits() driver.Traits { return driver.Traits{Folder: s.abs} }

// Close gives the handle on the folder back. Nothing may be under way.
func (s *Store) Close() error { return s.close() }

var errFolder = fmt.Errorf("a folder or a link has this name: %w", fs.ErrInvalid)

// Create writes body to a file in staging and links it to key.
func (s *Store) Create(ctx context.Context, key string, body []byte) error {
	if err := s.tree.check(ctx, "create", key); err != nil {
		return err
	}
	exists := s.tree.fail("create", key, fs.ErrExist)
	if info, err := s.tree.disk.Lstat(key); err == nil {
		if !info.Mode().IsRegular() {
			return s.tree.fail("create", key, errFolder)
		}
		// Who acts on what is there must not be ahead of the disk: the other process may not have synced its name yet.
		if err := s.tree.sync(path.Dir(key)); err != nil {
			return s.tree.fail("create", key, err)
		}
		return exists
	}
	const tries = 3 // another process may take our file for an old one and remove it; it may do that once
	for try := 1; ; try++ {
		err := s.create(key, body)
		switch {
		case errors.Is(err, fs.ErrExist):
			return exists
		case errors.Is(err, fs.ErrNotExist) && try < tries:
			s.tree.folders.forget(path.Dir(key))
		case err != nil:
			return s.tree.fail("create", key, err)
		default:
			return nil
		}
	}
}

func (s *Store) create(key string, body []byte) (err error) {
	if err := s.tree.ensure(path.Dir(key)); err != nil {
		return err
	}
	tmp := tempFolder + "/" + randomID()
	defer func() {
		if e := s.tree.disk.Remove(tmp); e != nil && !errors.Is(e, fs.ErrNotExist) && err == nil {
			err = e
		}
	}()
	if err := s.tree.write(tmp, body); err != nil {
		return err
	}
	if err := s.tree.disk.Link(tmp, key); err != nil && !s.tree.linked(tmp, key) {
		if errors.Is(err, fs.ErrExist) {
			err = errors.Join(err, s.tree.sync(path.Dir(key)))
		}
		return err
	}
	return s.tree.sync(path.Dir(key))
}

// Read reads a whole object.
func (s *Store) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	h, size, err := s.openFile(ctx, "read", key)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if size > limit {
		return nil, s.tree.fail("read", key, fmt.Errorf("%d bytes, over the limit of %d", size, limit))
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(h, body); err != nil {
		return nil, s.tree.fail("read", key, err)
	}
	return body, nil
}

// ReadRange reads length bytes of an object from offset on.
func (s *Store) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := driver.CheckRange(key, offset, length); err != nil {
		return nil, s.tree.fail("read", key, err)
	}
	h, size, err := s.openFile(ctx, "read", key)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if length > size-offset {
		return nil, s.tree.fail("read", key, fmt.Errorf("it has %d bytes, too few for %d from %d on", size, length, offset))
	}
	body := make([]byte, length)
	if _, err := h.ReadAt(body, offset); err != nil {
		return nil, s.tree.fail("read", key, err)
	}
	return body, nil
}

// Delete deletes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.tree.check(ctx, "delete", key); err != nil {
		return err
	}
	info, err := s.tree.disk.Lstat(key)
	if err == nil && info.Mode().IsRegular() { // a folder is no object
		err = s.tree.disk.Remove(key)
	}
	if err != nil && !errors.Is(notExist(err), fs.ErrNotExist) {
		return s.tree.fail("delete", key, err)
	}
	return nil
}

// Open opens an object.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	h, size, err := s.openFile(ctx, "open", key)
	if err != nil {
		return nil, err
	}
	return &stream{h, size}, nil
}

func (s *Store) openFile(ctx context.Context, op, key string) (handle, int64, error) {
	if err := s.tree.check(ctx, op, key); err != nil {
		return nil, 0, err
	}
	h, err := s.tree.disk.Open(key)
	if err != nil {
		return nil, 0, s.tree.fail(op, key, notExist(err))
	}
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no object
	}
	if err != nil {
		return nil, 0, errors.Join(s.tree.fail(op, key, err), h.Close())
	}
	return h, info.Size(), nil
}

// notExist maps the error of a path that leads through a file.
func notExist(err error) error {
	if isNotFolder(err) {
		return fs.ErrNotExist
	}
	return err
}

// Stage makes an empty file in staging.
func (s *Store) Stage(ctx context.Context, key, owner string, _ int64) (driver.Upload, error) {
	if err := s.tree.check(ctx, "stage", key); err != nil {
		return nil, err
	}
	if err := driver.CheckOwner(owner); err != nil {
		return nil, s.tree.fail("stage", key, err)
	}
	u := &upload{staging: s.staging, name: stagedName{randomID(), owner, key}}
	if err := s.tree.ensure(path.Dir(u.name.path())); err != nil {
		return nil, s.tree.fail("stage", key, err)
	}
	h, err := s.tree.disk.Create(u.name.path())
	if err != nil {
		return nil, s.tree.fail("stage", key, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.h = h
	s.staging.handles.use(u)
	return u, nil
}

// Publish links the staged file to its key and removes its name in staging.
func (s *Store) Publish(ctx context.Context, b []byte) error {
	var r ref
	if err := json.Unmarshal(b, &r); err != nil {
		return s.tree.fail("publish", "", fmt.Errorf("bad ref: %w", err))
	}
	if err := s.tree.check(ctx, "publish", r.Key); err != nil {
		return err
	}
	if !r.name().valid() {
		return s.tree.fail("publish", r.Key, fmt.Errorf("bad ref: %w", fs.ErrInvalid))
	}
	if err := s.staging.publish(r); err != nil {
		return s.tree.fail("publish", r.Key, err)
	}
	return nil
}

// Staged walks through staging. Names that no Store made are passed over.
func (s *Store) Staged(ctx context.Context) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		if err := s.staging.walk(ctx, "", "", yield); err != nil && !errors.Is(err, errStop) {
			yield(driver.Staging{}, s.tree.fail("list", stagingFolder, err))
		}
	}
}

// Discard removes the name in staging. A published file has another name, which stays.
func (s *Store) Discard(ctx context.Context, st driver.Staging) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, ok := parseStaged(st.ID)
	if !ok {
		return s.tree.fail("discard", st.ID, fs.ErrInvalid)
	}
	if err := s.staging.remove(n); err != nil {
		return s.tree.fail("discard", n.key, err)
	}
	return nil
}

// Now is the time that the file system gives a file that was just written: the server's, if it has one, and so the same
// for all machines that mount the folder.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	now, err := s.staging.now()
	if err != nil {
		return time.Time{}, s.tree.fail("ask for the time", "", err)
	}
	return now, nil
}

func randomID() string { return strings.ToLower(rand.Text()) }
