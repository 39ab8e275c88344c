package avro

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/twmb/avro"
)

// plan says where strings are in the binary encoding of a schema. A reader refuses a whole file for one string or map key
// that is not UTF-8, and events hold such strings.
type plan struct {
	kind  string
	size  int     // of what has a fixed size
	parts []*plan // fields of a record, branches of a union, the items or values of the others
}

// planOf returns nil if the schema has no strings.
func planOf(s *avro.Schema) *plan {
	b := planner{named: map[string]*plan{}}
	if p := b.plan(s.Root()); b.text {
		return p
	}
	return nil
}

// planner makes the plan of a schema, whose types may refer to themselves.
type planner struct {
	named map[string]*plan
	text  bool // there are strings
}

var fixedSizes = map[string]int{"null": 0, "boolean": 1, "float": 4, "double": 8}

func (b *planner) plan(n *avro.SchemaNode) *plan {
	if p := b.named[n.Type]; p != nil {
		return p
	}
	p := &plan{kind: n.Type}
	if n.Name != "" {
		b.named[n.Name] = p
		if n.Namespace != "" {
			b.named[n.Namespace+"."+n.Name] = p
		}
	}
	size, isFixed := fixedSizes[n.Type]
	switch {
	case isFixed:
		p.kind, p.size = "fixed", size
	case n.Type == "fixed":
		p.size = n.Size
	case n.Type == "string" || n.Type == "map":
		b.text = true
	}
	for i := range n.Fields {
		p.parts = append(p.parts, b.plan(&n.Fields[i].Type))
	}
	for i := range n.Branches {
		p.parts = append(p.parts, b.plan(&n.Branches[i]))
	}
	for _, c := range []*avro.SchemaNode{n.Items, n.Values} {
		if c != nil {
			p.parts = append(p.parts, b.plan(c))
		}
	}
	return p
}

// clean makes the row that begins at start of dst valid: each byte of a string that is no UTF-8 becomes U+FFFD.
func (p *plan) clean(dst []byte, start int) ([]byte, error) {
	w := walk{in: dst[start:]}
	w.value(p)
	if w.broken || len(w.in) > 0 {
		return dst, errNotOfSchema
	}
	if !w.invalid {
		return dst, nil
	}
	w = walk{in: dst[start:], rewrite: true}
	w.value(p)
	return append(dst[:start], w.out...), nil
}

var errNotOfSchema = errors.New("avro: the row is not encoded as the schema says")

// walk goes through the encoding of a row. If it rewrites, it copies what it passes to out.
type walk struct {
	in, out []byte
	rewrite bool
	invalid bool // a string was
	broken  bool
}

func (w *walk) value(p *plan) {
	switch p.kind {
	case "record", "error":
		for _, f := range p.parts {
			if w.value(f); w.broken {
				return
			}
		}
	case "union":
		if i := w.long(); i >= 0 && i < int64(len(p.parts)) {
			w.value(p.parts[i])
		} else {
			w.broken = true
		}
	case "string":
		w.text()
	case "bytes":
		w.pass(w.long())
	case "fixed":
		w.pass(int64(p.size))
	case "array", "map":
		w.blocks(p)
	default: // int, long, enum
		w.long()
	}
}

// blocks passes the items of an array or a map. A block that says its size is rewritten without it.
func (w *walk) blocks(p *plan) {
	for !w.broken {
		n := w.read()
		if n < 0 {
			n = -n
			w.read()
		}
		if w.rewrite {
			w.out = binary.AppendVarint(w.out, n)
		}
		if n <= 0 {
			return
		}
		for ; n > 0 && !w.broken; n-- {
			if p.kind == "map" {
				w.text()
			}
			w.value(p.parts[0])
		}
	}
}

func (w *walk) text() {
	s := w.take()
	if w.broken {
		return
	}
	if w.rewrite {
		s = []byte(string([]rune(string(s))))
		w.out = append(binary.AppendVarint(w.out, int64(len(s))), s...)
	} else {
		w.invalid = w.invalid || !utf8.Valid(s)
	}
}

// take takes bytes whose length is before them.
func (w *walk) take() []byte {
	n := w.read()
	if n < 0 || n > int64(len(w.in)) {
		w.broken = true
		return nil
	}
	b := w.in[:n]
	w.in = w.in[n:]
	return b
}

// read takes a number.
func (w *walk) read() int64 {
	v, n := binary.Varint(w.in)
	if n <= 0 {
		w.broken = true
		return 0
	}
	w.in = w.in[n:]
	return v
}

// long passes a number.
func (w *walk) long() int64 {
	v := w.read()
	if w.rewrite {
		w.out = binary.AppendVarint(w.out, v)
	}
	return v
}

// pass passes n bytes.
func (w *walk) pass(n int64) {
	if n < 0 || n > int64(len(w.in)) {
		w.broken = true
		return
	}
	if w.rewrite {
		w.out = append(w.out, w.in[:n]...)
	}
	w.in = w.in[n:]
}
