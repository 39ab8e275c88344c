package file

import (
	"errors"
	"io/fs"
	"os"
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
