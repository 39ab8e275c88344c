package main

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
)

const job = "bench"

// library does what the floor does, exactly once: with commits while it runs, and a seal for each hour. It ends when the
// last hour is sealed.
func (r *run) library(ctx context.Context) (outcome, error) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	src, err := r.source(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer src.Close()
	ids, stats := dedup.NewMemory(nil), &dedup.Stats{}
	hits := stream.Via(stream.From(src), stream.Decode(parse, (*event).time))
	if r.join {
		hits = stream.Via(stream.From(src), stream.Decode(parsePending, (*event).time))
	}
	if !r.alone || r.prepare { // who only merges need not read anew what is to be remembered
		hits = stream.Via(hits, dedup.ByID(ids, (*event).eventID, &dedup.Options{Stats: stats}))
	}
	if r.join {
		hits = stream.Via(hits, join.Left((*event).joinKey, (*event).isLoad, (*event).merge, nil))
	}
	if r.merge {
		r.asked = newRequests()
	}
	allocs := watchAllocs(ctx, &stats.Claims, r.total())
	out, err := runJob(ctx, done, r, hits, r.flows(), r.set.last())
	done()
	out.Allocs = <-allocs
	return out, err
}

// own is the library without decoding, deduplication and compression: the source, the engine, routing, the copy of each row
// into a buffer, the transactions and the ledger. Event time is the record's, so all is in one hour or two.
func (r *run) own(ctx context.Context) (outcome, error) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	src, err := r.source(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer src.Close()
	flows := []sink.Flow[stream.Record]{{Name: "all", Format: format.Raw(".jsonl"), Codec: nothing{}}}
	return runJob(ctx, done, r, stream.From(src), flows, time.Time{})
}

// runJob runs a pipe until hour is sealed, or until all records are finished if there is none.
func runJob[T any](ctx context.Context, done func(), r *run, pipe stream.Pipe[T], flows []sink.Flow[T], hour time.Time) (outcome, error) {
	plain, err := r.store(ctx)
	if err != nil {
		return outcome{}, err
	}
	store := plain
	if r.asked != nil {
		store = counted{plain, r.asked}
	}
	out, err := sink.Open(ctx, store, job, flows, nil)
	if err != nil {
		return outcome{}, err
	}
	var counts stream.Counts
	var closed sync.Once
	sealed := make(chan error, 1)
	sealed <- nil
	opts := &stream.Options{CommitEvery: r.commit, Memory: r.memory, Observe: func(s stream.Status) {
		counts = s.Counts
		switch {
		case r.paths && !r.merge: // it commits once, when it is told to end
			if s.Read == r.total() {
				done()
			}
		case hour.IsZero():
			if counts.Sum() == r.total() {
				done()
			}
		case r.prepare:
			if counts.Sum() == r.total() && s.Uncommitted == 0 {
				done()
			}
		case r.merge || s.EarliestHour.After(hour) && counts.Sum() == r.total():
			closed.Do(func() {
				<-sealed
				go func() {
					defer done()
					_, err := seal.Wait(ctx, plain, job, hour, &seal.ReadOptions{Poll: r.poll()})
					sealed <- err
				}()
			})
		}
	}}
	if r.paths && !r.merge {
		opts.CommitEvery, opts.CommitBytes, opts.Shutdown = time.Hour, -1, runTimeout
	}
	sealing := &seal.Options{}
	if r.prepare {
		sealing.Lateness = 24 * time.Hour // so that nothing is merged
	}
	if err := stream.Run(ctx, pipe, seal.Hourly(out, sealing), opts); err != nil {
		return outcome{}, err
	}
	o := outcome{Read: counts.Sum(), Copies: counts[stream.Duplicate]}
	if r.asked != nil {
		o.Requests = r.asked.counts
	}
	return o, <-sealed
}

// poll is how often to look for the seal. Of several processes none knows when all is read, so that one with a merge looks
// from its start.
func (r *run) poll() time.Duration {
	if r.merge {
		return 200 * time.Millisecond
	}
	return 20 * time.Millisecond
}

// client is the library's source alone.
func (r *run) client(ctx context.Context) (outcome, error) {
	src, err := r.source(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer src.Close()
	out := outcome{}
	for out.Read < r.total() {
		b, err := src.Poll(ctx)
		if err != nil {
			return out, err
		}
		for _, a := range b.Assigned {
			from := map[stream.Partition]driver.Progress{}
			for _, p := range a.Partitions {
				from[p] = driver.Progress{}
			}
			if err := src.Start(ctx, driver.Start{Lane: a.Lane, From: from}); err != nil {
				return out, err
			}
		}
		for i := range b.Records {
			if len(b.Records[i].Value) == 0 {
				return out, errEvent
			}
		}
		out.Read += int64(len(b.Records))
		b.Release()
	}
	return out, nil
}

func (r *run) source(ctx context.Context) (*kafka.Source, error) {
	return kafka.Open(ctx, kafka.Config{Brokers: r.from.brokers, Group: r.from.group, Topics: []string{r.from.topic}}, nil)
}

func (r *run) store(ctx context.Context) (sink.Store, error) {
	if r.bucket != nil {
		return r.bucket.store(ctx, r.asked)
	}
	return file.Open(r.dir, nil)
}

func (r *run) flows() []sink.Flow[event] {
	rows := format.Lines(".jsonl", appendRow)
	if !r.split {
		all := sink.Flow[event]{Name: "all", Format: rows, Codec: r.codec()}
		if r.paths {
			all.Keys = []sink.Key[event]{{Name: "tenant", Value: (*event).tenant}}
			all.Merge = r.merge
		}
		return []sink.Flow[event]{all}
	}
	var flows []sink.Flow[event]
	for k, name := range kinds {
		flows = append(flows, sink.Flow[event]{
			Name: name, Format: rows, Codec: r.codec(), Where: func(e *event) bool { return e.kind == kind(k) },
		})
	}
	return flows
}

var codecs = map[string]codec.Codec{"zstd": codec.Zstd, "gzip": codec.Gzip, "s2": codec.S2, "none": codec.None}

func (r *run) codec() codec.Codec { return codecs[r.compression] }

// nothing is a codec that makes nothing of its rows.
type nothing struct{}

func (nothing) Ext() string                 { return ".nothing" }
func (nothing) FrameBytes() int             { return 4 << 20 }
func (nothing) New() codec.Compressor       { return nothing{} }
func (nothing) Reset(io.Writer)             {}
func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) Close() error                { return nil }
