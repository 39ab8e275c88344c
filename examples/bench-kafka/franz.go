package main

import (
	"context"
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// franz reads with franz-go as it is.
func franz(ctx context.Context, o order) (n, size int64, err error) {
	return poll(ctx, o, func(*kgo.Record) {})
}

// franzPools gives franz-go pools for records and for decompressed bytes, and every record back.
func franzPools(ctx context.Context, o order) (n, size int64, err error) {
	return poll(ctx, o, (*kgo.Record).Recycle, kgo.WithPools(&recordPool{}, &bytesPool{}))
}

func poll(ctx context.Context, o order, done func(*kgo.Record), more ...kgo.Opt) (n, size int64, err error) {
	c, err := kgo.NewClient(append(more,
		kgo.SeedBrokers(o.Brokers...), kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic), kgo.DisableAutoCommit(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)...)
	if err != nil {
		return 0, 0, err
	}
	defer c.CloseAllowingRebalance()
	for n < int64(o.Records) {
		f := c.PollFetches(ctx)
		if err := f.Err(); err != nil {
			return n, size, err
		}
		f.EachRecord(func(r *kgo.Record) {
			n++
			size += int64(len(r.Value))
			done(r)
		})
	}
	return n, size, nil
}

// recordPool keeps slices of records, by size: what comes back is set to zero over its whole capacity, so one that is too large
// costs more than it spares.
type recordPool struct{ classes [bits.UintSize]sync.Pool }

// GetRecords returns a slice with room for n.
func (p *recordPool) GetRecords(n int) []kgo.Record {
	class := bits.Len(uint(n))
	if r, ok := p.classes[class].Get().(*[]kgo.Record); ok {
		return (*r)[:0]
	}
	return make([]kgo.Record, 0, 1<<class)
}

// PutRecords takes a slice back.
func (p *recordPool) PutRecords(r []kgo.Record) { p.classes[bits.Len(uint(cap(r)))-1].Put(&r) }

// bytesPool keeps slices for decompressed bytes, by size.
type bytesPool struct{ classes [bits.UintSize]sync.Pool }

// growth is what a compressed byte is expected to become, at most.
const growth = 6

// GetDecompressBytes returns a slice that most likely has room.
func (p *bytesPool) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	class := bits.Len(uint(growth * len(compressed)))
	if b, ok := p.classes[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// PutDecompressBytes takes a slice back.
func (p *bytesPool) PutDecompressBytes(b []byte) {
	if cap(b) > 0 {
		p.classes[bits.Len(uint(cap(b)))-1].Put(&b)
	}
}
