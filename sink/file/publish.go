package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"

	"github.com/onceflow/onceflow/sink/driver"
)

// ref is what Publish needs. It is read from a ledger, so nothing in it is believed.
type ref struct {
	Key   string `json:"key"`
	Owner string `json:"owner"`
	ID    string `json:"id"`
	Size  int64  `json:"size"`
	CRC   uint32 `json:"crc32c"`
}

func (r ref) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

func (r ref) name() stagedName { return stagedName{r.ID, r.Owner, r.Key} }

// Publish links the staged file to its key and removes its name in staging.
func (s *Store) Publish(ctx context.Context, b []byte) error {
	var r ref
	if err := json.Unmarshal(b, &r); err != nil {
		return s.fail("publish", "", fmt.Errorf("bad ref: %w", err))
	}
	if err := s.check(ctx, "publish", r.Key); err != nil {
		return err
	}
	if !r.name().valid() {
		return s.fail("publish", r.Key, fmt.Errorf("bad ref: %w", fs.ErrInvalid))
	}
	if err := s.publish(r); err != nil {
		return s.fail("publish", r.Key, err)
	}
	return nil
}

func (s *Store) publish(r ref) error {
	from, to := r.name().path(), r.Key
	if info, err := s.disk.Lstat(from); err == nil && info.Size() != r.Size {
		return fmt.Errorf("staged file has %d bytes instead of %d: %w", info.Size(), r.Size, driver.ErrStagingLost)
	}
	err := s.link(from, to)
	// Synced whoever made the name, since our caller goes on as if it lasted; and before the other name goes.
	if syncErr := s.syncs.sync(s.disk, path.Dir(to)); syncErr != nil {
		return errors.Join(err, syncErr)
	}
	if err != nil {
		if err := s.identify(r, err); err != nil {
			return err
		}
	}
	return s.unstage(r.name())
}

func (s *Store) link(from, to string) error {
	if err := s.ensure(path.Dir(to)); err != nil {
		return err
	}
	err := s.disk.Link(from, to)
	if errors.Is(err, fs.ErrNotExist) { // the staged file is not there, or a folder that was
		s.folders.forget(path.Dir(to))
		if err := s.ensure(path.Dir(to)); err != nil {
			return err
		}
		err = s.disk.Link(from, to)
	}
	return err
}

// identify says whether what has the key is our file, after a link failed with cause. It reads it, which happens only if
// two publish at once, or again after a crash.
func (s *Store) identify(r ref, cause error) error {
	h, err := s.disk.Open(r.Key)
	if errors.Is(err, fs.ErrNotExist) && errors.Is(cause, fs.ErrNotExist) {
		return fmt.Errorf("%w (neither the staged file nor the published one is there; a person or a cleanup may have deleted it): %w", cause, driver.ErrStagingLost)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return cause
	}
	if err != nil {
		return errors.Join(cause, err)
	}
	defer h.Close()
	sum := crc32.New(castagnoli)
	n, err := io.Copy(sum, h)
	if err != nil {
		return errors.Join(cause, err)
	}
	if n != r.Size || sum.Sum32() != r.CRC {
		return fmt.Errorf("another file has the key: %w", driver.ErrStagingLost)
	}
	return nil
}
