package main

import (
	"context"
	"errors"
	"fmt"
)

// entry reads an entry and the blobs that are parts of it.
func (l *ledger) entry(ctx context.Context, n uint64) (*entry, string, error) {
	e := new(entry)
	hash, err := control(ctx, l.b, fmt.Sprintf("%ss0000/%020d", l.root, n), maxEntry, e)
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
		b, err := l.blob(ctx, c.BodyBlob)
		if err != nil {
			return err
		}
		if c.Lanes != nil || c.Hours != nil {
			return errors.New("it has a body beside its body_blob")
		}
		c.Lanes, c.Hours = b.Lanes, b.Hours
	}
	if c.FilesBlob != nil {
		b, err := l.blob(ctx, c.FilesBlob)
		if err != nil {
			return err
		}
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
			b, err := l.blob(ctx, p.PendingBlob)
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
			if old := l.parts[p.partition]; old != nil {
				base = old.row.Pending
			}
			if p.Pending, err = b.Sets[at].Step.from(base); err != nil {
				return fmt.Errorf("blob %s: %w", p.PendingBlob.Key, err)
			}
		}
	}
	return nil
}

func (l *ledger) blob(ctx context.Context, ref *blobRef) (*blob, error) {
	b := new(blob)
	hash, err := control(ctx, l.b, l.root+ref.Key, maxBlob, b)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %v", ref.Key, err) //nolint:errorlint // a blob that is missing is no end of the ledger
	}
	if hash != ref.SHA256 {
		return nil, fmt.Errorf("blob %s is not the one that the entry names", ref.Key)
	}
	return b, nil
}
