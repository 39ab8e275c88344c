package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	dir     string
	abs     string // dir, wherever the process goes
	disk    disk
	close   func() error
	folders folders
	syncs   syncs
	handles handles
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
	s := &Store{dir: dir, abs: folders.dir, disk: rootDisk{folders, opts.NoSync}, close: folders.close}
	if opts.ReadOnly {
		s.disk = readOnly{s.disk}
		return s, nil
	}
	if err := s.prepare(); err != nil {
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
	if err := s.check(ctx, "create", key); err != nil {
		return err
	}
	exists := s.fail("create", key, fs.ErrExist)
	if info, err := s.disk.Lstat(key); err == nil {
		if !info.Mode().IsRegular() {
			return s.fail("create", key, errFolder)
		}
		// Who acts on what is there must not be ahead of the disk: the other process may not have synced its name yet.
		if err := s.syncs.sync(s.disk, path.Dir(key)); err != nil {
			return s.fail("create", key, err)
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
			s.folders.forget(path.Dir(key))
		case err != nil:
			return s.fail("create", key, err)
		default:
			return nil
		}
	}
}

func (s *Store) create(key string, body []byte) (err error) {
	if err := s.ensure(path.Dir(key)); err != nil {
		return err
	}
	tmp := tempFolder + "/" + randomID()
	defer func() {
		if e := s.disk.Remove(tmp); e != nil && !errors.Is(e, fs.ErrNotExist) && err == nil {
			err = e
		}
	}()
	if err := s.write(tmp, body); err != nil {
		return err
	}
	if err := s.disk.Link(tmp, key); err != nil && !s.linked(tmp, key) {
		if errors.Is(err, fs.ErrExist) {
			err = errors.Join(err, s.syncs.sync(s.disk, path.Dir(key)))
		}
		return err
	}
	return s.syncs.sync(s.disk, path.Dir(key))
}

// write makes a durable file.
func (s *Store) write(name string, body []byte) error {
	h, err := s.disk.Create(name)
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
func (s *Store) linked(from, to string) bool {
	a, err := s.disk.Lstat(from)
	if err != nil {
		return false
	}
	b, err := s.disk.Lstat(to)
	return err == nil && s.disk.Same(a, b)
}

// Read reads a whole object.
func (s *Store) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	h, size, err := s.openFile(ctx, "read", key)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if size > limit {
		return nil, s.fail("read", key, fmt.Errorf("%d bytes, over the limit of %d", size, limit))
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(h, body); err != nil {
		return nil, s.fail("read", key, err)
	}
	return body, nil
}

// Open opens an object.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	h, _, err := s.openFile(ctx, "open", key)
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (s *Store) openFile(ctx context.Context, op, key string) (handle, int64, error) {
	if err := s.check(ctx, op, key); err != nil {
		return nil, 0, err
	}
	h, err := s.disk.Open(key)
	if err != nil {
		return nil, 0, s.fail(op, key, notExist(err))
	}
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no object
	}
	if err != nil {
		return nil, 0, errors.Join(s.fail(op, key, err), h.Close())
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

// Now is the time that the file system gives a file that was just written: the server's, if it has one, and so the same
// for all machines that mount the folder.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	now, err := s.now()
	if err != nil {
		return time.Time{}, s.fail("ask for the time", "", err)
	}
	return now, nil
}

func (s *Store) now() (now time.Time, err error) {
	name := tempFolder + "/" + randomID()
	h, err := s.disk.Create(name)
	if err != nil {
		return now, err
	}
	_, err = h.WriteAt([]byte{'\n'}, 0)
	// A network file system's client gives the file its server's time when it is closed.
	err = errors.Join(err, h.Close())
	info, statErr := s.disk.Lstat(name)
	if err = errors.Join(err, statErr, s.disk.Remove(name)); err != nil {
		return now, err
	}
	return info.ModTime().UTC(), nil
}

func (s *Store) check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := driver.CheckKey(key)
	if key == stagingFolder || strings.HasPrefix(key, stagingFolder+"/") {
		err = fmt.Errorf("%s is where staging lies: %w", stagingFolder, fs.ErrInvalid)
	}
	if err != nil {
		return s.fail(op, key, err)
	}
	return nil
}

// fail adds what was done, and what can be done about it.
func (s *Store) fail(op, key string, err error) error {
	hint := ""
	switch {
	case isFull(err):
		hint = " (the disk or its quota is full; nothing is half there: free some space and start again)"
	case isOtherDisk(err):
		hint = " (another file system is mounted within the folder; it must be one)"
	case errors.Is(err, fs.ErrPermission):
		hint = " (this user may not be allowed to, or the file system be read-only: see the owner, the mode and the mount of the folder)"
	}
	return fmt.Errorf("file: %s in %s: %w%s", strings.TrimSpace(op+" "+key), s.dir, err, hint)
}

func randomID() string { return strings.ToLower(rand.Text()) }
