package stream

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Compose makes one stage of two, to be named, shared and tested as one. A pipe runs it exactly as the two.
func Compose[A, B, C any](first Stage[A, B], second Stage[B, C]) Stage[A, C] {
	return composed[A, B, C]{first, second}
}

type composed[A, B, C any] struct {
	first  Stage[A, B]
	second Stage[B, C]
}

// Traits are those of both.
func (c composed[A, B, C]) Traits() stage.Traits {
	p, q := stage.TraitsOf(c.first), stage.TraitsOf(c.second)
	return stage.Traits{
		Name: p.Name + "+" + q.Name, ClaimsFirst: p.ClaimsFirst || q.ClaimsFirst, Holds: p.Holds || q.Holds,
		LaneLocal: p.LaneLocal || q.LaneLocal, Err: errors.Join(p.Err, q.Err),
	}
}

// via shows the pipe both stages, so that errors name the right one and the rules are checked for each.
func (c composed[A, B, C]) via(p Pipe[A]) Pipe[C] { return Via(Via(p, c.first), c.second) }

// Open is for drivers of single processors; a pipe does not call it.
func (c composed[A, B, C]) Open(lane *stage.Lane) (stage.Processor[A, C], error) {
	p, err := c.first.Open(lane)
	if err != nil {
		return nil, err
	}
	q, err := c.second.Open(lane)
	if err != nil {
		return nil, errors.Join(err, closeProcessor(p))
	}
	return &pair[A, B, C]{p: p, q: q}, nil
}

func closeProcessor(p any) error {
	if c, ok := p.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// pair runs two processors as one. Outcomes of the first go to out as they are; its events go to the second.
type pair[A, B, C any] struct {
	p   stage.Processor[A, B]
	q   stage.Processor[B, C]
	mid stage.Emitter[B]
}

// pass runs a step of the first processor, then the second on what the first emitted.
func (d *pair[A, B, C]) pass(ctx context.Context, out *stage.Emitter[C], step func(*stage.Emitter[B]) error) error {
	d.mid.Serve(out.Host())
	if err := step(&d.mid); err != nil {
		return err
	}
	events, ends := d.mid.Take()
	out.Say(ends)
	events = stage.Accepted(events, ends)
	if len(events) == 0 {
		return nil
	}
	return d.q.Process(ctx, events, out)
}

func (d *pair[A, B, C]) Process(ctx context.Context, in []Event[A], out *stage.Emitter[C]) error {
	return d.pass(ctx, out, func(mid *stage.Emitter[B]) error { return d.p.Process(ctx, in, mid) })
}

func (d *pair[A, B, C]) Advance(ctx context.Context, eventTime time.Time, out *stage.Emitter[C]) error {
	if a, ok := d.p.(stage.Advancer[B]); ok {
		err := d.pass(ctx, out, func(mid *stage.Emitter[B]) error { return a.Advance(ctx, eventTime, mid) })
		if err != nil {
			return err
		}
	}
	if a, ok := d.q.(stage.Advancer[C]); ok {
		return a.Advance(ctx, eventTime, out)
	}
	return nil
}

func (d *pair[A, B, C]) Pull(ctx context.Context, out *stage.Emitter[C]) error {
	if a, ok := d.p.(stage.Puller[B]); ok {
		if err := d.pass(ctx, out, func(mid *stage.Emitter[B]) error { return a.Pull(ctx, mid) }); err != nil {
			return err
		}
	}
	if a, ok := d.q.(stage.Puller[C]); ok {
		return a.Pull(ctx, out)
	}
	return nil
}

func (d *pair[A, B, C]) Warmup() time.Duration {
	var w time.Duration
	if a, ok := d.p.(stage.Warmer[A, B]); ok {
		w = a.Warmup()
	}
	if a, ok := d.q.(stage.Warmer[B, C]); ok {
		w = max(w, a.Warmup())
	}
	return w
}

func (d *pair[A, B, C]) Warm(ctx context.Context, in []Event[A], out *stage.Emitter[C]) error {
	d.mid.Serve(out.Host())
	step := d.p.Process
	if a, ok := d.p.(stage.Warmer[A, B]); ok {
		step = a.Warm
	}
	if err := step(ctx, in, &d.mid); err != nil {
		return err
	}
	events, ends := d.mid.Take()
	events = stage.Accepted(events, ends)
	if a, ok := d.q.(stage.Warmer[B, C]); ok && len(events) > 0 {
		return a.Warm(ctx, events, out)
	}
	return nil
}

func (d *pair[A, B, C]) Committed(ctx context.Context, c record.Clocks) error {
	for _, p := range []any{d.p, d.q} {
		if w, ok := p.(stage.ClockWatcher); ok {
			if err := w.Committed(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *pair[A, B, C]) Kept() (n int64) {
	for _, p := range []any{d.p, d.q} {
		if k, ok := p.(stage.Keeper); ok {
			n += k.Kept()
		}
	}
	return n
}

func (d *pair[A, B, C]) Full() bool {
	full := false
	for _, p := range []any{d.p, d.q} {
		if f, ok := p.(stage.Fuller); ok {
			full = f.Full() || full
		}
	}
	return full
}

func (d *pair[A, B, C]) Notes() (notes []record.Note) {
	for _, p := range []any{d.p, d.q} {
		if n, ok := p.(stage.Noter); ok {
			notes = append(notes, n.Notes()...)
		}
	}
	return notes
}

func (d *pair[A, B, C]) Buried(r *record.Record) {
	for _, p := range []any{d.p, d.q} {
		if n, ok := p.(stage.Noter); ok {
			n.Buried(r)
		}
	}
}

func (d *pair[A, B, C]) Close() error { return errors.Join(closeProcessor(d.p), closeProcessor(d.q)) }
