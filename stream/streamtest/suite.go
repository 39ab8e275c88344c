package streamtest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// RunSource checks that a source keeps to the contract of driver.Source. open makes a source that is assigned all of a
// log with at least two partitions and twenty records in each; the records are the same at each call, and none are added
// while a test runs. It closes nothing but what it opened: each source is closed by the suite.
func RunSource(t *testing.T, open func(t *testing.T) driver.Source) {
	t.Helper()
	s := &sourceSuite{open: open}
	for _, c := range []struct {
		name string
		run  func(*sourceSuite, *testing.T)
	}{
		{"Info", (*sourceSuite).info},
		{"DeliversEachRecordOnceAndInOrder", (*sourceSuite).inOrder},
		{"StartsAfterUpTo", (*sourceSuite).afterUpTo},
		{"DeliversPendingRecordsFirst", (*sourceSuite).pendingFirst},
		{"DeliversWarmUpBeforeEverything", (*sourceSuite).warmUp},
		{"WarmsUpFromTheTimeThatItIsTold", (*sourceSuite).warmFrom},
		{"StartDropsWhatWasRead", (*sourceSuite).startAgain},
		{"PausedLanesDeliverOneMoreBatch", (*sourceSuite).pause},
		{"InterruptedPollLosesNothing", (*sourceSuite).interrupt},
		{"ProvesTheEndOnlyAtTheEnd", (*sourceSuite).atEnd},
		{"ListsItsPartitions", (*sourceSuite).partitions},
		{"KeepsBytesUntilRelease", (*sourceSuite).bytes},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(s, t) })
	}
}

// sourceSuite is a run of the suite.
type sourceSuite struct {
	open func(t *testing.T) driver.Source
	all  map[record.Partition][]record.Record // what the log holds, once it was read
}

// suiteTime is how long a case may take.
const suiteTime = time.Minute

// suiteQuiet is how long a source may say nothing although there is something to deliver.
const suiteQuiet = 15 * time.Second

// records reads the log once and keeps what it found.
func (s *sourceSuite) records(t *testing.T) map[record.Partition][]record.Record {
	t.Helper()
	if s.all != nil {
		return s.all
	}
	r := s.read(t)
	r.start(nil, nil)
	r.until("the proof of the end", func() bool { return r.eof || r.enough() && r.proved() })
	s.all = r.got
	if len(s.all) < 2 {
		t.Fatalf("the log has records in %d partitions, want at least 2", len(s.all))
	}
	for p, records := range s.all {
		if len(records) < 20 {
			t.Fatalf("%v has %d records, want at least 20", p, len(records))
		}
	}
	return s.all
}

func (s *sourceSuite) info(t *testing.T) {
	r := s.read(t)
	a, b := r.src.Info(), r.src.Info()
	if a.ID == "" || a.ID != b.ID || !slices.Equal(a.Topics, b.Topics) || !slices.IsSorted(a.Topics) {
		t.Errorf("Info returned %+v, then %+v, want the same, with an ID and sorted topics", a, b)
	}
	if another := s.read(t).src.Info(); another.ID != a.ID {
		t.Errorf("a source opened again has ID %q, want %q", another.ID, a.ID)
	}
}

func (s *sourceSuite) inOrder(t *testing.T) {
	for p, records := range s.records(t) {
		for i := 1; i < len(records); i++ {
			if records[i].Position.Compare(records[i-1].Position) <= 0 {
				t.Errorf("%v: position %v came behind %v", p, records[i].Position, records[i-1].Position)
			}
		}
	}
}

func (s *sourceSuite) afterUpTo(t *testing.T) {
	all, r := s.records(t), s.read(t)
	from := map[record.Partition]driver.Progress{}
	for p, records := range all {
		from[p] = driver.Progress{UpTo: records[6].Position}
	}
	r.start(from, nil)
	r.toEnd(all)
	for p, records := range all {
		r.want(p, r.got[p], records[7:])
	}
}

