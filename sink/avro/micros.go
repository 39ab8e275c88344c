package avro

import (
	"reflect"
	"strings"
	"time"

	"github.com/twmb/avro"
)

// keepMicros makes microseconds of the milliseconds that a schema has for a time.Time without a tag: milliseconds would cut
// what most sources give. tagged says that a tag asks for milliseconds.
func keepMicros(n *avro.SchemaNode, t reflect.Type, tagged bool) {
	if t == reflect.TypeFor[time.Time]() {
		if n.LogicalType == "timestamp-millis" && !tagged {
			n.LogicalType = "timestamp-micros"
		}
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		for i := range n.Branches {
			keepMicros(&n.Branches[i], t.Elem(), tagged)
		}
		if len(n.Branches) == 0 {
			keepMicros(n, t.Elem(), tagged)
		}
	case reflect.Slice, reflect.Array:
		if n.Items != nil {
			keepMicros(n.Items, t.Elem(), tagged)
		}
	case reflect.Map:
		if n.Values != nil {
			keepMicros(n.Values, t.Elem(), tagged)
		}
	case reflect.Struct:
		for i := range n.Fields { // none in a reference to a type that is defined before
			if f, ok := fieldOf(t, n.Fields[i].Name); ok {
				keepMicros(&n.Fields[i].Type, f.Type, strings.Contains(f.Tag.Get("avro"), "timestamp-millis"))
			}
		}
	default: // no time in it
	}
}

// fieldOf finds the field that a schema's field was made of, also within embedded structs.
func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
		if tag == name || tag == "" && f.Name == name {
			return f, true
		}
		if inner := f.Type; !f.Anonymous && strings.Contains(f.Tag.Get("avro"), ",inline") && inner.Kind() == reflect.Struct {
			if f, ok := fieldOf(inner, name); ok {
				return f, true
			}
		}
	}
	return reflect.StructField{}, false
}
