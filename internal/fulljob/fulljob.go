// Package fulljob makes a Set in which all is known, for tests of whatever shows it.
package fulljob

import (
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/workers"
)

// Now is what its clock shows.
var Now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// Set has a job of so many partitions, and one of everything else but a store.
func Set(partitions int) *metrics.Set {
	s := metrics.New(&metrics.Options{Now: func() time.Time { return Now }})
	s.Job("etl", Output{State(partitions)}).Observe(Status(Now))
	s.Store("s3", nil)
	s.Dedup("etl", "id", &dedup.Stats{})
	s.Workers("etl", "geo", func() workers.Status {
		return workers.Status{Subpartitions: []workers.SubpartitionStatus{{Depth: 3, Started: 1, Oldest: time.Second}, {Depth: 1, Paused: true}, {Depth: 1, Refused: 1}}}
	})
	s.Delivery("pg", func() delivery.Status { return delivery.Status{Since: Now} })
	s.Audit("etl")(&audit.Report{At: Now, Reached: Now, Sum: audit.Sum{Earliest: Now.Add(time.Hour)}})
	s.Scaler("etl")(scaler.Decision{At: Now, Action: scaler.Kept, From: scaler.Size{Copies: 3}, To: scaler.Size{Copies: 3}})
	return s
}

// Output is one whose ledger is State.
type Output struct{ *sink.JobState }

// State returns it.
func (o Output) State() *sink.JobState { return o.JobState }

// Explain names two partitions.
func (o Output) Explain(hour time.Time) ([]sink.HourBlocker, bool) {
	var list []sink.HourBlocker
	for p, st := range o.Partitions {
		list = append(list, sink.HourBlocker{Kind: sink.BlockedByPartition, Partition: p, Watermark: st.Progress.Watermark, MaxEventTime: st.Progress.MaxEventTime})
		if len(list) == 2 {
			break
		}
	}
	return append(list, sink.HourBlocker{Kind: sink.BlockedByClock, Until: hour.Add(75 * time.Minute)}), true
}

// State is that of a job with so many partitions, and three days of open hours.
func State(partitions int) *sink.JobState {
	hour := Now.Truncate(time.Hour)
	s := &sink.JobState{
		Entry: 41_217, Source: "kafka:full", Hour: time.Hour, Partitions: map[record.Partition]sink.PartitionState{}, Lanes: partitions,
		NextHour: hour.Add(-71 * time.Hour), Closed: hour.Add(-71 * time.Hour), Sealed: hour.Add(-72 * time.Hour), Unpublished: []uint64{41_216},
	}
	for h := range 72 {
		s.OpenHours = append(s.OpenHours, sink.OpenHour{Start: s.NextHour.Add(time.Duration(h) * time.Hour), Files: 12, Rows: 1_000_000, Bytes: 100 << 20})
	}
	for i := range partitions {
		clock := Now.Add(-time.Duration(i) * time.Second)
		s.Partitions[record.Partition{Source: "hits", Epoch: "AbCdEfGhIjKlMnOpQrStUv", ID: fmt.Sprint(i)}] = sink.PartitionState{
			Lane: fmt.Sprintf("lane-%d", i), Holder: fmt.Sprintf("etl-7d9f-%d", i%6), Pending: i % 7, Read: int64(i) * 1000,
			Progress: driver.Progress{UpTo: record.Position{Sub: int64(i) * 1000}, MaxEventTime: clock, Watermark: clock.Add(-15 * time.Minute)},
		}
		s.Read += int64(i) * 1000
		s.Counts[stream.Written] += int64(i)*1000 - int64(i%7)
	}
	return s
}

// Status is one in which everything is set.
func Status(now time.Time) stream.Status {
	files := map[driver.FileKind]driver.FileSum{{Flow: "hits", Kind: "data"}: {Files: 12, Rows: 79_000, Bytes: 9 << 20}, {Flow: "hits", Kind: "dead"}: {Files: 1, Rows: 2, Bytes: 900}}
	took := driver.CommitTimes{Staging: 800 * time.Millisecond, Appending: 90 * time.Millisecond, Publishing: 400 * time.Millisecond}
	var counts stream.Counts
	for i := range counts {
		counts[i] = int64(1000 * (i + 1))
	}
	return stream.Status{
		Instance: "etl-7d9f-0", Lanes: 12, Pending: 17, Bytes: 33 << 20, Memory: 512 << 20,
		Lag: driver.Lag{Records: 4711, Retention: 100 * time.Hour}, Uncommitted: 800, Delay: 42 * time.Second,
		EarliestHour: now.Truncate(time.Hour).Add(-71 * time.Hour), LastCommit: now.Add(-20 * time.Second), OldestPending: now.Add(-90 * time.Second),
		Read: 1_234_567, Rate: 5432.1, Counts: counts,
		Reasons: map[stream.Reason]int64{{Fate: stream.Filtered, Why: "bot"}: 900, {Fate: stream.Dead, Why: "decode: unexpected end of JSON input"}: 3}, LateRows: map[string]int64{"hits": 5},
		Commits: 99, Fenced: 1, Files: files, Took: took,
		Commit: &stream.CommitStatus{
			Began: now.Add(-22 * time.Second), Ended: now.Add(-20 * time.Second), Reason: "time", Entry: 41_217, Lanes: 12, Read: 80_000, Counts: counts, Files: files, CommitTimes: took,
		},
		Entry: 41_217, Outrun: 7, Unpublished: 1, Closed: now.Truncate(time.Hour).Add(-71 * time.Hour), Sealed: now.Truncate(time.Hour).Add(-72 * time.Hour),
		Jumps: 1, OddTimes: 2, Merge: &driver.Merge{Hour: now.Truncate(time.Hour).Add(-72 * time.Hour), Units: 8, Done: 3, Packs: 60, Bytes: 1 << 30}, Housekeeping: errors.New("sweep: not allowed"), Ready: true,
	}
}
