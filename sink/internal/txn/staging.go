package txn

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// Staging begins the staged files of a transaction or of a probe. It is safe for concurrent use.
type Staging struct {
	Store    driver.Store
	Env      *env.Env
	Owner    func(context.Context) (string, error) // see Lanes.Owner
	Sequence uint64                                // of the transaction, unique in this process
	Most     int64                                 // the size at which a file is cut; 0 if it is not

	number atomic.Int64
}

// Begin is files.Stage. Each attempt has its own name. If the reply to an attempt is lost, its file must not stand in the
// way of the next; the sweeper deletes it.
func (s *Staging) Begin(ctx, live context.Context, folder, ext string) (up driver.Upload, key string, err error) {
	unbounded := *s.Env
	unbounded.Attempt = 0
	err = retry.Do(ctx, &unbounded, func(ctx context.Context) error {
		owner, err := s.Owner(ctx)
		if err != nil {
			return err
		}
		key = folder + owner + "-" + strconv.FormatUint(s.Sequence, 10) + "-" + strconv.FormatInt(s.number.Add(1), 10) + ext
		up, err = s.Store.Stage(live, key, owner, s.Most)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("sink: stage a file in %s: %w", folder, err)
	}
	return up, key, nil
}
