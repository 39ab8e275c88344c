package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	again "github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// NewToken makes 128 random bits.
func NewToken(e *env.Env) ledger.Token {
	return ledger.Token(fmt.Sprintf("%016x%016x", e.Rand(), e.Rand()))
}

// ErrUnsettled means that the outcome of an append is unknown: the entry may exist, or come to exist later. Nothing that it
// names may be deleted.
var ErrUnsettled = errors.New("the outcome of an append is unknown")

// Append adds e to the ledger, in the first free slot after all entries, if it is valid there, and returns its number.
// check says what is valid; nil is State.Validate. It may look at the state that it is given, and must not call j.
//
// The error matches driver.ErrFenced if e is void for good. It matches ErrUnsettled if the outcome is unknown, which
// happens when ctx ends or the store refuses for good. After any other error e is not in the ledger and never will be.
func (j *Journal) Append(ctx context.Context, e *ledger.Entry, check func(*ledger.State, *ledger.Entry) error) (uint64, error) {
	j.Objects.Env.Lock(&j.mu)
	defer j.mu.Unlock()
	if check == nil {
		check = (*ledger.State).Validate
	}
	e.By = j.By
	if err := j.detach(ctx, e); err != nil {
		return 0, err
	}
	for lost := 1; ; lost++ {
		j.state.Prepare(e)
		if err := check(j.state, e); err != nil {
			return 0, err
		}
		body, err := e.Encode()
		if err != nil {
			return 0, retry.Stop(err)
		}
		ours, err := j.create(ctx, e, body)
		if err != nil {
			return 0, err
		}
		if ours {
			return e.ID, nil
		}
		j.outrun.Add(1)
		// Others are ahead of us. Read on, so that the next try is not for a slot that was taken long ago. This is no retry:
		// each round is another request, for the next slot, and create and tail try their own again.
		if err := retry.Wait(ctx, j.Objects.Env, again.Pause(20*time.Millisecond, 2*time.Second, lost)); err != nil {
			return 0, err
		}
		if err := retry.Insist(ctx, j.Objects.Env, j.Log, "read on", j.tail); err != nil {
			return 0, err
		}
	}
}

// Add is Append and then Snapshot, for entries that nobody waits for.
func (j *Journal) Add(ctx context.Context, e *ledger.Entry, check func(*ledger.State, *ledger.Entry) error) (uint64, error) {
	id, err := j.Append(ctx, e, check)
	if err == nil {
		j.Snapshot(ctx, id)
	}
	return id, err
}

// detach writes the parts of e that are too long for an entry. An existing part is ours, since its name contains the token.
func (j *Journal) detach(ctx context.Context, e *ledger.Entry) error {
	j.state.Prepare(e)
	o := j.Objects
	parts, err := e.Fit(o.Env.MaxEntry, func(i int) string { return ledger.BlobName(e.Token, i) })
	if err != nil {
		return retry.Stop(err)
	}
	return o.Env.Each(ctx, len(parts), func(ctx context.Context, i int) error {
		return retry.Insist(ctx, o.Env, j.Log, "create "+parts[i].Key, func(ctx context.Context) error {
			return o.put(ctx, parts[i].Key, parts[i].Body)
		})
	})
}

// put creates an object that has the same content whoever creates it.
func (o *Objects) put(ctx context.Context, name string, body []byte) error {
	if err := o.Store.Create(ctx, o.Root+name, body); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("sink: create %s: %w", name, err)
	}
	return nil
}

// create tries to put e into its slot until an entry is there, folds that entry, and reports whether it is e. Only an entry
// in the slot settles the outcome; "not found" does not, since a request may still be on its way.
func (j *Journal) create(ctx context.Context, e *ledger.Entry, body []byte) (ours bool, err error) {
	key := j.Objects.Root + ledger.EntryName(e.ID)
	again := func(try int, err error) bool {
		j.Log.Warn("the outcome of an append is unknown; sending it again", "entry", e.ID, "try", try, "err", err)
		return true
	}
	err = retry.While(ctx, j.Objects.Env, func(ctx context.Context) error {
		err := j.Objects.Store.Store.Create(ctx, key, body)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		there, hash, err := j.Objects.Entry(ctx, e.ID)
		if err != nil {
			return notPermanent(err)
		}
		ours = there.Token == e.Token
		return j.fold(there, hash)
	}, again)
	switch {
	case err != nil:
		return false, fmt.Errorf("sink: append entry %d: %w: %w", e.ID, ErrUnsettled, err)
	case j.state.Last < e.ID: // created at the first try
		return true, j.fold(e, ledger.HashOf(body))
	}
	return ours, nil
}

// notPermanent makes it an error that may pass if an entry is not found right after it was said to exist: a store may lag
// that much.
func notPermanent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%v, though its creation was refused", err) //nolint:errorlint // hidden on purpose
	}
	return err
}

// Snapshot writes a snapshot if one is due at entry id. It only saves time at the next start, so a failure is no error. If
// further entries have been folded since, it leaves it to the next one.
func (j *Journal) Snapshot(ctx context.Context, id uint64) {
	snaps := j.Folder.snapshots(j.Log)
	if id%snaps.every() != 0 {
		return
	}
	var last uint64
	var chunks []ledger.Chunk
	var body []byte
	var err error
	j.Look(func(s *ledger.State) {
		last = s.Last
		if chunks, err = s.Lanes.Finished.Unsaved(); err == nil {
			body, err = s.Encode()
		}
	})
	if last != id {
		return
	}
	if err == nil {
		err = j.Objects.Env.Each(ctx, len(chunks), func(ctx context.Context, i int) error {
			return j.Objects.put(ctx, chunks[i].Key, chunks[i].Body)
		})
	}
	if err == nil {
		j.Look(func(s *ledger.State) { s.Lanes.Finished.Saved(chunks) })
		err = j.Objects.put(ctx, ledger.SnapshotName(id), body)
	}
	if err != nil {
		j.Log.Warn("cannot write a snapshot", "entry", id, "err", err)
	}
}
