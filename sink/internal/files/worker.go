package files

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/escape"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/pack"
	streamdriver "github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// worker is one worker's part in one transaction: it finds the files of each row and encodes it into their buffers. Only
// that worker uses it.
type worker[T any] struct {
	pool *Pool[T]
	set  *Set
	lot  *lot
	encs []format.Encoder[T] // by flow

	deadEnc format.Encoder[streamdriver.DeadLetter]

	hours map[int64]*hourFolders // by their start, in seconds since 1970
	last  *hourFolders           // of the last row: most rows are of the same hour as the one before,
	other *hourFolders           // or of the one that came before that
	dead  map[int64]*buffer      // by hour of reading
	notes map[noteHour]*buffer

	key      []byte    // of keyed buffers, reused
	encoded  []byte    // of the row under way, for packs
	marks    []mark    // of the row under way
	due      []*buffer // for packs, that are to make a piece once the record under way is over
	tooLate  []int     // flows that drop the row under way
	dropped  []int64   // rows that were dropped since they are late, by flow
	flow     int       // of the row under way
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
	b   *buffer
	n   int
	end int // of a row for a pack; both are places in worker.encoded
}

// write writes rows. Lateness is decided by deadline: hours that end at or before it, in seconds since 1970, are closed for the lane.
func (w *worker[T]) write(ctx context.Context, deadline int64, rows []record.Event[T], fates []record.Fate) (bad []streamdriver.BadRow, err error) {
	for from := 0; from < len(rows) && err == nil; {
		from, bad, err = w.writeFrom(ctx, from, bad, deadline, rows, fates)
	}
	return bad, err
}

// writeFrom writes rows from from on. If one of the user's functions panics it takes back what the row left, as for a row
// that cannot be encoded, and returns the index after it. Any other panic goes on, since nobody knows what it left half
// done.
func (w *worker[T]) writeFrom(
	ctx context.Context, from int, before []streamdriver.BadRow, deadline int64, rows []record.Event[T], fates []record.Fate,
) (next int, bad []streamdriver.BadRow, err error) {
	at := from
	bad = before
	defer func() {
		if w.calls == nobody {
			return
		}
		v := recover()
		if v == nil { // runtime.Goexit
			return
		}
		bad = append(bad, streamdriver.BadRow{Index: at, Err: w.panicked(v)})
		fates[at] = record.Dead
		next, err = at+1, nil
	}()
	for ; at < len(rows); at++ {
		if len(w.due) > 0 && rows[at].Origin != rows[at-1].Origin {
			if err := w.drainDue(); err != nil {
				return at, bad, err
			}
		}
		fate, err := w.row(&rows[at], deadline)
		fates[at] = fate
		if err != nil {
			w.takeBack()
			fates[at] = record.Dead
			bad = append(bad, streamdriver.BadRow{Index: at, Err: err})
			continue
		}
		if err := w.keep(ctx); err != nil {
			return at, bad, err
		}
	}
	return at, bad, w.drainDue()
}

// keep makes what the row under way has left in buffers theirs.
func (w *worker[T]) keep(ctx context.Context) (err error) {
	for _, m := range w.marks {
		if m.b.packer != nil {
			w.bytes += int64(m.end - m.n)
			if m.b.store(w.encoded[m.n:m.end]); m.b.chain.n >= blockBytes {
				w.due = append(w.due, m.b)
			}
			continue
		}
		m.b.rows++
		w.bytes += int64(len(m.b.raw) - m.n)
		if len(m.b.raw) < m.b.shared.block {
			m.b.count()
		} else if err = m.b.drain(ctx); err != nil {
			break
		}
	}
	for _, flow := range w.tooLate {
		w.dropped[flow]++
	}
	w.forget()
	return err
}

// drainDue makes pieces of the buffers that are long enough. It must be called at the end of a record.
func (w *worker[T]) drainDue() error {
	for _, b := range w.due {
		var err error
		if w.lot.gather, err = b.hold(w.lot.gather); err != nil {
			return err
		}
	}
	w.due = w.due[:0]
	return nil
}

// callee is which of the user's functions is being called.
type callee uint8

const (
	nobody callee = iota
	where
	key
	encoder
)

// panicked ends a row after one of the user's functions panicked with v.
func (w *worker[T]) panicked(v any) error {
	what := map[callee]string{where: "Where", key: "the value of a key", encoder: "the encoder"}[w.calls]
	w.calls = nobody
	w.takeBack()
	return fmt.Errorf("flow %q: %s: %w", w.pool.cfg.Flows[w.flow].Name, what, record.Caught(v))
}

// row encodes a row into the buffers of all flows that want it. It notes in marks where they were before.
func (w *worker[T]) row(ev *record.Event[T], deadline int64) (record.Fate, error) {
	h := w.last
	if sec := ev.Time.Unix(); h == nil || sec < h.start || sec >= h.end {
		if w.last, w.other = w.other, w.last; w.last == nil || sec < w.last.start || sec >= w.last.end {
			if err := w.hour(ev.Time); err != nil {
				return record.Dead, err
			}
		}
		h = w.last
	}
	late, fate := 0, record.Filtered
	if h.end <= deadline {
		late = 1
	}
	for i := range w.pool.cfg.Flows {
		f := &w.pool.cfg.Flows[i]
		w.flow = i
		if f.Where != nil {
			w.calls = where
			wants := f.Where(&ev.Value)
			if w.calls = nobody; !wants {
				continue
			}
		}
		fate = record.Written
		if late == 1 {
			if fate = record.Late; f.DropLate {
				w.tooLate = append(w.tooLate, i)
				continue
			}
		}
		b, err := w.leaf(h, i, late, &ev.Value)
		if err != nil {
			return fate, err
		}
		dst := &b.raw
		if b.packer != nil {
			dst = &w.encoded
		}
		n := len(*dst)
		w.marks = append(w.marks, mark{b: b, n: n})
		w.calls = encoder
		raw, err := w.encs[i].Encode(*dst, &ev.Value)
		w.calls = nobody
		if err != nil {
			return fate, fmt.Errorf("flow %q: %w", f.Name, err)
		}
		*dst, w.marks[len(w.marks)-1].end = raw, len(raw)
	}
	return fate, nil
}

