package audit

import (
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// batch is the events of a Batcher that get one ID. The Batcher's lock guards it until it is full; then it does not change,
// but for err, which is set before kept is closed.
type batch struct {
	id     ID
	body   []byte // events as appendEvent makes them
	lines  int
	bytes  int64
	oldest time.Time
	age    *time.Timer // ends the batch

	kept chan struct{} // closed once the batch is durable and registered, or that has failed
	err  error
}

func newBatch(at time.Time) *batch {
	return &batch{id: NewID(at), kept: make(chan struct{})}
}

func (b *batch) add(e *Event) {
	b.body = appendEvent(b.body, e)
	b.lines++
	b.bytes += int64(len(e.Key) + len(e.Value))
	if !e.Time.IsZero() && (b.oldest.IsZero() || e.Time.Before(b.oldest)) {
		b.oldest = e.Time.UTC().Truncate(time.Millisecond)
	}
}

func (b *batch) registration() Registration {
	r := Registration{ID: b.id, Lines: b.lines, Bytes: b.bytes, Oldest: b.oldest}
	if r.Oldest.IsZero() {
		r.Oldest = b.id.Time()
	}
	r.Oldest = when.Later(earliest, when.Clamp(r.Oldest)) // one event of a clock that is wrong must not cost the others their batch
	return r
}
