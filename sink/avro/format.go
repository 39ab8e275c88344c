package avro

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/twmb/avro"

	"github.com/onceflow/onceflow/sink/format"
)

// Codec is how blocks are compressed.
type Codec string

// The codecs that every reader of Avro has are Null and Deflate; most have Snappy and Zstandard.
const (
	Null      Codec = "null"
	Deflate   Codec = "deflate"
	Snappy    Codec = "snappy"
	Zstandard Codec = "zstandard"
)

// Options are the optional settings of a format; nil means all defaults.
type Options struct {
	// Codec compresses the blocks.
	//
	// Defaults to Deflate.
	Codec Codec

	// Sync is the marker between blocks. It should not occur in the data: readers that split a file look for it.
	//
	// Defaults to 16 random bytes.
	Sync [16]byte
}

// New makes a format for rows that are Go structs, matched with schema by the tags `avro:"name"` of their fields, else by
// their names. A row that does not fit the schema goes to the dead-letter flow, and so does one with a float64 that is too
// large for a float of the schema.
func New[T any](schema string, opts *Options) (format.Format[T], error) {
	s, err := avro.Parse(schema, floats)
	if err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	f := &container[T]{
		schema: s.String(), text: planOf(s),
		encode: func(dst []byte, row *T) ([]byte, error) { return s.AppendEncode(dst, row) },
	}
	return f, f.open(opts)
}

// floats refuses what would become infinite.
var floats = avro.CustomType{AvroType: "float", Encode: func(v any, _ *avro.SchemaNode) (any, error) {
	if f, ok := v.(float64); ok && !math.IsInf(f, 0) && math.IsInf(float64(float32(f)), 0) {
		return nil, fmt.Errorf("avro: %g is too large for a float", f)
	}
	return v, nil
}}

// For is New with the schema that follows from T: its exported fields, with their tags. A time.Time without a tag is a
// timestamp-micros.
func For[T any](opts *Options) (format.Format[T], error) {
	s, err := avro.SchemaFor[T]()
	if err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	root := s.Root()
	keepMicros(root, reflect.TypeFor[T](), false)
	if s, err = root.Schema(); err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	return New[T](s.String(), opts)
}

// NewFunc makes a format for rows that encode themselves: encode appends one row in Avro's binary encoding of schema. It
// must be safe for concurrent use. A row that is not encoded like that goes to the dead-letter flow, if the schema has strings.
func NewFunc[T any](schema string, encode func(dst []byte, row *T) ([]byte, error), opts *Options) (format.Format[T], error) {
	s, err := avro.Parse(schema)
	if err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	if encode == nil {
		return nil, errors.New("avro: NewFunc needs a function that encodes a row, and got nil")
	}
	f := &container[T]{schema: s.String(), text: planOf(s), encode: encode}
	return f, f.open(opts)
}

type container[T any] struct {
	schema string
	encode func(dst []byte, row *T) ([]byte, error)
	text   *plan // nil: no strings
	codec  Codec
	sync   [16]byte
	join   *join
}

// Join makes files of blocks of several formats, and of rows that are in no block.
func (f *container[T]) Join() format.Join { return f.join }

func (f *container[T]) open(opts *Options) error {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Codec == "" {
		o.Codec = Deflate
	}
	if o.Sync == [16]byte{} {
		_, _ = rand.Read(o.Sync[:]) // never fails: it ends the process instead
	}
	f.codec, f.sync, f.join = o.Codec, o.Sync, newJoin()
	return f.join.check(o.Codec)
}

// Ext is ".avro".
func (f *container[T]) Ext() string { return ".avro" }

// Open makes an encoder.
func (f *container[T]) Open() format.Encoder[T] { return &encoder[T]{f} }

// encoder has no state of its own: what it needs for a moment it takes from the format.
type encoder[T any] struct{ *container[T] }

// Header begins a file: the magic, the schema, the codec, the sync marker.
func (e *encoder[T]) Header(dst []byte) []byte {
	dst = append(dst, 'O', 'b', 'j', 1)
	dst = binary.AppendVarint(dst, 2)
	for _, s := range []string{"avro.schema", e.schema, "avro.codec", string(e.codec)} {
		dst = binary.AppendVarint(dst, int64(len(s)))
		dst = append(dst, s...)
	}
	dst = binary.AppendVarint(dst, 0)
	return append(dst, e.sync[:]...)
}

// Encode appends a row.
func (e *encoder[T]) Encode(dst []byte, row *T) ([]byte, error) {
	start := len(dst)
	dst, err := e.encode(dst, row)
	if err != nil || e.text == nil {
		return dst, err
	}
	if len(dst) < start {
		return dst, errNotOfSchema
	}
	return e.text.clean(dst, start)
}

// Block appends rows as one block. It may be called for several blocks at once.
func (e *encoder[T]) Block(dst, rows []byte, n int) ([]byte, error) {
	rows, err := e.join.compress(e.codec, rows)
	if err != nil {
		return dst, err
	}
	return append(appendBlock(dst, rows, int64(n)), e.sync[:]...), nil
}
