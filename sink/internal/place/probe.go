package place

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/sink/internal/txn"
)

// probe checks that the store does what everything depends on. The probes lie in dir, among the job's control objects. Only
// the first start of a job stages and publishes one; later starts leave nothing new there.
func probe(ctx context.Context, store *retry.Store, e *env.Env, dir string, first bool) error {
	if err := probeCreate(ctx, store, dir+"create"); err != nil || !first {
		return err
	}
	owner := fmt.Sprintf("%016x", e.Rand())
	staging := &txn.Staging{Store: store, Env: e, Owner: func(context.Context) (string, error) { return owner, nil }}
	up, key, err := staging.Begin(ctx, ctx, dir, "")
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	body := probeBody(store.Traits().PartBytes)
	if _, err := up.Write(body); err != nil {
		return fmt.Errorf("probe: write to a staged file: %w", err)
	}
	ref, err := up.Close(ctx)
	if err != nil {
		return fmt.Errorf("probe: close a staged file: %w", err)
	}
	if err := missing(ctx, store, key); err != nil {
		return err
	}
	for range 2 { // it must be possible to do it again
		if err := store.Publish(ctx, ref); err != nil {
			return fmt.Errorf("probe: publish a staged file: %w", err)
		}
	}
	r, err := store.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("probe: read a published file: %w", err)
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(body))+1))
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, body) {
		return fmt.Errorf("probe: read a published file: got %d bytes, want the %d that were written: %w", len(got), len(body), err)
	}
	return nil
}

// probeBody is longer than two parts, so that a store that takes no third one, or no shorter last one, is found out before a
// committed file is.
func probeBody(part int64) []byte {
	line := []byte("probe\n")
	return bytes.Repeat(line, 1+int(2*part)/len(line))
}

// probeCreate checks that a second Create of one key is refused.
func probeCreate(ctx context.Context, store *retry.Store, key string) error {
	for i := range 2 {
		err := store.Create(ctx, key, []byte("probe\n"))
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("probe: create an object: %w", err)
		}
		if i == 1 {
			return errors.New("probe: the store created an object that exists: it has no create-if-absent, and nothing here is " +
				"right without; use another store, or another version of it")
		}
	}
	return nil
}

// missing checks that a staged file is invisible.
func missing(ctx context.Context, store *retry.Store, key string) error {
	_, err := store.Read(ctx, key, 64)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("probe: read a staged file: %w", err)
	}
	return errors.New("probe: a staged file can be read before it is published: it must not be visible")
}