// middle is a progress at record 12 with some pending, and the records that are.
func middle(records []record.Record) (driver.Progress, []record.Record) {
	pending := []int{2, 3, 7, 12}
	first := records[pending[0]].Position
	h := driver.PendingSet{First: first, Through: uint64(12 - pending[0] + 1)}
	if first.Seq == "" {
		h.Through = uint64(records[12].Position.Sub-first.Sub) + 1
	}
	var back []record.Record
	for _, i := range pending {
		ord := uint32(i - pending[0])
		if first.Seq == "" {
			ord = uint32(records[i].Position.Sub - first.Sub)
		}
		h.Ordinals = append(h.Ordinals, ord)
		back = append(back, records[i])
	}
	eventTime := slices.MaxFunc(records[:13], func(a, b record.Record) int { return a.Time.Compare(b.Time) }).Time
	return driver.Progress{UpTo: records[12].Position, Pending: h, MaxEventTime: eventTime}, back
}

func (s *sourceSuite) middle(t *testing.T) (from map[record.Partition]driver.Progress, back map[record.Partition][]record.Record) {
	from, back = map[record.Partition]driver.Progress{}, map[record.Partition][]record.Record{}
	for p, records := range s.records(t) {
		from[p], back[p] = middle(records)
	}
	return from, back
}

func (s *sourceSuite) pendingFirst(t *testing.T) {
	from, back := s.middle(t)
	r := s.read(t)
	r.start(from, nil)
	r.toEnd(s.all)
	r.checkPendingFirst(s.all, from, back)
}

func (s *sourceSuite) warmUp(t *testing.T) {
	from, back := s.middle(t)
	r := s.read(t)
	r.start(from, &driver.Start{Warmup: time.Hour})
	r.toEnd(s.all)
	r.checkPendingFirst(s.all, from, back)
	for p, records := range s.all {
		want := slices.DeleteFunc(slices.Clone(records[:13]), func(rec record.Record) bool {
			return slices.ContainsFunc(back[p], func(b record.Record) bool { return b.Position == rec.Position })
		})
		slices.SortFunc(r.warm[p], func(a, b record.Record) int { return a.Position.Compare(b.Position) })
		r.want(p, r.warm[p], want)
	}
	other := map[string]bool{}
	for _, d := range r.order {
		if d.warm && other[d.lane] {
			t.Errorf("lane %s: a warm-up record came after another one", d.lane)
		}
		other[d.lane] = other[d.lane] || !d.warm
	}
	for _, a := range r.lanes {
		if r.done[a.Lane] != 1 {
			t.Errorf("lane %s: WarmDone came %d times, want once", a.Lane, r.done[a.Lane])
		}
	}
}

// Contract: what a partition's own clock says does not matter; a lane's slowest partition may need records of the others.
func (s *sourceSuite) warmFrom(t *testing.T) {
	from, back := s.middle(t)
	var at time.Time // in the middle of some partition
	for _, records := range s.all {
		at = records[6].Time
	}
	r := s.read(t)
	r.start(from, &driver.Start{Warmup: time.Hour, WarmFrom: at})
	r.toEnd(s.all)
	r.checkPendingFirst(s.all, from, back)
	for p, records := range s.all {
		for _, rec := range records[:13] {
			same := func(b record.Record) bool { return b.Position == rec.Position }
			switch got, pending := slices.ContainsFunc(r.warm[p], same), slices.ContainsFunc(back[p], same); {
			case got && pending:
				t.Errorf("%v: the pending record %v came for the warm-up", p, rec.Position)
			case !got && !pending && !rec.Time.Before(at):
				t.Errorf("%v: record %v of %v did not come, want all from %v on", p, rec.Position, rec.Time, at)
			}
		}
	}
}

func (s *sourceSuite) startAgain(t *testing.T) {
	all, r := s.records(t), s.read(t)
	r.start(nil, nil)
	r.until("some records", func() bool { return len(r.order) >= 5 })
	from, back := s.middle(t)
	r.start(from, nil)
	r.order = nil
	clear(r.got)
	r.toEnd(all)
	r.checkPendingFirst(all, from, back)
}

