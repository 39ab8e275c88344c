package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// ReadOptions are the optional settings of whoever reads a job's output; nil means all defaults.
type ReadOptions struct {
	// Prefix is that of the job: Options.Prefix.
	Prefix string

	// Poll is how long a reader waits before it looks again for what is not there yet.
	//
	// Defaults to 2 seconds. -1 does not wait: reading ends at the end, and fails if the job has not begun.
	Poll time.Duration

	// Seen is told of each entry that Committed has read, also of those that it leaves out.
	//
	// Defaults to none.
	Seen func(entry uint64)
}

// reader reads what a job has written, and waits for more.
type reader struct {
	folder  *journal.Folder
	poll    time.Duration
	seen    func(entry uint64)
	genesis *ledger.Genesis // known once the job has begun
}

func newReader(ctx context.Context, store Store, job string, opts *ReadOptions) (*reader, error) {
	var o ReadOptions
	if opts != nil {
		o = *opts
	}
	if err := cmp.Or(checkStore(store), checkName("job", job), storage.CheckPrefix(o.Prefix)); err != nil {
		return nil, fmt.Errorf("sink: cannot read job %q: %w", job, err)
	}
	e := env.From(ctx)
	return &reader{folder: journal.NewFolder(retry.New(store, e), e, o.Prefix, job), poll: cmp.Or(o.Poll, 2*time.Second), seen: o.Seen}, nil
}

// openJournal reads the ledger of a job.
func openJournal(ctx context.Context, store Store, job string, opts *ReadOptions) (*journal.Journal, error) {
	r, err := newReader(ctx, store, job, opts)
	if err != nil {
		return nil, err
	}
	g, hash, err := r.folder.Begun(ctx)
	if err != nil {
		return nil, err
	}
	return r.folder.Open(ctx, g, hash, journal.Options{})
}

// begun waits for the job to begin. false is the end.
func (r *reader) begun(ctx context.Context) (bool, error) {
	look := func() (err error) {
		r.genesis, _, err = r.folder.Begun(ctx)
		return err
	}
	if r.poll < 0 {
		err := look()
		return err == nil, err
	}
	return r.await(ctx, look)
}

// await calls f until its error does not match fs.ErrNotExist. It returns false if it may not wait any longer.
func (r *reader) await(ctx context.Context, f func() error) (bool, error) {
	for {
		err := f()
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // the end of ctx is the end of reading, whatever came of it
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
		if r.poll < 0 || retry.Wait(ctx, r.folder.Objects.Env, r.poll) != nil {
			return false, nil //nolint:nilerr // the same
		}
	}
}
