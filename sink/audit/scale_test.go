package audit

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// dayOf is a store with a day of batches of 1,000 lines, whose objects it makes up when they are listed.
type dayOf struct {
	*sinktest.Memory
	batches int
}

const dayMilli = 24 * 60 * 60 * 1000

var day = time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)

func (d *dayOf) id(i int) ID {
	id := NewID(day.Add(time.Duration(i*dayMilli/d.batches) * time.Millisecond))
	x := uint64(i) * 0x9e3779b97f4a7c15
	binary.BigEndian.PutUint16(id[6:], uint16(x>>40))
	binary.BigEndian.PutUint64(id[8:], x^x>>29)
	return id
}

// within are the numbers of the batches of a window.
func (d *dayOf) within(from, to time.Time) (first, end int) {
	at := func(t time.Time) int {
		return min(d.batches, max(0, (int(t.Sub(day).Milliseconds())*d.batches+dayMilli-1)/dayMilli))
	}
	return at(from), at(to)
}

func (d *dayOf) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	folder, hour, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(prefix, "/"), "_audit/clicks/"), "/")
	at, err := time.Parse(hourName, hour)
	if err != nil || folder == "repairs" {
		return d.Memory.List(ctx, prefix, after)
	}
	rest := ""
	if folder == "registry" {
		rest = fmt.Sprintf("-1000-500000-%d", at.UnixMilli())
	}
	return func(yield func(storage.Object, error) bool) {
		first, end := d.within(at, at.Add(time.Hour))
		for i := first; i < end; i++ {
			if !yield(storage.Object{Key: prefix + d.id(i).String() + rest}, nil) {
				return
			}
		}
	}
}

// note commits what a job of four lanes would note: a transaction a minute. Of one batch in 10,000 a lane is missing.
func (d *dayOf) note(b *testing.B, to time.Time, rows func(lane int) spans) {
	b.Helper()
	flows := []sink.Flow[string]{{Name: "rows", Format: format.Lines(".txt", func(dst []byte, s *string) ([]byte, error) { return append(dst, *s...), nil })}}
	out, err := sink.Open(b.Context(), d, "etl", flows, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := out.Attach(b.Context(), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: []string{"s"}}, Workers: 1}); err != nil {
		b.Fatal(err)
	}
	p := record.Partition{Source: "s", ID: "0"}
	if _, err := out.Acquire(b.Context(), []driver.Assignment{{Lane: "l", Partitions: []record.Partition{p}}}); err != nil {
		b.Fatal(err)
	}
	of := [4]spans{rows(0), rows(1), rows(2), rows(3)}
	var txn driver.Txn[string]
	n := int64(0)
	for at := day; at.Before(to); at = at.Add(time.Minute) {
		var notes []record.Note
		first, end := d.within(at, at.Add(time.Minute))
		for lane := range of {
			note := record.Note{Name: Notes, Time: at}
			for i := first; i < end; i++ {
				if i%10_000 == 77 && lane == 2 {
					continue
				}
				a := arrived{id: d.id(i), run: span{1, 0}, came: of[lane]}
				note.Body, note.Rows = a.append(note.Body), note.Rows+1
			}
			notes = append(notes, note)
		}
		n++
		txn = out.Begin(txn)
		_, err := txn.Commit(b.Context(), driver.Cut{Lanes: []driver.LaneCut{{
			Lane: "l", Partitions: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: n}, MaxEventTime: to.Add(time.Hour), Arrived: to.Add(time.Hour)}},
			Counts: map[record.Partition]record.Counts{p: {record.Filtered: 1}}, Read: map[record.Partition]int64{p: 1}, Notes: notes,
		}}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck audits batches of 1,000 lines that four lanes have read, with the store in memory. in_order is a day of a
// million batches whose lines come to a lane in runs of 250. spread is an hour of it, with lines that go to lanes by chance.
func BenchmarkCheck(b *testing.B) {
	inOrder := func(lane int) spans { return spans{{uint32(1 + 250*lane), uint32(250 + 250*lane)}} }
	spread := func(lane int) (s spans) {
		for line := uint32(1); line <= 1000; line++ {
			if int(line*2654435761>>20)%4 == lane {
				s.add(line)
			}
		}
		return s
	}
	for name, c := range map[string]struct {
		hours int
		rows  func(int) spans
	}{"in_order": {24, inOrder}, "spread": {1, spread}} {
		b.Run(name, func(b *testing.B) {
			store := &dayOf{&sinktest.Memory{Clock: func() time.Time { return day.Add(25 * time.Hour) }}, 1_000_000}
			to := day.Add(time.Duration(c.hours) * time.Hour)
			store.note(b, to, c.rows)
			f, err := OpenFolder(b.Context(), store, "clicks")
			if err != nil {
				b.Fatal(err)
			}
			config := Config{Output: store, Job: "etl", Batches: f, Registry: NewObjects(f)}
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			peak, over, watch := uint64(0), make(chan struct{}), sync.WaitGroup{}
			watch.Go(func() {
				for tick := time.NewTicker(20 * time.Millisecond); ; {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapInuse)
					select {
					case <-over:
						tick.Stop()
						return
					case <-tick.C:
					}
				}
			})
			_, batches := store.within(day, to)
			for b.Loop() {
				r, err := Check(b.Context(), config, day, to, nil)
				if err != nil || r.Sum.Batches != int64(batches) || r.Sum.Words[Incomplete] != int64((batches-78)/10_000+1) || len(r.Away) > 0 {
					b.Fatalf("%+v, %v, %v", r.Sum, r.Away, err)
				}
			}
			close(over)
			watch.Wait()
			b.ReportMetric(float64(int64(peak)-int64(before.HeapInuse))/(1<<20), "MiB")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/op")
		})
	}
}
