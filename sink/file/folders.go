package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// folders remembers which folders are there and last. Its zero value knows of none. It is safe for concurrent use.
type folders struct {
	mu    sync.Mutex
	known map[string]struct{} // made, and all above them, and synced
}

const knownFolders = 50000 // some hours of many keys, about 5 MB; beyond that it is begun anew

// ensure makes name, a folder, and those above it. The names of all are durable afterwards, also of those that another
// process made and may not have synced yet: what is put into a folder whose own name is lost is lost.
func (s *Store) ensure(name string) error {
	if name == "." || s.folders.has(name) {
		return nil
	}
	if err := s.ensure(path.Dir(name)); err != nil {
		return err
	}
	if err := s.disk.Mkdir(name); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		switch info, err := s.disk.Lstat(name); {
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is no folder but a file or a link: %w", name, fs.ErrInvalid)
		}
	}
	if err := s.syncs.sync(s.disk, path.Dir(name)); err != nil {
		return err
	}
	s.folders.add(name)
	return nil
}

func (f *folders) has(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.known[name]
	return ok
}

func (f *folders) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= knownFolders {
		f.known = make(map[string]struct{})
	}
	f.known[name] = struct{}{}
}

// makeFolder makes dir, which may lie anywhere, and those above it. The names of those that it made are durable.
func makeFolder(dir string) error {
	var above []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		above = append(above, filepath.Dir(d))
	}
	if err := os.MkdirAll(dir, 0o777); err != nil { // the umask takes from it
		return err
	}
	for _, d := range above {
		f, err := os.Open(d)
		if err != nil {
			return err
		}
		if err := errors.Join(syncFolder(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// forget makes ensure look again at name and all above it: somebody seems to have removed one.
func (f *folders) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k := range f.known {
		if k == name || strings.HasPrefix(name, k+"/") {
			delete(f.known, k)
		}
	}
}
