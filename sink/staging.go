package sink

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/onceflow/onceflow/internal/env"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// staging begins the staged files of a transaction, or of a probe. It is safe for concurrent use.
type staging struct {
	store    Store
	env      *env.Env
	owner    func(context.Context) (string, error) // see keeper.ownerID
	sequence uint64                                // of the transaction, unique in this process
	number   atomic.Int64
}

// begin is files.Stage. Each attempt has a name of its own: an attempt whose reply was lost leaves a file that the
// sweeper finds, and that must not stand in the way of the next.
func (s *staging) begin(ctx, live context.Context, folder, ext string) (up storage.Upload, key string, err error) {
	unbounded := *s.env
	unbounded.Attempt = 0
	err = retry.Do(ctx, &unbounded, func(ctx context.Context) error {
		owner, err := s.owner(ctx)
		if err != nil {
			return err
		}
		key = folder + owner + "-" + strconv.FormatUint(s.sequence, 10) + "-" + strconv.FormatInt(s.number.Add(1), 10) + ext
		up, err = s.store.Stage(live, key, owner)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("sink: stage a file in %s: %w", folder, err)
	}
	return up, key, nil
}
