package files

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
)

func (w *worker[T]) reject(ctx context.Context, dead []driver.DeadLetter) error {
	for _, d := range dead {
		if d.Read = d.Read.UTC(); !when.Fits(d.Read) {
			d.Read = when.Clamp(w.pool.cfg.Env.Now().UTC())
		}
		b := w.deadBuffer(d.Read)
		raw, err := w.deadEnc.Encode(b.raw, &d)
		if err != nil {
			return err
		}
		w.bytes += int64(len(raw) - len(b.raw))
		b.raw = raw
		b.rows++
		if len(b.raw) < blockBytes {
			b.count()
		} else if err := b.drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker[T]) deadBuffer(read time.Time) *buffer {
	hour := read.Truncate(w.pool.cfg.Layout.Hour)
	b := w.dead[hour.Unix()]
	if b == nil {
		b = w.open(DeadFolder, Dead, hour, nil, w.pool.dead, w.deadEnc)
		w.dead[hour.Unix()] = b
	}
	return b
}
