package lane

import (
	"context"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// rows is the typed end of a lane. Events of the last stage go into the open transaction if their record is finished; else
// they wait here.
type rows[T any] struct {
	stages  *stages
	flight  *flight
	open    *driver.Txn[T] // the open transaction; the engine replaces it between slices
	w       driver.Writer
	scratch *rowScratch[T]

	stash []waiting[T]
	free  uint32 // first free place in stash, index + 1
	n     int
}

// waiting is a row of an unfinished record. It links to the record's next row, by index + 1.
type waiting[T any] struct {
	row  record.Event[T]
	next uint32
}

func (r *rows[T]) feeds() feeds[T] {
	return feeds[T]{run: r.take, warm: func(context.Context, []record.Event[T]) error { return nil }}
}

// take gets the events of the last stage. All stages are done with these records.
func (r *rows[T]) take(ctx context.Context, in []record.Event[T]) error {
	t := &r.flight.slots
	for i := range in {
		o := in[i].Origin
		s := t.get(o)
		if s == nil {
			return r.unknown()
		}
		if s.flags&flagRejected != 0 || s.parent != slotOf(o) || s.holds != 0 {
			return r.split(ctx, in, i)
		}
	}
	return r.write(ctx, in)
}

// split is take when only the first n of in can be written now.
func (r *rows[T]) split(ctx context.Context, in []record.Event[T], n int) error {
	t := &r.flight.slots
	ready := append(r.scratch.ready[:0], in[:n]...)
	for i := n; i < len(in); i++ {
		o := in[i].Origin
		s := t.get(o)
		switch {
		case s == nil:
			return r.unknown()
		case s.flags&flagRejected != 0:
		case t.slots[t.root(slotOf(o))].holds == 0:
			ready = append(ready, in[i])
		default:
			r.put(s, &in[i])
		}
	}
	r.scratch.ready = ready
	err := r.write(ctx, ready)
	clear(ready)
	return err
}

func (r *rows[T]) put(s *slot, row *record.Event[T]) {
	i := r.free
	if i == 0 {
		r.stash = append(r.stash, waiting[T]{})
		i = uint32(len(r.stash))
	} else {
		r.free = r.stash[i-1].next
	}
	r.stash[i-1] = waiting[T]{row: *row, next: s.stash}
	s.stash = i
	r.n++
}

func (r *rows[T]) waiting() int { return r.n }

// unstash writes the rows of finished records that waited.
func (r *rows[T]) unstash(ctx context.Context, finished []uint32) error {
	ready := r.scratch.ready[:0]
	for _, i := range finished {
		s := &r.flight.slots.slots[i]
		begin := len(ready)
		for at := s.stash; at != 0; {
			w := &r.stash[at-1]
			if s.flags&flagRejected == 0 {
				ready = append(ready, w.row)
			}
			next := w.next
			*w = waiting[T]{next: r.free}
			r.free, at = at, next
			r.n--
		}
		s.stash = 0
		slices.Reverse(ready[begin:]) // the newest was first
	}
	r.scratch.ready = ready
	err := r.write(ctx, ready)
	clear(ready)
	return err
}

// write adds rows of finished records to the transaction and notes their fates at the records.
func (r *rows[T]) write(ctx context.Context, in []record.Event[T]) error {
	if len(in) == 0 {
		return nil
	}
	if cap(r.scratch.fates) < len(in) {
		r.scratch.fates = make([]record.Fate, max(len(in), 2*cap(r.scratch.fates)))
	}
	fates := r.scratch.fates[:len(in)]
	bad, err := (*r.open).Write(ctx, r.w, in, fates)
	if err != nil {
		return &OutputError{fmt.Errorf("stream: write: %w", err)}
	}
	slots := r.flight.slots.slots
	for _, b := range bad {
		r.flight.bad(slotOf(in[b.Index].Origin), "output", b.Err)
	}
	for i := range in {
		switch fates[i] {
		case record.Written:
			slots[slotOf(in[i].Origin)].flags |= flagWritten
		case record.Late:
			slots[slotOf(in[i].Origin)].flags |= flagLate
			r.flight.tellLate(slotOf(in[i].Origin), in[i].Time)
		default: // bad rows are noted above, and one that no flow wanted leaves no mark
		}
	}
	return nil
}

func (r *rows[T]) reject(ctx context.Context, dead []driver.DeadLetter) error {
	if err := (*r.open).Reject(ctx, r.w, dead); err != nil {
		return &OutputError{fmt.Errorf("stream: write dead letters: %w", err)}
	}
	return nil
}

func (r *rows[T]) unknown() error {
	return r.stages.failed(len(r.stages.traits)-1, fmt.Errorf("it emitted an event: %w", errOrigin))
}
