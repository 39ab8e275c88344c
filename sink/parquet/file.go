package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// file is a Parquet file under way.
type file struct {
	out  io.Writer
	at   int64 // written
	form *form
	most int64 // bytes of a row group

	groups []*rowGroup
	rows   int64

	group *groupWriter // of rows under way; nil if there are none
	from  int64        // where its row group begins
}

func (f *file) write(b []byte) error {
	n, err := f.out.Write(b)
	f.at += int64(n)
	return err
}

// Write is for the row group under way.
func (f *file) Write(b []byte) (int, error) { return len(b), f.write(b) }

// Rows adds rows to the row group under way, and ends it if it is long enough.
func (f *file) Rows(rows []byte, n int64) error {
	if n == 0 {
		return nil
	}
	if f.group == nil {
		f.group, f.from = f.form.writer(), f.at
		f.group.begin(f)
	}
	f.rows += n
	if err := f.group.rows(rows, n); err != nil {
		return err
	}
	if f.group.size() < f.most {
		return nil
	}
	return f.end()
}

// end ends the row group under way.
func (f *file) end() error {
	if f.group == nil {
		return nil
	}
	tail, err := f.group.end()
	if err != nil {
		return err
	}
	g, err := parseGroup(tail, f.at-f.from+int64(len(magic)))
	if err != nil {
		return err
	}
	f.add(g, f.from)
	f.form.writers.Put(f.group)
	f.group = nil
	return nil
}

var errBlock = errors.New("parquet: this is no row group")

// Block adds a row group: a Parquet file without its magic.
func (f *file) Block(block []byte, n int64) error {
	if err := f.end(); err != nil {
		return err
	}
	tail, err := tailOf(block)
	if err != nil {
		return err
	}
	g, err := parseGroup(block[tail:], int64(tail+len(magic)))
	if err != nil {
		return err
	}
	if g.meta.NumRows != n {
		return errBlock
	}
	f.rows += n
	f.add(g, f.at)
	return f.write(block[:tail])
}

// add notes a row group that begins at from.
func (f *file) add(g *rowGroup, from int64) {
	g.move(from-int64(len(magic)), len(f.groups))
	f.groups = append(f.groups, g)
}

// Waiting is about how long the row group under way is.
func (f *file) Waiting() int64 {
	if f.group == nil {
		return 0
	}
	return f.group.size()
}

// Close writes the last row group, the page indexes and the footer.
func (f *file) Close() error {
	if err := f.end(); err != nil {
		return err
	}
	if len(f.groups) > math.MaxInt16 {
		return fmt.Errorf("parquet: %d row groups in one file, at most %d are allowed", len(f.groups), math.MaxInt16)
	}
	tail, err := tail(f.at, f.rows, &f.form.said, f.groups)
	if err != nil {
		return err
	}
	return f.write(tail)
}

// rowGroup is what is known of a row group.
type rowGroup struct {
	meta    format.RowGroup
	columns [][]byte             // their column indexes, encoded; nil if there is none
	offsets []format.OffsetIndex // of the columns
	said    format.FileMetaData  // schema and the like of the file that it is from
}

// footerBytes are the length of the metadata and the magic.
const footerBytes = 8

// metaOf reads the metadata of a file, of which b is the end.
func metaOf(b []byte) (m format.FileMetaData, err error) {
	n := len(b) - footerBytes
	if n < 0 || string(b[n+4:]) != magic {
		return m, errBlock
	}
	length := int(binary.LittleEndian.Uint32(b[n:]))
	if length > n {
		return m, errBlock
	}
	own := bytes.Clone(b[n-length : n]) // texts of m point into it
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), own, &m); err != nil {
		return m, fmt.Errorf("%w: %w", errBlock, err)
	}
	return m, nil
}

