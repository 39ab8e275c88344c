package file

import (
	"container/list"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
)

// opened keeps the folders open that are written to again and again: staging, those of the ledger and of hours. An os.Root
// opens each folder of a path anew for each call, and nearly all system calls of a commit of thousands of files were that.
//
// It is safe for concurrent use.
type opened struct {
	root *os.Root
	dir  string // that root was opened on
	mu   sync.Mutex
	used list.List // of *openFolder, the last used at the back
}

// openFolder is a folder that is kept open.
type openFolder struct {
	name string
	root *os.Root
	info fs.FileInfo // of the folder that was opened
}

// in calls f with name's folder and its last part, or with the root and name. The folder was found without following a
// link out of the root, and it still has its path, so both are the same to f.
func (o *opened) in(name string, f func(r *os.Root, name string) error) error {
	folder, base := path.Split(name)
	if keptFolders == 0 || folder == "" {
		return f(o.root, name)
	}
	k := o.folder(path.Clean(folder))
	if k == nil {
		return f(o.root, name)
	}
	err := f(k.root, base)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// It may have been closed meanwhile, or the file server knows the handle no more.
	o.forget(k)
	return f(o.root, name)
}

// folder returns a folder that has its path, or nil if it cannot be opened; the caller's own attempt then says why.
func (o *opened) folder(name string) *openFolder {
	k := o.find(name)
	if k != nil {
		// Who moves a folder away, or removes it, must not find that we go on writing there.
		now, err := os.Stat(filepath.Join(o.dir, filepath.FromSlash(name)))
		if err == nil && os.SameFile(now, k.info) {
			return k
		}
		o.forget(k)
	}
	r, err := o.root.OpenRoot(name)
	if err != nil {
		return nil
	}
	info, err := r.Stat(".")
	if err != nil {
		_ = r.Close()
		return nil
	}
	k = &openFolder{name, r, info}
	o.keep(k)
	return k
}

func (o *opened) find(name string) *openFolder {
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := o.used.Back(); e != nil; e = e.Prev() {
		if k := e.Value.(*openFolder); k.name == name {
			o.used.MoveToBack(e)
			return k
		}
	}
	return nil
}

// keep closes those that are too many. Calls that are under way end as if it were open; see os.Root.
func (o *opened) keep(k *openFolder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.used.PushBack(k)
	for o.used.Len() > keptFolders {
		_ = o.used.Remove(o.used.Front()).(*openFolder).root.Close()
	}
}

func (o *opened) forget(k *openFolder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := o.used.Front(); e != nil; e = e.Next() {
		if e.Value == any(k) {
			o.used.Remove(e)
			_ = k.root.Close()
			return
		}
	}
}

// close closes all.
func (o *opened) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.root.Close()
	for e := o.used.Front(); e != nil; e = e.Next() {
		err = errors.Join(err, e.Value.(*openFolder).root.Close())
	}
	o.used.Init()
	return err
}
