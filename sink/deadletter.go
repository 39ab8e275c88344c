package sink

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
)

// reject adds dead letters to the folder of the hour at which they were read.
func (r *router[T]) reject(ctx context.Context, dead []driver.DeadLetter) error {
	for _, d := range dead {
		if d.Read = d.Read.UTC(); !when.Held(d.Read) {
			d.Read = when.Clamp(r.sink.keep.env.Now().UTC())
		}
		b := r.deadBuffer(d.Read)
		n := len(b.raw)
		raw, err := r.deadEnc.Encode(b.raw, &d)
		if err != nil {
			return err
		}
		b.raw = raw
		b.rows++
		r.bytes += int64(len(b.raw) - n)
		b.count()
		if b.full() {
			if err := b.drain(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *router[T]) deadBuffer(read time.Time) *buffer {
	hour := read.Truncate(r.sink.opts.Hour)
	b := r.dead[hour.Unix()]
	if b == nil {
		w := r.sink.deadWriter
		path := flowFolder(r.sink.opts.Prefix, deadFolder, ledger.DeadFile, hour, r.sink.opts.Hour)
		d := folder{flow: deadFolder, kind: ledger.DeadFile, hour: hour, path: string(path), ext: w.ext}
		b = r.lot.open(r.set.open(d), w, r.deadEnc)
		r.dead[hour.Unix()] = b
	}
	return b
}
