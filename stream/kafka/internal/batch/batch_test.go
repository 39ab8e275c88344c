package batch

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

var part = &record.Partition{Source: "c/t", Epoch: "e", ID: "0"}

func records(n int) (recs []record.Record, deltas []int64) {
	for i := range n {
		r := record.Record{
			Partition: part, Position: record.Position{Sub: 1000 + int64(i) + 1},
			Key: fmt.Appendf(nil, "k%d", i), Value: bytes.Repeat([]byte{byte('a' + i%26)}, 100+i%7),
			Time: time.UnixMilli(base + int64(i)*3 - 50).UTC(),
		}
		switch i % 5 {
		case 1:
			r.Key = nil
		case 2:
			r.Value = nil // a tombstone
		case 3:
			r.Headers = []record.Header{{Key: "trace", Value: []byte{1, 2}}, {Key: "none"}}
		}
		recs, deltas = append(recs, r), append(deltas, int64(i))
	}
	return recs, deltas
}

func decode(t testing.TB, d *Decoder, data []byte, from int64) ([]record.Record, error) {
	t.Helper()
	var h Header
	var s Set
	rest, err := Next(data, &h)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		t.Fatalf("%d bytes left", len(rest))
	}
	if err := h.Check(); err != nil {
		return nil, err
	}
	plain, err := d.Plain(&h, nil)
	if err != nil {
		return nil, err
	}
	err = d.Append(&s, &h, plain, part, from)
	return s.Records, err
}

func TestEveryCodecGivesBackWhatWasWritten(t *testing.T) {
	recs, deltas := records(200)
	d := NewDecoder(1 << 20)
	defer d.Close()
	for codec := range 5 {
		for _, framed := range []bool{false, true} {
			if framed && codec != Snappy {
				continue
			}
			for range 2 { // the second time with what the decoder has kept
				data := sample{first: 1000, deltas: deltas, records: recs, attr: int16(codec), xerial: framed}.encode(t)
				var h Header
				var s Set
				if _, err := Next(data, &h); err != nil {
					t.Fatalf("codec %d: %v", codec, err)
				}
				plain, err := d.Plain(&h, make([]byte, 0, 1<<16))
				if err != nil {
					t.Fatalf("codec %d, framed %v: %v", codec, framed, err)
				}
				if err := d.Append(&s, &h, plain, part, 1000); err != nil {
					t.Fatalf("codec %d: %v", codec, err)
				}
				if !reflect.DeepEqual(s.Records, recs) {
					t.Errorf("codec %d, framed %v: got %v...", codec, framed, s.Records[:3])
				}
			}
		}
	}
}

func TestRecordsBeforeFromAreLeftOut(t *testing.T) {
	recs, deltas := records(10)
	data := sample{first: 1000, deltas: deltas, records: recs}.encode(t)
	var h Header
	var s Set
	if _, err := Next(data, &h); err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(1 << 20)
	plain, err := d.Plain(&h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Append(&s, &h, plain, part, 1004); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.Records, recs[4:]) {
		t.Errorf("got %v", s.Records)
	}
}

func TestHolesLeftByCompactionAreAllowed(t *testing.T) {
	recs, _ := records(3)
	for i, delta := range []int64{2, 5, 9} {
		recs[i].Position.Sub = 1000 + delta + 1
	}
	data := sample{first: 1000, deltas: []int64{2, 5, 9}, records: recs}.encode(t)
	var h Header
	var s Set
	if _, err := Next(data, &h); err != nil || h.Last != 1009 {
		t.Fatalf("last %d, error %v", h.Last, err)
	}
	d := NewDecoder(1 << 20)
	plain, _ := d.Plain(&h, nil)
	if err := d.Append(&s, &h, plain, part, 0); err != nil || !reflect.DeepEqual(s.Records, recs) {
		t.Errorf("got %v, error %v", s.Records, err)
	}
}

func TestLogAppendTimeWins(t *testing.T) {
	recs, deltas := records(2)
	data := sample{first: 1000, deltas: deltas, records: recs, attr: attrLogAppend}.encode(t)
	var h Header
	var s Set
	if _, err := Next(data, &h); err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(1 << 20)
	plain, _ := d.Plain(&h, nil)
	if err := d.Append(&s, &h, plain, part, 0); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Records {
		if want := time.UnixMilli(base + 5000).UTC(); !r.Time.Equal(want) {
			t.Errorf("got %v, want %v", r.Time, want)
		}
	}
}

func TestABatchBeyondTheLimitIsRefusedWhateverTheCodec(t *testing.T) {
	big := []record.Record{{Value: make([]byte, 1<<20), Time: time.UnixMilli(base)}}
	d := NewDecoder(100_000)
	defer d.Close()
	for codec := Gzip; codec <= Zstd; codec++ {
		data := sample{deltas: []int64{0}, records: big, attr: int16(codec)}.encode(t)
		if _, err := decode(t, d, data, 0); !errors.Is(err, ErrTooLarge) {
			t.Errorf("codec %d: got %v", codec, err)
		}
	}
}

func TestEachFlippedByteIsDetected(t *testing.T) {
	recs, deltas := records(5)
	d := NewDecoder(1 << 20)
	defer d.Close()
	for codec := range 5 {
		data := sample{first: 1000, deltas: deltas, records: recs, attr: int16(codec)}.encode(t)
		for i := 16; i < len(data); i++ { // offset, length and epoch, before it, are not covered by the checksum
			data[i] ^= 0x41
			if _, err := decode(t, d, data, 0); err == nil {
				t.Errorf("codec %d: byte %d flipped, no error", codec, i)
			}
			data[i] ^= 0x41
		}
	}
}

