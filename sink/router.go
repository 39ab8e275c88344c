package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/escape"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// router is what one worker does in one transaction: it finds the files of each row and encodes it into their buffers.
// Only the worker uses it.
type router[T any] struct {
	sink *Sink[T]
	set  *fileSet
	lot  *lot
	encs []format.Encoder[T] // by flow

	deadEnc format.Encoder[driver.DeadLetter]

	hours map[int64]*hourFolders // by their start, in seconds since 1970
	last  *hourFolders           // of the last row: most rows are of the same hour as the one before,
	other *hourFolders           // or of the one that came before that
	dead  map[int64]*buffer      // by hour of reading

	key      []byte  // of keyed buffers, reused
	marks    []mark  // of the row under way
	tooLate  []int   // flows that drop the row under way
	dropped  []int64 // rows that were dropped since they are late, by flow
	flow     int     // of the row under way
	calls    callee
	bytes    int64 // encoded since they were last counted
	reported int64 // bytes of buffers that the budget knows of
}

// hourFolders are the worker's buffers in the folders of one hour.
type hourFolders struct {
	start, end int64 // seconds since 1970
	flows      [][2]leaves
}

// leaves are the buffers of a flow in one hour, on-time or late.
type leaves struct {
	only  *buffer // without keys
	keyed map[string]*buffer
}

// mark is how far a buffer was filled before the row under way.
type mark struct {
	b *buffer
	n int
}

// deadline is what lateness is decided by: hours that end at or before it, in seconds since 1970, are closed for the lane.
func (r *router[T]) write(ctx context.Context, deadline int64, rows []record.Event[T], fates []record.Fate) (bad []driver.BadRow, err error) {
	for from := 0; from < len(rows) && err == nil; {
		from, bad, err = r.writeFrom(ctx, from, bad, deadline, rows, fates)
	}
	return bad, err
}

// writeFrom writes rows from from on, and returns where it is to go on: behind a row of which one of the user's functions
// panicked. What such a row left is taken back, as that of a row that cannot be encoded. A panic of anything else goes on,
// since nobody knows what it left half done.
func (r *router[T]) writeFrom(
	ctx context.Context, from int, before []driver.BadRow, deadline int64, rows []record.Event[T], fates []record.Fate,
) (next int, bad []driver.BadRow, err error) {
	at := from
	bad = before
	defer func() {
		if r.calls == nobody {
			return
		}
		v := recover()
		if v == nil { // runtime.Goexit
			return
		}
		bad = append(bad, driver.BadRow{Index: at, Err: r.panicked(v)})
		fates[at] = record.Dead
		next, err = at+1, nil
	}()
	for ; at < len(rows); at++ {
		fate, err := r.row(&rows[at], deadline)
		fates[at] = fate
		if err != nil {
			r.takeBack()
			fates[at] = record.Dead
			bad = append(bad, driver.BadRow{Index: at, Err: err})
			continue
		}
		for _, m := range r.marks {
			m.b.rows++
			r.bytes += int64(len(m.b.raw) - m.n)
			if m.b.full() {
				if err := m.b.drain(ctx); err != nil {
					r.marks = r.marks[:0]
					return at, bad, err
				}
			} else {
				m.b.count()
			}
		}
		r.marks = r.marks[:0]
		if len(r.tooLate) > 0 {
			for _, flow := range r.tooLate {
				r.dropped[flow]++
			}
			r.tooLate = r.tooLate[:0]
		}
	}
	return at, bad, nil
}

// callee is which of the user's functions is being called.
type callee uint8

const (
	nobody callee = iota
	where
	key
	encoder
)

// panicked ends a row in whose flow one of the user's functions panicked with v.
func (r *router[T]) panicked(v any) error {
	what := map[callee]string{where: "Where", key: "the value of a key", encoder: "the encoder"}[r.calls]
	r.calls = nobody
	r.takeBack()
	return fmt.Errorf("flow %q: %s: %w", r.sink.flows[r.flow].Name, what, record.Caught(v))
}

