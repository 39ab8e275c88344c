package kinesis

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/kpl"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// A commit may fall between two user records of an aggregate: the next run goes on with the second.
func TestAnAggregateIsReadFromItsMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		numbers(f, 0, 0, 2)
		at := f.put(0, "x", kpl.Pack(kpl.Record{Key: "a", Data: []byte("A")}, kpl.Record{Key: "b", Data: []byte("B")}, kpl.Record{Key: "c", Data: []byte("C")}))
		numbers(f, 0, 2, 4)
		part := f.partition(0)
		for sub, want := range [][]string{{"A", "B", "C", "v2", "v3"}, {"B", "C", "v2", "v3"}, {"C", "v2", "v3"}, {"v2", "v3"}} {
			at.Sub = int64(sub)
			if sub == 0 {
				at = record.Position{Seq: *f.shards[0].log[1].SequenceNumber, Sub: 1}
			}
			p := f.tap(t, nil)
			if err := p.start(map[record.Partition]driver.Progress{part: {UpTo: at, Arrived: time.Now()}}); err != nil {
				t.Fatal(err)
			}
			if err := p.poll(5 * time.Second); err != nil {
				t.Fatal(err)
			}
			p.want(want...)
			at = record.Position{Seq: *f.shards[0].log[2].SequenceNumber}
		}
	})
}

// Pending user records come back alone, wherever in aggregates they are; those of other shards are not counted.
func TestPendingUserRecordsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.shards[0].to, f.shards[0].parent = halfLess, "shardId-gone"
		in, out := kpl.Record{Key: "k", Hash: "7", Data: []byte("in")}, kpl.Record{Key: "k", Hash: half, Data: []byte("out")}
		name := func(r kpl.Record, n int) kpl.Record {
			r.Data = fmt.Appendf(slices.Clone(r.Data), "%d", n)
			return r
		}
		first := f.put(0, "x", kpl.Pack(name(out, 0), name(in, 1), name(out, 2), name(in, 3)))
		f.put(0, "x", []byte("plain"))
		last := f.put(0, "x", kpl.Pack(name(in, 4), name(in, 5), name(out, 6)))
		first.Sub, last.Sub = 2, 3
		p := f.tap(t, nil)
		// Delivered were in1, in3, plain, in4, in5, and out6 was passed.
		if err := p.start(map[record.Partition]driver.Progress{f.partition(0): {
			UpTo: last, Pending: driver.PendingSet{First: first, Ordinals: []uint32{0, 2, 4}, Through: 5}, Arrived: time.Now(),
		}}); err != nil {
			t.Fatal(err)
		}
		f.put(0, "x", []byte("new"))
		if err := p.poll(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		p.want("in1", "plain", "in5", "new")
	})
}

// A producer that did not know of a split sends what was refused again: the copy in the wrong shard is not a record. The
// positions are consumed all the same, so that the end of the log can be proved.
func TestUserRecordsOfOtherShardsAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.shards[0].from, f.shards[0].to, f.shards[0].parent = half, wholeRange, "shardId-gone"
		f.put(0, "x", kpl.Pack(kpl.Record{Key: "a", Hash: half, Data: []byte("in")}, kpl.Record{Key: "a", Hash: halfLess, Data: []byte("out")}))
		f.put(0, "x", kpl.Pack(kpl.Record{Key: "a", Hash: "0", Data: []byte("out")}))
		last := f.put(0, "x", kpl.Pack())
		p := f.read(t, 5*time.Second)
		p.want("in")
		if got := p.at[f.partition(0)]; got != last {
			t.Errorf("consumed up to %v, want %v", got, last)
		}
		if proved, err := p.s.AtEnd(t.Context(), p.at); len(proved) != 1 || err != nil {
			t.Errorf("AtEnd proved %v (%v), want the shard", proved, err)
		}
	})
}

// A broken aggregate is one dead letter with all its bytes, and the records around it go on.
func TestABrokenAggregateIsOneDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		bad := kpl.Seal([]byte{3<<3 | 2, 9, 1 << 3, 0}) // a user record that is cut
		numbers(f, 0, 0, 1)
		at := f.put(0, "x", bad)
		numbers(f, 0, 1, 2)
		p := f.read(t, 5*time.Second)
		p.want("v0", "v1")
		if len(p.dead) != 1 || p.dead[0].Record.Position != at || !bytes.Equal(p.dead[0].Record.Value, bad) {
			t.Errorf("dead letters: %+v, want the one at %v with its bytes", p.dead, at)
		}
	})
}

