package file

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// oldTemp is the age at which a file of Create is taken for one that a dead process left. A live process whose file is
// taken writes another one.
const oldTemp = time.Hour

// prepare makes the folders of staging, tries what the file system can do, and removes what dead processes left.
func (s *staging) prepare() error {
	if err := s.tree.ensure(tempFolder); err != nil {
		return s.tree.fail("make", tempFolder, err)
	}
	if err := s.probe(); err != nil {
		return s.tree.fail("try", "the file system", err)
	}
	now, err := s.now()
	if err == nil {
		err = s.removeTemps(now.Add(-oldTemp))
	}
	if err != nil {
		return s.tree.fail("clean", tempFolder, err)
	}
	return nil
}

const unfit = "two processes could overwrite each other's files here; use a local disk or NFS, or the package of the object store itself"

// probe checks that link makes a second name, and that neither it nor an exclusive create takes a name that exists.
func (s *staging) probe() error {
	a, b := tempFolder+"/"+randomID(), tempFolder+"/"+randomID()
	err := s.tree.write(a, []byte("probe\n"))
	if err == nil {
		err = s.probeLink(a, b)
	}
	for _, name := range []string{a, b} {
		if e := s.tree.disk.Remove(name); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (s *staging) probeLink(a, b string) error {
	if err := s.tree.disk.Link(a, b); err != nil {
		return fmt.Errorf("it has no hard links, so %s: %w", unfit, err)
	}
	if !s.tree.linked(a, b) {
		return fmt.Errorf("its hard links are copies, so %s: %w", unfit, errors.ErrUnsupported)
	}
	if err := s.tree.disk.Link(a, b); !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("a link to a name that exists gives %v, so %s: %w", err, unfit, errors.ErrUnsupported) //nolint:errorlint // what it is matters to people only
	}
	h, err := s.tree.disk.Create(b)
	if err == nil {
		err = errors.Join(errors.New("no error"), h.Close())
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("an exclusive create of a name that exists gives %w, so %s", err, unfit)
	}
	return s.tree.disk.SyncDir(tempFolder)
}

// removeTemps removes files of Create that are older than before.
func (s *staging) removeTemps(before time.Time) error {
	entries, err := s.tree.disk.ReadDir(tempFolder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := tempFolder + "/" + e.Name()
		info, err := s.tree.disk.Lstat(name)
		if err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			err = s.tree.disk.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// now is the time that the file system gives a new file.
func (s *staging) now() (now time.Time, err error) {
	name := tempFolder + "/" + randomID()
	h, err := s.tree.disk.Create(name)
	if err != nil {
		return now, err
	}
	_, err = h.WriteAt([]byte{'\n'}, 0)
	// A network file system's client gives the file its server's time when it is closed.
	err = errors.Join(err, h.Close())
	info, statErr := s.tree.disk.Lstat(name)
	if err = errors.Join(err, statErr, s.tree.disk.Remove(name)); err != nil {
		return now, err
	}
	return info.ModTime().UTC(), nil
}

// readOnly is a disk that nothing is written to.
type readOnly struct{ disk }

var errReadOnly = fmt.Errorf("the store was opened for reading only: %w", fs.ErrPermission)

func (readOnly) Create(string) (handle, error) { return nil, errReadOnly }
func (readOnly) Append(string) (handle, error) { return nil, errReadOnly }
func (readOnly) Mkdir(string) error            { return errReadOnly }
func (readOnly) Link(string, string) error     { return errReadOnly }
func (readOnly) Remove(string) error           { return errReadOnly }
func (readOnly) SyncDir(string) error          { return nil }
