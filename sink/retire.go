package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/stream/record"
)

// Retire removes a partition that will never be read again from the conditions for a seal, such as one of a deleted topic.
// It appends an entry to the ledger, with the reason that a person gives, and cannot be undone: this job never reads the
// partition again, and uncommitted work on it is void. Retiring a partition again is no error. Of opts only Prefix is used.
func Retire(ctx context.Context, store Store, job string, p record.Partition, reason string, opts *ReadOptions) error {
	if reason == "" {
		return errors.New("sink: retire: a reason is needed, it is all that is left for those who ask later")
	}
	j, err := openJournal(ctx, store, job, opts)
	if err != nil {
		return err
	}
	known := false
	j.Look(func(s *ledger.State) { known = s.Lanes.Partitions[p] != nil })
	if !known {
		return fmt.Errorf("sink: retire: job %q has never committed anything of partition %s", job, p)
	}
	token := journal.NewToken(j.Objects.Env)
	e := &ledger.Entry{Kind: ledger.KindRetire, Token: journal.NewToken(j.Objects.Env)}
	e.Retire = &ledger.Retire{Token: token, Partition: p, Reason: reason}
	_, err = j.Add(ctx, e, func(s *ledger.State, e *ledger.Entry) error {
		st := s.Lanes.Partitions[p]
		if st.Retired {
			return errRetired
		}
		e.Retire.Lane, e.Retire.Base = st.Lane, s.Base(st.Lane)
		return s.Validate(e)
	})
	if err != nil && !errors.Is(err, errRetired) {
		return fmt.Errorf("sink: retire: %w", err)
	}
	return nil
}

var errRetired = errors.New("sink: the partition is retired already")