// tailOf is where the tail of a block begins.
func tailOf(block []byte) (int, error) {
	m, err := metaOf(block)
	if err != nil {
		return 0, err
	}
	if len(m.RowGroups) != 1 {
		return 0, errBlock
	}
	end := int64(len(magic))
	for i := range m.RowGroups[0].Columns {
		c := &m.RowGroups[0].Columns[i].MetaData
		from := c.DataPageOffset
		if c.DictionaryPageOffset > 0 {
			from = min(from, c.DictionaryPageOffset)
		}
		end = max(end, from+c.TotalCompressedSize)
	}
	if end -= int64(len(magic)); end > int64(len(block)) {
		return 0, errBlock
	}
	return int(end), nil
}

// parseGroup reads the tail of a file with one row group. The tail begins at at of that file.
func parseGroup(tail []byte, at int64) (*rowGroup, error) {
	m, err := metaOf(tail)
	if err != nil {
		return nil, err
	}
	if len(m.RowGroups) != 1 {
		return nil, errBlock
	}
	g := &rowGroup{meta: m.RowGroups[0], said: m}
	for i := range g.meta.Columns {
		c := &g.meta.Columns[i]
		column, err := cut(tail, c.ColumnIndexOffset-at, c.ColumnIndexLength)
		if err != nil {
			return nil, err
		}
		g.columns = append(g.columns, column)
		encoded, err := cut(tail, c.OffsetIndexOffset-at, c.OffsetIndexLength)
		if err != nil {
			return nil, err
		}
		var offsets format.OffsetIndex
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), encoded, &offsets); err != nil {
			return nil, fmt.Errorf("%w: %w", errBlock, err)
		}
		g.offsets = append(g.offsets, offsets)
	}
	return g, nil
}

// cut copies a part of b; nil if its length is 0.
func cut(b []byte, from int64, length int32) ([]byte, error) {
	if length == 0 {
		return nil, nil
	}
	if length < 0 || from < 0 || from+int64(length) > int64(len(b)) {
		return nil, errBlock
	}
	return bytes.Clone(b[from : from+int64(length)]), nil
}

// move adds to all places in the row group, which becomes another one of a file.
func (g *rowGroup) move(by int64, ordinal int) {
	g.meta.Ordinal = int16(ordinal)
	moved := func(at *int64) {
		if *at > 0 {
			*at += by
		}
	}
	moved(&g.meta.FileOffset)
	for i := range g.meta.Columns {
		c := &g.meta.Columns[i]
		for _, at := range []*int64{&c.FileOffset, &c.MetaData.DataPageOffset, &c.MetaData.IndexPageOffset, &c.MetaData.DictionaryPageOffset} {
			moved(at)
		}
		for k := range g.offsets[i].PageLocations {
			g.offsets[i].PageLocations[k].Offset += by
		}
	}
}

// tail makes the page indexes and the footer of a file, which begin at at.
func tail(at, rows int64, said *format.FileMetaData, groups []*rowGroup) ([]byte, error) {
	var b []byte
	for _, g := range groups {
		for i, index := range g.columns {
			c := &g.meta.Columns[i]
			if c.ColumnIndexOffset, c.ColumnIndexLength = at+int64(len(b)), int32(len(index)); len(index) == 0 {
				c.ColumnIndexOffset = 0
			}
			b = append(b, index...)
		}
	}
	for _, g := range groups {
		for i := range g.offsets {
			index, err := thrift.Marshal(new(thrift.CompactProtocol), &g.offsets[i])
			if err != nil {
				return nil, fmt.Errorf("parquet: %w", err)
			}
			c := &g.meta.Columns[i]
			c.OffsetIndexOffset, c.OffsetIndexLength = at+int64(len(b)), int32(len(index))
			b = append(b, index...)
		}
	}
	m := format.FileMetaData{Version: said.Version, Schema: said.Schema, NumRows: rows, CreatedBy: said.CreatedBy, ColumnOrders: said.ColumnOrders}
	for _, g := range groups {
		m.RowGroups = append(m.RowGroups, g.meta)
	}
	meta, err := thrift.Marshal(new(thrift.CompactProtocol), &m)
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	b = append(b, meta...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(meta)))
	return append(b, magic...), nil
}
