package main

import (
	"context"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/enrich"
)

// pipeline is all that happens to a hit between source and sink. The stages before the join hold nothing, which dedup
// asks for; the join holds loads and beats that wait for each other, and a restart reads those again.
func pipeline(o *options, src stream.Source, ids dedup.Store, countries *enrich.Table[countryTable]) stream.Pipe[Hit] {
	hits := stream.Via(stream.From(src), stream.Decode(slowed(parse, o.rate), (*Hit).time))
	hits = stream.Via(hits, dedup.ByID(ids, (*Hit).id, nil))
	hits = stream.Via(hits, stream.Map(extract))
	hits = stream.Via(hits, join.Left((*Hit).view, (*Hit).isLoad, (*Hit).merge, &join.Options{Window: o.window}))
	hits = stream.Via(hits, stream.Filter("bot", (*Hit).isPerson))
	return stream.Via(hits, enrich.With(countries, setCountry))
}

func process(ctx context.Context, o *options, store sink.Store, flows []sink.Flow[Hit], truth *Truth) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	src, err := openSource(ctx, o, truth)
	if err != nil {
		return err
	}
	defer src.Close()
	if o.kafka != "" || o.kinesis != "" { // a topic has no end: we are done when the last hour is sealed
		go func() {
			defer done()
			if _, err := seal.Wait(ctx, store, job, truth.LastHour, nil); err != nil && ctx.Err() == nil {
				os.Stderr.WriteString("newsroom: " + err.Error() + "\n")
			}
		}()
	}
	return runJob(ctx, o, store, flows, src, nil)
}

// processLive lets the hits happen, and measures. fast says whether they were visible as soon as they should.
func processLive(ctx context.Context, o *options, store sink.Store, flows []sink.Flow[Hit]) (truth *Truth, fast bool, err error) {
	l, err := makeLive(o, flows)
	if err != nil {
		return nil, false, err
	}
	src, send, err := l.source(ctx, o)
	if err != nil {
		return nil, false, err
	}
	defer src.Close()
	work, ctx := errgroup.WithContext(ctx)
	running, done := context.WithCancel(ctx)
	defer done()
	work.Go(func() error { return l.feed(ctx, send) })
	var seen *latency
	watching, giveUp := context.WithCancel(ctx)
	defer giveUp()
	work.Go(func() (err error) {
		seen, err = l.watch(watching, store, o.window)
		return err
	})
	work.Go(func() error {
		defer time.AfterFunc(10*time.Second, giveUp) // rows that are not visible then are missing
		return runJob(running, o, store, flows, src, func(st stream.Status) {
			if st.Counts.Sum() >= l.truth.read() {
				done()
			}
		})
	})
	if err := work.Wait(); err != nil {
		return nil, false, err
	}
	return l.truth, seen.print(os.Stdout, o.commit), nil
}

func runJob(ctx context.Context, o *options, store sink.Store, flows []sink.Flow[Hit], src stream.Source,
	observe func(stream.Status),
) error {
	ids, closeIDs, err := openIDs(ctx, o)
	if err != nil {
		return err
	}
	defer closeIDs()
	out, err := sink.Open(ctx, store, job, flows, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, pipeline(o, src, ids, enrich.NewTable(countryRanges)),
		seal.Hourly(out, nil),
		&stream.Options{
			CommitEvery: o.commit, Memory: 128 << 20, Progress: os.Stderr, Observe: observe,
			KeysInLanes: true, // all hits of a page view, and all copies of one, are in one partition or file
		})
}

// countryTable has the country of each range of addresses, ascending. A real one comes from a file that is replaced now
// and then: see enrich.OpenFile.
type countryTable []countryRange

type countryRange struct {
	first   netip.Addr
	country string
}

var countryRanges = countryTable{
	{netip.MustParseAddr("0.0.0.0"), "US"}, {netip.MustParseAddr("64.0.0.0"), "DE"}, {netip.MustParseAddr("128.0.0.0"), "JP"},
	{netip.MustParseAddr("192.0.0.0"), "BR"},
}

func setCountry(table *countryTable, h *Hit) error {
	for i := len(*table) - 1; i >= 0; i-- {
		if r := &(*table)[i]; r.first.Compare(h.IP) <= 0 {
			h.Country = r.country
			return nil
		}
	}
	return nil
}
