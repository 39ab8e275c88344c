package sink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// Hit is what the example's records hold.
type Hit struct {
	Kind, Site string
	At         time.Time
}

func parseHit(r *stream.Record) (h Hit, err error) { return h, json.Unmarshal(r.Value, &h) }
func (h *Hit) EventTime() time.Time                { return h.At }
func (h *Hit) IsView() bool                        { return h.Kind == "view" }
func (h *Hit) IsClick() bool                       { return h.Kind == "click" }
func (h *Hit) SiteID() string                      { return h.Site }

// hitLog is a source of one partition with records of 12:00, 12:30 and 13:40, which then ends.
func hitLog() *streamtest.Log {
	l := streamtest.NewLog(1)
	for _, s := range []string{
		`{"Kind":"view","Site":"a","At":"2025-05-01T12:00:00Z"}`,
		`{"Kind":"click","Site":"b/c","At":"2025-05-01T12:30:00Z"}`,
		`{"Kind":`,
		`{"Kind":"view","Site":"a","At":"2025-05-01T13:40:00Z"}`,
	} {
		l.Append(0, 0, noon, s)
	}
	l.EndAll()
	return l
}

// runHits is a whole job: decode, two flows, seals.
func runHits(ctx context.Context, store sink.Store) error {
	hits := stream.Via(stream.From(hitLog().Source(nil)), stream.Decode(parseHit, (*Hit).EventTime))
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[Hit]{
		{Name: "views", Where: (*Hit).IsView, Format: format.JSONLines[Hit](), Codec: codec.Zstd},
		{Name: "clicks", Where: (*Hit).IsClick, Format: format.JSONLines[Hit](), Codec: codec.Gzip, Keys: []sink.Key[Hit]{{"site", (*Hit).SiteID}}},
	}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, hits, seal.Hourly(out, nil), nil)
}

// Records become hourly files of two flows, one of them with a folder for each site. The record that is no JSON goes to
// the dead letters, by the hour of reading.
func Example() {
	ctx, store := context.Background(), sinktest.NewMemory()
	if err := runHits(ctx, store); err != nil {
		log.Fatal(err)
	}
	var keys []string
	for _, flow := range []string{"clicks/", "views/"} {
		for o, err := range store.List(ctx, flow, "") {
			if err != nil {
				log.Fatal(err)
			}
			keys = append(keys, randomName.ReplaceAllString(o.Key, "/*."))
		}
	}
	slices.Sort(keys)
	fmt.Println(strings.Join(keys, "\n"))
	// Output:
	// clicks/day=2025-05-01/hour=12/_SEALED
	// clicks/day=2025-05-01/hour=12/site=b%2Fc/*.jsonl.gz
	// clicks/day=2025-05-01/hour=13/_SEALED
	// views/day=2025-05-01/hour=12/*.jsonl.zst
	// views/day=2025-05-01/hour=12/_SEALED
	// views/day=2025-05-01/hour=13/*.jsonl.zst
	// views/day=2025-05-01/hour=13/_SEALED
}

// randomName is the part of a file's name that is another one in each run.
var randomName = regexp.MustCompile(`/[0-9a-f]{26}-\d+-\d+\.`)

// A loader takes whole transactions, all flows of each or none, and remembers the last entry beside what it loaded.
func ExampleCommitted() {
	ctx, store := context.Background(), sinktest.NewMemory()
	if err := runHits(ctx, store); err != nil {
		log.Fatal(err)
	}
	loaded := uint64(0) // of the run before
	rows := map[string]int64{}
	// Without Poll: -1 it would wait for more.
	for m, err := range sink.Committed(ctx, store, "etl", loaded, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			log.Fatal(err)
		}
		for _, f := range m.Files {
			rows[f.Flow] += f.Rows
		}
		loaded = m.Entry
	}
	fmt.Println(rows, "loaded:", loaded > 0)
	// Output:
	// map[clicks:1 dead:1 views:2] loaded: true
}

// The topic of a partition was deleted, so its hours would wait for ever.
func ExampleRetire() {
	ctx, store := context.Background(), sinktest.NewMemory()
	if err := runHits(ctx, store); err != nil {
		log.Fatal(err)
	}
	p := hitLog().Partition(0, 0)
	fmt.Println(sink.Retire(ctx, store, "etl", p, "topic deleted, ticket 4711", nil))
	state, err := sink.Inspect(ctx, store, "etl", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("retired:", state.Partitions[p].Retired)
	// Output:
	// <nil>
	// retired: true
}
