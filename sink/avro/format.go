package avro

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

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
	codecs sync.Pool // of ocf.Codec, which serve one goroutine
}

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
	f.codec, f.sync = o.Codec, o.Sync
	c, err := newCodec(o.Codec)
	if err != nil {
		return err
	}
	f.codecs.New = func() any {
		c, err := newCodec(o.Codec)
		if err != nil {
			return err
		}
		return c
	}
	f.codecs.Put(c)
	return nil
}

func newCodec(c Codec) (ocf.Codec, error) {
	switch c {
	case Null:
		return nil, nil
	case Deflate:
		return ocf.DeflateCodec(flate.DefaultCompression), nil
	case Snappy:
		return ocf.SnappyCodec(), nil
	case Zstandard:
		return ocf.ZstdCodec([]zstd.EOption{zstd.WithEncoderConcurrency(1)}, []zstd.DOption{zstd.WithDecoderConcurrency(1)})
	}
	return nil, fmt.Errorf("avro: no codec %q", c)
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
	if e.codec != Null {
		switch c := e.codecs.Get().(type) {
		case ocf.Codec:
			defer e.codecs.Put(c)
			var err error
			if rows, err = c.Compress(rows); err != nil {
				return dst, fmt.Errorf("avro: %w", err)
			}
		case error:
			return dst, c
		}
	}
	dst = binary.AppendVarint(dst, int64(n))
	dst = binary.AppendVarint(dst, int64(len(rows)))
	dst = append(dst, rows...)
	return append(dst, e.sync[:]...), nil
}
