package format_test

import (
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/record"
)

var notUTF8 = []string{"", "plain", "é日本😀", "\xff", "a\xc3", "\xc3\x28", "\xed\xa0\x80", "\xf5\x80\x80\x80", "x\xe6\x97y", "\xc0\xaf", "\ufffd\xff", strings.Repeat("é", 100) + "\xe9"}

// PostgreSQL refuses a whole file for one byte. Lines and Raw write it all the same, unless they are within UTF8.
func TestUTF8ReplacesEachByteThatIsNone(t *testing.T) {
	raw := format.Raw(".log")
	for _, s := range notUTF8 {
		r := record.Record{Value: []byte(s)}
		if got, err := encode(raw, r); got != s+"\n" || err != nil {
			t.Errorf("%q: Raw wrote %q, %v", s, got, err)
		}
		want := string([]rune(s)) + "\n"
		if got, err := encode(format.UTF8(raw), r, r); got != want+want || err != nil {
			t.Errorf("%q: got %q, %v, want %q twice", s, got, err, want)
		}
	}
	if _, err := encode(format.UTF8(raw), record.Record{}); err == nil {
		t.Error("an error of the format inside is lost")
	}
	if e := format.UTF8(raw).Ext(); e != ".log" {
		t.Errorf("extension %q", e)
	}
}

// blocks is a format with frames of its own.
type blocks struct{ format.Format[record.Record] }

func (blocks) Open() format.Encoder[record.Record] { return blockEncoder{} }

type blockEncoder struct{ format.Encoder[record.Record] }

func (blockEncoder) Block(dst, _ []byte, _ int) ([]byte, error) { return dst, nil }

func TestUTF8RefusesWhatIsNoText(t *testing.T) {
	for name, f := range map[string]format.Format[record.Record]{
		"nil": nil, "blocks": blocks{}, "a format without its function": format.Lines[record.Record](".x", nil),
	} {
		if err := format.UTF8(f).(format.Checker).Check(); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := format.UTF8(format.Raw(".x")).(format.Checker).Check(); err != nil {
		t.Error(err)
	}
}
