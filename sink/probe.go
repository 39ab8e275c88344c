package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// probe finds out whether the store does what everything depends on. The probes lie among the job's control objects. Only
// the first start of a job stages and publishes one; later ones leave nothing new there.
func (k *keeper) probe(ctx context.Context, first bool) error {
	dir := k.probeFolder()
	if err := k.probeCreate(ctx, dir+"create"); err != nil || !first {
		return err
	}
	owner := fmt.Sprintf("%016x", k.env.Rand())
	s := &staging{store: k.store, env: k.env, owner: func(context.Context) (string, error) { return owner, nil }}
	up, key, err := s.begin(ctx, ctx, dir, "")
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if _, err := up.Write([]byte("probe\n")); err != nil {
		return fmt.Errorf("probe: write to a staged file: %w", err)
	}
	ref, err := up.Close(ctx)
	if err != nil {
		return fmt.Errorf("probe: close a staged file: %w", err)
	}
	if err := k.missing(ctx, key); err != nil {
		return err
	}
	for range 2 { // it must be possible to do it again
		if err := k.store.Publish(ctx, ref); err != nil {
			return fmt.Errorf("probe: publish a staged file: %w", err)
		}
	}
	if body, err := k.store.Read(ctx, key, 64); err != nil || string(body) != "probe\n" {
		return fmt.Errorf("probe: read a published file: %q, %w", body, err)
	}
	return nil
}

func (k *keeper) probeFolder() string { return k.opts.Prefix + controlFolder + k.job + "/probe/" }

// probeCreate checks that a second Create of one key is refused.
func (k *keeper) probeCreate(ctx context.Context, key string) error {
	for i := range 2 {
		err := k.store.Create(ctx, key, []byte("probe\n"))
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
func (k *keeper) missing(ctx context.Context, key string) error {
	_, err := k.store.Read(ctx, key, 64)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("probe: read a staged file: %w", err)
	}
	return errors.New("probe: a staged file can be read before it is published: it must not be visible")
}
