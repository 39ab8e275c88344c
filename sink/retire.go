package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/record"
)

// Retire takes a partition that will never be read again out of the conditions for a seal, such as that of a topic which
// was deleted. It is an entry of the ledger, with the reason that a person gives, and cannot be undone: the partition is
// never read by this job again, and what an instance has read of it and not committed is void. Retiring a partition again
// is no error. Of opts only Prefix is used.
func Retire(ctx context.Context, store Store, job string, p record.Partition, reason string, opts *ReadOptions) error {
	if reason == "" {
		return errors.New("sink: retire: a reason is needed, it is all that is left for those who ask later")
	}
	k, err := openReader(ctx, store, job, opts)
	if err != nil {
		return err
	}
	g, hash, err := k.begun(ctx)
	if err != nil {
		return err
	}
	if err := k.openLedger(ctx, g, hash); err != nil {
		return err
	}
	known := k.state.Partitions[p]
	if known == nil {
		return fmt.Errorf("sink: retire: job %q has never committed anything of partition %s", job, p)
	}
	token := newToken(k.env)
	e := &ledger.Entry{Kind: ledger.KindRetire, Token: newToken(k.env)}
	e.Retire = &ledger.Retire{Lane: known.Lane, Token: token, Partition: p, Reason: reason}
	id, err := k.append(ctx, e, func(s *ledger.State, e *ledger.Entry) error {
		st := s.Partitions[p]
		if st.Retired {
			return errRetired
		}
		e.Retire.Lane, e.Retire.Base = st.Lane, s.Base(st.Lane)
		return s.Validate(e)
	})
	if errors.Is(err, errRetired) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sink: retire: %w", err)
	}
	k.saveSnapshot(ctx, id)
	return nil
}

var errRetired = errors.New("sink: the partition is retired already")
