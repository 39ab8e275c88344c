package sink

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
)

// ReadOptions are the optional settings of whoever reads a job's output; nil means all defaults.
type ReadOptions struct {
	// Prefix is that of the job: Options.Prefix.
	Prefix string

	// Poll is how long a reader waits before it looks again for what is not there yet.
	//
	// Defaults to 2 seconds. -1 does not wait: reading ends at the end, and fails if the job has not begun.
	Poll time.Duration
}

// Inspect reads the ledger of a job and returns its state: how far each partition is, what is not published, which hours
// are open. It writes nothing. The error matches fs.ErrNotExist if the job has not begun, and is a *ledger.LostError if
// parts of the ledger are gone.
func Inspect(ctx context.Context, store Store, job string, opts *ReadOptions) (*ledger.State, error) {
	k, err := openReader(ctx, store, job, opts)
	if err != nil {
		return nil, err
	}
	g, hash, err := k.begun(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.openLedger(ctx, g, hash); err != nil {
		return nil, err
	}
	return k.state, nil
}

// openReader makes a keeper that only reads.
func openReader(ctx context.Context, store Store, job string, opts *ReadOptions) (*keeper, error) {
	var o ReadOptions
	if opts != nil {
		o = *opts
	}
	if err := cmp.Or(checkStore(store), checkName("job", job), checkPrefix(o.Prefix)); err != nil {
		return nil, fmt.Errorf("sink: cannot read job %q: %w", job, err)
	}
	return newKeeper(store, env.From(ctx), job, Options{Prefix: o.Prefix}, nil), nil
}

// begun is genesis for those who cannot do without.
func (k *keeper) begun(ctx context.Context) (*ledger.Genesis, ledger.Hash, error) {
	g, hash, err := k.beginning(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("sink: job %q: %w", k.job, err)
	}
	if g == nil {
		return nil, "", fmt.Errorf("sink: there is no job %q below %q: %w", k.job, k.opts.Prefix, fs.ErrNotExist)
	}
	k.opts.Hour = g.Hour
	return g, hash, nil
}

// awaitBegun waits for the job to begin. false is the end.
func (k *keeper) awaitBegun(ctx context.Context, o *ReadOptions) (bool, error) {
	if o != nil && o.Poll < 0 {
		_, _, err := k.begun(ctx)
		return err == nil, err
	}
	return k.await(ctx, o, func() (bool, error) {
		_, _, err := k.begun(ctx)
		return foundIt(err)
	})
}

// await calls f until it finds something, fails, or there is no more waiting; then it returns false.
func (k *keeper) await(ctx context.Context, o *ReadOptions, f func() (bool, error)) (bool, error) {
	poll := 2 * time.Second
	if o != nil {
		poll = cmp.Or(o.Poll, poll)
	}
	for {
		found, err := f()
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // the end of ctx is the end of reading, whatever came of it
		}
		if found || err != nil || poll < 0 {
			return found, err
		}
		if k.env.Sleep(ctx, k.env.Jitter(poll)) != nil {
			return false, nil //nolint:nilerr // the same
		}
	}
}