// takeBack removes what the row under way has left in buffers.
func (w *worker[T]) takeBack() {
	for _, m := range w.marks {
		if m.b.packer == nil {
			m.b.raw = m.b.raw[:m.n]
		}
	}
	w.forget()
}

// forget ends the row under way. It frees the memory if the row was huge.
func (w *worker[T]) forget() {
	if cap(w.encoded) > 4*blockBytes {
		w.encoded = nil
	}
	w.marks, w.tooLate, w.encoded = w.marks[:0], w.tooLate[:0], w.encoded[:0]
}

var errNoTime = errors.New("event time is missing, before 0001-01-02 or after 9999-12-29")

// hour makes the hour of t the last one.
func (w *worker[T]) hour(t time.Time) error {
	if t = t.UTC(); !when.Fits(t) {
		return errNoTime
	}
	start := t.Truncate(w.pool.cfg.Layout.Hour)
	h := w.hours[start.Unix()]
	if h == nil {
		h = &hourFolders{start: start.Unix(), end: start.Add(w.pool.cfg.Layout.Hour).Unix()}
		h.flows = make([][2]leaves, len(w.pool.cfg.Flows))
		w.hours[h.start] = h
	}
	w.last = h
	return nil
}

// leaf returns the buffer for a row of a flow.
func (w *worker[T]) leaf(h *hourFolders, flow, late int, row *T) (*buffer, error) {
	l := &h.flows[flow][late]
	f := &w.pool.cfg.Flows[flow]
	if len(f.Keys) == 0 || f.Merge && late == 1 { // else each commit would make a tiny file for each key
		if l.only == nil {
			l.only = w.openLeaf(h, flow, late, nil)
		}
		return l.only, nil
	}
	w.key = w.key[:0]
	for i := range f.Keys {
		w.key = append(append(w.key, f.Keys[i].Name...), '=')
		w.calls = key
		value := f.Keys[i].Value(row)
		w.calls = nobody
		w.key = append(escape.Append(w.key, value), '/') // escaped values hold none, so different values make different keys
	}
	if b := l.keyed[string(w.key)]; b != nil {
		return b, nil
	}
	if n := len(w.key); n > maxKeyFolders {
		return nil, fmt.Errorf("flow %q: the folders of its keys take %d bytes, at most %d are allowed", f.Name, n, maxKeyFolders)
	}
	if l.keyed == nil {
		l.keyed = map[string]*buffer{}
	}
	b := w.openLeaf(h, flow, late, w.key)
	l.keyed[string(w.key)] = b
	return b, nil
}

func (w *worker[T]) openLeaf(h *hourFolders, flow, late int, keys []byte) *buffer {
	if f := &w.pool.cfg.Flows[flow]; f.Merge && late == 0 {
		p := w.set.packer(f.Name, time.Unix(h.start, 0).UTC(), &w.pool.cfg.Layout, w.pool.shared[flow])
		b := w.lot.open(nil, w.pool.shared[flow], w.encs[flow])
		b.packed = packed{packer: p, Key: pack.KeyOf(string(keys))}
		p.take(b)
		return b
	}
	kind := [...]Kind{Data, Late}[late]
	return w.open(w.pool.cfg.Flows[flow].Name, kind, time.Unix(h.start, 0).UTC(), keys, w.pool.shared[flow], w.encs[flow])
}

// maxKeyFolders leaves room in a key for the prefix, the hour's folders and the file's name.
const maxKeyFolders = driver.MaxKey - driver.MaxPrefix - 256

// open makes the worker's buffer for a folder at its first row.
func (w *worker[T]) open(flow string, kind Kind, hour time.Time, keys []byte, s *shared, h header) *buffer {
	d := folder{flow: flow, kind: kind, hour: hour, ext: s.ext, join: s.join}
	d.path = string(append(w.pool.cfg.Layout.Folder(flow, kind, hour), keys...))
	return w.lot.open(w.set.open(d), s, h)
}

// report updates the budget with what the worker's buffers hold.
func (w *worker[T]) report() (over bool) {
	kept := w.lot.bytes.Load() + int64(len(w.lot.buffers))*bufferBytes
	over = w.pool.cfg.Budget.Add(kept - w.reported)
	w.reported = kept
	return over
}

// reset empties the worker for another transaction.
func (w *worker[T]) reset() {
	w.pool.cfg.Budget.Add(-w.reported)
	w.reported, w.bytes = 0, 0
	clear(w.hours)
	clear(w.dead)
	clear(w.notes)
	clear(w.dropped)
	w.last, w.other, w.set, w.lot = nil, nil, nil, w.pool.lot()
}
