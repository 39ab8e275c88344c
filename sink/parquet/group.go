package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	pq "github.com/parquet-go/parquet-go"
)

// groupWriter makes row groups, one after the other. It is not safe for concurrent use.
type groupWriter struct {
	form *form
	w    *pq.GenericWriter[any]
	tap  tap

	values [][]pq.Value // by column, of rows that were not passed on
	nan    []bool       // by column: the row group has one
	dict   []int        // by column with a dictionary: bytes of its page under way
	n      int
	bytes  int
}

// These rows, or bytes of them, are passed on to the columns at once. A page is longer than parquet-go wants by no more.
const (
	batchRows  = 64
	batchBytes = 256 << 10
)

// dictionaryBytes ends the use of a dictionary. parquet-go looks at the end of a page, which has 64 Ki values of whatever length, so
// a page of a column with a dictionary ends after so many bytes.
const dictionaryBytes = 1 << 20

func newGroupWriter(f *form) *groupWriter {
	w := &groupWriter{form: f, values: make([][]pq.Value, len(f.columns)), nan: make([]bool, len(f.columns)), dict: make([]int, len(f.columns))}
	w.w = pq.NewGenericWriter[any](&w.tap, f.schema, pq.Compression(f.codec), pq.WriteBufferSize(0), pq.CreatedBy(createdBy, "0", "0"),
		pq.DictionaryMaxBytes(dictionaryBytes), pq.DefaultEncoding(&pq.Plain))
	return w
}

// tap takes what a Parquet writer writes apart: the magic, the row group, and the tail, which tells what is in the row group.
type tap struct {
	out   io.Writer
	n     int64 // written
	ended bool  // the row group is
	tail  []byte
}

const magic = "PAR1"

func (t *tap) Write(p []byte) (int, error) {
	n := len(p)
	if skip := int64(len(magic)) - t.n; skip > 0 {
		p = p[min(int(skip), n):]
	}
	t.n += int64(n)
	if t.ended {
		t.tail = append(t.tail, p...)
		return n, nil
	}
	if len(p) == 0 {
		return n, nil
	}
	_, err := t.out.Write(p)
	return n, err
}

// begin begins a row group, which goes to out without a magic before it.
func (w *groupWriter) begin(out io.Writer) {
	w.tap = tap{out: out, tail: w.tap.tail[:0]}
	w.w.Reset(&w.tap)
	clear(w.nan)
	clear(w.dict)
	w.forget()
}

// forget forgets rows that were not passed on.
func (w *groupWriter) forget() {
	for i := range w.values {
		clear(w.values[i])
		w.values[i] = w.values[i][:0]
	}
	w.n, w.bytes = 0, 0
}

// size is about how long the row group is, with what is not compressed yet.
func (w *groupWriter) size() int64 { return w.w.Size() }

var errRows = errors.New("parquet: rows are not encoded as their header says")

// rows adds n rows, as layout encodes them.
func (w *groupWriter) rows(b []byte, n int64) error {
	for ; n > 0; n-- {
		rest, err := w.row(b)
		if err != nil {
			return err
		}
		w.n, w.bytes = w.n+1, w.bytes+len(b)-len(rest)
		if b = rest; w.n >= batchRows || w.bytes >= batchBytes {
			if err := w.pass(); err != nil {
				return err
			}
		}
	}
	if len(b) > 0 {
		return errRows
	}
	return w.pass() // the values point to b
}

// pass passes rows on to the columns.
func (w *groupWriter) pass() error {
	if w.n == 0 {
		return nil
	}
	for i, c := range w.w.ColumnWriters() {
		if n, err := c.WriteRowValues(w.values[i]); err != nil || n != w.n {
			return fmt.Errorf("parquet: %d of %d rows written: %w", n, w.n, errOr(err))
		}
		if w.dict[i] < dictionaryBytes {
			continue
		}
		if err := c.Flush(); err != nil {
			return fmt.Errorf("parquet: %w", err)
		}
		w.dict[i] = 0
	}
	w.forget()
	return nil
}

func errOr(err error) error {
	if err == nil {
		return errRows
	}
	return err
}

// row reads the values of a row.
func (w *groupWriter) row(b []byte) ([]byte, error) {
	for i := range w.form.columns {
		c := &w.form.columns[i]
		rep, def, first := 0, byte(0), true
		for {
			if c.repeated {
				if len(b) == 0 {
					return nil, errRows
				}
				rep = int(b[0])
				if b = b[1:]; rep == endOfColumn {
					break
				}
				if (rep == 0) != first {
					return nil, errRows
				}
			}
			if c.maxDef > 0 {
				if len(b) == 0 || b[0] > c.maxDef {
					return nil, errRows
				}
				def, b = b[0], b[1:]
			}
			var v pq.Value
			if def == c.maxDef {
				size := c.length(b)
				if size < 0 {
					return nil, errRows
				}
				v = c.value(b, size)
				w.nan[i] = w.nan[i] || c.isNaN(b)
				if c.dict {
					w.dict[i] += size
				}
				b = b[size:]
			}
			w.values[i] = append(w.values[i], v.Level(rep, int(def), i))
			if first = false; !c.repeated {
				break
			}
		}
		if first {
			return nil, errRows
		}
	}
	return b, nil
}

// length is that of the value with which b begins; -1 if b is shorter.
func (c *column) length(b []byte) int {
	n := c.size
	switch c.kind {
	case pq.Boolean:
		n = 1
	case pq.Int32, pq.Float:
		n = 4
	case pq.Int64, pq.Double:
		n = 8
	case pq.ByteArray:
		v, k := binary.Uvarint(b)
		if k <= 0 || v > uint64(len(b)-k) {
			return -1
		}
		n = k + int(v)
	case pq.FixedLenByteArray, pq.Int96: // the latter is in no schema of ours
	}
	if n > len(b) {
		return -1
	}
	return n
}

func (c *column) value(b []byte, size int) pq.Value {
	switch c.kind {
	case pq.Boolean:
		return pq.BooleanValue(b[0] != 0)
	case pq.Int32:
		return pq.Int32Value(int32(binary.LittleEndian.Uint32(b)))
	case pq.Int64:
		return pq.Int64Value(int64(binary.LittleEndian.Uint64(b)))
	case pq.Float:
		return pq.FloatValue(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case pq.Double:
		return pq.DoubleValue(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case pq.ByteArray:
		_, k := binary.Uvarint(b)
		return pq.ByteArrayValue(b[k:size])
	case pq.FixedLenByteArray, pq.Int96:
	}
	return pq.FixedLenByteArrayValue(b[:size])
}

func (c *column) isNaN(b []byte) bool {
	if c.kind == pq.Float {
		f := math.Float32frombits(binary.LittleEndian.Uint32(b))
		return f != f
	}
	if c.kind == pq.Double {
		f := math.Float64frombits(binary.LittleEndian.Uint64(b))
		return f != f
	}
	return false
}

// end ends the row group, and returns what tells of it: its page indexes and the end of a Parquet file, as if the magic and it were
// before them. The result is valid until the next row group.
func (w *groupWriter) end() ([]byte, error) {
	if err := w.w.Flush(); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	at := w.tap.n
	w.tap.ended = true
	if err := w.w.Close(); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	g, err := parseGroup(w.tap.tail, at)
	if err != nil {
		return nil, err
	}
	for i := range w.form.columns {
		g.meta.Columns[i].MetaData.PathInSchema = w.form.columns[i].path // parquet-go v0.32 loses it when its writer is reset
	}
	g.trim(w.form, w.nan)
	return tail(at, g.meta.NumRows, &g.said, []*rowGroup{g})
}
