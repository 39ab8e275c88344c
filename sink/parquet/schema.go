package parquet

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"time"

	pq "github.com/parquet-go/parquet-go"
)

var (
	timeType   = reflect.TypeFor[time.Time]()
	bigIntType = reflect.TypeFor[big.Int]()
)

// group is the node of a struct: unlike that of parquet-go it keeps the order of its fields.
type group struct {
	pq.Group
	fields []pq.Field
}

func (g *group) Fields() []pq.Field { return g.fields }

// field is a node with a name.
type field struct {
	pq.Node
	name string
}

func (f *field) Name() string { return f.name }

// Value is for programs that read rows with Go types, which this package does not.
func (f *field) Value(reflect.Value) reflect.Value {
	panic("parquet: a field of a schema has no values")
}

// tags are those of a struct's field.
type tags struct{ own, element, key, value string }

// builder makes a schema, and how its columns are reached. It gathers all faults.
type builder struct {
	leaves []*leaf
	within map[reflect.Type]bool // structs that are being gone through
	faults []error
}

// at is a place in a row.
type at struct {
	path     string // for errors
	steps    []step
	rep, def byte // levels of what is there
}

func (a at) then(s step) at {
	a.steps = append(a.steps[:len(a.steps):len(a.steps)], s)
	return a
}

func schemaOf(t reflect.Type) (pq.Node, []*leaf, error) {
	b := &builder{within: map[reflect.Type]bool{}}
	if t.Kind() != reflect.Struct || t == timeType || t == bigIntType {
		return nil, nil, fmt.Errorf("parquet: rows of type %s: a row is a struct, whose fields are the columns; see ForFunc", t)
	}
	root := b.structure(t, at{})
	if err := errors.Join(b.faults...); err != nil {
		return nil, nil, fmt.Errorf("parquet: schema of %s: %w", t, err)
	}
	return root, b.leaves, nil
}

// fault notes why a field has no place in the schema.
func (b *builder) fault(a at, form string, args ...any) pq.Node {
	b.faults = append(b.faults, fmt.Errorf("field %s: "+form, append([]any{a.path}, args...)...))
	return pq.Leaf(pq.BooleanType)
}

func (b *builder) structure(t reflect.Type, a at) pq.Node {
	g := &group{}
	if b.within[t] {
		return b.fault(a, "%s has itself in it", t)
	}
	b.within[t] = true
	b.fields(g, t, a)
	delete(b.within, t)
	if len(g.fields) == 0 {
		if a.path == "" {
			a.path = "of the row"
		}
		return b.fault(a, "%s has no exported fields", t)
	}
	seen := map[string]string{}
	for _, f := range g.fields {
		low := strings.ToLower(f.Name())
		if other, ok := seen[low]; ok {
			a.path = join2(a.path, f.Name())
			b.fault(a, "the name is that of the field %s; many readers take upper and lower case for the same", other)
		}
		seen[low] = f.Name()
	}
	return g
}

func join2(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fields adds the fields of a struct to a group.
func (b *builder) fields(g *group, t reflect.Type, a at) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := tags{f.Tag.Get("parquet"), f.Tag.Get("parquet-element"), f.Tag.Get("parquet-key"), f.Tag.Get("parquet-value")}
		name, own, _ := strings.Cut(tag.own, ",")
		in := a.then(step{kind: stepField, index: i})
		if tag.own == "-" {
			continue
		}
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && f.Type != timeType && f.Type != bigIntType {
			if b.within[f.Type] {
				continue // it cannot have itself in it without a pointer
			}
			b.fields(g, f.Type, in)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		in.path = join2(a.path, name)
		tag.own = own
		g.fields = append(g.fields, &field{b.node(f.Type, tag, in), name})
	}
}

// node makes the node of a type.
func (b *builder) node(t reflect.Type, tag tags, a at) pq.Node {
	o, err := parseOptions(tag.own)
	if err != nil {
		return b.fault(a, "%w", err)
	}
	switch {
	case t.Kind() == reflect.Pointer:
		if t.Elem().Kind() == reflect.Pointer {
			return b.fault(a, "%s is a pointer to a pointer", t)
		}
		delete(o, "optional")
		a = a.then(step{kind: stepPointer})
		a.def++
		return pq.Optional(b.value(t.Elem(), o, tag, a))
	case o.has("optional"):
		delete(o, "optional")
		a = a.then(step{kind: stepZero})
		a.def++
		return pq.Optional(b.value(t, o, tag, a))
	}
	return b.value(t, o, tag, a)
}

// value makes the node of a type that is not null.
func (b *builder) value(t reflect.Type, o options, tag tags, a at) pq.Node {
	bytes := t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
	switch k := t.Kind(); {
	case t == timeType || t == bigIntType || bytes || k == reflect.Array && t.Elem().Kind() == reflect.Uint8:
		return b.leaf(t, o, a)
	case k == reflect.Struct:
		if err := o.none(); err != nil {
			return b.fault(a, "%w", err)
		}
		return b.structure(t, a)
	case k == reflect.Slice || k == reflect.Array:
		delete(o, "list") // it is one anyway
		if err := o.none(); err != nil {
			return b.fault(a, "%w", err)
		}
		a.rep, a.def, a.path = a.rep+1, a.def+1, a.path+"[]"
		return pq.List(b.node(t.Elem(), tags{own: tag.element}, a.then(step{kind: stepList, rep: a.rep})))
	case k == reflect.Map:
		if err := o.none(); err != nil {
			return b.fault(a, "%w", err)
		}
		return b.dictionary(t, tag, a)
	}
	return b.leaf(t, o, a)
}

func (b *builder) dictionary(t reflect.Type, tag tags, a at) pq.Node {
	switch t.Key().Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	default:
		return b.fault(a, "the keys of %s are neither strings nor integers", t)
	}
	a.rep, a.def = a.rep+1, a.def+1
	key, value := a.then(step{kind: stepKey, rep: a.rep}), a.then(step{kind: stepValue, rep: a.rep})
	key.path, value.path = a.path+"{key}", a.path+"{value}"
	keyNode := b.node(t.Key(), tags{own: tag.key}, key)
	if keyNode.Optional() {
		return b.fault(key, "a key cannot be null")
	}
	return pq.Map(keyNode, b.node(t.Elem(), tags{own: tag.value}, value))
}

// leaf makes a column.
func (b *builder) leaf(t reflect.Type, o options, a at) pq.Node {
	if max(a.def, a.rep) > 200 {
		return b.fault(a, "it is nested too deeply")
	}
	f := &leaf{name: a.path, steps: a.steps, maxRep: a.rep, maxDef: a.def}
	plain, dict := o.take("plain"), o.take("dict")
	node, err := f.of(t, o)
	if err == nil {
		err = o.none()
	}
	if err != nil {
		return b.fault(a, "%w", err)
	}
	f.dict = !plain && (dict || t.Kind() == reflect.String) && f.kind != pq.Boolean
	b.leaves = append(b.leaves, f)
	return node
}
