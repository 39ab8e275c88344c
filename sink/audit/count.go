package audit

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Notes is the name of the notes that Count writes: see sink.OpenNotes.
const Notes = "audit"

// CountOptions are the optional settings of Count; nil means all defaults.
type CountOptions struct {
	// Unmarked, if set, counts the records without a mark, and those whose mark cannot be read.
	Unmarked *atomic.Int64
}

// Count notes which lines of which batches reach a job, in the transaction in which they are read. Place it directly behind
// the source, before stages that drop records: what dedup drops has arrived. It passes every record on. If a mark stands in
// front of a value it takes the mark away.
//
// A line whose record becomes a dead letter is noted as dead. That goes for pending records too if
// stream.Options.KeepRecords is set; else they are noted as arrived alone.
//
// It holds nothing and keeps nothing from one transaction to the next. In a transaction it takes some 330 bytes for each
// batch of which a lane reads lines, and 8 bytes for each run of lines.
func Count(opts *CountOptions) stage.Stage[record.Record, record.Record] {
	s := &counting{unmarked: new(atomic.Int64)}
	if opts != nil && opts.Unmarked != nil {
		s.unmarked = opts.Unmarked
	}
	return s
}

type counting struct{ unmarked *atomic.Int64 }

// Traits name the stage.
func (*counting) Traits() stage.Traits { return stage.Traits{Name: "audit"} }

// Open makes the counter of one lane.
func (s *counting) Open(*stage.Lane) (stage.Processor[record.Record, record.Record], error) {
	return &counter{unmarked: s.unmarked, batches: map[ID]*arrived{}}, nil
}

// counter has what a lane read of each batch since its last cut.
type counter struct {
	unmarked *atomic.Int64
	batches  map[ID]*arrived
	recent   [1024]*arrived // by the last ten bits of the ID: a map would take most of the time
	bytes    int64
}

// arrived are the lines of a batch that came.
type arrived struct {
	id         ID
	run        span // that grows; it is in came by the time of the cut. Empty: its last line is below its first
	text       [idText]byte
	came, dead spans
}

// arrivedBytes is what a batch takes beside its runs.
const arrivedBytes = 330

// Process passes records on.
func (c *counter) Process(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[record.Record]) error {
	passed := out.EmitAll(in)
	unmarked := int64(0)
	for i := range in {
		r := &in[i].Value
		if a, line, value := c.of(r); a != nil {
			passed[i].Value.Value = value
			if a.run.last+1 == line { // nearly always
				a.run.last = line
			} else {
				a.begin(line)
			}
		} else {
			unmarked++
		}
	}
	if unmarked > 0 {
		c.unmarked.Add(unmarked)
	}
	return nil
}

// begin begins another run.
func (a *arrived) begin(line uint32) {
	if line >= a.run.first && line <= a.run.last {
		return
	}
	if a.run.first <= a.run.last {
		a.came.put(a.run)
	}
	a.run = span{line, line}
}

// same compares texts of IDs. As arrays they would be compared by a call, which costs more.
func same(a, b *[idText]byte) bool {
	return binary.LittleEndian.Uint64(a[18:]) == binary.LittleEndian.Uint64(b[18:]) &&
		binary.LittleEndian.Uint64(a[10:]) == binary.LittleEndian.Uint64(b[10:]) &&
		binary.LittleEndian.Uint64(a[2:]) == binary.LittleEndian.Uint64(b[2:]) && a[0] == b[0] && a[1] == b[1]
}

// of returns the batch of a record, its line, and its value without a mark; nil if it has no mark.
func (c *counter) of(r *record.Record) (a *arrived, line uint32, value []byte) {
	for i := range r.Headers {
		if h := &r.Headers[i]; h.Key == Header {
			id, line := split(h.Value)
			if line == 0 {
				return nil, 0, nil
			}
			if a = c.recent[id.slot()]; a == nil || a.id != *id {
				a = c.batch(*id)
			}
			return a, line, r.Value
		}
	}
	if len(r.Value) == 0 || r.Value[0] != markPrefix[0] {
		return nil, 0, nil
	}
	text, line, value := cutPrefix(r.Value)
	if line == 0 {
		return nil, 0, nil
	}
	slot := int(digits[text[idText-2]]&31)<<5 | int(digits[text[idText-1]]&31)
	if a = c.recent[slot]; a == nil || !same(&a.text, text) {
		id, ok := parseID(text[:])
		if !ok {
			return nil, 0, nil
		}
		a = c.batch(id)
	}
	return a, line, value
}

