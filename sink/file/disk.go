package file

import (
	"io"
	"io/fs"
	"os"
)

// disk is what a Store needs of a file system. Names are slash-separated and relative to the folder that the Store was
// opened on. It is an interface because what matters most here, the order of syncs and names, shows only when a disk
// forgets what was not synced; the tests have such a disk.
type disk interface {
	Open(name string) (handle, error)   // for reading; follows no link out of the folder
	Create(name string) (handle, error) // for writing, and reading; it must not exist
	Append(name string) (handle, error) // for writing to a file that exists
	Mkdir(name string) error
	Link(from, to string) error
	Remove(name string) error
	Lstat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	SyncDir(name string) error
	Same(a, b fs.FileInfo) bool // whether they are one file
}

type handle interface {
	io.ReadCloser
	io.ReaderAt
	io.WriterAt
	Stat() (fs.FileInfo, error)
	Sync() error
}

// rootDisk is the real one. An os.Root cannot be left, neither by ".." nor by symbolic links.
type rootDisk struct {
	*opened
	noSync bool
}

// Open is for readers, who come to a folder once.
func (d rootDisk) Open(name string) (handle, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d rootDisk) Create(name string) (handle, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (d rootDisk) Append(name string) (handle, error) { return d.open(name, os.O_RDWR) }

func (d rootDisk) open(name string, flag int) (h handle, err error) {
	err = d.in(name, func(r *os.Root, name string) error {
		f, err := r.OpenFile(name, flag, 0o666) // the umask takes from it
		if h = f; d.noSync {
			h = unsynced{f}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

type unsynced struct{ *os.File }

func (unsynced) Sync() error { return nil }

func (d rootDisk) Mkdir(name string) error {
	return d.in(name, func(r *os.Root, name string) error { return r.Mkdir(name, 0o777) })
}

func (d rootDisk) Link(from, to string) error { return d.root.Link(from, to) }

func (d rootDisk) Remove(name string) error { return d.in(name, (*os.Root).Remove) }

func (d rootDisk) Lstat(name string) (info fs.FileInfo, err error) {
	err = d.in(name, func(r *os.Root, name string) error {
		info, err = r.Lstat(name)
		return err
	})
	return info, err
}

func (d rootDisk) Same(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

func (d rootDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

func (d rootDisk) SyncDir(name string) error {
	if d.noSync {
		return nil
	}
	return d.in(name, func(r *os.Root, name string) error {
		f, err := r.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return syncFolder(f)
	})
}
