package streamtest

import (
	"math/rand/v2"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// saved is what a commit makes durable.
type saved struct {
	logged, out int
	pending     map[int]bool // by index in the log
	eventTime   time.Time
	book        book
}

func (l *Lane[In, Out]) snapshot() saved {
	s := saved{logged: len(l.log), out: len(l.Out), pending: map[int]bool{}, eventTime: l.eventTime, book: l.flight.book.clone()}
	for i, r := range l.log {
		if r.pending {
			s.pending[i] = true
		}
	}
	return s
}

// Commit makes all that was fed so far durable, for Fence. It pulls first, as the engine does.
func (l *Lane[In, Out]) Commit() []Out {
	l.t.Helper()
	out := l.Pull()
	l.saved = l.snapshot()
	return out
}

// Fence makes void what came after the last Commit, as a crash before the next one or a lost commit does: rows and
// fates since then are taken back, a new processor gets back what was pending at the Commit, then everything that was fed
// since, as new records, in the same batches. Event time stays what it was at the Commit.
func (l *Lane[In, Out]) Fence() []Out {
	l.t.Helper()
	s := l.saved
	l.Out, l.eventTime, l.flight.book = l.Out[:s.out:s.out], s.eventTime, s.book.clone()
	void := l.log[s.logged:]
	l.log = l.log[:s.logged:s.logged]
	for i, r := range l.log {
		r.pending = s.pending[i]
	}
	out := l.crash(nil)
	for len(void) > 0 {
		n := 0
		for n < len(void) && void[n].batch == void[0].batch {
			void[n].pending, void[n].ref.Replayed = false, false
			n++
		}
		l.log = append(l.log, void[:n]...)
		out = append(out, l.process(void[:n])...)
		void = void[n:]
	}
	return out
}

// crash replaces the processor and gives the new one its state back.
func (l *Lane[In, Out]) crash(shuffle *rand.Rand) []Out {
	l.t.Helper()
	l.Close() // so that goroutines of the old processor end; nothing that it does then counts
	l.em.Take()
	l.open()
	l.warm(shuffle)
	var pending []*fed[In]
	for _, r := range l.log {
		if r.pending {
			r.ref.Replayed = true
			pending = append(pending, r)
		}
	}
	if shuffle != nil {
		shuffle.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	}
	out := l.process(pending)
	if !l.eventTime.IsZero() {
		out = append(out, l.Advance(l.eventTime)...)
	}
	return out
}

// warm gives the finished records of the stage's warm-up to its Warm, those of each partition in order.
func (l *Lane[In, Out]) warm(shuffle *rand.Rand) {
	l.t.Helper()
	w, ok := l.proc.(stage.Warmer[In, Out])
	if !ok || w.Warmup() <= 0 {
		return
	}
	from := l.reached()
	if !from.IsZero() {
		from = from.Add(-w.Warmup())
	}
	parts := map[*record.Partition][]*fed[In]{}
	var order []*record.Partition // whose record comes next
	for _, r := range l.log {
		if !r.pending && !r.event.Time.Before(from) {
			parts[r.ref.Partition] = append(parts[r.ref.Partition], r)
			order = append(order, r.ref.Partition)
		}
	}
	if shuffle != nil {
		shuffle.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	var warm []*fed[In]
	for _, p := range order {
		warm = append(warm, parts[p][0])
		parts[p] = parts[p][1:]
	}
	in := l.flight.admit(warm)
	if err := w.Warm(l.t.Context(), in, l.em); err != nil {
		l.t.Fatalf("Warm: %v", err)
	}
	l.em.Take()
	l.flight.spoil(in)
	clear(l.flight.live)
}

// reached is event time, or that of the oldest pending record.
func (l *Lane[In, Out]) reached() time.Time {
	at := l.eventTime
	for _, r := range l.log {
		if r.pending && r.event.Time.Before(at) {
			at = r.event.Time
		}
	}
	return at
}

// process runs one batch.
func (l *Lane[In, Out]) process(batch []*fed[In]) []Out {
	l.t.Helper()
	if len(batch) == 0 {
		return nil
	}
	in := l.flight.admit(batch)
	if err := l.proc.Process(l.t.Context(), in, l.em); err != nil {
		l.t.Fatalf("Process: %v", err)
	}
	out := l.settle("Process")
	l.flight.spoil(in)
	return append(out, l.tell()...)
}
