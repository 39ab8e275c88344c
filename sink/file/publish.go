package file

import (
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

func (s *staging) publish(r ref) error {
	from, to := r.name().path(), r.Key
	if info, err := s.tree.disk.Lstat(from); err == nil && info.Size() != r.Size {
		return fmt.Errorf("staged file has %d bytes instead of %d: %w", info.Size(), r.Size, driver.ErrStagingLost)
	}
	err := s.tree.link(from, to)
	// Synced whoever made the name, since our caller goes on as if it lasted; and before the other name goes.
	if syncErr := s.tree.sync(path.Dir(to)); syncErr != nil {
		return errors.Join(err, syncErr)
	}
	if err != nil {
		if err := s.identify(r, err); err != nil {
			return err
		}
	}
	return s.remove(r.name())
}

// identify says whether what has the key is our file, after a link failed with cause. It reads it, which happens only if
// two publish at once, or again after a crash.
func (s *staging) identify(r ref, cause error) error {
	h, err := s.tree.disk.Open(r.Key)
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
