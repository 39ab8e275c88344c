package file

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"

	"github.com/onceflow/onceflow/sink"
)

// keptHandles is how many uploads of a Store keep their file open. The others, of a flow with thousands of folders, open
// it for each write: the usual limit of a process is 1,024 files.
const keptHandles = 512

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// upload is a file in staging.
type upload struct {
	s    *Store
	name stagedName
	h    handle // nil if it is not kept open
	kept bool   // h counts
	size int64
	crc  uint32
	err  error // of a Write, or why it ended
}

// Stage makes an empty file in staging.
func (s *Store) Stage(ctx context.Context, key, owner string) (sink.Upload, error) {
	if err := s.check(ctx, "stage", key); err != nil {
		return nil, err
	}
	if err := sink.CheckOwner(owner); err != nil {
		return nil, s.fail("stage", key, err)
	}
	u := &upload{s: s, name: stagedName{randomID(), owner, key}}
	if err := s.folders.ensure(s.disk, path.Dir(u.name.path())); err != nil {
		return nil, s.fail("stage", key, err)
	}
	h, err := s.disk.Create(u.name.path())
	if err != nil {
		return nil, s.fail("stage", key, err)
	}
	u.h, u.kept = h, true
	if s.open.Add(1) > keptHandles {
		if err := u.release(); err != nil {
			return nil, s.fail("stage", key, errors.Join(err, s.unstage(u.name)))
		}
	}
	return u, nil
}

// release closes the handle.
func (u *upload) release() error {
	if u.h == nil {
		return nil
	}
	err := u.h.Close()
	u.h = nil
	if u.kept {
		u.kept = false
		u.s.open.Add(-1)
	}
	return err
}

var (
	errEnded     = errors.New("the upload has ended")
	errDiscarded = errors.New("somebody discarded the staged file")
)

func (u *upload) Write(p []byte) (int, error) {
	if u.err == nil {
		u.err = u.write(p)
	}
	if u.err != nil {
		return 0, u.s.fail("write", u.name.key, u.err)
	}
	u.size += int64(len(p))
	u.crc = crc32.Update(u.crc, castagnoli, p)
	return len(p), nil
}

func (u *upload) write(p []byte) error {
	if u.h != nil {
		_, err := u.h.WriteAt(p, u.size)
		return err
	}
	h, err := u.s.disk.Append(u.name.path())
	if err != nil {
		return err
	}
	_, err = h.WriteAt(p, u.size)
	return errors.Join(err, h.Close())
}

// Close syncs the file, then its name.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if u.err == nil {
		u.err = u.finish()
	}
	if u.err != nil {
		return nil, u.s.fail("close", u.name.key, u.err)
	}
	u.err = errEnded
	return ref{Key: u.name.key, Owner: u.name.owner, ID: u.name.id, Size: u.size, CRC: u.crc}.encode(), nil
}

func (u *upload) finish() (err error) {
	p := u.name.path()
	if u.h == nil {
		if u.h, err = u.s.disk.Append(p); err != nil {
			return err
		}
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
	if now, err := u.s.disk.Lstat(p); errors.Is(err, fs.ErrNotExist) || err == nil && !u.s.disk.Same(info, now) {
		return errDiscarded
	} else if err != nil {
		return err
	}
	return u.s.disk.SyncDir(path.Dir(p))
}

func (u *upload) Abort(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if u.err == nil {
		u.err = errEnded
	}
	if err := errors.Join(u.release(), u.s.unstage(u.name)); err != nil {
		return u.s.fail("abort", u.name.key, err)
	}
	return nil
}
