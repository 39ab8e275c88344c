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
// It holds nothing and keeps nothing from one transaction to the next. In a transaction it takes some 300 bytes for each
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
	recent   [256]*arrived // by the last byte of the ID: a map would take most of the time
	bytes    int64
}

// arrived are the lines of a batch that came.
type arrived struct {
	id         ID
	came, dead spans
}

// arrivedBytes is what a batch takes beside its runs.
const arrivedBytes = 300

// Process passes records on.
func (c *counter) Process(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[record.Record]) error {
	passed := out.EmitAll(in)
	unmarked := int64(0)
	for i := range in {
		r := &in[i].Value
		b := headerOf(r)
		if b == nil {
			id, line, value := prefixOf(r.Value)
			if line == 0 || !c.came(&id, line) {
				unmarked++
				continue
			}
			passed[i].Value.Value = value
			continue
		}
		id, line := split(b)
		if line == 0 || !c.came(id, line) {
			unmarked++
		}
	}
	if unmarked > 0 {
		c.unmarked.Add(unmarked)
	}
	return nil
}

// came notes a line, and returns false if there can be no such batch.
func (c *counter) came(id *ID, line uint32) bool {
	a := c.recent[id[15]]
	if a == nil || a.id != *id {
		if a = c.batch(*id); a == nil {
			return false
		}
	}
	if n := len(a.came); n > 0 && a.came[n-1].last+1 == line { // nearly always
		a.came[n-1].last = line
		return true
	}
	a.came.add(line)
	return true
}

// headerOf returns the value of a record's header; nil if it has none.
func headerOf(r *record.Record) []byte {
	for i := range r.Headers {
		if h := &r.Headers[i]; h.Key == Header {
			return h.Value
		}
	}
	return nil
}

// prefixOf returns the mark in front of a value, and the value without it. line is 0 if there is none.
func prefixOf(v []byte) (id ID, line uint32, value []byte) {
	if len(v) > 0 && v[0] == markPrefix[0] {
		if m, rest, ok := CutPrefix(v); ok {
			return m.ID, uint32(m.Line), rest
		}
	}
	return ID{}, 0, v
}

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
		a = &arrived{id: id}
		c.batches[id] = a
		c.bytes += arrivedBytes
	}
	c.recent[id[15]] = a
	return a
}

// Warmup is none.
func (*counter) Warmup() time.Duration { return 0 }

// Warm passes records on. Transactions before have noted them.
func (*counter) Warm(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[record.Record]) error {
	passed := out.EmitAll(in)
	for i := range in {
		if r := &in[i].Value; headerOf(r) == nil {
			_, _, passed[i].Value.Value = prefixOf(r.Value)
		}
	}
	return nil
}

// Buried notes a dead line.
func (c *counter) Buried(r *record.Record) {
	var line uint32
	id := new(ID)
	if b := headerOf(r); b != nil {
		id, line = split(b)
	} else {
		*id, line, _ = prefixOf(r.Value)
	}
	if line > 0 {
		if a := c.batch(*id); a != nil {
			a.dead.add(line)
		}
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
	c.batches, c.recent, c.bytes = map[ID]*arrived{}, [256]*arrived{}, 0
	return notes
}

// append writes a row: the ID, the runs of lines that came, and of those that are dead.
func (a *arrived) append(dst []byte) []byte {
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
