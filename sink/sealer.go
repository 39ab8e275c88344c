package sink

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/stream/driver"
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
	if err := k.writeSeals(ctx, c); err != nil {
		return false, err
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

// unsealedFrom returns the first hour of a Close that lacks a seal; its end if none does. Somebody may have written some and
// died, or all and not marked them: after a stop of all instances each of them finds the same Close, and making its seals
// may take thousands of reads. Since seals are written in order, those of one hour tell that all before it are there, too.
func (k *keeper) unsealedFrom(ctx context.Context, c *closing) (time.Time, error) {
	if !c.sealed.IsZero() {
		return c.sealed, nil
	}
	g := &c.behind.Genesis
	n := int(g.Hours(c.close.From, c.close.Through))
	hour := func(i int) time.Time { return g.Border(c.close.From, int64(i)) }
	if there, err := k.sealsExist(ctx, c, hour(n-1)); err != nil || there {
		return c.close.Through, err
	}
	var failed error
	first := sort.Search(n-1, func(i int) bool {
		if failed != nil {
			return true
		}
		there, err := k.sealsExist(ctx, c, hour(i))
		failed = err
		return !there
	})
	return hour(first), failed
}

// sealsExist reports whether an hour's manifest and all its seals are there. Which flows have a seal the manifest says:
// to find it out again would take all entries of the hour.
func (k *keeper) sealsExist(ctx context.Context, c *closing, hour time.Time) (bool, error) {
	m, err := k.readHour(ctx, hour, &ReadOptions{Poll: -1})
	if err != nil || m == nil {
		return false, cmp.Or(err, ctx.Err())
	}
	for _, flow := range k.sealedFlows(c, m) {
		key := k.sealKey(c, flow, hour)
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

// sealedFlows are the flows that get a seal in an hour: those of its Close, and those that have files in it. An instance of
// another version may have written these up to the Close, and whoever closes need not know them.
func (k *keeper) sealedFlows(c *closing, m *HourManifest) []string {
	return slices.Sorted(maps.Keys(m.Flows))
}

func (k *keeper) sealKey(c *closing, flow string, hour time.Time) string {
	return string(k.opts.layout().Folder(flow, files.Data, hour)) + c.close.Seal
}

// writeSeals creates, for each hour of a Close, first its manifest and then the seal objects of all flows. Readers rely on
// the order of the hours: no manifest and no seal comes before the one of the hour before. A job that begins with events of
// long ago has thousands of empty hours, so the next hour's manifest is made beside an hour's seals, and who is interrupted
// goes on where it was.
func (k *keeper) writeSeals(ctx context.Context, c *closing) error {
	from, err := k.unsealedFrom(ctx, c)
	if err != nil || !from.Before(c.close.Through) {
		return err
	}
	c.sealed = from
	left := maps.Clone(c.hours)
	maps.DeleteFunc(left, func(hour time.Time, _ ledger.Hour) bool { return hour.Before(from) })
	files, err := k.hourFiles(ctx, left)
	if err != nil {
		return err
	}
	m := k.hourManifest(c, from, files[from])
	if err := k.createManifest(ctx, m); err != nil {
		return err
	}
	for m != nil {
		var next *HourManifest
		if m.End.Before(c.close.Through) {
			next = k.hourManifest(c, m.End, files[m.End])
		}
		if err := k.sealHour(ctx, c, m, next); err != nil {
			return err
		}
		c.sealed, m = m.End, next
	}
	return nil
}

func (k *keeper) createManifest(ctx context.Context, m *HourManifest) error {
	body, err := encodeJSON(m)
	if err != nil {
		return err
	}
	return k.createSame(ctx, k.root+ledger.HourName(m.Hour, k.opts.Hour), body)
}

// sealHour creates the seals of an hour, whose manifest is there, and the manifest of the next, if there is one.
func (k *keeper) sealHour(ctx context.Context, c *closing, m, next *HourManifest) error {
	flows := k.sealedFlows(c, m)
	n := len(flows)
	if next != nil {
		n++
	}
	return k.env.Each(ctx, n, func(ctx context.Context, i int) error {
		if i == len(flows) {
			return k.createManifest(ctx, next)
		}
		flow, body := flows[i], []byte{}
		if c.close.JSON {
			var err error
			if body, err = encodeJSON(m.flowSeal(flow)); err != nil {
				return err
			}
		}
		return k.createSame(ctx, k.sealKey(c, flow, m.Hour), body)
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
	if errors.Is(err, driver.ErrFenced) {
		return nil // another entry has said it all
	}
	if err != nil {
		return err
	}
	k.saveSnapshot(ctx, id)
	return nil
}
