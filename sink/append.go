package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// newToken makes 128 random bits.
func newToken(e *env.Env) ledger.Token {
	return ledger.Token(fmt.Sprintf("%016x%016x", e.Rand(), e.Rand()))
}

// errUnsettled means that an append was tried and that it is not known whether it took effect: the entry may be there, or
// come to be there later. Nothing that it names may be deleted.
var errUnsettled = errors.New("the outcome of an append is unknown")

// append adds e to the ledger, in the first free slot behind all entries, if it is valid there, and returns its place.
// check says what is valid; nil is State.Validate.
//
// The error matches driver.ErrFenced if e is void, which is settled. It matches errUnsettled if the outcome is unknown,
// which happens when ctx ends or the store refuses for good. After any other error e is not in the ledger and never will
// be.
func (d *journal) append(ctx context.Context, e *ledger.Entry, check func(*ledger.State, *ledger.Entry) error) (uint64, error) {
	d.env.Lock(&d.mu)
	defer d.mu.Unlock()
	if check == nil {
		check = (*ledger.State).Validate
	}
	if err := d.detach(ctx, e); err != nil {
		return 0, err
	}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		d.state.Prepare(e)
		if err := check(d.state, e); err != nil {
			return 0, err
		}
		body, err := e.Encode()
		if err != nil {
			return 0, retry.Stop(err)
		}
		ours, err := d.create(ctx, e, body)
		if err != nil {
			return 0, err
		}
		if ours {
			return e.ID, nil
		}
		// Others are ahead of us. Read on, so that the next try is not for a slot that was taken long ago.
		if err := d.env.Sleep(ctx, d.env.Jitter(pause)); err != nil {
			return 0, err
		}
		if err := d.insist(ctx, "read on", d.tail); err != nil {
			return 0, err
		}
	}
}

// insist is retry.Insist.
func (d *journal) insist(ctx context.Context, what string, f func(context.Context) error) error {
	return retry.Insist(ctx, d.env, d.log, what, f)
}

// detach writes the parts of e that are too long for an entry. A part that exists is ours: its name holds the token.
func (d *journal) detach(ctx context.Context, e *ledger.Entry) error {
	d.state.Prepare(e)
	parts, err := e.Fit(d.env.MaxEntry, func(i int) string { return ledger.BlobName(e.Token, i) })
	if err != nil {
		return retry.Stop(err)
	}
	return d.env.Each(ctx, len(parts), func(ctx context.Context, i int) error {
		return d.insist(ctx, "create "+parts[i].Key, func(ctx context.Context) error {
			err := d.store.Create(ctx, d.root+parts[i].Key, parts[i].Body)
			if err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("sink: create %s: %w", parts[i].Key, err)
			}
			return nil
		})
	})
}

// create tries to put e into its slot until that is settled one way or the other, folds what is there then, and reports
// whether it is e. "Not found" would settle nothing, since a request may still be on its way; only seeing an entry does.
func (d *journal) create(ctx context.Context, e *ledger.Entry, body []byte) (ours bool, err error) {
	key := d.root + ledger.EntryName(e.ID)
	again := func(try int, err error) bool {
		d.log.Warn("the outcome of an append is unknown; sending it again", "entry", e.ID, "try", try, "err", err)
		return true
	}
	err = retry.While(ctx, d.env, func(ctx context.Context) error {
		err := d.store.Store.Create(ctx, key, body)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		there, hash, err := d.entry(ctx, e.ID)
		if err != nil {
			return notPermanent(err)
		}
		ours = there.Token == e.Token
		return d.fold(there, hash)
	}, again)
	switch {
	case err != nil:
		return false, fmt.Errorf("sink: append entry %d: %w: %w", e.ID, errUnsettled, err)
	case d.state.Last < e.ID: // created at the first try
		return true, d.fold(e, ledger.HashOf(body))
	}
	return ours, nil
}

// notPermanent hides that an entry was not found right after it was said to exist: a store may be that late.
func notPermanent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%v, though its creation was refused", err) //nolint:errorlint // hidden on purpose
	}
	return err
}

// saveSnapshot writes a snapshot if entry id is one of those that get one. It only saves time at the next start, so its
// failure is no error. Entries may have been folded since; then the next one is in time.
func (d *journal) saveSnapshot(ctx context.Context, id uint64) {
	if id%d.snapshotEvery() != 0 {
		return
	}
	d.env.Lock(&d.mu)
	last := d.state.Last
	chunks, err := d.state.Finished.Unsaved()
	var body []byte
	if err == nil {
		body, err = d.state.Encode()
	}
	d.mu.Unlock()
	if last != id {
		return
	}
	if err == nil {
		err = d.saveChunks(ctx, chunks)
	}
	if err == nil {
		err = d.store.Create(ctx, d.root+ledger.SnapshotName(id), body)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		d.log.Warn("cannot write a snapshot", "entry", id, "err", err)
	}
}
