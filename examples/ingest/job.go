package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
)

func flows() []sink.Flow[event] {
	return []sink.Flow[event]{{Name: flowName, Format: format.Lines(".ndjson", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.line...), nil })}}
}

func decode(r *stream.Record) (event, error) {
	e, err := parseEvent(r.Value)
	e.line = bytes.Clone(r.Value)
	return e, err
}

// runJob writes each event once, until ctx ends. Count stands before dedup: what dedup drops has arrived.
func runJob(ctx context.Context, o *options, p *parts) (err error) {
	src, err := p.source(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	out, err := sink.Open(ctx, p.store, jobName, flows(), nil)
	if err != nil {
		return err
	}
	ids := dedup.NewMemory(nil)
	defer ids.Close()
	lines := stream.Via(stream.From(src), stream.Filter("torn", isWhole))
	lines = stream.Via(lines, audit.Count(nil))
	events := stream.Via(lines, stream.Decode(decode, (*event).time))
	events = stream.Via(events, dedup.ByID(ids, (*event).id, &dedup.Options{Window: o.window()}))
	return stream.Run(ctx, events, seal.Hourly(out, nil), jobOptions(o))
}

func jobOptions(o *options) *stream.Options {
	return &stream.Options{
		CommitEvery: o.commit, Memory: 128 << 20, Logger: o.logger(),
		Future: mostAhead + clocksDiffer, Past: mostBehind + clocksDiffer + onItsWay, // what an endpoint accepts, whenever it comes
		KeysInLanes: true, // all copies of an event are in the partition of its ID
	}
}
