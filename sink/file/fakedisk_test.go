package file

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fakeDisk is a disk in memory that loses what was not synced. It is not safe for concurrent use.
type fakeDisk struct {
	tree  *inode
	calls int
	fault func(n int, op string) error // n counts calls that change something, from 0
	late  bool                         // a call that fails takes effect
	open  int                          // handles
	reads int                          // of folders
}

// inode is a file or, if names is not nil, a folder.
type inode struct {
	body, synced       []byte
	names, syncedNames map[string]*inode
}

func newFakeDisk() *fakeDisk { return &fakeDisk{tree: newFolder()} }

func newFolder() *inode {
	return &inode{names: map[string]*inode{}, syncedNames: map[string]*inode{}}
}

// afterPowerLoss returns the disk as it is found afterwards: of each name that was made or removed and not synced, and of
// each body that was not synced, chance tells what is left.
func (d *fakeDisk) afterPowerLoss(r *rand.Rand) *fakeDisk {
	return &fakeDisk{tree: d.tree.survive(r, map[*inode]*inode{})}
}

func (i *inode) survive(r *rand.Rand, done map[*inode]*inode) *inode {
	if s := done[i]; s != nil {
		return s // another name of the same file
	}
	s := new(inode)
	done[i] = s
	if i.names == nil {
		s.body = bytes.Clone(i.synced)
		if !bytes.Equal(i.body, i.synced) {
			switch r.IntN(4) {
			case 0:
				s.body = bytes.Clone(i.body)
			case 1:
				s.body = bytes.Clone(i.body[:r.IntN(len(i.body)+1)])
			case 2:
				s.body = make([]byte, len(i.body)) // the length is there, the bytes are not
			}
		}
		s.synced = bytes.Clone(s.body)
		return s
	}
	s.names = map[string]*inode{}
	all := maps.Clone(i.names)
	maps.Copy(all, i.syncedNames)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		now, durable := i.names[name], i.syncedNames[name]
		if now != durable && r.IntN(2) == 0 {
			durable = now
		}
		if durable != nil {
			s.names[name] = durable.survive(r, done)
		}
	}
	s.syncedNames = maps.Clone(s.names)
	return s
}

// change makes a call that changes something.
func (d *fakeDisk) change(op string, apply func() error) error {
	n := d.calls
	d.calls++
	if d.fault != nil {
		if err := d.fault(n, op); err != nil {
			if d.late {
				_ = apply()
			}
			return err
		}
	}
	return apply()
}

func (d *fakeDisk) find(name string) (*inode, error) {
	i := d.tree
	if name == "." {
		return i, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if i.names == nil {
			return nil, syscall.ENOTDIR
		}
		if i = i.names[part]; i == nil {
			return nil, fs.ErrNotExist
		}
	}
	return i, nil
}

// put gives i a name.
func (d *fakeDisk) put(name string, i *inode) error {
	folder, err := d.find(path.Dir(name))
	if err != nil {
		return err
	}
	if folder.names[path.Base(name)] != nil {
		return fs.ErrExist
	}
	folder.names[path.Base(name)] = i
	return nil
}

func (d *fakeDisk) Open(name string) (handle, error) {
	i, err := d.find(name)
	if err != nil {
		return nil, err
	}
	d.open++
	return &fakeHandle{d: d, i: i, r: bytes.NewReader(i.body)}, nil
}

func (d *fakeDisk) Create(name string) (handle, error) {
	i := &inode{body: []byte{}}
	if err := d.change("create", func() error { return d.put(name, i) }); err != nil {
		return nil, err
	}
	d.open++
	return &fakeHandle{d: d, i: i}, nil
}

func (d *fakeDisk) Append(name string) (handle, error) { return d.Open(name) }

func (d *fakeDisk) Mkdir(name string) error {
	return d.change("mkdir", func() error { return d.put(name, newFolder()) })
}

func (d *fakeDisk) Link(from, to string) error {
	return d.change("link", func() error {
		i, err := d.find(from)
		if err != nil {
			return err
		}
		return d.put(to, i)
	})
}

func (d *fakeDisk) Remove(name string) error {
	return d.change("remove", func() error {
		i, err := d.find(name)
		if err != nil {
			return err
		}
		if len(i.names) > 0 {
			return syscall.ENOTEMPTY
		}
		folder, _ := d.find(path.Dir(name))
		delete(folder.names, path.Base(name))
		return nil
	})
}

func (d *fakeDisk) Lstat(name string) (fs.FileInfo, error) {
	i, err := d.find(name)
	if err != nil {
		return nil, err
	}
	return fakeInfo{path.Base(name), i}, nil
}

func (d *fakeDisk) ReadDir(name string) (list []fs.DirEntry, err error) {
	d.reads++
	i, err := d.find(name)
	if err != nil {
		return nil, err
	}
	for name, j := range i.names {
		list = append(list, fs.FileInfoToDirEntry(fakeInfo{name, j}))
	}
	return list, nil
}

func (d *fakeDisk) SyncDir(name string) error {
	return d.change("sync folder", func() error {
		i, err := d.find(name)
		if err != nil {
			return err
		}
		i.syncedNames = maps.Clone(i.names)
		return nil
	})
}

func (d *fakeDisk) Same(a, b fs.FileInfo) bool { return a.(fakeInfo).i == b.(fakeInfo).i }

type fakeHandle struct {
	d *fakeDisk
	i *inode
	r io.Reader
}

func (h *fakeHandle) Read(p []byte) (int, error) { return h.r.Read(p) }
func (h *fakeHandle) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(h.i.body).ReadAt(p, at)
}
func (h *fakeHandle) Close() error               { h.d.open--; return nil }
func (h *fakeHandle) Stat() (fs.FileInfo, error) { return fakeInfo{"", h.i}, nil }

func (h *fakeHandle) WriteAt(p []byte, at int64) (int, error) {
	return len(p), h.d.change("write", func() error {
		h.i.body = append(h.i.body[:at:at], p...)
		return nil
	})
}

func (h *fakeHandle) Sync() error {
	return h.d.change("sync", func() error {
		h.i.synced = bytes.Clone(h.i.body)
		return nil
	})
}

type fakeInfo struct {
	name string
	i    *inode
}

func (f fakeInfo) Name() string       { return f.name }
func (f fakeInfo) Size() int64        { return int64(len(f.i.body)) }
func (f fakeInfo) ModTime() time.Time { return time.Unix(1e9, 0) }
func (f fakeInfo) IsDir() bool        { return f.i.names != nil }
func (f fakeInfo) Sys() any           { return nil }
func (f fakeInfo) Mode() fs.FileMode {
	if f.IsDir() {
		return fs.ModeDir | 0o777
	}
	return 0o666
}
