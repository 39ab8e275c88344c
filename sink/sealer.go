package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/sink/ledger"
	"github.com/onceflow/onceflow/stream"
)

// sealClosed writes the manifests and seal objects of hours that are closed and not known to be sealed, and marks them
// as sealed. An hour that another instance has closed is left to it for a while. It reports whether all closed hours are
// sealed.
//
// At most one Close is ever without seals: nobody closes the next hours before it knows the seals of the last ones to
// exist. So a process that finds a Close without its seals needs to look at the last one only.
func (k *keeper) sealClosed(ctx context.Context, now time.Time) (bool, error) {
	c, err := k.unsealed(ctx)
	if err != nil || c == nil {
		return err == nil, err
	}
	if due, noticed := k.noticed[c.entry]; !noticed && !c.ours {
		k.noticed[c.entry] = now.Add(k.env.Jitter(10 * time.Second))
		return false, nil
	} else if noticed && now.Before(due) {
		return false, nil
	}
	there, err := k.sealsExist(ctx, c)
	if err != nil {
		return false, err
	}
	if !there {
		if err := k.writeSeals(ctx, c); err != nil {
			return false, err
		}
	}
	delete(k.noticed, c.entry)
	k.upMu.Lock()
	k.sealed = c.close.Through
	k.upMu.Unlock()
	k.log.Info("sealed hours", "from", c.close.From, "through", c.close.Through)
	return true, k.mark(ctx)
}

// unsealed returns the Close whose seals are not known to exist; nil if there is none.
func (k *keeper) unsealed(ctx context.Context) (*closing, error) {
	k.env.Lock(&k.mu)
	closed, last := k.state.Closed, k.state.ClosedEntry
	known := later(k.state.Sealed, k.sealedMark())
	var c *closing
	if n := len(k.closings); n > 0 && k.closings[n-1].entry == last {
		c = k.closings[n-1]
	}
	k.mu.Unlock()
	if last == 0 || !closed.After(known) {
		return nil, nil
	}
	if c != nil {
		return c, nil
	}
	c, err := k.replay(ctx, last)
	if err != nil {
		return nil, err
	}
	c.ours = true // its author has most likely died
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	if k.state.ClosedEntry == last {
		k.closings = append(k.closings, c)
	}
	return c, nil
}

// sealsExist reports whether somebody has written the seals of a Close and not marked them yet. After a stop of all
// instances each of them finds the same Close, and making its seals may take thousands of reads. Those of the last hour
// tell, since they come after everything else.
func (k *keeper) sealsExist(ctx context.Context, c *closing) (bool, error) {
	if c.fresh {
		return false, nil
	}
	last := c.close.Through.Add(-k.opts.Hour)
	keys := []string{k.root + ledger.HourName(last, k.opts.Hour)}
	for _, flow := range c.close.Flows {
		folder := flowFolder(k.opts.Prefix, flow, ledger.DataFile, last, k.opts.Hour)
		keys = append(keys, string(folder)+c.close.Seal)
	}
	for _, key := range keys {
		r, err := k.store.Open(ctx, key)
		if err == nil {
			err = r.Close()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("sink: look for %s: %w", key, err)
		}
	}
	return true, nil
}

// writeSeals creates, for each hour of a Close, first its manifest and then the seal objects of all flows.
func (k *keeper) writeSeals(ctx context.Context, c *closing) error {
	files, err := k.hourFiles(ctx, c.hours)
	if err != nil {
		return err
	}
	// One hour after the other: readers rely on the order.
	for hour := c.close.From; hour.Before(c.close.Through); hour = hour.Add(k.opts.Hour) {
		if err := k.sealHour(ctx, c, k.hourManifest(c, hour, files[hour])); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) sealHour(ctx context.Context, c *closing, m *HourManifest) error {
	body, err := encodeJSON(m)
	if err != nil {
		return err
	}
	if err := k.createSame(ctx, k.root+ledger.HourName(m.Hour, k.opts.Hour), body); err != nil {
		return err
	}
	return k.env.Each(ctx, len(c.close.Flows), func(ctx context.Context, i int) error {
		flow, body := c.close.Flows[i], []byte{}
		if c.close.JSON {
			var err error
			if body, err = encodeJSON(m.flowSeal(flow)); err != nil {
				return err
			}
		}
		folder := flowFolder(k.opts.Prefix, flow, ledger.DataFile, m.Hour, k.opts.Hour)
		return k.createSame(ctx, string(folder)+c.close.Seal, body)
	})
}

// createSame creates an object that may be there already, with the same content.
func (k *keeper) createSame(ctx context.Context, key string, body []byte) error {
	return k.insist(ctx, "create "+key, func(ctx context.Context) error {
		err := k.store.Create(ctx, key, body)
		if !errors.Is(err, fs.ErrExist) {
			if err != nil {
				return fmt.Errorf("sink: create %s: %w", key, err)
			}
			return nil
		}
		there, err := k.store.Read(ctx, key, MaxManifest)
		if err != nil {
			return fmt.Errorf("sink: read %s: %w", key, err)
		}
		if !bytes.Equal(there, body) {
			return &ledger.CorruptError{Object: key, Reason: "it exists with another content: is it another job's, or was it changed?"}
		}
		return nil
	})
}

// mark appends a Mark that tells what is published and sealed, so that nobody has to find it out again. It is not needed
// to be right, so it gives way to everything else.
func (k *keeper) mark(ctx context.Context) error {
	e := &ledger.Entry{Kind: ledger.KindMark, Token: newToken(k.env), Published: k.marks(), Sealed: k.sealedMark()}
	id, err := k.append(ctx, e, nil)
	if errors.Is(err, stream.ErrFenced) {
		return nil // another entry has said it all
	}
	if err != nil {
		return err
	}
	k.saveSnapshot(ctx, id)
	return nil
}
