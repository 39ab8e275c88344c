package aggregate

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/internal/kpl"
)

func unpack(t *testing.T, data []byte) []Record {
	t.Helper()
	var u Unpacker
	rs, err := u.Unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func same(a, b Record) bool {
	return bytes.Equal(a.Key, b.Key) && a.KeyIndex == b.KeyIndex && bytes.Equal(a.ExplicitHash, b.ExplicitHash) && bytes.Equal(a.Value, b.Value) &&
		(a.ExplicitHash == nil) == (b.ExplicitHash == nil)
}

// Made by the Python package aws-kinesis-agg 1.2.3.
var foreign = "f3899ac20a05616c7068610a0462657461122733343032383233363639323039333834363334363333373436303734333137" +
	"36383231313435351201301a0908001a0566697273741a0c080110001a067365636f6e641a06080010011a001acd0108001a" +
	"c801" +
	strings.Repeat("78", 200) +
	"5ff419360622254e8cf8294733d875a2"

func TestForeignAggregateIsRead(t *testing.T) {
	data, err := hex.DecodeString(foreign)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{[]byte("alpha"), 0, nil, []byte("first")},
		{[]byte("beta"), 1, []byte("340282366920938463463374607431768211455"), []byte("second")},
		{[]byte("alpha"), 0, []byte("0"), []byte{}},
		{[]byte("alpha"), 0, nil, bytes.Repeat([]byte("x"), 200)},
	}
	if got := unpack(t, data); !Is(data) || !slices.EqualFunc(got, want, same) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func many(n int) (in []kpl.Record, want []Record) {
	for i := range n {
		r := kpl.Record{Key: fmt.Sprint("key", i%7), Data: []byte(strings.Repeat("v", i%300))}
		w := Record{Key: []byte(r.Key), KeyIndex: i % 7, Value: r.Data}
		if i%3 == 0 {
			r.Hash = fmt.Sprint(i % 5)
			w.ExplicitHash = []byte(r.Hash)
		}
		in, want = append(in, r), append(want, w)
	}
	return in, want
}

func TestRecordsComeBackInOrderWithTheirKeys(t *testing.T) {
	var u Unpacker // also used again, with fewer and more
	for _, n := range []int{0, 1, 2, 1000, 3, 500} {
		in, want := many(n)
		got, err := u.Unpack(kpl.Pack(in...))
		if err != nil || !slices.EqualFunc(got, want, same) || u.Keys() != min(n, 7) {
			t.Errorf("%d records: got %d with %d keys, %v", n, len(got), u.Keys(), err)
		}
	}
}

func TestValuesLieInTheAggregate(t *testing.T) {
	data := kpl.Pack(kpl.Record{Key: "k", Hash: "1", Data: []byte("before")})
	r := unpack(t, data)[0]
	copy(data[bytes.Index(data, []byte("before")):], "after!")
	if string(r.Value) != "after!" {
		t.Errorf("value %q is a copy", r.Value)
	}
	if _ = append(r.Value, 'x'); cap(r.Value) != len(r.Value) || cap(r.Key) != len(r.Key) || cap(r.ExplicitHash) != len(r.ExplicitHash) {
		t.Error("appending to a slice of a record would write into the aggregate")
	}
}

func TestTablesMayComeAfterTheRecords(t *testing.T) {
	message := []byte{3<<3 | 2, 5, 1 << 3, 0, 3<<3 | 2, 1, 'v', 1<<3 | 2, 1, 'k'}
	if r := unpack(t, kpl.Seal(message)); len(r) != 1 || string(r[0].Key) != "k" || string(r[0].Value) != "v" {
		t.Errorf("got %v", r)
	}
}

func TestUnknownFieldsAndTagsArePassedOver(t *testing.T) {
	record := []byte{
		1 << 3, 0, 3<<3 | 2, 1, 'v',
		4<<3 | 2, 3, 1<<3 | 2, 1, 't', // a tag
		9 << 3, 0x96, 1, // a varint of two bytes
	}
	message := append([]byte{1<<3 | 2, 1, 'k', 3<<3 | 2, byte(len(record))}, record...)
	message = append(message, 10<<3|1, 1, 2, 3, 4, 5, 6, 7, 8, 11<<3|5, 1, 2, 3, 4)
	if r := unpack(t, kpl.Seal(message)); len(r) != 1 || string(r[0].Value) != "v" {
		t.Errorf("got %v", r)
	}
}

func TestPlainRecordsAreNotTaken(t *testing.T) {
	for _, plain := range []string{"", "\xF3", "\xF3\x89\x9A", `{"id":1}`, "\xF3\x89\x9A\xC3 and more that is long enough"} {
		if Is([]byte(plain)) {
			t.Errorf("%q is taken for an aggregate", plain)
		}
	}
	for _, plain := range []string{"something else that is long enough", magic, magic + "123456789012345", magic + "x" + strings.Repeat("\x00", 16)} {
		var u Unpacker
		if rs, err := u.Unpack([]byte(plain)); !errors.Is(err, ErrPlain) || rs != nil {
			t.Errorf("%q: got %v, %v; want no record and ErrPlain", plain, rs, err)
		}
	}
}

func TestBrokenAggregatesGiveNoRecord(t *testing.T) {
	first := []byte{1<<3 | 2, 1, 'k', 3<<3 | 2, 5, 1 << 3, 0, 3<<3 | 2, 1, 'v'} // a sound record
	after := func(b ...byte) []byte { return kpl.Seal(append(slices.Clone(first), b...)) }
	for name, data := range map[string][]byte{
		"longer than a record":       kpl.Seal(make([]byte, maxSize)),
		"record without key":         after(3<<3|2, 3, 3<<3|2, 1, 'v'),
		"record without data":        after(3<<3|2, 2, 1<<3, 0),
		"empty record":               after(3<<3|2, 0),
		"key beyond the table":       after(3<<3|2, 5, 1<<3, 1, 3<<3|2, 1, 'v'),
		"hash beyond the table":      after(3<<3|2, 7, 1<<3, 0, 2<<3, 0, 3<<3|2, 1, 'v'),
		"huge index":                 after(3<<3|2, 13, 1<<3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 3<<3|2, 0),
		"record that is cut":         after(3<<3|2, 9, 1<<3, 0),
		"data that is cut":           after(3<<3|2, 5, 1<<3, 0, 3<<3|2, 9, 'v'),
		"key of another type":        after(3<<3|2, 6, 1<<3|2, 1, 0, 3<<3|2, 1, 'v'),
		"data of another type":       after(3<<3|2, 4, 1<<3, 0, 3<<3, 1),
		"records of another type":    after(3<<3, 1),
		"keys of another type":       after(1<<3|5, 1, 2, 3, 4),
		"field 0":                    after(0, 1),
		"field beyond the last":      after(0x80, 0x80, 0x80, 0x80, 0x80, 1, 1),
		"group":                      after(5<<3|3, 5<<3|4),
		"length that is cut":         after(7<<3|2, 0x80),
		"length beyond the message":  after(7<<3|2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1),
		"varint of eleven bytes":     after(7<<3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1),
		"fixed field that is cut":    after(7<<3|1, 1, 2, 3),
		"more records than possible": kpl.Seal(bytes.Repeat([]byte{3<<3 | 2, 0}, maxRecords+1)),
		"more keys than possible":    kpl.Seal(bytes.Repeat([]byte{1<<3 | 2, 0}, maxRecords+1)),
		"more hashes than possible":  kpl.Seal(bytes.Repeat([]byte{2<<3 | 2, 0}, maxRecords+1)),
	} {
		var u Unpacker
		if rs, err := u.Unpack(data); !errors.Is(err, ErrCorrupt) || rs != nil {
			t.Errorf("%s: got %v, %v; want no record and ErrCorrupt", name, rs, err)
		}
		if cap(u.records) > 8 {
			t.Errorf("%s: memory for %d records was allocated before it was checked", name, cap(u.records))
		}
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	in, _ := many(3)
	data := kpl.Pack(in...)
	var u Unpacker
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if rs, err := u.Unpack(data); !errors.Is(err, ErrPlain) || rs != nil {
				t.Fatalf("byte %d, bit %d: got %v", i, bit, rs)
			}
			data[i] ^= 1 << bit
		}
	}
}