// slot is where recent has the batch.
func (id *ID) slot() int { return int(id[14]&3)<<8 | int(id[15]) }

// split is ParseMark without a look at the time of the ID. line is 0 if b is no mark.
func split(b []byte) (id *ID, line uint32) {
	switch n := len(b) - idBytes; {
	case n == 1 && b[idBytes] < 0x80:
		return (*ID)(b), uint32(b[idBytes])
	case n == 2 && b[idBytes] >= 0x80 && b[idBytes+1] < 0x80:
		return (*ID)(b), uint32(b[idBytes]&0x7f) | uint32(b[idBytes+1])<<7
	case n < 1:
		return nil, 0
	}
	n, size := binary.Uvarint(b[idBytes:])
	if size != len(b)-idBytes || n > maxMarkLine {
		return nil, 0
	}
	return (*ID)(b), uint32(n)
}

// batch returns the batch of an ID; nil if there can be none.
func (c *counter) batch(id ID) *arrived {
	a := c.batches[id]
	if a == nil {
		if !id.valid() {
			return nil
		}
		a = &arrived{id: id, run: span{1, 0}}
		id.append(a.text[:0])
		c.batches[id] = a
		c.bytes += arrivedBytes
	}
	c.recent[id.slot()] = a
	return a
}

// Warmup is none.
func (*counter) Warmup() time.Duration { return 0 }

// Warm passes records on. Transactions before have noted them.
func (*counter) Warm(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[record.Record]) error {
	passed := out.EmitAll(in)
	for i := range in {
		if r := &in[i].Value; !slices.ContainsFunc(r.Headers, func(h record.Header) bool { return h.Key == Header }) {
			if _, value, ok := CutPrefix(r.Value); ok {
				passed[i].Value.Value = value
			}
		}
	}
	return nil
}

// Buried notes a dead line.
func (c *counter) Buried(r *record.Record) {
	if a, line, _ := c.of(r); a != nil {
		a.dead.add(line)
	}
}

// Kept is what the batches take.
func (c *counter) Kept() int64 { return c.bytes }

// Notes returns the lines of each batch, by the minute of its ID.
func (c *counter) Notes() []record.Note {
	if len(c.batches) == 0 {
		return nil
	}
	all := make([]*arrived, 0, len(c.batches))
	for _, a := range c.batches {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *arrived) int { return a.id.Compare(b.id) })
	var notes []record.Note
	var body []byte
	for _, a := range all {
		minute := a.id.Time().Truncate(time.Minute)
		if n := len(notes); n == 0 || !notes[n-1].Time.Equal(minute) {
			notes = append(notes, record.Note{Name: Notes, Time: minute})
			body = nil
		}
		body = a.append(body)
		n := &notes[len(notes)-1]
		n.Rows, n.Body = n.Rows+1, body
	}
	c.batches, c.recent, c.bytes = map[ID]*arrived{}, [1024]*arrived{}, 0
	return notes
}

// append writes a row: the ID, the runs of lines that came, and of those that are dead.
func (a *arrived) append(dst []byte) []byte {
	if a.run.first <= a.run.last {
		a.came.put(a.run)
	}
	a.came.join()
	a.dead.join()
	return a.dead.append(a.came.append(append(dst, a.id[:]...)))
}

// read reads a row. The error is io.EOF behind the last one, and errSpans if it is none.
func (a *arrived) read(r *bufio.Reader) error {
	switch n, err := io.ReadFull(r, a.id[:]); {
	case n == 0 && errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errSpans
	case err != nil:
		return err
	}
	a.came, a.dead = a.came[:0], a.dead[:0]
	if err := a.came.read(r); err != nil {
		return err
	}
	return a.dead.read(r)
}
