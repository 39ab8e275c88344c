package kinesis

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kinesis/internal/aggregate"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// unpacker makes records of the service's records. It belongs to one goroutine.
type unpacker struct {
	part   *record.Partition
	keys   service.Range
	filter bool // user records that belong to other shards are left out
	agg    aggregate.Unpacker

	foreign int64 // user records that were left out

	owns []answerOfKey // of the keys in the aggregate's table
}

// answerOfKey says whether a key belongs to this shard. User records share keys, and each check costs an MD5.
type answerOfKey uint8

const (
	notAsked answerOfKey = iota
	ours
	another
)

// maxBatch is the most records of one batch, so that a lane never gets a million user records in one step.
const maxBatch = 4096

var recordPool = sync.Pool{New: func() any { s := make([]record.Record, 0, maxBatch); return &s }}

// delivery is a batch on its way to Poll.
type delivery struct {
	driver.Batch
	room *[]record.Record // what Records is in
}

func newDelivery(lane string, warm bool) *delivery {
	d := &delivery{room: recordPool.Get().(*[]record.Record)}
	d.Lane, d.Warm, d.Records = lane, warm, (*d.room)[:0]
	d.Done = d.release
	return d
}

func (d *delivery) release() {
	if room := d.room; room != nil {
		d.room = nil
		clear(d.Records)
		*room = d.Records[:0]
		d.Records = nil
		recordPool.Put(room)
	}
}

func (d *delivery) empty() bool {
	return len(d.Records)+len(d.Unreadable)+len(d.Passed)+len(d.Ended) == 0 && !d.WarmDone
}

// unpack appends to out what the plan wants of an answer's records. last is the last position that the service gave. over
// says that the phase is over. Values are those of in, not copies.
func (u *unpacker) unpack(in []types.Record, k *plan, out []*delivery) (ds []*delivery, last record.Position, over bool, err error) {
	var keys []byte // of plain records: one allocation for all
	for i := range in {
		keys = append(keys, aws.ToString(in[i].PartitionKey)...)
	}
	for i := range in {
		r := &in[i]
		seq := aws.ToString(r.SequenceNumber)
		n := len(aws.ToString(r.PartitionKey))
		key := keys[:n:n]
		keys = keys[n:]
		at := record.Position{Seq: seq, Sub: 1}
		if !aggregate.Is(r.Data) {
			out, over, err = u.one(out, k, r, record.Record{Position: at, Key: key, Value: r.Data})
		} else {
			out, at, over, err = u.many(out, k, r, at, key)
		}
		last = at
		if over || err != nil {
			return out, last, over, err
		}
	}
	return out, last, k.done, nil
}

// one passes on a record if the plan wants it.
func (u *unpacker) one(out []*delivery, k *plan, raw *types.Record, rec record.Record) ([]*delivery, bool, error) {
	v, err := k.judge(rec.Position)
	if v != give || err != nil {
		return out, v == stop, err
	}
	d := out[len(out)-1]
	if len(d.Records) == maxBatch {
		d = newDelivery(d.Lane, d.Warm)
		out = append(out, d)
	}
	rec.Partition = u.part
	if t := raw.ApproximateArrivalTimestamp; t != nil {
		rec.Time = t.UTC()
	}
	d.Records = append(d.Records, rec)
	d.Bytes += int64(len(rec.Key)+len(rec.Value)) + recordOverhead
	return out, false, nil
}

// recordOverhead is about what a record takes beside its bytes.
const recordOverhead = 160

// many passes on the user records of an aggregate. It leaves out those that belong to another shard. Their producer had
// packed them before the shards changed, and sends them again to where they belong. An aggregate that is broken, or none, is
// one record.
func (u *unpacker) many(out []*delivery, k *plan, raw *types.Record, at record.Position, key []byte) ([]*delivery, record.Position, bool, error) {
	records, err := u.agg.Unpack(raw.Data)
	defer u.agg.Reset()
	if errors.Is(err, aggregate.ErrPlain) {
		out, over, err := u.one(out, k, raw, record.Record{Position: at, Key: key, Value: raw.Data})
		return out, at, over, err
	}
	if err != nil {
		out, over, err := u.bad(out, k, raw, at, key, err)
		return out, at, over, err
	}
	if u.filter {
		u.owns = slices.Grow(u.owns[:0], u.agg.Keys())[:u.agg.Keys()]
		clear(u.owns)
	}
	passed := len(records) == 0
	for i := range records {
		r := &records[i]
		at.Sub = int64(i) + 1
		here := true
		if u.filter {
			here = u.here(r)
		}
		if passed = !here; !here {
			u.foreign++
			continue
		}
		var over bool
		out, over, err = u.one(out, k, raw, record.Record{Position: at, Key: r.Key, Value: r.Value})
		if over || err != nil {
			return out, at, over, err
		}
	}
	if passed && k.phase == following && at.Compare(k.upTo) > 0 {
		d := out[len(out)-1]
		d.Passed = append(d.Passed, driver.Passed{Partition: *u.part, UpTo: at})
	}
	return out, at, false, nil
}

// here reports whether a user record belongs to this shard, by its explicit hash key or else by its partition key.
func (u *unpacker) here(r *aggregate.Record) bool {
	if r.ExplicitHash != nil {
		h, err := service.ParseHash(r.ExplicitHash)
		return err != nil || u.keys.Has(h) // the producer's fault, and it is in the right shard as far as anyone can tell
	}
	known := &u.owns[r.KeyIndex]
	if *known == notAsked {
		*known = another
		if u.keys.Has(service.HashOf(r.Key)) {
			*known = ours
		}
	}
	return *known == ours
}

// bad passes on a record that cannot be unpacked.
func (u *unpacker) bad(out []*delivery, k *plan, raw *types.Record, at record.Position, key []byte, why error) ([]*delivery, bool, error) {
	v, err := k.judge(at)
	if v != give || err != nil || k.phase == warming {
		return out, v == stop, err
	}
	rec := record.Record{Partition: u.part, Position: at, Key: key, Value: raw.Data}
	if t := raw.ApproximateArrivalTimestamp; t != nil {
		rec.Time = t.UTC()
	}
	d := out[len(out)-1]
	d.Unreadable = append(d.Unreadable, driver.DeadLetter{Record: rec, Stage: "kinesis", Err: fmt.Errorf("kinesis: %w", why)})
	d.Bytes += int64(len(raw.Data))
	return out, false, nil
}
