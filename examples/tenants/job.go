package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

const (
	jobName  = "tenants"
	flowName = "clicks"
	keyName  = "advertiser"
)

// clicks is the flow: one file for each advertiser and hour once that is sealed, and before that a pack in each transaction.
func clicks() sink.Flow[click] {
	return sink.Flow[click]{
		Name: flowName, Format: format.JSONLines[click](), Codec: codec.Zstd, Merge: true,
		Keys: []sink.Key[click]{{Name: keyName, Value: func(c *click) string { return c.Advertiser }}},
	}
}

// pace lets so many clicks pass in a second, as a topic does that is written to meanwhile.
type pace struct {
	rate   int
	begin  time.Time
	passed atomic.Int64
}

func (p *pace) parse(r *stream.Record) (c click, err error) {
	if n := p.passed.Add(1); n%64 == 0 {
		time.Sleep(time.Until(p.begin.Add(time.Duration(n) * time.Second / time.Duration(p.rate)))) //nolint:forbidigo // it stands for a slow source
	}
	return c, json.Unmarshal(r.Value, &c)
}

// runJob writes the clicks. It ends once all are committed and their hours are sealed.
func runJob(ctx context.Context, o *options) error {
	store, err := sinkfile.Open(o.output(), nil)
	if err != nil {
		return err
	}
	defer store.Close()
	src, err := file.Open(file.Config{Dir: o.input()}, &file.Options{Name: flowName})
	if err != nil {
		return err
	}
	defer src.Close()
	out, err := sink.Open(ctx, store, jobName, []sink.Flow[click]{clicks()}, nil)
	if err != nil {
		return err
	}
	p := &pace{rate: o.rate, begin: time.Now()}
	events := stream.Via(stream.From(src), stream.Decode(p.parse, func(c *click) time.Time { return c.Time }))
	return stream.Run(ctx, events, seal.Hourly(out, nil), &stream.Options{CommitEvery: o.commit})
}
