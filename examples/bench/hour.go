package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/onceflow/onceflow/examples/internal/procusage"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// The hour that is merged alone has few keys, so that its groups are compressed once. That beside which commits are timed has
// many, so that the merge compresses all of its rows and takes a processor.
const (
	fewKeys    = 40
	manyKeys   = 5000
	hourLines  = 40_000 // different rows; they come again further apart than a compressor looks back
	hourBudget = 128 << 20
	hourCommit = 128 << 20 // bytes of rows
	commits    = 300       // whose times are compared
	commitRows = 2000
)

// hourRow is a line of some key.
type hourRow struct {
	line []byte
	key  int
}

// hours writes packs and merges them, by the output's own door, in this process and on the local disk.
type hours struct {
	out   driver.Output[hourRow]
	store sink.Store
	lines [][]byte
	keys  int
	rows  uint64
	part  record.Partition
	at    driver.Progress
	last  driver.Txn[hourRow]
}

// mergeHours measures the merge of an hour of so many bytes of packs beside the writing of it, and how long commits take
// beside the merge of another.
func mergeHours(ctx context.Context, out io.Writer, size int64) error {
	dir, err := os.MkdirTemp("", "onceflow-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if size, err = fits(out, dir, size); err != nil {
		return err
	}
	first := time.Now().UTC().Truncate(time.Hour).Add(-9 * time.Hour)
	h, err := newHours(ctx, dir, first)
	if err != nil {
		return err
	}
	if err := h.alone(ctx, out, first, size); err != nil {
		return err
	}
	return h.beside(ctx, out, first.Add(2*time.Hour), size/4)
}

// fits makes size smaller if the disk has no room for packs and files of both hours, the second a quarter of the first.
func fits(out io.Writer, dir string, size int64) (int64, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return 0, err
	}
	if room := int64(disk.Bavail) * disk.Bsize; size > room/3 {
		fmt.Fprintf(out, "the disk has %d MB free: the hour has %d MB of packs, not %d\n", room/1e6, room/3e6, size/1e6)
		size = room / 3
	}
	return size, nil
}

func newHours(ctx context.Context, dir string, first time.Time) (*hours, error) {
	store, err := file.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	h := &hours{store: store, part: record.Partition{Source: topic, ID: "0"}}
	s := newSet(hourLines, time.Hour, time.Now())
	for i := range hourLines {
		h.lines = append(h.lines, s.append(nil, i))
	}
	flow := sink.Flow[hourRow]{
		Name: "all", Codec: codec.Zstd, Merge: true, Keys: []sink.Key[hourRow]{{Name: "tenant", Value: func(r *hourRow) string { return tenants[r.key] }}},
		Format: format.Lines(".jsonl", func(dst []byte, r *hourRow) ([]byte, error) { return append(dst, r.line...), nil }),
	}
	o, err := sink.Open(ctx, store, job, []sink.Flow[hourRow]{flow}, &sink.Options{Start: first})
	if err != nil {
		return nil, err
	}
	h.out = seal.Hourly(o, nil)
	info := driver.SourceInfo{ID: "bench", Topics: []string{topic}}
	if err := h.out.Attach(ctx, driver.Job{Source: info, Workers: 1, Budget: driver.NewBudget(hourBudget)}); err != nil {
		return nil, err
	}
	at, err := h.out.Acquire(ctx, []driver.Assignment{{Lane: "0", Partitions: []record.Partition{h.part}}})
	h.at = at[h.part]
	return h, err
}

// commit makes a transaction of n rows at a time, and returns how long its commit took.
func (h *hours) commit(ctx context.Context, at time.Time, n int) (took time.Duration, err error) {
	txn := h.out.Begin(h.last)
	events, fates := make([]record.Event[hourRow], 1000), make([]record.Fate, 1000)
	for done := 0; done < n; done += len(events) {
		events = events[:min(len(events), n-done)]
		for i := range events {
			r := mix(h.rows)
			h.rows++
			events[i] = record.Event[hourRow]{Time: at, Value: hourRow{h.lines[h.rows%hourLines], int(r % uint64(h.keys))}}
		}
		if _, err := txn.Write(ctx, driver.Writer{Lane: "0"}, events, fates[:len(events)]); err != nil {
			return 0, err
		}
	}
	h.at.UpTo.Sub += int64(n)
	h.at.MaxEventTime = at
	begin := time.Now()
	_, err = txn.Commit(ctx, driver.Cut{Lanes: []driver.LaneCut{{
		Lane: "0", Partitions: map[record.Partition]driver.Progress{h.part: h.at}, Read: map[record.Partition]int64{h.part: int64(n)},
		Counts: map[record.Partition]record.Counts{h.part: {record.Written: int64(n)}},
	}}})
	h.last = txn
	return time.Since(begin), err
}

