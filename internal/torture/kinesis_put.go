package torture

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	mrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/kpl"
)

// putter writes to the stream at a steady pace: plain records, aggregates, and now and then an aggregate that is broken.
// Some user records in aggregates have keys of another shard, as those of a producer that has missed a reshard; nobody may
// write these, unless the shard is as old as the stream, so that no reshard can have been missed. It sends nothing twice.
type putter struct {
	client   *kinesis.Client
	idleFrom *big.Int // keys from here on get nothing
	log      *log
	rate     int // user records a second
	say      func(string, ...any)
}

const (
	putEvery  = 100 * time.Millisecond
	inOne     = 8 // user records of an aggregate
	entries   = 6 // Kinesis records of a put: one in two is an aggregate
	perPut    = entries / 2 * (inOne + 1)
	strayKey  = "340282366920938463463374607431768211455" // the last hash key, of the idle shard
	brokenOne = 20                                        // one in so many aggregates
)

// run puts until ctx ends.
func (p *putter) run(ctx context.Context) {
	tick := time.NewTicker(max(putEvery, time.Second*perPut/time.Duration(p.rate)))
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := p.once(ctx); err != nil && ctx.Err() == nil {
			p.say("producer: %v", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// entry is a Kinesis record and what is in it.
type entry struct {
	in     types.PutRecordsRequestEntry
	own    []int // numbers of user records that must come out once
	strays []int // of those whose key is of another shard
	broken []int // and of those that nobody can read
}

func (p *putter) once(ctx context.Context) error {
	// The log waits for the answer, also when the producer is told to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	all := make([]entry, 0, entries)
	in := &kinesis.PutRecordsInput{StreamName: aws.String(streamName)}
	for i := range entries {
		e := p.plain()
		if i%2 == 1 {
			e = p.aggregate()
		}
		all = append(all, e)
		in.Records = append(in.Records, e.in)
	}
	out, err := p.client.PutRecords(ctx, in)
	for i, e := range all {
		part, f := int32(-1), unknown
		if err == nil && out.Records[i].ErrorCode == nil {
			f = acked
			part = shardNumber(aws.ToString(out.Records[i].ShardId))
		}
		for _, n := range e.own {
			p.log.settle(streamName, n, f, part, 0)
		}
		if f == acked && part >= firstShards {
			f = aborted
		}
		for _, n := range e.strays {
			p.log.settle(streamName, n, f, part, 0)
		}
		for _, n := range e.broken {
			p.log.settle(streamName, n, aborted, -1, 0)
		}
	}
	return err
}

// shardNumber is 17 of "shardId-000000000017".
func shardNumber(id string) int32 {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, "shardId-"), 10, 32)
	if err != nil {
		return -1
	}
	return int32(n)
}

// busyKey is a random hash key outside the idle shard.
func (p *putter) busyKey() string {
	n, err := rand.Int(rand.Reader, p.idleFrom)
	if err != nil {
		return big.NewInt(0).String()
	}
	return n.String()
}

// make makes a record and returns its content and number.
func (p *putter) make() ([]byte, int) {
	at := time.Now().Add(-mrand.N(disorder))
	n := p.log.add(streamName, at)
	return []byte(value(streamName, n, at)), n
}

func (p *putter) plain() entry {
	data, n := p.make()
	return entry{own: []int{n}, in: types.PutRecordsRequestEntry{
		Data: data, PartitionKey: aws.String(fmt.Sprint(n)), ExplicitHashKey: aws.String(p.busyKey()),
	}}
}

func (p *putter) aggregate() (e entry) {
	key := p.busyKey()
	var in []kpl.Record
	for range inOne {
		data, n := p.make()
		hash := key
		if mrand.IntN(50) == 0 {
			hash = strayKey
			e.strays = append(e.strays, n)
		} else {
			e.own = append(e.own, n)
		}
		in = append(in, kpl.Record{Key: fmt.Sprint(n), Hash: hash, Data: data})
	}
	data := kpl.Pack(in...)
	if mrand.IntN(brokenOne) == 0 {
		// Without magic, MD5 and the last byte of a user record. With a wrong MD5 it would be a plain record.
		data = kpl.Seal(data[4 : len(data)-16-1])
		e.broken = append(e.strays, e.own...) // a dead letter, with no row
		e.own, e.strays = nil, nil
	}
	e.in = types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String("a"), ExplicitHashKey: &key}
	return e
}
