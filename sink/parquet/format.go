package parquet

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"

	"github.com/onceflow/onceflow/sink/format"
)

// Codec is how pages are compressed.
type Codec string

// All readers that are known to us have these.
const (
	None   Codec = "none"
	Snappy Codec = "snappy"
	Gzip   Codec = "gzip"
	LZ4    Codec = "lz4" // LZ4_RAW, which is without frames
	Brotli Codec = "brotli"
	Zstd   Codec = "zstd"
)

// Options are the optional settings of a format; nil means all defaults.
type Options struct {
	// Codec compresses the pages of all columns.
	//
	// Defaults to Zstd.
	Codec Codec

	// RowGroupBytes is the size of row groups in merged files, compressed.
	//
	// Defaults to 128 MiB, which readers of large files like. At least 64 KiB.
	RowGroupBytes int64
}

// For makes a format for rows of the struct type T. Its columns are the exported fields, in their order, under the name in the tag
// `parquet:"name"`, else under their own; `parquet:"-"` leaves a field out, and the fields of an embedded struct without a name are
// columns beside the others. The error names all fields that have no place in a schema. These types have one:
//
//	bool, float32, float64       BOOLEAN, FLOAT, DOUBLE
//	int, int8 .. int64           INT, signed, of as many bits, and so are named types of these, such as time.Duration
//	uint, uint8 .. uint64        INT, unsigned
//	string                       STRING; ENUM, JSON or none with the options enum, json, bytes
//	[]byte                       BYTE_ARRAY; STRING or JSON with the options string, json
//	[N]byte                      FIXED_LEN_BYTE_ARRAY; UUID with the option uuid and 16 bytes
//	time.Time                    TIMESTAMP in microseconds and UTC; timestamp(millisecond), timestamp(nanosecond) or date with these options
//	int32, int64, big.Int        DECIMAL with the option decimal(scale:precision), of at most 9, 18 and 38 digits; the value is unscaled
//	struct                       a group
//	slice, array                 LIST
//	map                          MAP, in the order of its keys, which are strings or integers
//	pointer                      what it points to, and null
//
// The option optional makes null of a value that is its type's zero, and of a slice or map that is nil. Without it a nil slice is
// an empty list. The tags parquet-element, parquet-key and parquet-value have options for what is in a list or map. The option
// dict has a column begin with a dictionary, which strings do anyway, and plain has it do without. Times are cut to the unit.
func For[T any](opts *Options) (format.Format[T], error) {
	l, err := newLayout(reflect.TypeFor[T](), opts)
	if err != nil {
		return nil, err
	}
	return &columnar[T]{l, func() func(dst []byte, v *T) ([]byte, error) {
		return func(dst []byte, v *T) ([]byte, error) { return l.appendRow(dst, reflect.ValueOf(v).Elem()) }
	}}, nil
}

// ForFunc makes a format for events of type T, of which row makes rows of the struct type R: see For. row gets an R without values.
// It must not keep it, and is called by several goroutines at once. If it returns an error the event's record goes to the
// dead-letter flow.
func ForFunc[T, R any](row func(r *R, v *T) error, opts *Options) (format.Format[T], error) {
	if row == nil {
		return nil, errors.New("parquet: ForFunc needs a function that makes a row, and got nil")
	}
	l, err := newLayout(reflect.TypeFor[R](), opts)
	if err != nil {
		return nil, err
	}
	return &columnar[T]{l, func() func(dst []byte, v *T) ([]byte, error) {
		r := new(R)
		value := reflect.ValueOf(r).Elem()
		return func(dst []byte, v *T) ([]byte, error) {
			value.SetZero()
			if err := row(r, v); err != nil {
				return dst, err
			}
			return l.appendRow(dst, value)
		}
	}}, nil
}

// columnar is the format. encode makes what encodes rows for one goroutine.
type columnar[T any] struct {
	layout *layout
	encode func() func(dst []byte, v *T) ([]byte, error)
}

// Ext is ".parquet".
func (f *columnar[T]) Ext() string { return ".parquet" }

// Open makes an encoder.
func (f *columnar[T]) Open() format.Encoder[T] { return &encoder[T]{f.layout, f.encode()} }

// Join makes files of row groups, and of rows.
func (f *columnar[T]) Join() format.Join { return f.layout.join }

type encoder[T any] struct {
	layout *layout
	encode func(dst []byte, v *T) ([]byte, error)
}

// Header is a Parquet file without rows.
func (e *encoder[T]) Header(dst []byte) []byte { return append(dst, e.layout.header...) }

// Encode appends a row, as docs/format.md says.
func (e *encoder[T]) Encode(dst []byte, row *T) ([]byte, error) { return e.encode(dst, row) }

// Block makes a row group of rows. It may be called for several blocks at once.
func (e *encoder[T]) Block(dst, rows []byte, n int) ([]byte, error) {
	return e.layout.form.block(dst, rows, int64(n))
}

// layout is what follows from a struct type.
type layout struct {
	leaves []*leaf
	header []byte
	form   *form
	join   *join
}

func newLayout(t reflect.Type, opts *Options) (*layout, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Codec = cmp.Or(o.Codec, Zstd)
	o.RowGroupBytes = cmp.Or(o.RowGroupBytes, 128<<20)
	if o.RowGroupBytes < 64<<10 {
		return nil, fmt.Errorf("parquet: RowGroupBytes %d is less than %d", o.RowGroupBytes, 64<<10)
	}
	root, leaves, err := schemaOf(t)
	if err != nil {
		return nil, err
	}
	l := &layout{leaves: leaves, join: newJoin()}
	if l.header, err = headerOf(root, leaves, &o); err != nil {
		return nil, err
	}
	if l.form, err = l.join.form(l.header); err != nil {
		return nil, err
	}
	return l, l.compare()
}

// maxRow is the length of the longest row, encoded. A page has at least one row, and is shorter than 2 GiB.
const maxRow = 256 << 20

func (l *layout) appendRow(dst []byte, row reflect.Value) ([]byte, error) {
	start := len(dst)
	var err error
	for _, f := range l.leaves {
		if dst, err = f.append(dst, row); err != nil {
			return dst, fmt.Errorf("parquet: field %s: %w", f.name, err)
		}
	}
	if n := len(dst) - start; n > maxRow {
		return dst, fmt.Errorf("parquet: the row has %d bytes, at most %d are allowed", n, maxRow)
	}
	return dst, nil
}

// compare checks that rows are written as they are read.
func (l *layout) compare() error {
	if len(l.leaves) != len(l.form.columns) {
		return fmt.Errorf("parquet: the schema has %d columns, and the struct %d", len(l.form.columns), len(l.leaves))
	}
	for i, f := range l.leaves {
		if c := &l.form.columns[i]; c.repeated != (f.maxRep > 0) || c.maxDef != f.maxDef || c.size != f.size || c.kind != f.kind {
			return fmt.Errorf("parquet: column %d is %+v, and the field %s another one", i, *c, f.name)
		}
	}
	return nil
}
