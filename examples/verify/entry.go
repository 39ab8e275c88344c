package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// entry reads an entry and the blobs that are parts of it.
func (l *ledger) entry(ctx context.Context, n uint64) (*entry, string, error) {
	e := new(entry)
	hash, err := control(ctx, l.place.b, fmt.Sprintf("%ss0000/%020d", l.place.root, n), maxEntry, e)
	if err != nil {
		return nil, "", err
	}
	if c := e.Commit; c != nil {
		if err := l.attach(ctx, c); err != nil {
			return nil, "", err
		}
	}
	if e.ID != n {
		return nil, "", fmt.Errorf("it says that it is entry %d", e.ID)
	}
	return e, hash, nil
}

// attach puts the contents of blobs where they would stand.
func (l *ledger) attach(ctx context.Context, c *commit) error {
	if c.BodyBlob != nil {
		b, err := l.place.blob(ctx, c.BodyBlob)
		if err != nil {
			return err
		}
		packs := slices.ContainsFunc(b.Hours, func(h hourSum) bool { return h.Packs > 0 })
		l.place.expect(b.header.is(packs), c.BodyBlob.Key, "format %d, min_reader %d: only what has packs is of format 2", b.Format, b.MinReader)
		if c.Lanes != nil || c.Hours != nil {
			return errors.New("it has a body beside its body_blob")
		}
		c.Lanes, c.Hours = b.Lanes, b.Hours
	}
	if c.FilesBlob != nil {
		b, err := l.place.blob(ctx, c.FilesBlob)
		if err != nil {
			return err
		}
		packs := slices.ContainsFunc(b.Files, func(f file) bool { return f.Kind == kindPack })
		l.place.expect(b.header.is(packs), c.FilesBlob.Key, "format %d, min_reader %d: only what has packs is of format 2", b.Format, b.MinReader)
		if c.Files != nil {
			return errors.New("it has files beside its files_blob")
		}
		c.Files = b.Files
	}
	for i := range c.Lanes {
		for k := range c.Lanes[i].Partitions {
			p := &c.Lanes[i].Partitions[k]
			if p.PendingBlob == nil {
				continue
			}
			b, err := l.place.blob(ctx, p.PendingBlob)
			if err != nil {
				return err
			}
			at := p.PendingBlob.At
			if p.Pending != nil || at < 0 || at >= len(b.Sets) || (b.Sets[at].Pending == nil) == (b.Sets[at].Step == nil) {
				return errors.New("pending beside a pending_blob, or none in it")
			}
			if p.Pending = b.Sets[at].Pending; p.Pending != nil {
				continue
			}
			var base *pending
			if old := l.lanes.parts[p.partition]; old != nil {
				base = old.row.Pending
			}
			if p.Pending, err = b.Sets[at].Step.from(base); err != nil {
				return fmt.Errorf("blob %s: %w", p.PendingBlob.Key, err)
			}
		}
	}
	return nil
}
