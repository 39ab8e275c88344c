package join_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

type Hit struct {
	ID, Session, Kind string
	TimeOnPage        int
}

func (h *Hit) SessionKey() string { return h.Session }
func (h *Hit) IsLoad() bool       { return h.Kind == "load" }
func (h *Hit) Merge(beat *Hit)    { h.TimeOnPage = beat.TimeOnPage }

// Ping is a page view, or a sign of life that the browser sends while the page is open. Pages name their view.
type Ping struct {
	ID, View, Page string
	Raw            bool
}

func (p *Ping) IsPing() bool     { return p.Page == "" }
func (p *Ping) Merge(view *Ping) { p.Page = view.Page }
func (p *Ping) ViewKey() string {
	if p.Raw {
		return "" // it takes no part in the join
	}
	return p.View
}

// Each ping gets the page of its view, however many there are. The view is finished when it is read; a crash does not lose
// it, since the warm-up reads it again.
func ExampleAsOf() {
	var t testing.T // a test has its own
	noon := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

	l := streamtest.Open(&t, join.AsOf((*Ping).ViewKey, (*Ping).IsPing, (*Ping).Merge, &join.Options{Window: 30 * time.Minute}))
	l.Feed(noon, Ping{ID: "1", View: "a", Page: "/news"})
	l.Feed(noon.Add(time.Minute), Ping{ID: "2", View: "a"})
	l.Feed(noon.Add(2*time.Minute), Ping{ID: "3", View: "a"})
	fmt.Println("2 minutes:", l.Advance(noon.Add(2*time.Minute)), "pending:", l.Pending())
	l.Crash()
	l.Feed(noon.Add(40*time.Minute), Ping{ID: "4", View: "a"}) // the view is too old
	fmt.Println("1 hour:", l.Advance(noon.Add(time.Hour)))
	fmt.Println(l.Reasons())
	// Output:
	// 2 minutes: [{2 a /news false}] pending: 1
	// 1 hour: [{3 a /news false} {4 a  false}]
	// map[right:1]
}

// A raw flow beside a joined one. What takes no part in the join passes it, so each event is doubled in front of it: a raw
// copy without a key, and itself. Where of a flow tells them apart.
func ExampleAsOf_rawFlow() {
	noon := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	log := streamtest.NewLog(1)
	log.Append(0, 0, noon, `{"ID":"1","View":"a","Page":"/news"}`)
	log.Append(0, 0, noon.Add(time.Minute), `{"ID":"2","View":"a"}`, `{"ID":"3","View":"b"}`)
	log.EndAll()

	pings := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (p Ping, err error) {
		return p, json.Unmarshal(r.Value, &p)
	}, nil))
	pings = stream.Via(pings, stream.FlatMap(func(p *Ping, yield func(Ping)) error { // behind dedup, if there is one
		raw := *p
		raw.Raw = true
		yield(raw)
		yield(*p)
		return nil
	}))
	pings = stream.Via(pings, join.AsOf((*Ping).ViewKey, (*Ping).IsPing, (*Ping).Merge, nil))

	row := format.Lines(".txt", func(dst []byte, p *Ping) ([]byte, error) { return append(dst, p.ID+":"+p.Page...), nil })
	flows := []sink.Flow[Ping]{
		{Name: "raw", Where: func(p *Ping) bool { return p.Raw }, Format: row},
		{Name: "joined", Where: func(p *Ping) bool { return !p.Raw }, Format: row},
	}
	ctx, store := context.Background(), sinktest.NewMemory()
	out, err := sink.Open(ctx, store, "pings", flows, nil)
	if err == nil {
		err = stream.Run(ctx, pings, seal.Hourly(out, nil), nil)
	}
	if err != nil {
		fmt.Println(err)
	}
	for o, err := range store.List(ctx, "", "") {
		if err != nil || !strings.HasSuffix(o.Key, ".txt") {
			continue
		}
		body, err := store.Read(ctx, o.Key, 1<<20)
		flow, _, _ := strings.Cut(o.Key, "/")
		rows := strings.Split(strings.TrimSpace(string(body)), "\n")
		slices.Sort(rows)
		fmt.Printf("%s: %q %v\n", flow, rows, err)
	}
	// Output:
	// joined: ["2:/news" "3:"] <nil>
	// raw: ["1:/news" "2:" "3:"] <nil>
}

// A page load waits for its beat. The process dies in between; the load is read again, and meets the beat. The load of
// another session gets none and leaves alone, 90 seconds of event time and 10 of grace later.
func ExampleLeft() {
	var t testing.T // a test has its own
	midnight := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)

	l := streamtest.Open(&t, join.Left((*Hit).SessionKey, (*Hit).IsLoad, (*Hit).Merge, nil))
	l.Feed(midnight, Hit{ID: "1", Session: "a", Kind: "load"})
	l.Feed(midnight, Hit{ID: "2", Session: "b", Kind: "load"})
	l.Crash()
	fmt.Println("beat:", l.Feed(midnight.Add(85*time.Second), Hit{ID: "3", Session: "a", Kind: "beat", TimeOnPage: 85}))
	fmt.Println("100 s:", l.Advance(midnight.Add(100*time.Second)))
	fmt.Println("101 s:", l.Advance(midnight.Add(101*time.Second)))
	fmt.Println("pending:", l.Pending(), "merged:", l.Fates()[stream.Merged])
	// Output:
	// beat: [{1 a load 85}]
	// 100 s: []
	// 101 s: [{2 b load 0}]
	// pending: 0 merged: 1
}