// fill writes an hour until its packs have size bytes.
func (h *hours) fill(ctx context.Context, hour time.Time, size int64) error {
	for begin := h.packed(ctx); h.packed(ctx)-begin < size; {
		if _, err := h.commit(ctx, hour.Add(time.Minute), hourCommit/len(h.lines[0])); err != nil {
			return err
		}
	}
	return nil
}

// merge maintains the output until an hour is sealed.
func (h *hours) merge(ctx context.Context, hour time.Time) error {
	for {
		_, err := h.out.Maintain(ctx, func(context.Context) ([]record.Partition, error) { return []record.Partition{h.part}, nil })
		if err != nil {
			return err
		}
		if _, err := sink.Sealed(ctx, h.store, job, hour, nil); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
}

// packed is how long all packs are.
func (h *hours) packed(ctx context.Context) (n int64) {
	for o, err := range h.store.List(ctx, "", "") {
		if err == nil && object(o.Key) == "pack" {
			n += o.Size
		}
	}
	return n
}

func (h *hours) alone(ctx context.Context, out io.Writer, hour time.Time, size int64) error {
	h.keys = fewKeys
	before, _ := procusage.Self()
	if err := h.fill(ctx, hour, size); err != nil {
		return err
	}
	written, peak := procusage.Self()
	if _, err := h.commit(ctx, hour.Add(2*time.Hour), 1); err != nil { // ends the hour
		return err
	}
	begin := time.Now()
	if err := h.merge(ctx, hour); err != nil {
		return err
	}
	merged, peakMerged := procusage.Self()
	m, err := sink.Sealed(ctx, h.store, job, hour, nil)
	if err != nil {
		return err
	}
	length := int64(0)
	for i := range m.Files {
		length += m.Files[i].Length
	}
	fmt.Fprintf(out, "an hour of %d MB in packs, %d rows: written with %.1f s of CPU and a peak of %d MiB; merged to %d files of %d MB with %.1f s, %.2f of that "+
		"(must <= 0.5), in %.1f s, a peak of %d MiB with a budget of %d\n",
		h.packed(ctx)/1e6, h.rows-1, written-before, peak>>20, len(m.Files), length/1e6, merged-written, (merged-written)/(written-before),
		time.Since(begin).Seconds(), peakMerged>>20, hourBudget>>20)
	return nil
}

// beside compares times of commits with and without a merge.
func (h *hours) beside(ctx context.Context, out io.Writer, hour time.Time, size int64) error {
	h.keys = manyKeys
	if err := h.fill(ctx, hour, size); err != nil {
		return err
	}
	next := hour.Add(time.Hour + 5*time.Minute) // does not end it
	var without, with []time.Duration
	for range commits {
		d, err := h.commit(ctx, next, commitRows)
		if err != nil {
			return err
		}
		without = append(without, d)
	}
	next = hour.Add(time.Hour + 30*time.Minute) // ends it
	if _, err := h.commit(ctx, next, 1); err != nil {
		return err
	}
	merged := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { merged <- h.merge(ctx, hour) })
	defer wg.Wait()
	for len(merged) == 0 {
		d, err := h.commit(ctx, next, commitRows)
		if err != nil {
			return err
		}
		with = append(with, d)
	}
	if err := <-merged; err != nil {
		return err
	}
	fmt.Fprintf(out, "commits of %d rows: %d without a merge took %s, p99 %s; %d beside the merge of %d MB took %s, p99 %s, %.2f of that (must <= 1.5)\n",
		commitRows, len(without), percentile(without, 50), percentile(without, 99), len(with), size/1e6, percentile(with, 50), percentile(with, 99),
		percentile(with, 99).Seconds()/percentile(without, 99).Seconds())
	return nil
}

func percentile(all []time.Duration, p int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)].Round(100 * time.Microsecond)
}