func TestUnpackDoesNotAllocate(t *testing.T) {
	in, _ := many(500)
	data := kpl.Pack(in...)
	var u Unpacker
	unpack := func() {
		if _, err := u.Unpack(data); err != nil {
			t.Fatal(err)
		}
	}
	unpack()
	if n := testing.AllocsPerRun(100, unpack); n > 0 {
		t.Errorf("%v allocations in a second aggregate", n)
	}
}

func FuzzUnpack(f *testing.F) {
	in, _ := many(20)
	f.Add(kpl.Pack(in...)[len(magic):])
	f.Add(kpl.Pack()[len(magic):])
	f.Add([]byte{3<<3 | 2, 5, 1 << 3, 0, 3<<3 | 2, 1, 'v', 1<<3 | 2, 1, 'k'})
	f.Fuzz(func(t *testing.T, message []byte) {
		var u Unpacker
		rs, err := u.Unpack(kpl.Seal(message)) // random bytes would never have the right MD5
		if err != nil && len(rs) > 0 {
			t.Fatalf("%d records and %v", len(rs), err)
		}
		again := make([]kpl.Record, 0, len(rs))
		for _, r := range rs {
			again = append(again, kpl.Record{Key: string(r.Key), Hash: string(r.ExplicitHash), Data: r.Value})
		}
		var v Unpacker
		back, err := v.Unpack(kpl.Pack(again...))
		if err != nil || len(back) != len(rs) {
			t.Fatalf("packed again: %d of %d records, %v", len(back), len(rs), err)
		}
		for i := range back {
			if !bytes.Equal(back[i].Key, rs[i].Key) || !bytes.Equal(back[i].Value, rs[i].Value) || !bytes.Equal(back[i].ExplicitHash, rs[i].ExplicitHash) {
				t.Fatalf("record %d: %v, packed again %v", i, rs[i], back[i])
			}
		}
	})
}