// What begins like an aggregate and does not end with its checksum was a dead letter once. The consumer libraries take it for
// a plain record, and so may its producer have meant it.
func TestARecordThatOnlyBeginsLikeAnAggregateIsAPlainOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		damaged := kpl.Pack(kpl.Record{Key: "a", Data: []byte("A")}, kpl.Record{Key: "b", Data: []byte("B")})
		damaged[len(damaged)-1]++
		plain := append(slices.Clone(damaged[:4]), "x"...)
		numbers(f, 0, 0, 1)
		f.put(0, "x", damaged)
		f.put(0, "y", plain)
		numbers(f, 0, 1, 2)
		p := f.read(t, 5*time.Second)
		p.want("v0", string(damaged), string(plain), "v1")
		if len(p.dead) != 0 {
			t.Errorf("dead letters: %+v, want none", p.dead)
		}
	})
}

// unpackAll is an unpacker with an answer for it, of aggregates of n user records each, in a shard that has half of the keys.
func unpackAll(records, n int) (*unpacker, []types.Record) {
	part := record.Partition{ID: s0}
	u := &unpacker{part: &part, filter: true, keys: service.Range{To: service.Hash{Hi: 1 << 63}}}
	var in []types.Record
	for i := range records {
		var users []kpl.Record
		for k := range n {
			users = append(users, kpl.Record{Key: fmt.Sprintf("session-%d-%d", i, k), Data: bytes.Repeat([]byte{'x'}, 200)})
		}
		in = append(in, types.Record{
			Data: kpl.Pack(users...), PartitionKey: aws.String("a"), SequenceNumber: aws.String(fmt.Sprintf("4954%052d", i)),
			ApproximateArrivalTimestamp: aws.Time(time.Now()),
		})
	}
	return u, in
}

func TestUserRecordsAreNotCopied(t *testing.T) {
	u, in := unpackAll(3, 10)
	ds, _, _, err := u.unpack(in, &plan{phase: following}, []*delivery{newDelivery(s0, false)})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range ds[0].Records {
		for k := range in {
			from := uintptr(unsafe.Pointer(&in[k].Data[0]))
			if at := uintptr(unsafe.Pointer(&ds[0].Records[i].Value[0])); at >= from && at < from+uintptr(len(in[k].Data)) {
				n++
			}
		}
	}
	if n == 0 || n != len(ds[0].Records) || int64(n)+u.foreign != 30 {
		t.Errorf("%d of %d values lie in the answer, and %d records were left out of 30", n, len(ds[0].Records), u.foreign)
	}
	perAnswer := testing.AllocsPerRun(100, func() {
		ds, _, _, _ = u.unpack(in, &plan{phase: following}, []*delivery{newDelivery(s0, false)})
		ds[0].Release()
	})
	if perAnswer > 10 {
		t.Errorf("%v allocations for 30 user records", perAnswer)
	}
}

// Keys that were looked up for one aggregate are not taken for those of the next one.
func TestKeysAreLookedUpForEachAggregate(t *testing.T) {
	whole := service.Range{To: service.Hash{Hi: ^uint64(0), Lo: ^uint64(0)}}
	if k := []byte("user"); !whole.Has(service.HashOf(k)) {
		t.Fatalf("%v is nowhere", service.HashOf(k))
	}
	u, in := unpackAll(100, 3)
	want := 0
	for i := range in {
		rs, err := u.agg.Unpack(in[i].Data)
		if err != nil {
			t.Fatal(err)
		}
		for k := range rs {
			if u.keys.Has(service.HashOf(rs[k].Key)) {
				want++
			}
		}
	}
	ds, _, _, err := u.unpack(in, &plan{phase: following}, []*delivery{newDelivery(s0, false)})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(ds[0].Records); got != want || want == 0 || want == 300 {
		t.Errorf("%d of 300 user records are passed on, want %d", got, want)
	}
}