// row encodes a row into the buffers of all flows that want it, noting in marks where they were before.
func (r *router[T]) row(ev *record.Event[T], deadline int64) (record.Fate, error) {
	h := r.last
	if sec := ev.Time.Unix(); h == nil || sec < h.start || sec >= h.end {
		if r.last, r.other = r.other, r.last; r.last == nil || sec < r.last.start || sec >= r.last.end {
			if err := r.hour(ev.Time); err != nil {
				return record.Dead, err
			}
		}
		h = r.last
	}
	late, fate := 0, record.Filtered
	if h.end <= deadline {
		late = 1
	}
	for i := range r.sink.flows {
		f := &r.sink.flows[i]
		r.flow = i
		if f.Where != nil {
			r.calls = where
			wants := f.Where(&ev.Value)
			if r.calls = nobody; !wants {
				continue
			}
		}
		fate = record.Written
		if late == 1 {
			if fate = record.Late; f.Late == LateDrop {
				r.tooLate = append(r.tooLate, i)
				continue
			}
		}
		b, err := r.leaf(h, i, late, &ev.Value)
		if err != nil {
			return fate, err
		}
		n := len(b.raw)
		r.marks = append(r.marks, mark{b, n})
		r.calls = encoder
		raw, err := r.encs[i].Encode(b.raw, &ev.Value)
		r.calls = nobody
		if err != nil {
			return fate, fmt.Errorf("flow %q: %w", f.Name, err)
		}
		b.raw = raw
	}
	return fate, nil
}

// takeBack removes what the row under way has left in buffers.
func (r *router[T]) takeBack() {
	for _, m := range r.marks {
		m.b.raw = m.b.raw[:m.n]
	}
	r.marks, r.tooLate = r.marks[:0], r.tooLate[:0]
}

var errNoTime = errors.New("event time is missing, before 0001-01-02 or after 9999-12-29")

// hour makes the hour of t the last one.
func (r *router[T]) hour(t time.Time) error {
	if t = t.UTC(); !when.Held(t) {
		return errNoTime
	}
	start := t.Truncate(r.sink.opts.Hour)
	h := r.hours[start.Unix()]
	if h == nil {
		h = &hourFolders{start: start.Unix(), end: start.Add(r.sink.opts.Hour).Unix()}
		h.flows = make([][2]leaves, len(r.sink.flows))
		r.hours[h.start] = h
	}
	r.last = h
	return nil
}

// leaf returns the buffer for a row of a flow.
func (r *router[T]) leaf(h *hourFolders, flow, late int, row *T) (*buffer, error) {
	l := &h.flows[flow][late]
	keys := r.sink.flows[flow].Keys
	if len(keys) == 0 {
		if l.only == nil {
			l.only = r.open(h, flow, late, nil)
		}
		return l.only, nil
	}
	r.key = r.key[:0]
	for i := range keys {
		if i > 0 {
			r.key = append(r.key, '/') // escaped values hold none, so different values make different keys
		}
		r.key = append(append(r.key, keys[i].Name...), '=')
		r.calls = key
		value := keys[i].Value(row)
		r.calls = nobody
		r.key = escape.Append(r.key, value)
	}
	r.key = append(r.key, '/')
	if b := l.keyed[string(r.key)]; b != nil {
		return b, nil
	}
	if n := len(r.key); n > maxKeyFolders {
		return nil, fmt.Errorf("flow %q: the folders of its keys take %d bytes, at most %d are allowed", r.sink.flows[flow].Name, n, maxKeyFolders)
	}
	if l.keyed == nil {
		l.keyed = map[string]*buffer{}
	}
	b := r.open(h, flow, late, r.key)
	l.keyed[string(r.key)] = b
	return b, nil
}

// maxKeyFolders leaves room in a key for the prefix, the hour's folders and the file's name.
const maxKeyFolders = storage.MaxKey - maxPrefix - 256

func (r *router[T]) open(h *hourFolders, flow, late int, keys []byte) *buffer {
	f, w := &r.sink.flows[flow], r.sink.writers[flow]
	d := folder{flow: f.Name, hour: time.Unix(h.start, 0).UTC(), ext: w.ext}
	if late == 1 {
		d.kind = ledger.LateFile
	}
	d.path = string(append(flowFolder(r.sink.opts.Prefix, f.Name, d.kind, d.hour, r.sink.opts.Hour), keys...))
	return r.lot.open(r.set.open(d), w, r.encs[flow])
}
