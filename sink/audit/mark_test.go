package audit_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/onceflow/onceflow/sink/audit"
)

func TestAMarkIsReadAsItWasWritten(t *testing.T) {
	id := audit.NewID(noon)
	for _, line := range []int{1, 127, 128, 10_000, audit.MaxLines, 1<<31 - 1} {
		m := audit.Mark{ID: id, Line: line}
		if got, ok := audit.ParseMark(m.Append(nil)); !ok || got != m {
			t.Errorf("header: %v is read as %v, %v", m, got, ok)
		}
		for _, value := range []string{"", "{}", "\xf8audit"} {
			got, rest, ok := audit.CutPrefix(append(m.AppendPrefix([]byte{}), value...))
			if !ok || got != m || string(rest) != value {
				t.Errorf("prefix: %v and %q are read as %v and %q, %v", m, value, got, rest, ok)
			}
		}
	}
}

func TestWhatIsNoMarkIsLeftAlone(t *testing.T) {
	id := audit.NewID(noon)
	mark := audit.Mark{ID: id, Line: 300}.Append(nil)
	late := bytes.Repeat([]byte{0xff}, 16)
	for name, b := range map[string][]byte{
		"nothing": nil, "an ID alone": id[:], "half a number": mark[:17], "a byte too much": append(bytes.Clone(mark), 0),
		"line 0": append(bytes.Clone(id[:]), 0), "a line beyond all": binary.AppendUvarint(bytes.Clone(id[:]), 1<<31), "the year 10889": append(late, 1), "text": []byte("01aryz6s410000000000000001-7"),
	} {
		if m, ok := audit.ParseMark(b); ok {
			t.Errorf("%s is read as %v", name, m)
		}
	}
	whole := audit.Mark{ID: id, Line: 300}.AppendPrefix(nil)
	for n := range whole {
		b := append(bytes.Clone(whole[:n]), "x"...)
		if n == len(whole)-1 {
			b = b[:n]
		}
		if m, rest, ok := audit.CutPrefix(b); ok || !bytes.Equal(rest, b) {
			t.Errorf("%d bytes of a prefix are read as %v, and %q of %q is left", n, m, rest, b)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add(audit.Mark{ID: audit.NewID(noon), Line: 300}.Append(nil))
	f.Add(audit.Mark{ID: audit.NewID(noon), Line: 1}.AppendPrefix(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := audit.ParseMark(b); ok && (m.Line < 1 || m.ID.Time().Year() > 9999) {
			t.Errorf("%x is read as %v", b, m)
		}
		if m, value, ok := audit.CutPrefix(b); ok && !bytes.HasSuffix(b, value) {
			t.Errorf("%x is read as %v and %x", b, m, value)
		}
	})
}
