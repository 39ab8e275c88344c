package parquet

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	pq "github.com/parquet-go/parquet-go"
)

// leaf is a column, and how its values are found in a row.
type leaf struct {
	name           string
	steps          []step
	maxRep, maxDef byte

	kind pq.Kind
	size int // of a fixed number of bytes, if kind is that
	dict bool
	put  func(dst []byte, v reflect.Value) ([]byte, error)
}

// step leads from a value to one within it.
type step struct {
	kind  stepKind
	index int  // of the field
	rep   byte // level of what is repeated
}

type stepKind uint8

const (
	stepField   stepKind = iota
	stepPointer          // nil is null
	stepZero             // the type's zero is null
	stepList             // all elements
	stepKey              // all keys of a map, in their order
	stepValue            // the values of these
)

// endOfColumn follows the values of a repeated column. It is no repetition level.
const endOfColumn = 255

// append appends the column's values of a row.
func (f *leaf) append(dst []byte, row reflect.Value) ([]byte, error) {
	dst, err := f.walk(dst, row, 0, 0, 0)
	if f.maxRep > 0 {
		dst = append(dst, endOfColumn)
	}
	return dst, err
}

// walk appends what is behind a step. rep and def are the levels there.
func (f *leaf) walk(dst []byte, v reflect.Value, at int, rep, def byte) ([]byte, error) {
	for ; at < len(f.steps); at++ {
		switch s := &f.steps[at]; s.kind {
		case stepField:
			v = v.Field(s.index)
		case stepPointer:
			if v.IsNil() {
				return f.levels(dst, rep, def), nil
			}
			v = v.Elem()
			def++
		case stepZero:
			if isZero(v) {
				return f.levels(dst, rep, def), nil
			}
			def++
		case stepList:
			return f.list(dst, v, at, rep, def)
		case stepKey, stepValue:
			return f.entries(dst, v, at, rep, def)
		}
	}
	return f.put(f.levels(dst, rep, def), v)
}

// isZero tells whether an optional value is null.
func isZero(v reflect.Value) bool {
	if k := v.Kind(); k == reflect.Slice || k == reflect.Map {
		return v.IsNil()
	}
	if v.Type() == timeType {
		return timeOf(v).IsZero()
	}
	return v.IsZero()
}

// levels appends those of a value or a null.
func (f *leaf) levels(dst []byte, rep, def byte) []byte {
	if f.maxRep > 0 {
		dst = append(dst, rep)
	}
	if f.maxDef > 0 {
		dst = append(dst, def)
	}
	return dst
}

func (f *leaf) list(dst []byte, v reflect.Value, at int, rep, def byte) (_ []byte, err error) {
	n := v.Len()
	if n == 0 {
		return f.levels(dst, rep, def), nil
	}
	for i := range n {
		if dst, err = f.walk(dst, v.Index(i), at+1, rep, def+1); err != nil {
			return dst, err
		}
		rep = f.steps[at].rep
	}
	return dst, nil
}

func (f *leaf) entries(dst []byte, v reflect.Value, at int, rep, def byte) (_ []byte, err error) {
	if v.Len() == 0 {
		return f.levels(dst, rep, def), nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, compareKeys)
	for _, k := range keys {
		if f.steps[at].kind == stepValue {
			k = v.MapIndex(k)
		}
		if dst, err = f.walk(dst, k, at+1, rep, def+1); err != nil {
			return dst, err
		}
		rep = f.steps[at].rep
	}
	return dst, nil
}

func compareKeys(a, b reflect.Value) int {
	switch {
	case a.Kind() == reflect.String:
		return cmp.Compare(a.String(), b.String())
	case a.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	}
	return cmp.Compare(a.Uint(), b.Uint())
}

// of chooses the column's type and returns its node. It takes the options that it knows.
func (f *leaf) of(t reflect.Type, o options) (pq.Node, error) {
	switch t {
	case timeType:
		return f.ofTime(o)
	case bigIntType:
		if !o.has("decimal") {
			return nil, fmt.Errorf("a big.Int needs the option decimal(scale:precision)")
		}
		return f.ofBigInt(o)
	}
	switch k := t.Kind(); k {
	case reflect.Bool:
		f.kind, f.put = pq.Boolean, putBool
		return pq.Leaf(pq.BooleanType), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return f.ofInt(t, o)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if f.kind, f.put = pq.Int32, putUint32; t.Bits() == 64 {
			f.kind, f.put = pq.Int64, putUint64
		}
		return pq.Uint(t.Bits()), nil
	case reflect.Float32:
		f.kind, f.put = pq.Float, putFloat32
		return pq.Leaf(pq.FloatType), nil
	case reflect.Float64:
		f.kind, f.put = pq.Double, putFloat64
		return pq.Leaf(pq.DoubleType), nil
	case reflect.String, reflect.Slice:
		return f.ofText(k == reflect.String, o)
	case reflect.Array:
		f.kind, f.size, f.put = pq.FixedLenByteArray, t.Len(), putArray
		if f.size == 0 {
			return nil, fmt.Errorf("%s has no bytes", t)
		}
		if f.size == 16 && o.take("uuid") {
			return pq.UUID(), nil
		}
		return pq.Leaf(pq.FixedLenByteArrayType(f.size)), nil
	default:
	}
	return nil, fmt.Errorf("%s has no place in a Parquet schema", t)
}

func (f *leaf) ofInt(t reflect.Type, o options) (pq.Node, error) {
	most := 9
	if f.kind, f.put = pq.Int32, putInt32; t.Bits() == 64 {
		f.kind, f.put, most = pq.Int64, putInt64, 18
	}
	if !o.has("decimal") {
		return pq.Int(t.Bits()), nil
	}
	if t.Bits() < 32 {
		return nil, fmt.Errorf("decimals are int32, int64 or big.Int")
	}
	scale, precision, err := o.decimal(most)
	if err != nil {
		return nil, err
	}
	put, limit := f.put, int64(1)
	for range precision {
		limit *= 10
	}
	f.put = func(dst []byte, v reflect.Value) ([]byte, error) {
		if n := v.Int(); n <= -limit || n >= limit {
			return dst, fmt.Errorf("%d has more than %d digits", n, precision)
		}
		return put(dst, v)
	}
	base := pq.Int32Type
	if f.kind == pq.Int64 {
		base = pq.Int64Type
	}
	return pq.Decimal(scale, precision, base), nil
}

func (f *leaf) ofText(isString bool, o options) (pq.Node, error) {
	f.kind, f.put = pq.ByteArray, putBytes
	if isString {
		f.put = putString
	}
	switch {
	case o.take("json"):
		f.put = putJSON(isString)
		return pq.JSON(), nil
	case isString && o.take("enum"):
		return pq.Enum(), nil
	case isString && o.take("bytes"):
		f.put = putRaw
		return pq.Leaf(pq.ByteArrayType), nil
	case isString:
		o.take("string")
		return pq.String(), nil
	case o.take("string"):
		f.put = putText
		return pq.String(), nil
	}
	return pq.Leaf(pq.ByteArrayType), nil
}
