package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/brotli"
	"github.com/parquet-go/parquet-go/compress/gzip"
	"github.com/parquet-go/parquet-go/compress/lz4"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/uncompressed"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// settingsKey is where a header has the settings that a schema does not tell.
const settingsKey = "onceflow"

// settings are those of a header, as JSON.
type settings struct {
	Codec         Codec `json:"codec"`
	RowGroupBytes int64 `json:"row_group_bytes"`
	Dictionary    []int `json:"dictionary,omitempty"` // columns that begin with one
}

const createdBy = "onceflow"

// headerOf makes a header: a Parquet file without rows.
func headerOf(root pq.Node, leaves []*leaf, o *Options) ([]byte, error) {
	if _, err := codecOf(o.Codec); err != nil {
		return nil, err
	}
	s := settings{Codec: o.Codec, RowGroupBytes: o.RowGroupBytes}
	for i, f := range leaves {
		if f.dict {
			s.Dictionary = append(s.Dictionary, i)
		}
	}
	said, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := pq.NewGenericWriter[any](&b, pq.NewSchema("row", root), pq.CreatedBy(createdBy, "0", "0"), pq.KeyValueMetadata(settingsKey, string(said)))
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	return b.Bytes(), nil
}

// codecOf returns what compresses pages. It is safe for concurrent use.
func codecOf(c Codec) (compress.Codec, error) {
	switch c {
	case None:
		return new(uncompressed.Codec), nil
	case Snappy:
		return new(snappy.Codec), nil
	case Gzip:
		return &gzip.Codec{Level: gzip.DefaultCompression}, nil
	case LZ4:
		return &lz4.Codec{Level: lz4.DefaultLevel}, nil
	case Brotli:
		return &brotli.Codec{Quality: brotli.DefaultQuality, LGWin: brotli.DefaultLGWin}, nil
	case Zstd:
		return &zstd.Codec{Level: zstd.DefaultLevel}, nil
	}
	return nil, fmt.Errorf("parquet: no codec %q", c)
}

// form is what a header says: all that row groups are made by, without the type of rows. It is safe for concurrent use.
type form struct {
	schema  *pq.Schema
	columns []column
	said    format.FileMetaData // of the header
	codec   compress.Codec
	most    int64 // bytes of a row group

	writers sync.Pool // of *groupWriter
}

// column is how the values of a column are read.
type column struct {
	path     []string
	kind     pq.Kind
	size     int // of a value of a fixed number of bytes
	repeated bool
	maxDef   byte
	dict     bool // it begins with a dictionary
	unsorted bool // readers do not agree with the statistics that could be written
}

var errHeader = errors.New("parquet: this is no header that this version knows")

// formOf reads a header.
func formOf(header []byte) (f *form, err error) {
	file, err := pq.OpenFile(bytes.NewReader(header), int64(len(header)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHeader, err)
	}
	said, _ := file.Lookup(settingsKey)
	var s settings
	if err := json.Unmarshal([]byte(said), &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errHeader, err)
	}
	f = &form{most: s.RowGroupBytes}
	if f.said, err = metaOf(header); err != nil {
		return nil, err
	}
	if f.codec, err = codecOf(s.Codec); err != nil {
		return nil, err
	}
	f.schema = pq.NewSchema("row", f.copied(file.Root(), s.Dictionary))
	return f, nil
}

// copied copies a node of the header's schema, with the encodings of its columns.
func (f *form) copied(c *pq.Column, dictionary []int) pq.Node {
	if c.Leaf() {
		k := column{path: c.Path(), kind: c.Type().Kind(), repeated: c.MaxRepetitionLevel() > 0, maxDef: byte(c.MaxDefinitionLevel())}
		if k.kind == pq.FixedLenByteArray {
			k.size = c.Type().Length()
			logical := c.Type().LogicalType()
			if logical != nil {
				_, k.unsorted = logical.Value.(*format.DecimalType) // whose order is by value
			}
		}
		k.dict = slices.Contains(dictionary, c.Index())
		f.columns = append(f.columns, k)
		if k.dict {
			return pq.Encoded(c, &pq.RLEDictionary)
		}
		return c
	}
	g := &ordered{Node: c}
	for _, in := range c.Columns() {
		g.fields = append(g.fields, &field{f.copied(in, dictionary), in.Name()})
	}
	return g
}

// ordered is a node with other fields.
type ordered struct {
	pq.Node
	fields []pq.Field
}

func (o *ordered) Fields() []pq.Field { return o.fields }

// block makes a Parquet file with one row group of rows.
func (f *form) block(dst, rows []byte, n int64) ([]byte, error) {
	w := f.writer()
	out := appender{dst}
	w.begin(&out)
	if err := w.rows(rows, n); err != nil {
		return dst, err
	}
	tail, err := w.end()
	if err != nil {
		return dst, err
	}
	f.writers.Put(w)
	return append(out.b, tail...), nil
}

func (f *form) writer() *groupWriter {
	if w, ok := f.writers.Get().(*groupWriter); ok {
		return w
	}
	return newGroupWriter(f)
}

// appender appends what is written to it.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

var _ io.Writer = (*appender)(nil)
