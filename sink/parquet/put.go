package parquet

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"time"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"
)

// The functions here append a value as docs/format.md says: numbers as Parquet's plain encoding has them, bytes behind their
// length. They allocate nothing unless a text is not UTF-8.

func putBool(dst []byte, v reflect.Value) ([]byte, error) {
	if v.Bool() {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func putInt32(dst []byte, v reflect.Value) ([]byte, error) {
	return binary.LittleEndian.AppendUint32(dst, uint32(v.Int())), nil
}

func putInt64(dst []byte, v reflect.Value) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(dst, uint64(v.Int())), nil
}

func putUint32(dst []byte, v reflect.Value) ([]byte, error) {
	return binary.LittleEndian.AppendUint32(dst, uint32(v.Uint())), nil
}

func putUint64(dst []byte, v reflect.Value) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(dst, v.Uint()), nil
}

func putFloat32(dst []byte, v reflect.Value) ([]byte, error) {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v.Float()))), nil
}

func putFloat64(dst []byte, v reflect.Value) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float())), nil
}

func putBytes(dst []byte, v reflect.Value) ([]byte, error) {
	b := v.Bytes()
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...), nil
}

func putRaw(dst []byte, v reflect.Value) ([]byte, error) {
	s := v.String()
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...), nil
}

func putString(dst []byte, v reflect.Value) ([]byte, error) {
	s := v.String()
	if !utf8.ValidString(s) {
		s = string([]rune(s)) // each byte that is not UTF-8 becomes U+FFFD
	}
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...), nil
}

func putText(dst []byte, v reflect.Value) ([]byte, error) {
	b := v.Bytes()
	if !utf8.Valid(b) {
		b = []byte(string([]rune(string(b))))
	}
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...), nil
}

var errNoJSON = errors.New("it is no JSON")

func putJSON(isString bool) func(dst []byte, v reflect.Value) ([]byte, error) {
	put := putText
	if isString {
		put = putString
	}
	return func(dst []byte, v reflect.Value) ([]byte, error) {
		start := len(dst)
		dst, err := put(dst, v)
		_, n := binary.Uvarint(dst[start:])
		if err == nil && !json.Valid(dst[start+n:]) {
			err = errNoJSON
		}
		return dst, err
	}
}

func putArray(dst []byte, v reflect.Value) ([]byte, error) {
	if v.CanAddr() {
		return append(dst, v.Bytes()...), nil
	}
	for i := range v.Len() { // of a map
		dst = append(dst, byte(v.Index(i).Uint()))
	}
	return dst, nil
}

// timeOf is the value of a field without a copy of it on the heap, unless it is in a map.
func timeOf(v reflect.Value) *time.Time {
	if v.CanAddr() {
		return v.Addr().Interface().(*time.Time)
	}
	t := v.Interface().(time.Time)
	return &t
}

// unit is that of a timestamp.
type unit struct {
	name string
	perS int64
	of   pq.TimeUnit
	get  func(*time.Time) int64
}

var units = []unit{
	{"millisecond", 1e3, pq.Millisecond, func(t *time.Time) int64 { return t.UnixMilli() }},
	{"microsecond", 1e6, pq.Microsecond, func(t *time.Time) int64 { return t.UnixMicro() }},
	{"nanosecond", 1e9, pq.Nanosecond, func(t *time.Time) int64 { return t.UnixNano() }},
}

func (f *leaf) ofTime(o options) (pq.Node, error) {
	if o.take("date") {
		f.kind, f.put = pq.Int32, putDate
		return pq.Date(), nil
	}
	name := "microsecond"
	if o.has("timestamp") {
		name = o["timestamp"]
		o.take("timestamp")
	}
	for _, u := range units {
		if u.name != name {
			continue
		}
		f.kind, f.put = pq.Int64, func(dst []byte, v reflect.Value) ([]byte, error) {
			t := timeOf(v)
			if s := t.Unix(); s <= math.MinInt64/u.perS || s >= math.MaxInt64/u.perS {
				return dst, fmt.Errorf("%s cannot be told in %ss since 1970", t, u.name)
			}
			return binary.LittleEndian.AppendUint64(dst, uint64(u.get(t))), nil
		}
		return pq.Timestamp(u.of), nil
	}
	return nil, fmt.Errorf("timestamp(%s) is in none of the units millisecond, microsecond and nanosecond", name)
}

// putDate appends the day in UTC.
func putDate(dst []byte, v reflect.Value) ([]byte, error) {
	const day = 24 * 3600
	t := timeOf(v)
	s := t.Unix()
	days := s / day
	if s%day < 0 {
		days--
	}
	if days < math.MinInt32 || days > math.MaxInt32 {
		return dst, fmt.Errorf("%s cannot be told in days since 1970", t)
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(days)), nil
}

func (f *leaf) ofBigInt(o options) (pq.Node, error) {
	scale, precision, err := o.decimal(38)
	if err != nil {
		return nil, err
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	f.kind, f.size = pq.FixedLenByteArray, limit.BitLen()/8+1 // and a sign
	f.put = func(dst []byte, v reflect.Value) ([]byte, error) {
		var n *big.Int
		if v.CanAddr() {
			n = v.Addr().Interface().(*big.Int)
		} else { // in a map
			of := v.Interface().(big.Int)
			n = &of
		}
		if n.CmpAbs(limit) >= 0 {
			return dst, fmt.Errorf("%d has more than %d digits", n, precision)
		}
		at := len(dst)
		dst = append(dst, make([]byte, f.size)...)
		b := n.FillBytes(dst[at:])
		if n.Sign() >= 0 {
			return dst, nil
		}
		carry := true
		for i := len(b) - 1; i >= 0; i-- { // two's complement
			b[i] = ^b[i]
			if carry {
				b[i]++
				carry = b[i] == 0
			}
		}
		return dst, nil
	}
	return pq.Decimal(scale, precision, pq.FixedLenByteArrayType(f.size)), nil
}