func TestEachCutIsPartialAndTellsTheSizeNeeded(t *testing.T) {
	recs, deltas := records(5)
	data := sample{first: 1000, deltas: deltas, records: recs}.encode(t)
	for i := range data {
		var h Header
		_, err := Next(data[:i], &h)
		if !errors.Is(err, ErrPartial) {
			t.Fatalf("cut at %d: got %v", i, err)
		}
		if i >= 17 && h.Size != len(data) {
			t.Fatalf("cut at %d: size %d, want %d", i, h.Size, len(data))
		}
	}
}

func TestAWrongCountOrOrderIsCorruptAndLeavesTheSetAlone(t *testing.T) {
	recs, _ := records(3)
	body := sample{first: 1000, deltas: []int64{0, 1, 2}, records: recs}.encode(t)[HeaderSize:]
	swapped := sample{first: 1000, deltas: []int64{1, 0, 2}, records: recs}.encode(t)[HeaderSize:]
	for name, data := range map[string][]byte{
		"one too few":    seal(1000, 2, 0, 2, body),
		"one too many":   seal(1000, 3, 0, 4, body),
		"two billion":    seal(1000, 1<<31-1, 0, 1<<31-1, body),
		"negative":       seal(1000, 2, 0, -1, body),
		"out of order":   seal(1000, 2, 0, 3, swapped),
		"beyond last":    seal(1000, 1, 0, 3, body),
		"bytes left":     seal(1000, 2, 0, 3, append(bytes.Clone(body), 0)),
		"codec 5":        seal(1000, 2, 5, 3, body),
		"format v1":      append(append(bytes.Clone(seal(1000, 2, 0, 3, body)[:16]), 1), body...),
		"header count":   seal(1000, 0, 0, 1, []byte{14, 0, 0, 0, 1, 1, 126, 0}),
		"no zstd":        seal(1000, 2, Zstd, 3, body),
		"truncated gzip": seal(1000, 2, Gzip, 3, compress(t, Gzip, false, body)[:40]),
	} {
		d := NewDecoder(1 << 20)
		s := Set{Records: []record.Record{{Key: []byte("before")}}}
		var h Header
		_, err := Next(data, &h)
		if err == nil {
			var plain []byte
			if plain, err = d.Plain(&h, nil); err == nil {
				err = d.Append(&s, &h, plain, part, 0)
			}
		}
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: got %v", name, err)
		}
		if len(s.Records) != 1 {
			t.Errorf("%s: the set has %d records", name, len(s.Records))
		}
		d.Close()
	}
}

func TestMarkersAreTold(t *testing.T) {
	for marker, abort := range map[byte]bool{0: true, 1: false} {
		key := []byte{0, 0, 0, marker}
		rec := []record.Record{{Key: key, Value: []byte{0, 0, 0, 0, 0, 0}, Time: time.UnixMilli(base)}}
		data := sample{first: 9, deltas: []int64{0}, records: rec, attr: attrControl | attrTxn}.encode(t)
		var h Header
		if _, err := Next(data, &h); err != nil {
			t.Fatal(err)
		}
		if !h.Control() || !h.Transactional() || h.Abort() != abort {
			t.Errorf("marker %d: control %v, transactional %v, abort %v", marker, h.Control(), h.Transactional(), h.Abort())
		}
	}
}

func TestNothingIsAllocatedPerRecord(t *testing.T) {
	recs, deltas := records(1000)
	for _, codec := range []int{None, Snappy, Zstd} {
		data := sample{first: 1000, deltas: deltas, records: recs, attr: int16(codec)}.encode(t)
		d := NewDecoder(1 << 20)
		defer d.Close()
		var s Set
		buf := make([]byte, 0, 1<<20)
		got := testing.AllocsPerRun(20, func() {
			var h Header
			s.Reset()
			_, _ = Next(data, &h)
			plain, _ := d.Plain(&h, buf)
			_ = d.Append(&s, &h, plain, part, 0)
		})
		if len(s.Records) != 1000 || got > 5 {
			t.Errorf("codec %d: %d records, %.0f allocations", codec, len(s.Records), got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	recs, deltas := records(6)
	for codec := range 5 {
		f.Add(sample{first: 1000, deltas: deltas, records: recs, attr: int16(codec)}.encode(f), int64(1002))
	}
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		d := NewDecoder(1 << 16)
		defer d.Close()
		var h Header
		var s Set
		for len(data) > 0 {
			rest, err := Next(data, &h)
			if err != nil {
				return
			}
			if len(rest)+h.Size != len(data) {
				t.Fatalf("%d bytes of %d are gone", len(data)-len(rest), h.Size)
			}
			data = rest
			h.Abort()
			before := len(s.Records)
			plain, err := d.Plain(&h, nil) // though the checksum is wrong: what is behind it must hold as well
			if err == nil {
				err = d.Append(&s, &h, plain, part, from)
			}
			if err != nil && len(s.Records) != before {
				t.Fatalf("an error left %d records", len(s.Records)-before)
			}
			for i, r := range s.Records[before:] {
				if o := r.Position.Sub - 1; o < h.First || o > h.Last || o < from {
					t.Fatalf("record %d has offset %d, of batch %d to %d, from %d", i, o, h.First, h.Last, from)
				}
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	recs, deltas := records(1000)
	for i := range recs {
		recs[i].Value, recs[i].Headers = make([]byte, 490), nil
	}
	data := sample{first: 1000, deltas: deltas, records: recs}.encode(b)
	d := NewDecoder(1 << 20)
	var s Set
	b.ReportAllocs()
	for b.Loop() {
		var h Header
		s.Reset()
		_, _ = Next(data, &h)
		_ = h.Check()
		plain, _ := d.Plain(&h, nil)
		_ = d.Append(&s, &h, plain, part, 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/record")
}
