package file

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"sync"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// upload is a file in staging.
type upload struct {
	staging *staging
	name    stagedName

	mu    sync.Mutex    // uploads close each other's handles
	h     handle        // nil if it is not kept open
	place *list.Element // among the handles that are kept; guarded by their lock
	size  int64
	crc   uint32
	err   error // of a Write, or why it ended
}

// open opens the file unless it is.
func (u *upload) open() (err error) {
	if u.h == nil {
		if u.h, err = u.staging.tree.disk.Append(u.name.path()); err != nil {
			return err
		}
	}
	u.staging.handles.use(u)
	return nil
}

// closeHandle is for others that want it. An error says that bytes may be lost, so it ends the upload.
func (u *upload) closeHandle() {
	if err := u.h.Close(); err != nil && u.err == nil {
		u.err = err
	}
	u.h = nil
}

// release closes the handle, if it is kept.
func (u *upload) release() error {
	if u.h == nil {
		return nil
	}
	u.staging.handles.drop(u)
	err := u.h.Close()
	u.h = nil
	return err
}

var (
	errEnded     = errors.New("the upload has ended")
	errDiscarded = errors.New("somebody discarded the staged file")
)

func (u *upload) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = u.write(p)
	}
	if u.err != nil {
		return 0, u.staging.tree.fail("write", u.name.key, u.err)
	}
	u.size += int64(len(p))
	u.crc = crc32.Update(u.crc, castagnoli, p)
	return len(p), nil
}

func (u *upload) write(p []byte) error {
	if err := u.open(); err != nil {
		return err
	}
	_, err := u.h.WriteAt(p, u.size)
	return err
}

// Close syncs the file, then its name.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = u.finish()
	}
	if u.err != nil {
		return nil, u.staging.tree.fail("close", u.name.key, u.err)
	}
	u.err = errEnded
	return ref{Key: u.name.key, Owner: u.name.owner, ID: u.name.id, Size: u.size, CRC: u.crc}.encode(), nil
}

func (u *upload) finish() error {
	p := u.name.path()
	if err := u.open(); err != nil {
		return err
	}
	if err := u.h.Sync(); err != nil {
		return err
	}
	info, err := u.h.Stat()
	if err != nil {
		return err
	}
	if info.Size() != u.size {
		return fmt.Errorf("the staged file has %d bytes, %d were written", info.Size(), u.size)
	}
	if err := u.release(); err != nil {
		return err
	}
	if now, err := u.staging.tree.disk.Lstat(p); errors.Is(err, fs.ErrNotExist) || err == nil && !u.staging.tree.disk.Same(info, now) {
		return errDiscarded
	} else if err != nil {
		return err
	}
	return u.staging.tree.sync(path.Dir(p))
}

func (u *upload) Abort(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = errEnded
	}
	if err := errors.Join(u.release(), u.staging.remove(u.name)); err != nil {
		return u.staging.tree.fail("abort", u.name.key, err)
	}
	return nil
}