func (s *sourceSuite) pause(t *testing.T) {
	all, r := s.records(t), s.read(t)
	r.start(nil, nil)
	r.until("a record", func() bool { return len(r.order) > 0 })
	lane := r.order[0].lane
	r.src.Pause(lane, true)
	more := 0
	for range 20 {
		short, cancel := context.WithTimeout(r.ctx, 100*time.Millisecond)
		if b := r.poll(short); b.Lane == lane && len(b.Records) > 0 {
			more++
		}
		idle := short.Err() != nil
		cancel()
		if idle || r.eof {
			break
		}
	}
	if more > 1 {
		t.Errorf("%d batches came after Pause, want at most one", more)
	}
	if r.eof {
		t.Fatal("io.EOF while a lane is paused")
	}
	r.src.Pause(lane, false)
	r.toEnd(all)
	for p, records := range all {
		r.want(p, r.got[p], records)
	}
}

func (s *sourceSuite) interrupt(t *testing.T) {
	all, r := s.records(t), s.read(t)
	r.start(nil, nil)
	done, cancel := context.WithCancel(r.ctx)
	cancel()
	for i := range 5 {
		short, cancel := context.WithTimeout(r.ctx, time.Duration(i)*100*time.Microsecond)
		r.poll(short)
		cancel()
		r.poll(done)
		if r.eof {
			break
		}
	}
	if !r.eof {
		r.toEnd(all)
	}
	for p, records := range all {
		r.want(p, r.got[p], records)
	}
}

func (s *sourceSuite) atEnd(t *testing.T) {
	all, r := s.records(t), s.read(t)
	r.start(nil, nil)
	before := map[record.Partition]record.Position{}
	for p, records := range all {
		before[p] = records[len(records)-2].Position
	}
	proved, err := r.src.AtEnd(r.ctx, before)
	if err != nil || len(proved) > 0 {
		t.Errorf("AtEnd one record before the end proved %v (%v), want nothing", proved, err)
	}
}

func (s *sourceSuite) partitions(t *testing.T) {
	r := s.read(t)
	list, err := r.src.Partitions(r.ctx)
	if err != nil {
		t.Fatalf("Partitions: %v", err)
	}
	for _, a := range r.lanes {
		if len(a.Partitions) == 0 || a.Lane == "" {
			t.Errorf("assigned %+v, want a name and partitions", a)
		}
		for _, p := range a.Partitions {
			if !slices.Contains(list, p) {
				t.Errorf("Partitions leaves out %v, which is assigned", p)
			}
		}
	}
}

func (s *sourceSuite) bytes(t *testing.T) {
	all, r := s.records(t), s.read(t)
	r.start(nil, nil)
	var kept []*driver.Batch
	n := 0
	for want := total(all); n < want && !r.eof; {
		b := r.poll(r.ctx)
		kept = append(kept, b)
		n += len(b.Records)
	}
	at := map[record.Partition]int{}
	for _, b := range kept {
		for i := range b.Records {
			rec := &b.Records[i]
			if at[*rec.Partition] >= len(all[*rec.Partition]) {
				t.Fatalf("%v of %v was not there before", rec.Position, *rec.Partition)
			}
			want := all[*rec.Partition][at[*rec.Partition]]
			at[*rec.Partition]++
			if !bytes.Equal(rec.Value, want.Value) || !bytes.Equal(rec.Key, want.Key) {
				t.Errorf("%v of %v changed before its batch was released", rec.Position, *rec.Partition)
			}
		}
		b.Release()
	}
}

func total(all map[record.Partition][]record.Record) (n int) {
	for _, p := range slices.SortedFunc(maps.Keys(all), record.Partition.Compare) {
		n += len(all[p])
	}
	return cmp.Or(n, 1)
}
